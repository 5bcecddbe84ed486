"""From the journal to the commit, with the real journal and the real database: good, odd, hostile, and when things fail."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from ingest_world import IRI, STATION, TYPES, World, ingesting, message, world

from dothi.access.policy import LOCAL_OPERATOR, SYSTEM
from dothi.data.ingest import Ingest
from dothi.devices.registry import MappingRule
from dothi.model.clock import ReplayClock, to_micros
from dothi.model.entity import LOCATION, Entity
from dothi.model.reading import Grade, Origin, Reason
from dothi.model.unit import UNITS

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)
GOOD = (int(Grade.GOOD), 0)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.usefixtures("homes")
async def test_a_batch_becomes_history_and_the_rest_of_it_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one, two = await city.device("tram-1"), await city.device("tram-22")
        at = city.now - HOUR
        await city.send(
            [
                {"device": "tram-1", "at": at, "values": {"pm25": 22.0, "temperature": 31}},
                {"device": "tram-1", "at": at.replace(tzinfo=None).isoformat(), "values": {"pm25": 1.0}},
                {"device": "tram-22", "at": at, "values": {"pm25": 40.5, "bui": 3}},
                {"device": "nobody", "at": at, "values": {"pm25": 1.0}},
                {"device": "tram-22", "at": at + timedelta(days=3_700), "values": {"pm25": 1.0}},
            ],
            correlation="one-door",
        )
        await city.drained()
        assert city.values(one, "pm25") == [(22.0, *GOOD)]
        assert city.values(one, "temperature") == [(31.0, *GOOD)]
        assert city.values(two, "pm25") == [(40.5, *GOOD)]
        assert city.reasons() == {"naive-time": 1, "unmapped-key": 1, "absurd-time": 1}
        assert [view.device for view in city.registry.lobby(LOCAL_OPERATOR)[0]] == ["nobody"]
        rows, total = city.quarantine.list(SYSTEM)
        assert total == 3
        assert {row.correlation for row in rows} == {"one-door"}
        assert {row.device for row in rows} == {"tram-1", "tram-22"}
        figures = city.ingest.figures
        assert (figures.readings, figures.good, figures.quarantined, figures.unknown) == (3, 3, 3, 1)
        assert city.registry.state_of("tram-1") == "live"


@pytest.mark.usefixtures("homes")
async def test_the_same_again_is_nothing_and_another_value_is_a_revision(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        at = city.now - HOUR
        hanoi_time = at.astimezone(timezone(timedelta(hours=7)))
        await city.send({"at": at, "values": {"pm25": 22.0}}, device="tram-1")
        await city.send({"at": hanoi_time, "values": {"pm25": 22.0}}, device="tram-1")
        await city.send({"at": at.timestamp() * 1000, "values": {"pm25": 22}}, device="tram-1")
        await city.drained()
        assert city.ingest.figures.repeated == 2
        await city.send([{"at": at, "values": {"pm25": 23.0}}, {"at": at, "values": {"pm25": 24.0}}], device="tram-1")
        await city.drained()
        rows = city.history.series(SYSTEM, one, IRI + "pm25", at, at + HOUR)
        assert (rows.values, rows.revisions) == ([24.0], [2])
        assert city.ingest.figures.revisions == 2


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"device": "tram-1", "values": {"pm25": NaN}}', "bad-number"),
        (b'{"device": "tram-1", "values": {"pm25": 1e999}}', "bad-number"),
        (b'{"device": "tram-1", "values": {"pm25": "\xff\xfe"}}', "not-utf8"),
        (b"\x00\x01\x02", "not-json"),
        (b"", "not-json"),
        (b'{"device": "tram-1", "values": 5}', "bad-shape"),
    ],
)
async def test_what_cannot_be_read_is_held_as_it_came(tmp_path: Path, body: bytes, reason: str) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.send(body, correlation="broken")
        await city.send({"values": {"pm25": 5.0}}, device="tram-1")
        await city.drained()
        [row], _ = city.quarantine.list(SYSTEM)
        assert (row.reason, row.correlation) == (reason, "broken")
        assert city.quarantine.get(SYSTEM, row.id)[1] == body
        assert len(city.values(one, "pm25")) == 1


async def test_units_are_converted_and_a_wrong_one_is_said(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1", {"mg": MappingRule("pm25", "GP"), "i2": MappingRule("index", None, "urn:d:2")})
        sent = [
            {"pm25": {"value": 0.022, "unit": UNITS["GP"].symbol}},
            {"mg": 0.03},
            {"temperature": {"value": 300.0, "unit": "KEL"}},
            {"temperature": {"value": 28.5, "unit": UNITS["GQ"].symbol}},
            {"temperature": {"value": 27.5, "unit": "no such unit"}},
            {"index": {"value": 7, "unit": "GQ"}, "i2": 8},
        ]
        for hour, values in enumerate(sent):
            await city.send({"at": city.now - (10 - hour) * HOUR, "values": values}, device="tram-1")
        await city.drained()
        wrong = (int(Grade.SUSPECT), int(Reason.UNIT))
        assert city.values(one, "pm25") == [(pytest.approx(22.0), *GOOD), (pytest.approx(30.0), *GOOD)]
        assert city.values(one, "temperature") == [(pytest.approx(26.85), *GOOD), (28.5, *wrong), (27.5, *wrong)]
        assert city.values(one, "index") == [(7.0, *wrong)]
        second = city.history.series(SYSTEM, one, IRI + "index", city.now - 9 * HOUR, city.now, dataset_id="urn:d:2")
        assert second.values == [8.0]


@pytest.mark.usefixtures("homes")
async def test_what_is_not_of_the_attributes_kind_is_kept_and_marked(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        point = {"type": "Point", "coordinates": [105.8, 21.0]}
        right = {"note": "Đã sửa", "setup": {"a": [1]}, "area": point, "pm25": 3, "open": False}
        wrong = {"note": 5.0, "area": {"type": "Blob"}, "pm25": "cao", "temperature": None, "index": True, "open": 1}
        await city.send({"at": city.now - 2 * HOUR, "values": right}, device="tram-1")
        await city.send({"at": city.now - HOUR, "values": wrong}, device="tram-1")
        await city.drained()
        bad = (int(Grade.BAD), int(Reason.TYPE))
        assert city.values(one, "note") == [("Đã sửa", *GOOD), (5.0, *bad)]
        assert city.values(one, "open") == [(False, *GOOD), (1.0, *bad)]
        assert city.values(one, "area") == [(point, *GOOD), ({"type": "Blob"}, *bad)]
        assert city.values(one, "pm25") == [(3.0, *GOOD), ("cao", *bad)]
        assert city.values(one, "setup") == [({"a": [1]}, *GOOD)]
        assert city.values(one, "temperature") == [(None, *bad)]
        assert city.values(one, "index") == [(True, *bad)]


async def test_text_is_kept_in_one_normal_form(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.send({"at": city.now, "values": {"note": "Hồ Gươm"}}, device="tram-1")
        await city.drained()
        assert city.values(one, "note") == [("Hồ Gươm", *GOOD)]


async def test_two_devices_on_one_coordinate_are_suspect(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1", place=(105.81, 21.01))
        await city.send({"at": city.now - HOUR, "values": {"pm25": 5.0}}, device="tram-1")
        await city.drained()
        await city.device("tram-2", place=(105.81, 21.01))
        await city.send({"at": city.now, "values": {"pm25": 6.0}}, device="tram-1")
        await city.drained()
        assert city.values(one, "pm25") == [(5.0, *GOOD), (6.0, int(Grade.SUSPECT), int(Reason.SHARED_PLACE))]


@pytest.mark.usefixtures("homes")
async def test_a_device_that_says_where_it_is_moves(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("xe-1", place=(105.75, 21.0))
        await city.send({"at": city.now, "values": {"pm25": 5.0}, "location": [105.85, 21.0]}, device="xe-1")
        await city.drained()
        with city.database.reader() as connection:
            assert connection.execute("SELECT ward, west FROM entity WHERE id = ?", (one,)).fetchone() == ("00002", 105.85)
        track = city.history.series(SYSTEM, one, LOCATION, city.now - HOUR, city.now + HOUR)
        assert track.values == [{"type": "Point", "coordinates": [105.85, 21.0]}]


async def test_a_refused_device_is_counted_and_not_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.send({"at": city.now - HOUR, "values": {"pm25": 5.0}}, device="tram-1")
        await city.drained()
        await city.registry.refuse(LOCAL_OPERATOR, "tram-1")
        await city.send({"at": city.now, "values": {"pm25": 6.0}}, device="tram-1")
        await city.drained()
        assert len(city.values(one, "pm25")) == 1
        assert city.ingest.figures.refused == 1


@pytest.mark.usefixtures("homes")
async def test_a_flood_of_unknown_devices_fills_the_lobby_and_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        for part in range(3):
            flood = [{"device": f"x{part}-{n}", "values": {"pm25": 1.0}} for n in range(4_000)]
            await city.send([*flood, {"device": "tram-1", "at": city.now - part * HOUR, "values": {"pm25": 5.0 + part}}])
        await city.drained()
        assert city.registry.counts(LOCAL_OPERATOR)["lobby"] == 10_000
        assert city.registry.lobby_refused == 2_000
        assert city.ingest.figures.unknown == 12_000
        assert len(city.values(one, "pm25")) == 3


@pytest.mark.usefixtures("homes")
async def test_a_device_admitted_while_its_message_is_on_its_way_is_not_sent_to_the_lobby(tmp_path: Path) -> None:
    async with world(tmp_path, run=False) as city:
        loop, commit, admitted = asyncio.get_running_loop(), city.ingest._commit, []

        def admit_behind(messages: object) -> None:
            commit(messages)
            if not admitted:
                admitted.append(asyncio.run_coroutine_threadsafe(city.device("tram-1"), loop).result(30))

        city.ingest._commit = admit_behind  # the one moment that cannot be met from outside
        await city.send({"at": city.now, "values": {"pm25": 6.0}}, device="tram-1")
        async with ingesting(city.ingest):
            await city.drained()
        assert city.values(admitted[0], "pm25") == [(6.0, *GOOD)]
        assert city.registry.lobby(LOCAL_OPERATOR)[1] == 0


@pytest.mark.usefixtures("homes")
async def test_readings_of_a_deleted_thing_are_held(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.send({"at": city.now - HOUR, "values": {"pm25": 6.0}}, device="tram-1")
        await city.drained()
        await city.writer.save(SYSTEM, "delete", Entity(one, STATION.iri), at=city.now)
        await city.send({"at": city.now, "values": {"pm25": 6.0}}, device="tram-1")
        await city.drained()
        assert city.reasons() == {"no-entity": 1}


async def test_a_locked_database_loses_nothing_and_acknowledges_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        city.writer._db.execute("PRAGMA busy_timeout=20")  # a real city waits ten seconds before it gives up
        other = sqlite3.connect(city.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        lag, words = [], []

        async def look() -> None:
            lag.append(await city.journal.lag())
            words.append(city.ingest.figures.stalled)
            if len(lag) == 3:
                other.execute("ROLLBACK")

        city.on_pause = look
        await city.send({"at": city.now, "values": {"pm25": 6.0}}, device="tram-1")
        await city.drained()
        other.close()
        assert lag == [1, 1, 1]
        assert "locked" in words[0]
        assert city.pauses == sorted(city.pauses)
        assert city.values(one, "pm25") == [(6.0, *GOOD)]
        assert city.ingest.figures.stalled == ""
        assert city.ingest.figures.readings == 1


async def test_a_full_disk_stalls_ingest_until_there_is_room(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        pages = city.writer._db.execute("PRAGMA page_count").fetchone()[0]
        city.writer._db.execute(f"PRAGMA max_page_count={pages}")
        words = []

        async def make_room() -> None:
            words.append(city.ingest.figures.stalled)
            city.writer._db.execute("PRAGMA max_page_count=1000000000")

        city.on_pause = make_room
        sent = [{"at": city.now - n * HOUR / 60, "values": {"note": "x" * 5_000}} for n in range(50)]
        await city.send(sent, device="tram-1")
        await city.drained()
        assert "full" in words[0]
        assert len(city.values(one, "note")) == 50
        assert city.ingest.figures.poison == 0


async def test_only_the_poison_of_a_batch_goes_to_quarantine(tmp_path: Path) -> None:
    async with world(tmp_path, run=False) as city:
        one = await city.device("tram-1")
        city.writer._db.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON reading WHEN NEW.number = 99 BEGIN SELECT RAISE(ABORT, 'no 99'); END"
        )
        for n in range(20):
            await city.send({"at": city.now - n * HOUR, "values": {"pm25": 5.0 + n}}, device="tram-1")
        items = [{"at": city.now - (20 + n) * HOUR, "values": {"pm25": 5.0}} for n in range(6)]
        items[3]["values"] = {"pm25": 99.0}
        items.append({"at": "2026-05-14T00:00:00", "values": {"pm25": 5.0}})
        await city.send(items, device="tram-1", correlation="poisoned")
        async with ingesting(city.ingest):
            await city.drained()
        assert len(city.values(one, "pm25")) == 25
        assert city.reasons() == {"poison": 1, "naive-time": 1}
        [row], _ = city.quarantine.list(SYSTEM, "poison")
        assert row.correlation == "poisoned"
        assert b"99.0" in city.quarantine.get(SYSTEM, row.id)[1]
        assert "no 99" in row.detail
        assert city.ingest.figures.poison == 1
        assert city.pauses == []


@pytest.mark.usefixtures("homes")
async def test_what_was_not_acknowledged_comes_again_after_a_restart_and_is_there_once(tmp_path: Path) -> None:
    async with world(tmp_path, run=False) as city:
        one = await city.device("tram-1")
        await city.send({"at": city.now, "values": {"pm25": 6.0}}, device="tram-1")
        [taken] = await city.journal.fetch(10, 60.0)
        city.ingest._commit([taken])  # killed here: committed, never acknowledged
        assert len(city.values(one, "pm25")) == 1
        assert await city.journal.lag() == 1
    async with world(tmp_path) as city:
        await city.drained()
        rows = city.history.series(SYSTEM, one, IRI + "pm25", city.now - HOUR, city.now + HOUR)
        assert (rows.values, rows.revisions) == ([6.0], [0])
        assert city.ingest.figures.repeated == 1


async def test_in_a_replay_a_message_without_a_moment_is_there_once_after_a_kill(tmp_path: Path) -> None:
    start = datetime(2026, 5, 14, tzinfo=UTC)
    clock = ReplayClock(start, 3_600.0)

    def ingest(city: World, clock: ReplayClock) -> Ingest:
        return Ingest(city.journal, city.registry, city.writer, city.quarantine, TYPES, clock, city.database)

    async with world(tmp_path, run=False) as city:
        one = await city.device("tram-1")
        await city.send({"values": {"pm25": 6.0, "bui": 1.0}}, device="tram-1")
        killed = ingest(city, clock)
        killed._commit(await killed._gather())  # killed here: committed, never acknowledged
        assert await city.journal.lag() == 1
    async with world(tmp_path, run=False) as city:
        again = ingest(city, ReplayClock(clock.now() + HOUR, 60.0, earlier=clock.anchors))
        async with ingesting(again):
            await city.drained()
        assert again.figures.repeated == 1
        rows = city.history.series(SYSTEM, one, IRI + "pm25", start, start + 10_000 * HOUR)
        assert (rows.values, rows.revisions) == ([6.0], [0])
        assert city.quarantine.rows == 1


@pytest.mark.usefixtures("homes")
async def test_a_jump_is_seen_over_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.send({"at": city.now - HOUR, "values": {"pm25": 5.0}}, device="tram-1")
        await city.drained()
        again = Ingest(city.journal, city.registry, city.writer, city.quarantine, TYPES, city.clock, city.database)
        again._remember()
        again._commit([message({"at": city.now, "values": {"pm25": 900.0}}, city.now, "tram-1")])
        assert city.values(one, "pm25")[-1] == (900.0, int(Grade.SUSPECT), int(Reason.JUMP))


async def test_origin_and_moment_of_hearing_are_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.journal.append(
            b'{"values": {"pm25": 4}}',
            source="file",
            device="tram-1",
            content_type="application/json",
            correlation="c",
            origin=Origin.REPLAYED,
        )
        await city.drained()
        rows = city.history.series(SYSTEM, one, IRI + "pm25", city.now - HOUR, city.now + HOUR)
        assert rows.origins == [Origin.REPLAYED]
        assert abs(rows.observed_at[0] - to_micros(datetime.now(UTC))) < 60_000_000


async def test_a_body_larger_than_a_batch_is_cut_into_commits(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        items = [{"at": city.now - timedelta(seconds=n), "values": {"pm25": 5.0, "index": n}} for n in range(6_000)]
        await city.send(items, device="tram-1")
        await city.drained()
        assert city.ingest.figures.readings == 12_000
        assert city.ingest.figures.commits >= 3
        assert city.history.series(SYSTEM, one, IRI + "index", city.now - 2 * HOUR, city.now + HOUR).values[:2] == [
            5999.0,
            5998.0,
        ]
