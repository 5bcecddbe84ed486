"""``dothi account``: people are admitted, found and shut out from the machine the city runs on."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from dothi.cli import account, keys
from dothi.cli.client import write_address
from dothi.model.problem import Problem
from dothi.store.audit import walk
from dothi.testing.city import RunningCity, running_city


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    folder = tmp_path_factory.mktemp("city")
    (folder / "no-data").mkdir()
    with running_city(folder, data=folder / "no-data") as running:
        write_address(running.home, running.base_url, running.mqtt_port)
        yield running


@pytest.fixture
def dothi(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run ``dothi account …`` on the city of ``home``; gives what it printed, raises what it refused with."""

    return _runner(account.app, monkeypatch, capsys)


@pytest.fixture
def run_keys(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The same for ``dothi keys …``."""
    return _runner(keys.app, monkeypatch, capsys)


def _runner(app: typer.Typer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(home: Path, *words: str) -> str:
        monkeypatch.setenv("DOTHI_HOME", str(home))
        monkeypatch.setenv("COLUMNS", "200")
        typer.main.get_command(app).main(list(words), standalone_mode=False)
        return capsys.readouterr().out

    return run


def test_people_come_and_go(city: RunningCity, dothi: Callable[..., str]) -> None:
    home = city.home
    assert f"\n{city.base_url}/sign-in/link?token=" in "\n" + dothi(home, "first-link")
    told = dothi(home, "add", "lan", "--name", "Nguyễn Lan", "--role", "administrator", "--clearance", "restricted")
    assert "lan is known now." in told and "/sign-in/link?token=" in told
    assert "meter is known now." in dothi(home, "add", "meter", "--name", "Đồng hồ", "--role", "device", "--system")
    shown = dothi(home, "list", "--search", "nguyen")
    assert "administrator" in shown and "1 of 1" in shown and "Đồng hồ" not in shown
    with pytest.raises(Problem, match="has an administrator"):
        dothi(home, "first-link")
    assert "is shut out" in dothi(home, "disable", "meter", "--reason", "Thay đồng hồ, phiếu 12")
    with city.platform.database.reader() as db:
        assert [row.why for row in walk(db) if row.action == "account.disable"] == ["Thay đồng hồ, phiếu 12"]
    assert "disabled" in dothi(home, "list", "--search", "meter")
    assert "may sign in again" in dothi(home, "enable", "METER")
    assert f"{city.base_url}/sign-in/link?token=" in dothi(home, "reset-link", "lan")
    assert "password alone" in dothi(home, "forget-factors", "lan")
    with city.platform.database.reader() as db:
        assert [row.person for row in walk(db) if row.action == "account.forget-factors"] == ["local-operator"]
    for command in ("disable", "forget-factors"):
        with pytest.raises(Problem, match="Nobody is known as"):
            dothi(home, command, "nobody")


def test_a_system_gets_keys_and_loses_them(
    city: RunningCity, dothi: Callable[..., str], run_keys: Callable[..., str]
) -> None:
    home = city.home
    dothi(home, "add", "board", "--name", "Bảng tin", "--role", "operator", "--role", "engineer", "--system")
    told = run_keys(home, "issue", "board", "--label", "bảng tin", "--role", "operator", "--days", "30")
    secret, key = re.findall(r"(dothi_([0-9a-f]{16})_[\w-]{43})\n", told)[0]
    assert city.platform.keys.of_bearer(secret) is not None
    told = run_keys(home, "issue", "board", "--label", "kho", "--client")
    client, hidden = re.findall(r"^([0-9a-f]{16}):([\w-]{43})\n", told, re.MULTILINE)[0]
    assert city.platform.keys.authenticate("secret", client, hidden) is not None
    shown = run_keys(home, "list", "BOARD")
    assert (
        key in shown
        and client in shown
        and "engineer, operator" in shown.replace("operator, engineer", "engineer, operator")
    )
    assert hidden not in shown and secret not in shown
    assert "worth nothing" in run_keys(home, "revoke", "board", key, "--reason", "Thay khóa")
    assert city.platform.keys.of_bearer(secret) is None
    assert "revoked" in run_keys(home, "list", "board")
    for wrong in (
        ("revoke", "board", key),
        ("issue", "nobody", "--label", "x"),
        ("issue", "board", "--label", "x", "--days", "5"),
    ):
        with pytest.raises(Problem):
            run_keys(home, *wrong)


def test_without_the_key_of_the_home_nothing_is_told(city: RunningCity, dothi: Callable[..., str], tmp_path: Path) -> None:
    write_address(tmp_path, city.base_url, city.mqtt_port)
    with pytest.raises(Problem) as told:
        dothi(tmp_path, "list")
    assert told.value.status == 401
