"""``dothi personal …``: the register, an erasure, a breach as CSV and the copy of the keys, from a terminal."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_commands import dothi, refused

from dothi.access.personal.keys import FILE, WRAPPING, Keys
from dothi.access.personal.model import Purpose
from dothi.cli.client import write_address
from dothi.model.text import Text
from dothi.store.audit import walk
from dothi.testing.city import RunningCity, running_city
from dothi.testing.people import insider

NEWS = Purpose("news", Text("Gửi tin", "Send news"), Text("Tin của phường.", ""), "law", 30, "Luật X, điều 1")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    with running_city(tmp_path_factory.mktemp("city")) as running:
        write_address(running.home, running.base_url, running.mqtt_port)
        yield running


def test_from_the_register_to_a_copy_of_the_keys(city: RunningCity, tmp_path: Path) -> None:
    assert not (city.home / FILE).exists(), "a city that keeps nothing of anybody has no keys"
    assert "There are no keys" in refused(dothi(city.home, "personal", "keys", str(tmp_path / "keys.db")))
    personal = city.platform.personal
    city.run(personal.declare(insider(), NEWS))
    subject = city.run(personal.enrol(insider()))
    sealed = city.run(personal.seal(insider(), subject, "news", "identity", "001099012345"))
    told = dothi(city.home, "personal", "purposes")
    assert told.returncode == 0, told
    assert told.stdout.splitlines()[1].split()[0] == "news" and "Luật X, điều 1" in told.stdout
    file = tmp_path / "affected.csv"
    told = dothi(city.home, "personal", "breach", "--since", "2026-01-01", "-o", str(file))
    assert "1 affected" in told.stderr
    told = dothi(city.home, "personal", "breach", "--since", "2026-01-01", "--found", "2026-01-02T07:00+07:00")
    assert "Tell them by 2026-01-05T00:00:00Z at the latest" in told.stderr
    (row,) = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    assert (row["subject"], row["kinds"], row["sensitive"]) == (subject, "identity", "True")
    copy = tmp_path / "elsewhere" / FILE
    copy.parent.mkdir()
    assert "1 keys" in dothi(city.home, "personal", "keys", str(copy)).stdout
    (copy.parent / WRAPPING).write_bytes((city.home / WRAPPING).read_bytes())
    assert sealed.record in Keys(copy.parent).find([sealed.record])
    with city.platform.database.reader() as db:
        assert [row.action for row in walk(db) if row.detail == f"the keys of personal data to {copy}"] == ["city.export"]
    told = dothi(city.home, "personal", "erase", subject, "--reason", "Asked for it in writing, letter 17")
    assert told.returncode == 0 and "renew the copy" in told.stdout
    assert personal.keys.find([sealed.record]) == {}
    assert dothi(city.home, "personal", "keys", str(copy)).returncode == 0
    assert Keys(copy.parent).find([sealed.record]) == {}, "the newest copy has forgotten, too"
    assert "reason" in refused(dothi(city.home, "personal", "erase", subject, "--reason", "why")).lower()
