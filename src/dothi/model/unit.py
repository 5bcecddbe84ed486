"""Units of measure: UN/CEFACT Recommendation 20 codes, their symbols, and the one conversion table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: ``value_in_base = value * factor + offset``, in the base unit of its ``quantity``."""

    code: str
    symbol: str
    quantity: str
    factor: float = 1.0
    offset: float = 0.0


_ALL = (
    Unit("GQ", "µg/m³", "mass concentration"),
    Unit("GP", "mg/m³", "mass concentration", 1000.0),
    Unit("CEL", "°C", "temperature"),
    Unit("KEL", "K", "temperature", 1.0, -273.15),
    Unit("FAH", "°F", "temperature", 5 / 9, -160 / 9),
    Unit("P1", "%", "ratio"),
    Unit("C62", "1", "ratio", 100.0),
    Unit("PAL", "Pa", "pressure"),
    Unit("A97", "hPa", "pressure", 100.0),
    Unit("KPA", "kPa", "pressure", 1000.0),
    Unit("BAR", "bar", "pressure", 100_000.0),
    Unit("MTR", "m", "length"),
    Unit("CMT", "cm", "length", 0.01),
    Unit("MMT", "mm", "length", 0.001),
    Unit("KMT", "km", "length", 1000.0),
    Unit("MTS", "m/s", "speed"),
    Unit("KMH", "km/h", "speed", 1 / 3.6),
    Unit("MQS", "m³/s", "flow"),
    Unit("MQH", "m³/h", "flow", 1 / 3600),
    Unit("DD", "°", "angle"),
    Unit("2N", "dB", "level"),
    Unit("LUX", "lx", "illuminance"),
    Unit("VLT", "V", "voltage"),
    Unit("AMP", "A", "current"),
    Unit("WTT", "W", "power"),
    Unit("KWT", "kW", "power", 1000.0),
    Unit("MAW", "MW", "power", 1_000_000.0),
    Unit("KWH", "kWh", "energy"),
    Unit("MWH", "MWh", "energy", 1000.0),
    Unit("SEC", "s", "time"),
    Unit("MIN", "min", "time", 60.0),
    Unit("HUR", "h", "time", 3600.0),
)
UNITS: dict[str, Unit] = {unit.code: unit for unit in _ALL}
_BY_SPELLING = {spelling: unit for unit in _ALL for spelling in (unit.code, unit.symbol)} | {
    "ug/m3": UNITS["GQ"],
    "μg/m³": UNITS["GQ"],
    "μg/m3": UNITS["GQ"],
    "µg/m3": UNITS["GQ"],
    "mg/m3": UNITS["GP"],
    "C": UNITS["CEL"],
}


def find_unit(spelling: str) -> Unit | None:
    """The unit written as a UN/CEFACT code, a symbol or a common other spelling; None if it is not known."""
    return _BY_SPELLING.get(spelling)


def conversion(source: Unit, target: Unit) -> tuple[float, float] | None:
    """``(factor, offset)`` that turn a value in ``source`` into ``target``; None if they measure different things."""
    if source.quantity != target.quantity:
        return None
    return source.factor / target.factor, (source.offset - target.offset) / target.factor
