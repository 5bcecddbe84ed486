"""The tile of order in the streets: what is open, for who may see all of it, now and at no other time."""

from datetime import UTC, datetime

from dothi.access.policy import LOCAL_OPERATOR, STRANGER, Person
from dothi.model.moment import Moment
from dothi.platform.incidents.model import Draft
from dothi.services.citizens.tile import ORDER, tile
from dothi.testing.city import RunningCity


def test_open_reports_about_order_are_counted_for_who_may_see_them(city: RunningCity) -> None:
    def said(asker: Person, moment: Moment | None = None) -> tuple[str | None, str, str]:
        shown = tile(city.platform, asker, "vi", moment)
        return shown.number, shown.words, shown.missing

    before = int(said(LOCAL_OPERATOR)[0] or 0)
    draft = Draft(ORDER, "report", text="Xe đỗ kín vỉa hè", ward=city.platform.city.wards[0].code)
    city.run(city.platform.incidents.open(LOCAL_OPERATOR, draft))
    assert said(LOCAL_OPERATOR) == (str(before + 1), "phản ánh đang mở", "")
    assert said(STRANGER) == (None, "", "Dành cho người xem mọi phản ánh")
    then = Moment(datetime(2026, 1, 1, tzinfo=UTC))
    assert said(LOCAL_OPERATOR, then) == (None, "", "Chỉ đếm lúc này")
