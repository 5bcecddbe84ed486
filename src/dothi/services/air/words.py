"""What the air sector says in both languages: the words around numbers, and how a number is written."""

from datetime import datetime, timedelta

from dothi.model.city import Found
from dothi.model.reading import Grade, Origin, Reason
from dothi.model.text import Text
from dothi.services.air import qcvn05
from dothi.services.air.model import POLLUTANT_NAMES
from dothi.services.air.stations import Station
from dothi.services.air.wards import FARTHEST_KM, InterpolationError
from dothi.ui import formats

TITLE = Text("Không khí", "Air")
LAYER = Text("Chất lượng không khí (VN_AQI)", "Air quality (VN_AQI)")
BEYOND = Text("vượt thang", "beyond the scale")
NO_INDEX = Text("chưa đủ số đo để tính VN_AQI", "not enough readings for a VN_AQI")
NO_STATION = Text(
    "Cần trạm quan trắc không khí: duyệt một trạm ở trang thiết bị.",
    "Needs air quality stations: admit one on the devices page.",
)
NO_STATION_THEN = Text("Lúc đó chưa có số đo của trạm nào.", "No station's readings at that moment.")
NEVER = Text("chưa có tín hiệu", "no signal yet")
METHOD = Text(
    "VN_AQI giờ tính theo Quyết định 1459/QĐ-TCMT (2019): bụi PM2.5 và PM10 theo NowCast 12 giờ, các khí theo trung bình"
    " 1 giờ; lấy chỉ số lớn nhất. Số đo bị đánh giá hỏng không được dùng. Lời khuyên sức khỏe do Đô Thị soạn.",
    "Hourly VN_AQI by Decision 1459/QĐ-TCMT (2019): PM2.5 and PM10 by 12-hour NowCast, gases by their 1-hour mean; the"
    " largest index counts. Readings graded bad are not used. The health advice is worded by Đô Thị.",
)
INTERPOLATION = Text(
    f"Giá trị của phường, xã là nội suy, gần đúng: trung bình các trạm, trạm càng gần càng nặng (nghịch đảo bình phương"
    f" khoảng cách); không có giá trị khi trạm gần nhất xa hơn {FARTHEST_KM:.0f} km.",
    f"The value of a ward or commune is interpolated and approximate: the mean of the stations, nearer ones weighing more"
    f" (inverse square of the distance); none when the nearest station is farther than {FARTHEST_KM:.0f} km.",
)
REASONS = {
    Reason.TYPE: Text("sai kiểu giá trị", "wrong kind of value"),
    Reason.RANGE: Text("ngoài khoảng có thể", "outside the possible range"),
    Reason.UNIT: Text("sai đơn vị", "wrong unit"),
    Reason.FUTURE: Text("thời gian ở tương lai", "time in the future"),
    Reason.ABSURD_TIME: Text("thời gian vô lý", "absurd time"),
    Reason.STUCK: Text("đứng yên quá lâu", "unchanged for too long"),
    Reason.JUMP: Text("nhảy đột ngột", "sudden jump"),
    Reason.SHARED_PLACE: Text("trùng tọa độ với trạm khác", "same coordinates as another station"),
}
GRADES = {
    Grade.GOOD: Text("tốt", "good"),
    Grade.SUSPECT: Text("nghi ngờ", "suspect"),
    Grade.BAD: Text("hỏng", "bad"),
}
ORIGINS = {
    Origin.MEASURED: Text("đo", "measured"),
    Origin.MODELLED: Text("mô hình", "modelled"),
    Origin.SIMULATED: Text("mô phỏng", "simulated"),
    Origin.REPLAYED: Text("phát lại", "replayed"),
}


def reasons_in_words(reasons: Reason, language: str) -> str:
    """Why a value is not graded good, each reason in words; empty for none."""
    return ", ".join(text.in_language(language) for reason, text in REASONS.items() if reason & reasons)


def pollutant(key: str | None) -> str:
    """A pollutant as it is written: 'PM2.5', 'NO₂'; a name of somebody else's stays as it is."""
    return POLLUTANT_NAMES.get(key or "", key or "")


def kilometres(value: float, language: str) -> str:
    """'1,2 km' (vi) or '1.2 km' (en)."""
    return f"{formats.number(value, language, 1)} km"


def hour_span(start: datetime, language: str) -> str:
    """The hour that starts at ``start`` in the city's time: '09:00–10:00 14/05/2026'."""
    return f"{formats.hour(start)}–{formats.hour(start + timedelta(hours=1))} {formats.day(start, language)}"


def limit_words(averaging: qcvn05.Averaging, language: str) -> str:
    """A limit of QCVN 05:2023 in a few words: 'QCVN 24 giờ'."""
    hours, unit = averaging.removesuffix("h"), "h" if language == "en" else " giờ"
    return f"QCVN {hours}{unit}"


def level_words(station: Station, language: str) -> str:
    """A station's level without its number: 'Trung bình'."""
    if station.band is None:
        return NO_INDEX.in_language(language)
    level = station.band.name.in_language(language)
    return f"{level} ({BEYOND.in_language(language)})" if station.beyond_scale else level


def index_words(station: Station, language: str) -> str:
    """A station's index in words: '84 AQI · Trung bình'."""
    if station.index is None or station.band is None:
        return NO_INDEX.in_language(language)
    words = f"{station.index} AQI · {station.band.name.in_language(language)}"
    return f"{words} ({BEYOND.in_language(language)})" if station.beyond_scale else words


def short_age(station: Station, now: datetime, language: str) -> str:
    """When a station was last heard, where its state is said beside it: '3 phút trước', 'lần cuối 10:05 14/05/2026'."""
    if station.heard is None or station.freshness == "fresh":
        return NEVER.in_language(language) if station.heard is None else formats.relative(station.heard, now, language)
    return f"{'last heard' if language == 'en' else 'lần cuối'} {formats.daytime(station.heard, language)}"


def age_words(station: Station, now: datetime, language: str) -> str:
    """How fresh a station is: 'cập nhật 3 phút trước', 'mất tín hiệu từ 10:05 14/05/2026'."""
    if station.heard is None:
        return NEVER.in_language(language)
    if station.freshness == "fresh":
        told = formats.relative(station.heard, now, language)
        return f"updated {told}" if language == "en" else f"cập nhật {told}"
    late = station.freshness == "late"
    since = formats.daytime(station.heard, language)
    if language == "en":
        return f"{'late' if late else 'silent'}, last heard {since}"
    return f"{'chậm cập nhật' if late else 'mất tín hiệu'}, lần cuối {since}"


def former_words(found: Found, language: str) -> str:
    """What became of the commune whose former name was typed: 'Phường Kim Mã nay thuộc Phường Ba Đình.'; else empty."""
    if found.former is None:
        return ""
    now = found.ward.full_name
    if language == "en":
        return f"{found.former} is now in {now}." if found.whole else f"Part of {found.former} is now in {now}."
    return f"{found.former} nay thuộc {now}." if found.whole else f"Một phần {found.former} nay thuộc {now}."


def former_part(found: Found, language: str) -> str:
    """The same beside the ward's own name: 'một phần Phường Kim Mã cũ'; empty for today's name."""
    if found.former is None:
        return ""
    if language == "en":
        return f"the former {found.former}" if found.whole else f"part of the former {found.former}"
    return f"{found.former} cũ" if found.whole else f"một phần {found.former} cũ"


def error_words(error: InterpolationError | None, language: str) -> str:
    """How wrong the interpolation is now, beside the plain mean; says so when it is no better."""
    if error is None:
        return (
            "Too few stations to measure the error of the interpolation."
            if language == "en"
            else "Quá ít trạm để đo sai số nội suy."
        )
    found, naive = (formats.number(value, language, 1) for value in (error.interpolated, error.naive))
    if language == "en":
        words = f"Error now, each place guessed from the others: ±{found} AQI; the city's plain mean: ±{naive} AQI."
        return words if error.better else words + " Right now the interpolation is no better than the plain mean."
    words = f"Sai số lúc này, đoán mỗi nơi từ các nơi khác: ±{found} AQI; lấy trung bình toàn thành phố: ±{naive} AQI."
    return words if error.better else words + " Lúc này nội suy không hơn trung bình toàn thành phố."


def coordinates(longitude: float, latitude: float, language: str) -> str:
    """A point in WGS 84 as people write it."""
    if language == "en":
        return f"{latitude:.5f}° N, {longitude:.5f}° E (WGS 84)"
    return f"{latitude:.5f}° B, {longitude:.5f}° Đ (WGS 84)".replace(".", ",")
