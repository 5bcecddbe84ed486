"""What can be told to an air station: start again, and check its zero point with clean air."""

from datetime import timedelta

from dothi.model.text import Text
from dothi.platform.commands.kinds import CommandKind, Parameter, Parameters, Verification
from dothi.services.air.model import AIR_QUALITY_OBSERVED, iri


def _measures(_: Parameters, value: object) -> bool:
    """A station that measures again did what it was told."""
    return isinstance(value, int | float)


COMMANDS = (
    CommandKind(
        "air.restart",
        Text("Khởi động lại trạm", "Restart the station"),
        AIR_QUALITY_OBSERVED,
        Text("Trạm ngừng đo khoảng 2 phút rồi đo lại.", "The station measures nothing for about 2 minutes, then goes on."),
        Verification(iri("pm25"), _measures, timedelta(minutes=30)),
    ),
    CommandKind(
        "air.zero-check",
        Text("Kiểm tra điểm không", "Check the zero point"),
        AIR_QUALITY_OBSERVED,
        Text(
            "Trạm hút khí sạch trong thời gian đã chọn: số đo của lúc đó không phải là không khí ngoài trời.",
            "The station draws clean air for the chosen time: what it reads then is not the air outside.",
        ),
        Verification(iri("pm25"), _measures, timedelta(hours=2)),
        parameters=(Parameter("minutes", Text("Số phút", "Minutes"), 1, 60),),
        two_people=True,
    ),
)
