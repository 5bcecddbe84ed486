"""What SQLite and PostgreSQL have no common words for; everything else in the house is SQL that both run."""

from dataclasses import dataclass, fields
from functools import cache


@dataclass(frozen=True, slots=True, eq=False)
class Dialect:
    """Pieces of SQL. ``{op}`` in a comparison is to be replaced by one of ``= <> < <= > >=``; its ``?`` is what to compare
    with. Documents are JSON texts {iri: [{"v": value, "d": dataset, …}]}."""

    name: str
    # A JSON array of numbers or texts, given as one parameter, as rows with a column ``value``; an alias follows.
    numbers: str
    texts: str
    # True if the text e.doc contains the parameter.
    holds: str
    # Instances ``i`` of one attribute (parameter: its IRI) in the document e.doc, as a source.
    instances: str
    instance_exists: str
    instance_dataset: str
    instance_is_bool: str
    instance_is_text: str
    instance_is_number: str
    instance_is_object: str
    # Elements ``x`` of an instance's array, as a source that is empty for anything else; and comparisons with one.
    elements: str
    element_is_bool: str
    element_is_text: str
    element_is_number: str
    # The same for the live value l.other, which is JSON text.
    live_is_text: str
    # Boxes of ``place p`` that may touch the box (west, south, east, north): a neighbour too many, never one too few.
    touches: str
    # (num, west, south, east, north) into ``place``, in place of what is there.
    save_place: str
    # The highest number ever given out in the counting column "seq" of the outbox; no row before the first.
    last_outbox: str
    # Photos that came with their numbers are counted on behind the highest; SQLite does so by itself.
    count_photos_on: str

    def fill(self, sql: str) -> str:
        """``sql`` with its ``{numbers}``, ``{texts}`` and the like in this dialect's words; made once for each text."""
        return _filled(self, sql)


@cache
def _filled(dialect: Dialect, sql: str) -> str:
    return sql.format(**{one.name: getattr(dialect, one.name) for one in fields(dialect)})


SQLITE = Dialect(
    name="sqlite",
    numbers="json_each(?)",
    texts="json_each(?)",
    holds="instr(e.doc, ?) > 0",
    instances="json_each(e.doc, '$.\"' || ? || '\"') i",
    instance_exists="json_type(i.value, '$.v') IS NOT NULL",
    instance_dataset="json_extract(i.value, '$.d')",
    instance_is_bool="json_type(i.value, '$.v') IN ('true', 'false') AND json_type(i.value, '$.v') {op} ?",
    instance_is_text="json_type(i.value, '$.v') = 'text' AND json_extract(i.value, '$.v') {op} ?",
    instance_is_number="json_type(i.value, '$.v') IN ('integer', 'real') AND json_extract(i.value, '$.v') {op} ?",
    instance_is_object="json_type(i.value, '$.v') = 'object'",
    elements="json_each(CASE json_type(i.value, '$.v') WHEN 'array' THEN i.value ELSE '{}' END, '$.v') x",
    element_is_bool="x.type IN ('true', 'false') AND x.type {op} ?",
    element_is_text="x.type = 'text' AND x.atom {op} ?",
    element_is_number="x.type IN ('integer', 'real') AND x.atom {op} ?",
    live_is_text="json_type(l.other) = 'text' AND json_extract(l.other, '$') {op} ?",
    # The R*Tree keeps 32-bit floats, rounded outwards.
    touches="p.east >= ? AND p.north >= ? AND p.west <= ? AND p.south <= ?",
    save_place="INSERT OR REPLACE INTO place (num, west, south, east, north) VALUES (?,?,?,?,?)",
    last_outbox="SELECT seq FROM sqlite_sequence WHERE name = 'outbox'",
    count_photos_on="SELECT 1",
)

# A NUL is no character to PostgreSQL, not even one that is escaped in JSON.
_DOC = "CAST(replace(e.doc, '\\u0000', '\\ufffd') AS json)"
_OTHER = "CAST(replace(l.other, '\\u0000', '\\ufffd') AS json)"

POSTGRES = Dialect(
    name="postgresql",
    numbers="(SELECT CAST(value AS bigint) AS value FROM json_array_elements_text(CAST(? AS json)))",
    texts="(SELECT value FROM json_array_elements_text(CAST(? AS json)))",
    holds="strpos(e.doc, ?) > 0",
    instances=f"json_array_elements({_DOC} -> ?) i(value)",
    instance_exists="(i.value -> 'v') IS NOT NULL",
    instance_dataset="(i.value ->> 'd')",
    instance_is_bool="json_typeof(i.value -> 'v') = 'boolean' AND (i.value ->> 'v') {op} ?",
    instance_is_text="json_typeof(i.value -> 'v') = 'string' AND (i.value ->> 'v') COLLATE \"C\" {op} ?",
    # PostgreSQL may look at the parts of an AND in any order, at those of a CASE not.
    instance_is_number="CASE json_typeof(i.value -> 'v') WHEN 'number' THEN CAST(i.value ->> 'v' AS float8) {op} ? END",
    instance_is_object="json_typeof(i.value -> 'v') = 'object'",
    elements="json_array_elements(CASE json_typeof(i.value -> 'v') WHEN 'array' THEN i.value -> 'v' END) x(value)",
    element_is_bool="json_typeof(x.value) = 'boolean' AND (x.value #>> '{}') {op} ?",
    element_is_text="json_typeof(x.value) = 'string' AND (x.value #>> '{}') COLLATE \"C\" {op} ?",
    element_is_number="CASE json_typeof(x.value) WHEN 'number' THEN CAST(x.value #>> '{}' AS float8) {op} ? END",
    live_is_text=f"CASE WHEN l.other LIKE '\"%' THEN ({_OTHER} #>> '{{}}') COLLATE \"C\" {{op}} ? END",
    touches="p.box && ST_MakeEnvelope(?, ?, ?, ?, 4326)",
    save_place=(
        "INSERT INTO place (num, box) VALUES (?, ST_MakeEnvelope(?, ?, ?, ?, 4326)) "
        "ON CONFLICT (num) DO UPDATE SET box = excluded.box"
    ),
    last_outbox="SELECT last_value FROM outbox_seq_seq WHERE is_called",
    count_photos_on="SELECT setval('incident_photo_number_seq', max(number)) FROM incident_photo",
)
