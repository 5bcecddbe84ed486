"""What a question is answered with: what stands, once, in the city's time, and every failure in words."""

import io
from collections.abc import Iterator

import polars as pl
import pytest
from city_world import NOW, at
from sql_world import CO, KIND, LEVEL, Asked, urn

from dothi.access.policy import STRANGER, Clearance
from dothi.data.sql import engine
from dothi.data.sql.answer import Answer
from dothi.data.sql.bounds import Bounds
from dothi.data.sql.catalogue import tables
from dothi.data.sql.examples import EXAMPLES, Example
from dothi.data.sql.frames import Frames
from dothi.data.sql.views import EVER
from dothi.model.clock import to_micros

HOUR = 3_600_000_000


@pytest.fixture(scope="module")
def asked(homes_of_module: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Two stations: one with a correction, a withdrawal, a bad value and other attributes, one with a few plain values."""
    world = Asked(tmp_path_factory.mktemp("sql"), [("a", Clearance.INTERNAL), ("b", Clearance.INTERNAL)])
    for minute in range(-180, 0, 10):
        world.tell("a", minute, 40.0)
    world.tell("a", -90, 60.0, heard=1)
    world.tell("a", -90, 80.0, heard=2)
    world.tell("a", -100, None, withdrawn=True, heard=3)
    world.bad("a", -5, 9_999.0)
    world.tell("a", -5, 700.0, CO)
    world.tell("a", -5, "moderate", LEVEL)
    world.tell("a", -5, 41.0, dataset_id="urn:second")
    world.tell("b", -5, 10.0)
    yield world
    world.close()


def test_each_moment_is_read_once_as_it_stands(asked: Asked) -> None:
    found = asked.rows("SELECT epoch_us(observed_at), value FROM readings WHERE name = 'Trạm a' AND dataset IS NULL "
                       "AND attribute = 'pm25' AND grade = 'good' ORDER BY 1")  # fmt: skip
    expected = dict.fromkeys(range(-180, 0, 10), 40.0) | {-90: 80.0}
    del expected[-100]
    assert found == [[to_micros(at(minute)), value] for minute, value in sorted(expected.items())]


def test_values_come_with_what_they_are(asked: Asked) -> None:
    columns = "entity, type, attribute, value, text, unit, grade, origin, ward, ward_name, dataset"
    found = asked.rows(f"SELECT {columns} FROM latest WHERE ward IS NOT NULL ORDER BY ALL")  # noqa: S608 - constants only
    east = ["east", "Phường Đông"]
    assert found == [
        [urn("a"), "AirStation", "co", 700.0, None, "GQ", "good", "measured", *east, None],
        [urn("a"), "AirStation", "level", None, "moderate", "GQ", "good", "measured", *east, None],
        [urn("a"), "AirStation", "pm25", 41.0, None, "GQ", "good", "measured", *east, "urn:second"],
        [urn("a"), "AirStation", "pm25", 9_999.0, None, "GQ", "bad", "measured", *east, None],
        [urn("b"), "AirStation", "pm25", 10.0, None, "GQ", "good", "measured", *east, None],
    ]


def test_an_hour_is_the_mean_of_what_is_not_bad(asked: Asked) -> None:
    found = asked.rows(
        "SELECT epoch_us(hour), mean, lowest, highest, readings FROM readings_hourly "
        "WHERE name = 'Trạm a' AND attribute = 'pm25' AND dataset IS NULL ORDER BY hour"
    )
    start = to_micros(NOW)
    assert found == [
        [start - 3 * HOUR, 40.0, 40.0, 40.0, 6],
        [start - 2 * HOUR, 48.0, 40.0, 80.0, 5],
        [start - HOUR, 40.0, 40.0, 40.0, 6],
    ]


def test_a_wide_table_has_a_column_for_each_thing_observed(asked: Asked) -> None:
    found = asked.rows(
        "SELECT name, pm25, co, level FROM air_station WHERE observed_at >= now() - INTERVAL 6 MINUTES ORDER BY name"
    )
    assert found == [["Trạm a", None, 700.0, "moderate"], ["Trạm b", 10.0, None, None]]


def test_time_is_the_citys(asked: Asked) -> None:
    [row] = asked.rows(
        "SELECT now(), current_timestamp, today(), current_date::VARCHAR, localtimestamp::VARCHAR, "
        "hour(now()), date_trunc('day', now()), ago(INTERVAL 1 HOUR)"
    )
    now = to_micros(NOW)
    assert row == [now, now, "2026-05-14", "2026-05-14", "2026-05-14 11:00:00", 11, now - 11 * HOUR, now - HOUR]
    assert asked.rows("SELECT TIMESTAMPTZ '2026-05-14 11:00:00' = now()") == [[True]]


KINDS = {"DOUBLE": "number", "VARCHAR": "text", "TIMESTAMPTZ": "time", "BIGINT": "integer"}


@pytest.mark.parametrize("name", list(tables([KIND])))
def test_every_table_has_the_columns_that_the_catalogue_says(asked: Asked, name: str) -> None:
    shown = asked.reply(f"SELECT * FROM {name}")  # noqa: S608 - names of our own
    assert isinstance(shown, Answer), shown
    declared = [(column.name, KINDS[column.type]) for column in tables([KIND])[name].columns]
    assert [(column.name, column.kind) for column in shown.columns] == declared


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one.title.en)
def test_every_example_is_answered(asked: Asked, example: Example) -> None:
    reply = asked.reply(example.sql)
    assert isinstance(reply, Answer), reply


# What a question bounds the time by, and whether readings outside it may be left unread.
BOUNDED = [
    ("SELECT count(*) FROM readings WHERE observed_at >= now() - INTERVAL 30 MINUTES", True),
    ("SELECT count(*) FROM readings WHERE observed_at BETWEEN '2026-05-14 10:30+07' AND '2026-05-14 10:50+07'", True),
    ("SELECT count(*) FROM readings WHERE date_trunc('hour', observed_at) = '2026-05-14 10:00+07'", True),
    ("SELECT count(*) FROM readings_hourly WHERE hour = TIMESTAMPTZ '2026-05-14 10:00+07'", True),
    ("SELECT count(pm25) FROM air_station WHERE observed_at > now() - INTERVAL 15 MINUTES", True),
    ("WITH x AS (SELECT * FROM readings) SELECT count(*) FROM x WHERE observed_at > '2026-05-14 10:50+07'", True),
    ("SELECT count(*) FROM readings WHERE observed_at > now() - INTERVAL 1 HOUR AND type = 'AirStation'", True),
    ("SELECT count(*) FROM readings WHERE observed_at > now() - INTERVAL 1 HOUR OR value = 80", False),
    ("SELECT count(*) FROM readings WHERE observed_at > now() - INTERVAL 1 HOUR AND type = 'Nothing'", True),
    (
        "SELECT count(*) FROM readings a JOIN readings b USING (entity) WHERE a.observed_at > now() - INTERVAL 9 MINUTES",
        False,
    ),
    ("SELECT count(*) FROM readings WHERE year(observed_at) = 2026", None),
    ("SELECT count(*) FROM readings WHERE attribute = 'co'", False),
    ("SELECT count(*) FROM readings WHERE attribute IN ('co', 'level') AND observed_at > now() - INTERVAL 1 HOUR", True),
    ("SELECT count(*) FROM readings WHERE attribute = 'co' OR text = 'moderate'", False),
    ("SELECT count(*) FROM readings WHERE attribute NOT IN ('co') AND attribute LIKE 'p%'", False),
    ("SELECT (SELECT count(*) FROM readings WHERE attribute = 'co'), (SELECT count(*) FROM air_station)", False),
    ("SELECT count(*) FROM readings_hourly WHERE attribute = 'nothing of the kind'", False),
]


@pytest.mark.parametrize(("text", "bounded"), BOUNDED)
def test_bounds_leave_out_nothing_that_counts(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, text: str, bounded: bool | None
) -> None:
    """The answer is the same as when everything is read, and where a bound is told less is read."""
    read: list[tuple[int, int]] = []
    recent = Frames.recent

    def noted(self: Frames, start: int, end: int, series: pl.DataFrame, *, unsealed: bool = False) -> Iterator[pl.DataFrame]:
        if not unsealed:
            read.append((start, end))
        return recent(self, start, end, series, unsealed=unsealed)

    monkeypatch.setattr(Frames, "recent", noted)
    narrow = asked.rows(text)
    monkeypatch.setattr(engine, "bounds_of", lambda *_: Bounds())
    assert asked.rows(text) == narrow
    assert read[1] == EVER
    if bounded is not None:
        assert (read[0] != EVER) == bounded


def test_rows_beyond_the_limit_are_left_out_and_that_is_said(asked: Asked) -> None:
    reply = asked.reply("SELECT range FROM range(100) ORDER BY 1 DESC", rows=3)
    assert isinstance(reply, Answer)
    assert (reply.rows, reply.count, reply.more) == ([[99], [98], [97]], 3, True)
    whole = asked.reply("SELECT range FROM range(3)", rows=3)
    assert isinstance(whole, Answer)
    assert not whole.more


def test_values_of_every_type_come_out_plain(asked: Asked) -> None:
    reply = asked.reply(
        "SELECT 1::HUGEINT * 9000000000000000000 * 9, 1.5, DATE '2026-01-02', INTERVAL 1 DAY, NULL, true, [1, 2], {'a': 1}, "
        "'infinity'::TIMESTAMPTZ, UUID '00000000-0000-0000-0000-000000000001', 'x'::BLOB, 1 AS a, 2 AS a, TIME '10:00'"
    )
    assert isinstance(reply, Answer), reply
    assert reply.rows == [
        [
            8.1e19,
            1.5,
            "2026-01-02",
            "1 day",
            None,
            True,
            "[1,2]",
            '{"a":1}',
            None,
            "00000000-0000-0000-0000-000000000001",
            "x",
            1,
            2,
            "10:00:00",
        ]
    ]
    assert [column.kind for column in reply.columns][:4] == ["integer", "number", "date", "text"]


def test_parquet_holds_the_same(asked: Asked) -> None:
    text = "SELECT observed_at, value, name, name, today() AS day, 1 AS readings FROM readings ORDER BY ALL"
    rows, reply = asked.rows(text), asked.reply(text, form="parquet")
    assert isinstance(reply, Answer) and reply.parquet is not None
    frame = pl.read_parquet(io.BytesIO(reply.parquet))
    assert frame.columns == ["observed_at", "value", "name", "name_2", "day", "readings"]
    assert frame.schema["observed_at"] == pl.Datetime("us", "UTC")
    assert [[to_micros(row[0]), row[1], row[2], row[3], str(row[4]), row[5]] for row in frame.rows()] == rows
    assert (reply.count, reply.rows) == (len(rows), [])


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("SELECT valu FROM readings", "sql-names", 7),
        ("SELECT 'Đống Đa', name, valu FROM readings", "sql-names", 24),
        ("SELECT 'ế', CAST(name AS INTEGER) FROM latest", "sql-value", 12),
        ("SELECT value FROM readings GROUP BY name", "sql-names", 7),
        ("SELECT sum(name) FROM latest", "sql-names", 7),
        ("SELECT 2000000000::INTEGER * 2000000000::INTEGER", "sql-value", None),
        ("SELECT (SELECT range FROM range(2))", "sql-failed", None),
        ("SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)", "sql-memory", None),
        ("SELECT list(a.range) FROM range(100000000) a", "sql-memory", None),
        ("SELECT repeat('x', 1000000) FROM range(1000)", "sql-too-large", None),
        ("SELECT repeat('x', 200000000)", "sql-too-large", None),
    ],
)
def test_what_goes_wrong_is_said_in_words_with_its_place(asked: Asked, text: str, code: str, where: int | None) -> None:
    refusal = asked.refused(text)
    assert (refusal.code, refusal.position) == (code, where), refusal
    assert refusal.detail
    for inner in ("LINE", "SET ", "duckdb", "_answer", "_series", "exception_type", str(asked.home)):
        assert inner not in refusal.title + refusal.detail


def test_who_may_not_ask_has_no_tables(asked: Asked) -> None:
    assert asked.refused("SELECT * FROM readings", STRANGER).code == "sql-no-table"
