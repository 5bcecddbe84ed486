"""The tables a question may read, column by column in both languages: for the page, the docs and the engine."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dothi.access.policy import Person, Reach, reach
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.model.unit import UNITS


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its SQL type, what it means, the symbol of its unit and an example of what stands in it."""

    name: str
    type: str
    means: Text
    example: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what one row of it is, and ``action``, which its asker must be allowed.

    ``time`` is the column a question should bound, ``kind`` the entity type that a wide table lays out.
    """

    name: str
    means: Text
    action: str
    columns: tuple[Column, ...]
    time: str = ""
    kind: str = ""


_ENTITY = Column(
    "entity", "VARCHAR", Text("Mã đối tượng (URN)", "Id of the thing (URN)"), "urn:ngsi-ld:AirQualityObserved:…"
)
_NAME = Column("name", "VARCHAR", Text("Tên đối tượng", "Name of the thing"), "Hàng Đậu")
_TYPE = Column("type", "VARCHAR", Text("Loại đối tượng", "Kind of thing"), "AirQualityObserved")
_ATTRIBUTE = Column("attribute", "VARCHAR", Text("Tên ngắn của đại lượng", "Short name of what is observed"), "pm25")
_DATASET = Column("dataset", "VARCHAR", Text("Bộ dữ liệu, trống là mặc định", "Dataset, empty for the default one"))
_OBSERVED = Column("observed_at", "TIMESTAMPTZ", Text("Lúc đo", "When it was observed"), "2026-05-14 11:00:00+07")
_RECEIVED = Column(
    "received_at", "TIMESTAMPTZ", Text("Lúc hệ thống nhận", "When the city heard it"), "2026-05-14 11:00:03+07"
)
_VALUE = Column("value", "DOUBLE", Text("Giá trị số, theo cột unit", "The number, in the unit of column unit"), "48.5")
_TEXT = Column("text", "VARCHAR", Text("Giá trị không phải số", "A value that is no number"))
_UNIT = Column("unit", "VARCHAR", Text("Đơn vị (mã UN/CEFACT)", "Unit (UN/CEFACT code)"), "GQ")
_GRADE = Column("grade", "VARCHAR", Text("Chất lượng: good, suspect, bad", "Quality: good, suspect, bad"), "good")
_ORIGIN = Column(
    "origin",
    "VARCHAR",
    Text("Nguồn: measured, modelled, simulated, replayed", "Origin: measured, modelled, simulated, replayed"),
    "measured",
)
_WARD = Column("ward", "VARCHAR", Text("Mã phường, xã", "Code of the ward"), "00070")
_WARD_NAME = Column("ward_name", "VARCHAR", Text("Tên phường, xã", "Name of the ward"), "Phường Hoàn Kiếm")
_LONGITUDE = Column("longitude", "DOUBLE", Text("Kinh độ", "Longitude"), "105.8478", "°")
_LATITUDE = Column("latitude", "DOUBLE", Text("Vĩ độ", "Latitude"), "21.0411", "°")
_OWNER = Column("owner", "VARCHAR", Text("Cơ quan quản lý", "Agency that owns it"))
_CREATED = Column("created_at", "TIMESTAMPTZ", Text("Lúc tạo", "When it was made"), "2026-05-01 08:00:00+07")

_OF_WHAT = (_ENTITY, _NAME, _TYPE, _ATTRIBUTE, _DATASET)
_TOLD = (_OBSERVED, _VALUE, _TEXT, _UNIT, _GRADE, _ORIGIN, _WARD, _WARD_NAME)

_TABLES = (
    Table(
        "readings",
        Text("Mọi số đo, mỗi dòng một giá trị; chỉ giá trị đang đứng", "Every reading, one value a row, as corrected"),
        "history.read",
        (
            *_OF_WHAT,
            *_TOLD,
            _RECEIVED,
        ),
        time="observed_at",
    ),
    Table(
        "readings_hourly",
        Text("Số đo theo giờ, bỏ giá trị hỏng", "Readings by the hour, without bad ones"),
        "history.read",
        (
            *_OF_WHAT,
            Column("hour", "TIMESTAMPTZ", Text("Giờ (lúc bắt đầu)", "The hour (its beginning)"), "2026-05-14 11:00:00+07"),
            Column("mean", "DOUBLE", Text("Trung bình của giờ", "Mean of the hour"), "47.2"),
            Column("lowest", "DOUBLE", Text("Thấp nhất", "Lowest"), "41.0"),
            Column("highest", "DOUBLE", Text("Cao nhất", "Highest"), "55.1"),
            Column("readings", "BIGINT", Text("Số lần đo", "How many readings"), "12"),
            _UNIT,
            _WARD,
            _WARD_NAME,
        ),
        time="hour",
    ),
    Table(
        "latest",
        Text("Giá trị mới nhất của mỗi chuỗi", "The newest value of every series"),
        "entity.read",
        (
            *_OF_WHAT,
            *_TOLD,
            _LONGITUDE,
            _LATITUDE,
            _RECEIVED,
        ),
    ),
    Table(
        "entities",
        Text("Mọi đối tượng của thành phố", "Everything the city knows of"),
        "entity.read",
        (
            Column("id", "VARCHAR", Text("Mã đối tượng (URN)", "Id of the thing (URN)"), "urn:ngsi-ld:AirQualityObserved:…"),
            _TYPE,
            _NAME,
            _WARD,
            _WARD_NAME,
            _LONGITUDE,
            _LATITUDE,
            _OWNER,
            _CREATED,
            Column(
                "modified_at", "TIMESTAMPTZ", Text("Lúc sửa gần nhất", "When it was changed last"), "2026-05-14 11:00:00+07"
            ),
        ),
    ),
    Table(
        "series",
        Text("Các chuỗi số đo: đối tượng nào đo đại lượng nào", "The series: which thing observes what"),
        "entity.read",
        (_ENTITY, _NAME, _TYPE, _ATTRIBUTE, _DATASET, _UNIT, _WARD, _WARD_NAME, _LONGITUDE, _LATITUDE),
    ),
    Table(
        "attributes",
        Text("Các đại lượng, tên và đơn vị của chúng", "What can be observed, with names and units"),
        "city.read",
        (
            _TYPE,
            _ATTRIBUTE,
            Column("title_vi", "VARCHAR", Text("Tên tiếng Việt", "Vietnamese name"), "Bụi mịn PM2.5"),
            Column("title_en", "VARCHAR", Text("Tên tiếng Anh", "English name"), "Fine particles PM2.5"),
            _UNIT,
            Column("symbol", "VARCHAR", Text("Ký hiệu đơn vị", "Symbol of the unit"), "µg/m³"),
            Column("minimum", "DOUBLE", Text("Thấp nhất có thể", "Lowest it can be"), "0"),
            Column("maximum", "DOUBLE", Text("Cao nhất có thể", "Highest it can be"), "2000"),
        ),
    ),
    Table(
        "wards",
        Text("Phường, xã", "Wards and communes"),
        "city.read",
        (
            _WARD,
            Column("name", "VARCHAR", Text("Tên", "Name"), "Hoàn Kiếm"),
            Column("full_name", "VARCHAR", Text("Tên đầy đủ", "Full name"), "Phường Hoàn Kiếm"),
            Column(
                "kind",
                "VARCHAR",
                Text("Loại: phường, xã, đặc khu", "Kind: phường (ward), xã (commune), đặc khu (special zone)"),
                "phường",
            ),
            _LONGITUDE,
            _LATITUDE,
            Column("area_km2", "DOUBLE", Text("Diện tích", "Area"), "1.91", "km²"),
            Column("population", "BIGINT", Text("Dân số", "Population"), "105301"),
        ),
    ),
    Table(
        "devices",
        Text("Thiết bị và tình trạng gửi số đo", "Devices and whether they are heard"),
        "device.read",
        (
            Column("id", "VARCHAR", Text("Mã thiết bị", "Id of the device"), "tram-01"),
            _NAME,
            _ENTITY,
            _TYPE,
            Column(
                "state",
                "VARCHAR",
                Text("live, late, silent, never, refused", "live, late, silent, never, refused"),
                "live",
            ),
            Column("last_seen", "TIMESTAMPTZ", Text("Lần gửi cuối", "When it was heard last"), "2026-05-14 11:00:03+07"),
            Column("cadence", "DOUBLE", Text("Chu kỳ gửi", "Seconds between its messages"), "300", "s"),
            _WARD,
            _WARD_NAME,
            _LONGITUDE,
            _LATITUDE,
            _OWNER,
            _CREATED,
        ),
    ),
    Table(
        "forecasts",
        Text("Dự báo đã lưu, cạnh giá trị thật khi đã có", "Stored forecasts, beside what came where it came"),
        "forecast.read",
        (
            Column("process", "VARCHAR", Text("Quy trình dự báo", "The forecasting process"), "air-24h"),
            _ENTITY,
            _NAME,
            _ATTRIBUTE,
            Column("issued_at", "TIMESTAMPTZ", Text("Lúc phát", "When it was issued"), "2026-05-14 11:00:00+07"),
            Column("target_at", "TIMESTAMPTZ", Text("Dự báo cho lúc", "What moment it is for"), "2026-05-14 17:00:00+07"),
            Column("value", "DOUBLE", Text("Giá trị dự báo", "The forecast"), "52.0"),
            Column("low", "DOUBLE", Text("Cận dưới", "Lower bound"), "38.0"),
            Column("high", "DOUBLE", Text("Cận trên", "Upper bound"), "70.0"),
            Column("persistence", "DOUBLE", Text("Cách đơn giản: giữ nguyên", "Naive: as it was"), "48.0"),
            Column("yesterday", "DOUBLE", Text("Cách đơn giản: như hôm qua", "Naive: same hour yesterday"), "45.0"),
            Column("actual", "DOUBLE", Text("Giá trị thật, khi đã có", "What came, once it is known"), "55.0"),
            _UNIT,
            _WARD,
            _WARD_NAME,
            Column("run", "VARCHAR", Text("Mã lần chạy", "Id of the run")),
        ),
    ),
    Table(
        "runs",
        Text("Các lần chạy quy trình", "Executions of processes"),
        "run.read",
        (
            Column("id", "VARCHAR", Text("Mã lần chạy", "Id of the run")),
            Column("process", "VARCHAR", Text("Quy trình", "The process"), "air-24h"),
            Column("version", "VARCHAR", Text("Phiên bản", "Version"), "1"),
            Column(
                "state",
                "VARCHAR",
                Text(
                    "queued, running, done, failed, cancelled, expired", "queued, running, done, failed, cancelled, expired"
                ),
                "done",
            ),
            Column("requested_by", "VARCHAR", Text("Ai yêu cầu", "Who asked for it"), "system"),
            Column("requested_at", "TIMESTAMPTZ", Text("Lúc yêu cầu", "When it was asked for"), "2026-05-14 11:00:00+07"),
            Column("started_at", "TIMESTAMPTZ", Text("Lúc bắt đầu", "When it began"), "2026-05-14 11:00:01+07"),
            Column("ended_at", "TIMESTAMPTZ", Text("Lúc xong", "When it ended"), "2026-05-14 11:00:04+07"),
            Column("seconds", "DOUBLE", Text("Thời gian chạy", "How long it ran"), "2.8", "s"),
        ),
    ),
)


def tables(types: Iterable[EntityType]) -> dict[str, Table]:
    """Every table of a city that knows these ``types``, by name: the common ones first, then a wide one for each type."""
    found = {one.name: one for one in _TABLES}
    for kind in types:
        one = _wide(kind)
        found.setdefault(one.name, one)
    return found


def visible(asker: Person, types: Iterable[EntityType]) -> dict[str, Table]:
    """The tables that ``asker`` may read something of."""
    if reach(asker, "sql.ask") is None:
        return {}
    return {name: one for name, one in tables(types).items() if reached(asker, one) is not None}


def reached(asker: Person, table: Table) -> Reach | None:
    """What ``asker`` sees of ``table``; None of nothing."""
    asked, read = reach(asker, "sql.ask"), reach(asker, table.action)
    return None if asked is None or read is None else read.within(asked)


def snake(name: str) -> str:
    """``AirQualityObserved`` as ``air_quality_observed``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _wide(kind: EntityType) -> Table:
    common = (_ENTITY, _NAME, _WARD, _WARD_NAME, _LONGITUDE, _LATITUDE, _OBSERVED)
    taken = {one.name for one in common}
    columns = tuple(_measured(one) for one in kind.attributes if one.name.lower() not in taken)
    return Table(
        snake(kind.name),
        Text(
            f"{kind.title.vi}: mỗi dòng một nơi và một lúc, mỗi đại lượng một cột; bỏ giá trị hỏng",
            f"{kind.title.en}: a row for each place and moment, a column for each thing observed; without bad values",
        ),
        "history.read",
        (*common, *columns),
        time="observed_at",
        kind=kind.iri,
    )


def _measured(one: AttributeType) -> Column:
    unit = UNITS.get(one.unit or "")
    kind = "DOUBLE" if one.value == "number" else "VARCHAR"
    return Column(one.name, kind, one.title, unit=unit.symbol if unit else "")
