"""The quarantine: what is held can be seen, sent on and dropped by those who may, and it never grows past its bound."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_world import IRI, ingesting, world

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, SYSTEM
from dothi.data.quarantine import REASONS, with_moment
from dothi.devices.registry import MappingRule
from dothi.model.clock import to_micros
from dothi.model.problem import Problem
from dothi.model.reading import Origin
from dothi.store.audit import verify
from dothi.store.journal import JournalDown

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.usefixtures("homes")
async def test_a_mended_mapping_lets_the_held_values_in_at_their_own_moment(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        one = await city.device("tram-1")
        await city.journal.append(
            b'{"values": {"bui": 17.5}}',
            source="http",
            device="tram-1",
            content_type="application/json",
            correlation="first",
            origin=Origin.SIMULATED,
        )
        await city.drained()
        [row], _ = city.quarantine.list(LOCAL_OPERATOR, "unmapped-key")
        assert row.received_at is not None
        await city.device("tram-1", {"bui": MappingRule("pm25")})
        city.clock.advance(HOUR)
        result = await city.quarantine.replay(LOCAL_OPERATOR, [row.id, 999])
        await city.drained()
        assert (result.replayed, result.missing) == ([row.id], [999])
        series = city.history.series(SYSTEM, one, IRI + "pm25", city.now - 9 * HOUR, city.now + HOUR)
        assert (series.values, series.origins) == ([17.5], [Origin.SIMULATED])
        assert series.observed_at == [to_micros(row.received_at)]
        assert city.quarantine.list(LOCAL_OPERATOR) == ([], 0)
        with city.database.reader() as connection:
            acts = connection.execute(
                "SELECT person_id, result, detail FROM audit WHERE action = 'quarantine.write'"
            ).fetchall()
            assert acts == [("local-operator", "replayed", str(row.id))]
            assert verify(connection).intact
            assert connection.execute("SELECT state, body FROM quarantine").fetchall() == [("replayed", b"")]


async def test_what_still_cannot_be_taken_comes_back_under_its_correlation(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        await city.device("tram-1")
        await city.send(b"{nonsense", device="tram-1", correlation="first")
        await city.drained()
        [before], _ = city.quarantine.list(SYSTEM)
        await city.quarantine.replay(LOCAL_OPERATOR, [before.id])
        await city.drained()
        [after], _ = city.quarantine.list(SYSTEM)
        assert after.id > before.id
        assert (after.reason, after.correlation) == ("not-json", "first")
        assert city.quarantine.rows == 1


@pytest.mark.usefixtures("homes")
async def test_past_the_bound_senders_are_refused_and_counted_and_nothing_held_is_lost(tmp_path: Path) -> None:
    async with world(tmp_path, max_rows=3) as city:
        one = await city.device("tram-1")
        await city.device("tram-22")
        for n in range(3):
            await city.send({"at": city.now - n * HOUR, "values": {"bui": n, "pm25": 5.0}}, device="tram-1")
        await city.drained()
        assert not city.quarantine.refuses("tram-22")
        for n in range(5):
            await city.send({"at": city.now - n * HOUR, "values": {"bui": n, "pm25": 6.0}}, device="tram-22")
        await city.drained()
        assert [row.device for row in city.quarantine.list(SYSTEM)[0]] == ["tram-1"] * 3
        assert city.quarantine.senders(SYSTEM) == {"tram-22": 5}
        assert (city.ingest.figures.quarantined, city.ingest.figures.turned_away) == (3, 5)
        assert city.quarantine.refuses("tram-22")
        assert not city.quarantine.refuses("tram-1")
        assert len(city.values(one, "pm25")) == 3
        rows, _ = city.quarantine.list(SYSTEM)
        assert await city.quarantine.discard(LOCAL_OPERATOR, [rows[0].id, rows[0].id, 999]) == [rows[0].id]
        assert not city.quarantine.refuses("tram-22")
        await city.send({"at": city.now, "values": {"bui": 1.0}}, device="tram-22")
        await city.drained()
        assert city.quarantine.rows == 3


@pytest.mark.usefixtures("homes")
async def test_messages_handed_out_again_are_held_once_and_counted_once(tmp_path: Path) -> None:
    async with world(tmp_path, run=False, max_rows=4) as city:
        await city.device("tram-1")
        bodies: list[object] = [b"{nonsense", {"at": city.now, "values": {"bui": 1.0}}, {"values": {"pm25": 5.0, "bui": 2}}]
        for body in [*bodies, bodies[0], *bodies]:  # the same words told again are other messages
            await city.send(body, device="tram-1")
        taken = await city.journal.fetch(10, 5.0)
        while len(taken) < 7:
            taken += await city.journal.fetch(10, 5.0)

        def state() -> tuple[object, ...]:
            held, quarantine, figures = city.quarantine.list(SYSTEM), city.quarantine, city.ingest.figures
            counted = (figures.quarantined, figures.turned_away, quarantine.turned_away, quarantine.senders(SYSTEM))
            return held, quarantine.rows, quarantine.size, counted

        city.ingest._commit(taken)
        once = state()
        assert (len(once[0][0]), once[3]) == (4, (4, 3, 3, {"tram-1": 3}))
        city.ingest._commit(taken)  # not acknowledged, because a device was admitted meanwhile
        assert state() == once
        held = [row.id for row in city.quarantine.list(SYSTEM)[0]]
        assert len(await city.quarantine.discard(LOCAL_OPERATOR, held)) == 4
        city.ingest._commit(taken[:4])  # what was decided stays decided
        assert (city.quarantine.rows, city.quarantine.size) == (0, 0)
    async with world(tmp_path, run=False, max_rows=4) as city:  # killed before it could acknowledge
        again = await city.journal.fetch(10, 5.0)
        while len(again) < 7:
            again += await city.journal.fetch(10, 5.0)
        assert [one.stored_at for one in again] == [one.stored_at for one in taken]
        city.ingest._commit(again[:4])
        assert city.quarantine.rows == 0


async def test_a_later_draft_that_fails_does_not_hold_the_earlier_ones_twice(tmp_path: Path) -> None:
    async with world(tmp_path, run=False) as city:
        one = await city.device("tram-1")
        city.writer._db.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON reading WHEN NEW.number = 5999 BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        items: list[object] = [{"at": city.now - timedelta(seconds=n), "values": {"index": n}} for n in range(6_000)]
        await city.send(
            [{"at": "naive", "values": {"index": 1}}, {"at": city.now, "values": {"bui": 1}}, *items], device="tram-1"
        )
        async with ingesting(city.ingest):
            await city.drained()
        assert city.reasons() == {"bad-time": 1, "unmapped-key": 1, "poison": 1}
        assert (city.quarantine.rows, city.ingest.figures.quarantined) == (3, 3)
        with city.database.reader() as connection:
            assert connection.execute("SELECT count(*) FROM reading").fetchone() == (5_999,)
        assert one


@pytest.mark.usefixtures("homes")
async def test_the_bound_holds_for_bytes_and_over_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path, max_bytes=10_000) as city:
        for n in range(4):
            await city.send(b"[" + b"x" * 3_000, correlation=str(n))
        await city.drained()
        assert city.quarantine.rows == 3
        size = city.quarantine.size
    async with world(tmp_path, run=False, max_bytes=10_000) as city:
        assert (city.quarantine.rows, city.quarantine.size) == (3, size)
        async with ingesting(city.ingest):
            await city.send(b"[" + b"x" * 3_000)
            await city.drained()
        assert city.quarantine.rows == 3


@pytest.mark.usefixtures("homes")
async def test_a_stranger_sees_nothing_and_decides_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as city:
        await city.send(b"{nonsense")
        await city.drained()
        [row], _ = city.quarantine.list(LOCAL_OPERATOR)
        assert city.quarantine.list(STRANGER) == ([], 0)
        assert city.quarantine.counts(STRANGER) == {}
        assert city.quarantine.senders(STRANGER) == {}
        with pytest.raises(Problem) as hidden:
            city.quarantine.get(STRANGER, row.id)
        assert hidden.value.status == 404
        for act in (city.quarantine.replay, city.quarantine.discard):
            with pytest.raises(Problem) as refused:
                await act(STRANGER, [row.id])
            assert refused.value.status == 403
        assert city.quarantine.counts(LOCAL_OPERATOR) == {"not-json": 1}


async def test_a_journal_that_is_down_keeps_the_row(tmp_path: Path) -> None:
    async with world(tmp_path, run=False) as city:
        await city.send(b"{nonsense")
        async with ingesting(city.ingest):
            await city.drained()
        [row], _ = city.quarantine.list(LOCAL_OPERATOR)
        await city.journal.stop()
        with pytest.raises(JournalDown):
            await city.quarantine.replay(LOCAL_OPERATOR, [row.id])
        assert city.quarantine.counts(LOCAL_OPERATOR) == {"not-json": 1}


async def test_every_reason_has_words_in_both_languages() -> None:
    assert all(text.vi and text.en and text.vi != text.en for text in REASONS.values())


def test_a_moment_is_added_only_where_there_is_none() -> None:
    body = b'[{"at":"2026-01-01T00:00:00Z","values":{"a":1}},{"values":{"a":2}},5]'
    timed = msgspec.json.decode(with_moment(body, "application/json", 1_000_000))
    assert [item.get("at") if isinstance(item, dict) else item for item in timed] == [
        "2026-01-01T00:00:00Z",
        "1970-01-01T00:00:01Z",
        5,
    ]
    lines = with_moment(b'{"values":{"a":1}}\n{"at":5,"values":{}}', "application/x-ndjson", 1_000_000).split(b"\n")
    assert [msgspec.json.decode(line)["at"] for line in lines] == ["1970-01-01T00:00:01Z", 5]


@settings(max_examples=100)
@given(st.binary(max_size=60), st.sampled_from(["application/json", "application/x-ndjson"]))
def test_what_is_no_json_is_sent_on_as_it_is(body: bytes, content_type: str) -> None:
    broken = b"{" + body + b"\xff"
    assert with_moment(broken, content_type, 0) == broken
