"""Every setting, typed, with a default that runs on one machine. Read from the environment as ``DOTHI_<NAME>``.

A secret may stand in a file instead, which ``DOTHI_<NAME>_FILE`` names: what runs containers hands secrets over so.
"""

import os
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import AwareDatetime, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dothi.model.mail import mail_of
from dothi.model.problem import bad_request

PREFIX = "DOTHI_"


class _FilesOfSecrets(PydanticBaseSettingsSource):
    """Secrets in files: one each, without the line's end. Raises Problem 400 for one that cannot be read or is set twice."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """What the file of this setting holds; None if no file is named or it is no secret."""
        name = f"{PREFIX}{field_name.upper()}"
        path = os.environ.get(f"{name}_FILE")
        if not path or SecretStr not in (field.annotation, *get_args(field.annotation)):
            return None, field_name, False
        if os.environ.get(name):
            raise bad_request(f"{name} and {name}_FILE are both set.", "Leave one of them out.")
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise bad_request(f"{name}_FILE cannot be read: {why}.", "Name a file that this process may read.") from None

    def __call__(self) -> dict[str, Any]:
        """Every secret that stands in a file."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Through which SMTP server mail leaves, and as whom. ``tls`` is starttls, tls or none."""

    host: str
    port: int
    tls: str
    sender: Address
    user: str
    password: SecretStr | None


_MAIL_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Settings(BaseSettings):
    """What an installation may choose. Docs list every one; a test fails on a setting the docs do not know."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    home: Path = Field(Path(".dothi"), description="Folder that holds all state of this installation.")
    host: str = Field("127.0.0.1", description="Address the web server listens on.")
    port: int = Field(8080, ge=0, le=65535, description="Port of the web server.")
    mqtt_port: int = Field(
        1883, ge=0, le=65535, description="Port of the MQTT listener: on DOTHI_HOST with TLS, on 127.0.0.1 without."
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate (with its chain) that web and MQTT show; needs DOTHI_TLS_KEY."
    )
    tls_key: Path | None = Field(None, description="PEM file of that certificate's private key, without a passphrase.")
    trusted_proxy: str = Field(
        "", description="Addresses or networks, comma-separated, of the reverse proxies whose X-Forwarded-* is believed."
    )
    names: str = Field("", description="Names, comma-separated, under which people reach the city, besides DOTHI_HOST.")
    city: str = Field("01", description="General Statistics Office code of the province or city (01 Hanoi, 25 Phú Thọ).")
    data: Path | None = Field(None, description="Folder with real data of the city; makes a replay city.")
    boundaries: str | None = Field(None, description="GeoJSON of ward boundaries: a file, or a URL followed by #sha256=….")
    working_time: Path | None = Field(
        None, description="TOML file with the city's own working hours, days off and promises, in place of its pack's."
    )
    recording: Path | None = Field(
        None, description="Folder to replay instead of the data folder: recorded data, or what dothi export wrote."
    )
    demo_work: bool = Field(
        True,
        description="Invented work to try things with, each piece marked so, in a city of simulated readings that only this "
        "machine reaches; it goes with the first real account or device.",
    )
    drill: str = Field(
        "",
        pattern=r"^[a-z0-9-]{0,60}$",
        description="Name of a drill: makes a city apart that says so on every page, from DOTHI_REPLAY_FROM to "
        "DOTHI_REPLAY_TO. dothi drill sets it.",
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
    oidc_issuer: str | None = Field(None, description="Issuer (URL) of the identity provider at which people sign in too.")
    oidc_client_id: str | None = Field(None, description="What this city is called there; needed with DOTHI_OIDC_ISSUER.")
    oidc_client_secret: SecretStr | None = Field(None, description="This city's secret there; without it PKCE alone.")
    oidc_groups: dict[str, list[dict[str, Any]]] = Field(
        {}, description='What groups there stand for here, as JSON: {"ioc": [{"role": "operator", "clearance": 1}]}.'
    )
    open_doors: Literal["", "ngsild"] = Field(
        "",
        description="A door that anybody on this machine may use fully without a key, for trying and for conformance tests: "
        "ngsild. Refused where anybody but this machine could reach the city.",
    )
    contexts: Path | None = Field(
        None, description="JSON file that maps addresses of JSON-LD contexts to local files, which are read in their place."
    )
    context_hosts: str = Field(
        "", description="Hosts, comma-separated, from which JSON-LD contexts may be fetched; empty fetches none."
    )
    receivers: str = Field(
        "",
        description="Origins (scheme://host:port), comma-separated, in networks of the city's own that subscriptions may "
        "notify; others only where their address is public.",
    )
    url: str = Field(
        "",
        pattern=r"^(https?://[^\s/?#]+)?$",
        description="Address at which people reach the city, for links in mails; where it listens if left out.",
    )
    mail_server: str = Field(
        "",
        pattern=r"^([A-Za-z0-9._-]+(:[0-9]{1,5})?)?$",
        description="Mail server (host or host:port) that sends what people asked to be told; without it nothing is sent.",
    )
    mail_from: str = Field(
        "", description="Who mails are from: an address, or Name <address>; needed with DOTHI_MAIL_SERVER."
    )
    mail_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="How the mail server is spoken to: starttls, tls from the first byte, or none (in the clear).",
    )
    mail_user: str = Field("", description="Who the city is to the mail server, if it asks; needs DOTHI_MAIL_PASSWORD.")
    mail_password: SecretStr | None = Field(None, description="The password of DOTHI_MAIL_USER.")
    temporal_page: int = Field(
        10_000, ge=10, le=1_000_000, description="Instances in one answer of NGSI-LD's temporal doors; more come in pages."
    )
    sectors: str = Field("", description="Comma-separated sectors to run; empty runs all that are installed.")
    disk_floor: float = Field(0.05, ge=0, lt=1, description="Share of free disk at which the city stops accepting.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in the code, the environment, then secrets from files."""
        return init_settings, env_settings, _FilesOfSecrets(settings_cls)

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate and key, if this city speaks TLS itself. Raises Problem 400 if only one is named."""
        if self.tls_certificate is None and self.tls_key is None:
            return None
        if self.tls_certificate is None or self.tls_key is None:
            raise bad_request("TLS needs a certificate and its key.", "Set DOTHI_TLS_CERTIFICATE and DOTHI_TLS_KEY.")
        return self.tls_certificate, self.tls_key

    @property
    def mail(self) -> MailSettings | None:
        """How mail leaves, if it does. Raises Problem 400 for what cannot work, or would tell a network the password."""
        host, _, port = self.mail_server.partition(":")
        if not host:
            return None
        name, address = parseaddr(self.mail_from)
        if mail_of(address) is None or not address.isascii():
            raise bad_request("Mail needs somebody whom it is from.", "Set DOTHI_MAIL_FROM: Đô Thị <bao@example.vn>")
        if bool(self.mail_user) != (self.mail_password is not None):
            raise bad_request("A mail server wants a user and a password, or neither.", "Set DOTHI_MAIL_PASSWORD_FILE too.")
        if self.mail_user and self.mail_tls == "none" and not _loopback(host):
            raise bad_request("The password would travel in the clear.", "Set DOTHI_MAIL_TLS to starttls or tls.")
        sender = Address(display_name=name, addr_spec=address)
        wanted = int(port or _MAIL_PORTS[self.mail_tls])
        return MailSettings(host, wanted, self.mail_tls, sender, self.mail_user, self.mail_password)

    @property
    def address(self) -> str:
        """The address (URL) that links in mails begin with."""
        if self.url:
            return self.url
        host = self.names.split(",")[0].strip() or self.host
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls_certificate else 'http'}://{shown}:{self.port}"

    @property
    def recorded_in(self) -> Path | None:
        """The folder whose recording this city replays, if it holds one; a drill replays only what it is told to."""
        return self.recording or (None if self.drill else self.data)

    @property
    def alone(self) -> bool:
        """True if nothing says that anybody but this machine is to reach the web server: no address, name, proxy or TLS."""
        return self.on_loopback and not (self.trusted_proxy or self.names or self.tls_certificate)

    @property
    def on_loopback(self) -> bool:
        """True if only this machine can reach the web server."""
        return _loopback(self.host)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
