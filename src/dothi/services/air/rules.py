"""What a new city watches in its air: the limits of the law and of the index, and stations that fall silent."""

from datetime import date

from dothi.model.text import Text
from dothi.platform.incidents.kinds import IncidentKind, Playbook, PlaybookStep
from dothi.platform.rules.model import Compare, Needs, Rule, Silence, Window
from dothi.platform.sector import AlertCategory
from dothi.services.air import qcvn05
from dothi.services.air.bands import BANDS
from dothi.services.air.model import AIR_QUALITY_OBSERVED, INDEX, iri

SMOG, STATION_SILENT = "air-pollution", "air-station-silent"
_SPREAD = 3  # stations are far apart and smog is not of one ward
_HOURS = qcvn05.HOURS["24h"]
_LIMIT = next(one.value for one in qcvn05.limits("pm25", qcvn05.PM25_TIGHTENED) if one.averaging == "24h")
_POOR = next(band for band in BANDS if band.key == "poor")

KINDS = (
    IncidentKind(
        SMOG,
        Text("Ô nhiễm không khí", "Air pollution"),
        agency="so-nong-nghiep-moi-truong",
        severity=3,
        urgency="urgent",
        playbook=SMOG,
        proof=False,
    ),
    IncidentKind(
        STATION_SILENT,
        Text("Trạm không khí mất tín hiệu", "Silent air station"),
        agency="so-nong-nghiep-moi-truong",
        proof=False,
    ),
)
CATEGORIES = (AlertCategory(AIR_QUALITY_OBSERVED, "environment", "airPollution"),)
PLAYBOOKS = (
    Playbook(
        SMOG,
        Text("Xử lý đợt ô nhiễm không khí", "What to do about polluted air"),
        (
            PlaybookStep(
                Text("Xem số đo của trạm và các trạm lân cận", "Look at the readings of the station and those around it"), 15
            ),
            PlaybookStep(
                Text("Giao phường kiểm tra nguồn phát thải tại chỗ", "Have the ward look for what pollutes there"), 30
            ),
            PlaybookStep(Text("Thông tin cho người dân trong khu vực", "Tell the people who live there"), 60),
            PlaybookStep(Text("Ghi nguyên nhân và kết quả xử lý", "Write down the cause and what was done")),
        ),
    ),
)
RULES = (
    Rule(
        id="air-pm25-24h",
        title=Text("PM2.5 trung bình 24 giờ vượt QCVN 05:2023", "24-hour PM2.5 above QCVN 05:2023"),
        entity_type=AIR_QUALITY_OBSERVED,
        any_of=(
            (
                Window(
                    attribute=iri("pm25"),
                    statistic="mean",
                    minutes=60.0 * _HOURS,
                    op=">",
                    value=_LIMIT,
                    least=round(qcvn05.CAPTURE * _HOURS),
                    spans=qcvn05.CAPTURE,
                ),
            ),
        ),
        clear_minutes=60.0,
        severity=2,
        spread=_SPREAD,
        note=f"QCVN 05:2023/BTNMT, trung bình 24 giờ từ {date.isoformat(qcvn05.PM25_TIGHTENED)}.",
    ),
    Rule(
        id="air-index-bad",
        title=Text("VN_AQI ở mức xấu trở lên", "VN_AQI bad or worse"),
        entity_type=AIR_QUALITY_OBSERVED,
        any_of=((Compare(attribute=INDEX, op=">", value=float(_POOR.high)),),),
        clear_minutes=60.0,
        severity=3,
        spread=_SPREAD,
        incident=SMOG,
        note="Quyết định 1459/QĐ-TCMT.",
    ),
    Rule(
        id="air-stations-silent",
        title=Text("Nhiều trạm không khí của một phường mất tín hiệu", "Several air stations of a ward are silent"),
        entity_type=AIR_QUALITY_OBSERVED,
        any_of=((Silence(minutes=180.0, attribute=iri("pm25")),),),
        needs=Needs(2),
        severity=2,
        incident=STATION_SILENT,
    ),
)
