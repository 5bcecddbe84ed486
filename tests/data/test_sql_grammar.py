"""What may be asked and what not: every way of doing or learning something else is refused before anything runs."""

import re
from collections.abc import Iterator

import duckdb
import pytest

from dothi.data.sql.answer import Refused
from dothi.data.sql.examples import EXAMPLES
from dothi.data.sql.functions import CLOCK_FUNCTIONS, FUNCTIONS, TABLE_FUNCTIONS
from dothi.data.sql.grammar import check

TABLES = {"readings", "readings_hourly", "latest", "devices", "wards"}


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


ALLOWED = """
SELECT * FROM readings
select entity, count(*) n from readings r where value between 1 and 2 group by all having n > 1 order by 2 desc limit 5
WITH x AS (SELECT 1 AS a), y AS (FROM x) SELECT * FROM y JOIN readings USING (a) LEFT JOIN wards w ON w.a = y.a
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 10) SELECT * FROM t
SELECT CASE WHEN a THEN b ELSE c END, a::INT, TRY_CAST(a AS DATE), a IN (SELECT 1), EXISTS (SELECT 1), a IS NULL FROM latest
SELECT row_number() OVER (PARTITION BY a ORDER BY b), lag(x) OVER w, sum(x) FILTER (x > 1) OVER w FROM latest WINDOW w AS ()
SELECT DISTINCT ON (a) a FROM readings QUALIFY rank() OVER (ORDER BY a) = 1
SELECT list_transform([1, 2], lambda x: x + 1), {'a': 1}.a, MAP {'a': 1}, 'a' || 'b', a LIKE 'x%', a ILIKE 'y' FROM latest
SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) FROM readings
VALUES (1, 2), (3, 4)
SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3
SELECT * FROM (PIVOT readings ON attribute IN ('a', 'b') USING avg(value) GROUP BY name)
FROM readings SELECT avg(value) GROUP BY ALL
SELECT * FROM unnest([1, 2]) t(x), range(3), generate_series(1, 2), LATERAL (SELECT 1) z
SELECT current_date, current_timestamp, now(), today(), INTERVAL 3 DAYS, DATE '2026-01-01'
SELECT extract(hour FROM observed_at), date_trunc('hour', observed_at AT TIME ZONE 'UTC') FROM readings
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value), string_agg(name, ',') FROM latest GROUP BY ROLLUP (a)
SELECT '{}'::JSON -> 'a', '{}'::JSON ->> 'b' FROM readings WHERE value <> 1
SELECT * FROM readings USING SAMPLE 10
SELECT * FROM readings ASOF JOIN wards USING (a)
""".strip().splitlines()

REFUSED = """
DROP TABLE readings
DELETE FROM readings
INSERT INTO readings VALUES (1)
UPDATE readings SET value = 1
CREATE TABLE t AS SELECT 1
CREATE MACRO m() AS 1
ALTER TABLE readings ADD COLUMN x INT
COPY readings TO '/tmp/x.csv'
COPY (SELECT 1) TO '/tmp/x.parquet'
EXPORT DATABASE '/tmp/x'
IMPORT DATABASE '/tmp/x'
ATTACH '/tmp/x.db'
DETACH memory
INSTALL httpfs
LOAD httpfs
SET memory_limit = '100GB'
RESET memory_limit
PRAGMA database_list
CALL pragma_version()
CHECKPOINT
BEGIN
USE memory
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT 1
DESCRIBE readings
SHOW TABLES
SUMMARIZE readings
PREPARE x AS SELECT 1
EXECUTE x
VACUUM
PIVOT readings ON attribute USING avg(value)
SELECT 1; DROP TABLE readings
SELECT 1; SELECT 2
WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x
WITH x AS (DELETE FROM readings RETURNING *) SELECT * FROM x
SELECT * FROM (DESCRIBE readings)
SELECT * FROM (SHOW TABLES)
SELECT * FROM '/etc/passwd'
SELECT * FROM 'x.parquet'
SELECT * FROM "/etc/passwd"
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_blob('/etc/passwd')
SELECT * FROM read_parquet('x.parquet')
SELECT * FROM parquet_metadata('x.parquet')
SELECT * FROM parquet_scan('x.parquet')
SELECT * FROM glob('/*')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM query('SELECT 1')
SELECT * FROM query_table('readings')
SELECT * FROM json_execute_serialized_sql('{}')
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_views()
SELECT * FROM duckdb_tables
SELECT * FROM duckdb_secrets()
SELECT * FROM pragma_table_info('readings')
SELECT * FROM seq_scan('readings')
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_class
SELECT * FROM sqlite_master
SELECT * FROM memory.main.readings
SELECT * FROM main.readings
SELECT * FROM _readings
SELECT * FROM _series
SELECT * FROM entity
SELECT (SELECT max(sql) FROM duckdb_views)
WITH duckdb_views AS (SELECT 1) SELECT * FROM duckdb_views
WITH duckdb_views AS (SELECT * FROM duckdb_views) SELECT * FROM duckdb_views
WITH _series AS (SELECT 1) SELECT * FROM (SELECT * FROM _series)
SELECT * FROM (WITH sqlite_master AS (SELECT 1) SELECT 1) t, sqlite_master
WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd"
SELECT getenv('HOME')
SELECT current_setting('memory_limit')
SELECT getvariable('x')
SELECT system.main.current_setting('memory_limit')
SELECT stats(value) FROM readings
SELECT error('x')
SELECT write_log('x')
SELECT sleep_ms(1000)
SELECT pg_sleep(10)
SELECT nextval('s')
SELECT current_query()
SELECT json_serialize_plan('SELECT 1')
SELECT list_transform([1], lambda x: current_setting('threads'))
SELECT * FROM readings WHERE value > (SELECT count(*) FROM duckdb_logs())
SELECT count(*) FILTER (WHERE getvariable('x') = 1) FROM readings
SELECT sum(value) OVER (ORDER BY current_setting('threads')) FROM readings
SELECT * FROM readings LIMIT (SELECT count(*) FROM duckdb_settings())
SELECT * FROM readings ORDER BY getvariable('x')
SELECT * FROM readings a JOIN wards b ON current_setting('threads') = '1'
SELECT * FROM readings AT (VERSION => 1)
SELECT $1
SELECT ?
FROM readings, (FROM read_csv('/etc/passwd'))
SELEC 1
SELECT
""".strip().splitlines()


@pytest.mark.parametrize("text", [*ALLOWED, *(one.sql for one in EXAMPLES)])
def test_a_question_that_only_reads_may_be_asked(engine: duckdb.DuckDBPyConnection, text: str) -> None:
    assert check(engine, text, TABLES).tables <= TABLES


@pytest.mark.parametrize("text", [*REFUSED, "", "   ", "-- nothing", ";", "SELECT '\0'", "(" * 3_000, "[" * 900])
def test_everything_else_is_refused_in_words(engine: duckdb.DuckDBPyConnection, text: str) -> None:
    with pytest.raises(Refused) as caught:
        check(engine, text, TABLES)
    assert caught.value.status in (400, 403)
    assert caught.value.code.startswith("sql-")
    assert caught.value.title and "Allocation" not in caught.value.title


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("SELECT * FROM raedings", 14),
        ("SELECT 'ế', 1 +\nFROM latest", 16),
        ("SELECT 'Đống Đa', getvariable('x')", 18),
        ("WITH x AS (FROM 'file.csv') FROM x", 16),
    ],
)
def test_the_place_is_counted_in_letters(engine: duckdb.DuckDBPyConnection, text: str, where: int) -> None:
    with pytest.raises(Refused) as caught:
        check(engine, text, TABLES)
    assert caught.value.position == where


def test_a_name_that_was_nearly_right_is_offered(engine: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(Refused, match="Did you mean readings"):
        check(engine, "SELECT * FROM raedings", TABLES)
    with pytest.raises(Refused, match="Did you mean date_trunc"):
        check(engine, "SELECT date_trun('hour', now())", TABLES)


@pytest.mark.parametrize("text", ["SELECT 1;", "SELECT 1 ; -- the end; ;", "SELECT ';' ;;", "SELECT 1 -- the end;"])
def test_what_ends_a_statement_is_taken_away(engine: duckdb.DuckDBPyConnection, text: str) -> None:
    kept = check(engine, text, TABLES).text
    assert engine.execute(f"SELECT * FROM (\n{kept}\n)").fetchall()  # noqa: S608 - the test's own
    assert text.startswith(kept)


def test_every_function_that_is_allowed_is_one_that_only_computes(engine: duckdb.DuckDBPyConnection) -> None:
    rows = engine.execute("SELECT DISTINCT function_name, function_type FROM duckdb_functions()").fetchall()
    known = {name.lower() for name, kind in rows if kind not in ("table", "pragma", "table_macro")}
    # The parser's own words for what is no function of the list, and the one that views add.
    own = {"coalesce", "ifnull", "!", "ago", "transaction_timestamp"} | CLOCK_FUNCTIONS
    assert set() == FUNCTIONS - known - own - TABLE_FUNCTIONS
    never = re.compile(
        r"(pg_(?!typeof)|duckdb|pragma|read_|write_|__|current_(?!date|time|local)|.*setting|.*variable|json_(de)?serialize|"
        r"json_execute|json_transform|query|error|stats|sleep|nextval|currval|setval|version|txid|in_search_path|parse_)"
    )
    assert [name for name in FUNCTIONS if never.match(name)] == []
