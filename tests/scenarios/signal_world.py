"""A drill in which readings pass a limit: its stations, its people's browsers, a citizen without a script, its audit log."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, expect

from dothi.cli.drill.citizen import picture
from dothi.store.audit import walk
from dothi.store.audit_copy import verify_copy
from dothi.testing.city import PATIENCE, RunningCity, running_city

BEGINS = datetime.fromisoformat("2026-11-20T08:00:00+07:00")  # a Friday morning: everybody works
SPEED = 20.0  # city seconds a second: what a machine is slow with makes nothing overdue
SOOT, CLEAN = 260.0, 40.0  # µg/m³ of PM2.5, for an index above 150 and one far below
ALERT = "VN_AQI ở mức xấu trở lên"
SMOKE = "Đốt rơm rạ sau nhà văn hóa, khói dày đặc cả ngõ, trẻ em ho nhiều."
ANSWER = "Phường đã dập điểm đốt rơm rạ và nhắc nhở hộ gia đình; ảnh sau xử lý kèm theo."
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


@contextmanager
def signal_city(folder: Path) -> Iterator[RunningCity]:
    """A drill's city in which nothing happened yet."""
    ends = BEGINS + timedelta(hours=10)
    settings = {"drill": "tin-hieu", "replay_from": BEGINS, "replay_to": ends, "replay_speed": SPEED}
    with running_city(folder, **settings) as city:
        yield city


def smog(city: RunningCity) -> None:
    """Three stations of the first ward tell four hours of clean air and one that is not."""
    ward = city.platform.city.wards[0]
    now = city.platform.clock.now()
    with httpx.Client(base_url=city.base_url, headers=city.operator, trust_env=False, timeout=30) as client:
        for number in range(3):
            name, place = f"tram-{number}", {"longitude": ward.longitude + number / 2000, "latitude": ward.latitude}
            told = {"id": name, "type": "AirQualityObserved", "name": f"Trạm {number}", "cadence": 900, **place}
            assert client.post("/api/v1/devices", json=told).status_code == 201
            # In one message: an hour's index is made of what is known when the hour is found to be over.
            past = [
                {"at": (now + timedelta(minutes=minute)).isoformat(), "values": {"pm25": CLEAN if minute < -60 else SOOT}}
                for minute in range(-300, 1, 15)
            ]
            assert client.post(f"/api/v1/devices/{name}/readings", json=past).status_code == 202


class People:
    """The browsers of those who have a part: each a context of its own, that fails the test if a page of it has an error."""

    def __init__(self, browser: Browser, city: RunningCity) -> None:
        self._browser, self._city = browser, city
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []

    def open(self, size: dict[str, int], *, touch: bool = False, script: bool = True) -> Page:
        """A page of somebody who comes for the first time."""
        context = self._browser.new_context(
            base_url=self._city.base_url,
            viewport=size,  # type: ignore[arg-type]  # two whole numbers
            locale="vi",
            has_touch=touch,
            java_script_enabled=script,
            reduced_motion="reduce",
        )
        context.set_default_timeout(PATIENCE * 1000)
        self._contexts.append(context)
        context.on("weberror", lambda one: self.faults.append(str(one.error)))
        context.on("console", lambda one: self.faults.append(one.text) if one.type == "error" else None)
        return context.new_page()

    def close(self) -> None:
        """Close them all."""
        for context in self._contexts:
            context.close()


class Citizen:
    """Somebody with a phone and no script, who sends a report and follows it."""

    def __init__(self, people: People, city: RunningCity) -> None:
        self._ward = city.platform.city.wards[0].full_name
        self._page = people.open(PHONE, touch=True, script=False)
        self._address = ""

    def report(self) -> None:
        """Report the smoke, with a photo."""
        page = self._page
        page.goto("/report")
        page.get_by_role("radio", name=re.compile("^Môi trường")).check()
        page.get_by_role("textbox", name="Địa chỉ").fill(f"12 ngõ Văn Hóa, {self._ward}")
        page.get_by_role("button", name="Tiếp tục").tap()
        page.get_by_role("textbox", name="Chuyện gì đang xảy ra?").fill(SMOKE)
        page.get_by_label("Ảnh chụp tại chỗ").set_input_files(photo("khoi"))
        page.get_by_role("button", name="Gửi phản ánh").tap()
        expect(page.get_by_role("heading", name="Đã nhận phản ánh của bạn")).to_be_visible()
        self._address = page.url.partition("?")[0]

    def hear(self) -> None:
        """Read the answer with its photo, and say that it is good."""
        page = self._page
        with page.expect_response(re.compile(r"/reports/photos/\d+\?size=small")) as seen:
            page.goto(self._address)
        assert seen.value.status == 200
        answer = page.get_by_role("region", name="Trả lời")
        expect(answer).to_contain_text(ANSWER)
        expect(answer.get_by_role("img")).to_have_count(1)
        page.get_by_role("radio", name="Hài lòng", exact=True).tap()
        page.get_by_role("button", name="Gửi đánh giá").tap()
        expect(page.get_by_role("button", name="Sửa đánh giá")).to_be_visible()


def photo(words: str) -> dict[str, str | bytes]:
    """A photo as a form takes it."""
    return {"name": f"{words}.jpg", "mimeType": "image/jpeg", "buffer": picture(words)}


def verified(city: RunningCity, folder: Path) -> set[str]:
    """The actions in the audit log, after it was handed over and proved whole."""
    copy = folder / "audit.zip"
    with httpx.Client(base_url=city.base_url, headers=city.operator, trust_env=False, timeout=60) as client:
        answer = client.get("/audit.zip")
    assert answer.status_code == 200
    copy.write_bytes(answer.content)
    assert verify_copy(copy).intact
    with city.platform.database.reader() as db:
        return {row.action for row in walk(db)}
