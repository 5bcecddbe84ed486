"""Every setting, typed, with a default that runs on one machine. Read from the environment as ``DOTHI_<NAME>``."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import AwareDatetime, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an installation may choose. Docs list every one; a test fails on a setting the docs do not know."""

    model_config = SettingsConfigDict(env_prefix="DOTHI_", extra="ignore", env_ignore_empty=True)

    home: Path = Field(Path(".dothi"), description="Folder that holds all state of this installation.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the web server.")
    mqtt_port: int = Field(1883, ge=0, le=65535, description="Port of the MQTT listener, on 127.0.0.1 always.")
    city: str = Field("01", description="General Statistics Office code of the province or city (01 Hanoi, 25 Phú Thọ).")
    data: Path | None = Field(None, description="Folder with real data of the city; makes a replay city.")
    boundaries: str | None = Field(None, description="GeoJSON of ward boundaries: a file, or a URL followed by #sha256=….")
    recording: Path | None = Field(
        None, description="Folder to replay instead of the data folder: recorded data, or what dothi export wrote."
    )
    replay_from: AwareDatetime | None = Field(None, description="Where a replay city's clock begins; half-way if left out.")
    replay_to: AwareDatetime | None = Field(
        None, description="Where a replay city's clock stops; the recording's end if left out."
    )
    replay_speed: float = Field(60.0, gt=0, le=100_000, description="City seconds per real second in a replay city.")
    open_meteo: str = Field(
        "off",
        pattern=r"^(off|on|https?://[^\s/?#]+(/[^\s?#]*)?)$",
        description="Modelled air and weather from Open-Meteo: off, on, or the address of an instance of your own.",
    )
    database: SecretStr | None = Field(None, description="URL of a PostgreSQL database; without it SQLite under home.")
    nats: SecretStr | None = Field(None, description="URL of an existing NATS; without it a child process is started.")
    sectors: str = Field("", description="Comma-separated sectors to run; empty runs all that are installed.")
    disk_floor: float = Field(0.05, ge=0, lt=1, description="Share of free disk at which the city stops accepting.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @property
    def recorded_in(self) -> Path | None:
        """The folder whose recording this city replays, if it holds one."""
        return self.recording or self.data

    @property
    def on_loopback(self) -> bool:
        """True if only this machine can reach the web server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False
