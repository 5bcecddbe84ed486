"""Settings that need more than a default: secrets in files, and TLS that is whole or not at all."""

from pathlib import Path
from typing import Any

import pytest

from dothi.model.problem import Problem
from dothi.settings import Settings

URL = "postgresql://city:secret@localhost/city"


def test_a_secret_may_stand_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "database"
    file.write_text(URL + "\n")
    monkeypatch.setenv("DOTHI_DATABASE_FILE", str(file))
    read = Settings().database
    assert read is not None
    assert read.get_secret_value() == URL
    assert "city:secret" not in repr(Settings())
    monkeypatch.setenv("DOTHI_CITY_FILE", str(file))
    assert Settings().city == "01", "only what is secret is read from a file"


def test_a_secret_that_cannot_be_read_or_is_set_twice_is_said_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOTHI_DATABASE_FILE", str(tmp_path / "missing"))
    with pytest.raises(Problem, match="DOTHI_DATABASE_FILE cannot be read"):
        Settings()
    monkeypatch.setenv("DOTHI_DATABASE", URL)
    with pytest.raises(Problem, match="both set") as told:
        Settings()
    assert "secret" not in str(told.value)


def test_a_certificate_without_its_key_is_no_tls(tmp_path: Path) -> None:
    assert Settings().tls is None
    certificate, key = tmp_path / "a.pem", tmp_path / "b.pem"
    assert Settings(tls_certificate=certificate, tls_key=key).tls == (certificate, key)
    with pytest.raises(Problem, match="DOTHI_TLS_KEY"):
        _ = Settings(tls_certificate=certificate).tls


@pytest.mark.parametrize(
    "reached",
    [
        {"host": "0.0.0.0"},  # noqa: S104 - a value to judge, nothing is bound
        {"host": "192.0.2.7"},
        {"host": "city.example.vn"},
        {"trusted_proxy": "127.0.0.1"},
        {"names": "city.example.vn"},
        {"tls_certificate": Path("a.pem"), "tls_key": Path("b.pem")},
    ],
)
def test_a_city_is_alone_only_while_nothing_says_otherwise(reached: dict[str, Any]) -> None:
    assert Settings().alone
    assert Settings(host="localhost").alone
    assert Settings(host="::1").alone
    assert not Settings(**reached).alone
