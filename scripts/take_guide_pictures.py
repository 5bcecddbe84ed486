"""Takes the pictures of the guides for operators and officers: the drill smog, worked through in real Chromium.

Nothing in them is real: an invented day, a city that says DIỄN TẬP, demo people, drawn photos.
"""

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from dothi.cli.client import Client
from dothi.cli.drill.citizen import Citizen
from dothi.cli.drill.script import Report, Script, read_script
from dothi.cli.drill.stations import Stations
from dothi.cli.drill.world import drill_city, settings_of
from dothi.settings import Settings
from dothi.testing.browser import ARGUMENTS, CHROMIUM, come_in

OUT = Path(__file__).resolve().parent.parent / "docs" / "screens"
SPEED = 30.0  # city seconds per second: the alert comes within two minutes, and no clock runs out before the end
DESK, PHONE = ViewportSize(width=1440, height=900), ViewportSize(width=390, height=844)
SETTLE = 7000  # milliseconds for map and stream
PATIENCE = 300.0
# In the ward of the demo's officer; what people of a made-up city may write.
HERE = (105.8312, 21.0365)
SMOKE = "Đốt rơm rạ sau nhà văn hóa, khói dày đặc cả ngõ, trẻ em ho nhiều."
SAID = (
    ("report-environment", SMOKE, 0.0),
    ("report-environment", "Sau nhà văn hóa đang đốt rơm rạ, khói dày đặc.", 0.0004),
    ("report-safety", "Cành cây lớn gãy, đang vướng trên dây điện trước cổng chợ.", 0.003),
)


class Walk:
    """The drill at its screens. ``shoot`` keeps a picture as docs/screens/guide-NAME.jpg."""

    def __init__(self, client: Client, browser: Browser) -> None:
        self.client, self._browser = client, browser

    def sign_in(self, role: str, size: ViewportSize) -> Page:
        """The page of a demo person of ``role``."""
        page = self._browser.new_page(viewport=size, locale="vi", color_scheme="light")
        come_in(page, self.client.url, role)
        return page

    def go(self, page: Page, path: str, rest: int = 600) -> None:
        """Open ``path`` and let it settle."""
        answer = page.goto(self.client.url + path, wait_until="load")
        if answer is None or not answer.ok:
            raise RuntimeError(f"{path} is not shown: {answer and answer.status}")
        page.wait_for_timeout(rest)

    def shoot(self, page: Page, name: str, selector: str = "") -> None:
        """A picture of what is in view, or of the part at ``selector``."""
        told: dict[str, Any] = {"path": OUT / f"guide-{name}.jpg", "type": "jpeg", "quality": 74}
        if selector:
            page.locator(selector).first.screenshot(**told)
        else:
            page.screenshot(**told)
        print(f"guide-{name}.jpg")

    def incidents(self, origin: str) -> list[dict[str, Any]]:
        """Those of one origin, the oldest first."""
        found = self.client.get("/api/v1/incidents", order="newest", limit=200)["items"]
        return [one for one in reversed(found) if one["origin"] == origin]

    def act(self, code: str, **act: Any) -> None:
        """Do an act as the city's operator."""
        version = self.client.get(f"/api/v1/incidents/{code}")["version"]
        self.client.post(f"/api/v1/incidents/{code}/acts", {"act": act, "version": version})


def main() -> None:
    """Play, and take them all."""
    script = read_script("smog")
    with (
        TemporaryDirectory() as folder,
        drill_city(settings_of(Settings(home=Path(folder)), script, SPEED, 0)) as client,
        measured(client, script, Path(folder)),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        walk = Walk(client, browser)
        for kind, text, east in SAID:
            report(client, kind, text, east)
        _until(lambda: walk.incidents("alert"), "the alert becomes an incident")
        operator, officer = walk.sign_in("operator", DESK), walk.sign_in("ward_officer", PHONE)
        at_the_desk(walk, operator)
        on_the_phone(walk, operator, officer)
        at_the_end(walk, operator)
        browser.close()


def at_the_desk(walk: Walk, page: Page) -> None:
    """The shift begins: the queue, an alert, an incident, its acts."""
    alert, smoke = walk.incidents("alert")[0]["code"], walk.incidents("report")[0]
    walk.go(page, "/incidents/shift")
    page.click("button[value=take]")
    walk.go(page, f"/?chosen={alert}", SETTLE)
    walk.shoot(page, "queue")
    walk.go(page, "/alerts")
    walk.shoot(page, "alerts")
    walk.go(page, "/incidents")
    walk.shoot(page, "incidents")
    walk.go(page, f"/incidents/{smoke['code']}")
    walk.shoot(page, "duplicates", "section:has(#twin-title)")
    page.click("section:has(#twin-title) button")
    kept = walk.incidents("report")
    smoke = next(one for one in kept if one["kind"] == smoke["kind"] and one["state"] != "merged")
    page.route("**/live?*", lambda route: route.abort())  # or the page would show at once what the other does
    walk.go(page, f"/incidents/{smoke['code']}")
    quicker = walk.sign_in("engineer", DESK)
    walk.go(quicker, f"/incidents/{smoke['code']}")
    quicker.click("#rank summary")
    quicker.select_option("#rank select[name=severity]", "3")
    quicker.select_option("#rank select[name=urgency]", "urgent")
    quicker.click("#rank button")
    quicker.wait_for_load_state()
    quicker.close()
    page.click("#do button.button-main")
    page.wait_for_timeout(600)
    walk.shoot(page, "changed")
    page.unroute_all()
    page.click("form .button-main")
    walk.go(page, f"/incidents/{alert}")
    page.click("#do button.button-main")
    walk.go(page, f"/incidents/{alert}")
    page.click(".work-play button.check-box >> nth=0")
    walk.go(page, f"/incidents/{alert}")
    walk.shoot(page, "incident")
    page.click("#pause summary")
    page.locator("#pause").scroll_into_view_if_needed()
    walk.shoot(page, "pause", ".work-more")


def on_the_phone(walk: Walk, operator: Page, phone: Page) -> None:
    """The officer's part: assigned, there, without a line, photos, the answer, what everybody may see."""
    smoke = next(one for one in walk.incidents("report") if one["state"] == "accepted")
    walk.go(operator, f"/incidents/{smoke['code']}")
    operator.select_option("#do select[name=unit]", f"ward:{smoke['ward']}")
    operator.select_option("#do select[name=assignee]", label="Cán bộ phường, xã")
    walk.shoot(operator, "assign", "#do")
    operator.click("#do button.button-main")
    other = next(one["code"] for one in walk.incidents("report") if one["kind"] == "report-safety")
    walk.act(other, type="accept")
    walk.act(other, type="assign", ward=smoke["ward"])
    walk.go(phone, "/mine", 2500)
    walk.shoot(phone, "mine")
    phone.clock.set_system_time(walk.client.get("/api/v1/city")["time"])  # what waits says when, by the telephone
    phone.context.set_offline(True)
    phone.click(".mine-card .mine-main")
    take_photo(phone, 0, smoke=True)
    phone.wait_for_timeout(1500)
    phone.evaluate("scrollTo(0, 0)")
    walk.shoot(phone, "offline")
    phone.context.set_offline(False)
    phone.wait_for_timeout(4000)
    take_photo(phone, 1, smoke=False)
    phone.wait_for_timeout(3000)
    walk.go(phone, "/mine", 2000)
    phone.click("summary:has-text('Trả lời')")
    phone.fill(
        ".mine-card textarea[name=text]",
        "Đã dập điểm đốt rơm rạ sau nhà văn hóa lúc sáng nay và nhắc hộ gia đình; ảnh sau xử lý kèm theo.",
    )
    phone.locator(".mine-photos").first.scroll_into_view_if_needed()
    walk.shoot(phone, "answer")
    phone.click("text=Gửi trả lời")
    phone.wait_for_timeout(2500)
    walk.go(phone, "/reports/review")
    walk.shoot(phone, "review")


def at_the_end(walk: Walk, page: Page) -> None:
    """A command, and the shift is handed over."""
    alert = walk.incidents("alert")[0]
    device = walk.client.get("/api/v1/devices/dien-tap-1")
    engineer = walk.sign_in("engineer", DESK)
    walk.go(engineer, f"/commands/new?entity={device['entity']}&kind=air.zero-check&incident={alert['code']}")
    engineer.fill("#p-minutes", "5")
    engineer.fill("#because", "Xác nhận số đo cao của trạm trước khi báo dân.")
    engineer.click("form .button-main")
    made = walk.client.get("/api/v1/commands", incident=alert["code"])["items"][0]
    walk.go(page, f"/commands/{made['id']}")
    walk.shoot(page, "command", "dt-refresh")
    walk.act(alert["code"], type="pause", reason="Chờ kết quả kiểm tra trạm")
    walk.go(page, "/incidents/shift")
    walk.shoot(page, "shift")
    page.click("button[value=hand]")
    walk.go(page, "/incidents/load")
    walk.shoot(page, "load")


def take_photo(phone: Page, which: int, *, smoke: bool) -> None:
    """Take the photo before (0) or after (1): a drawn courtyard, with a fire or without."""
    drawn = Image.new("RGB", (640, 480), "#b9cbd6")
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, 300, 640, 480), fill="#8d8a70")
    pen.rectangle((60, 140, 330, 310), fill="#d8c7a0")
    pen.polygon(((40, 145), (195, 60), (350, 145)), fill="#9c5b45")
    if smoke:
        for left, top, wide in ((380, 250, 120), (400, 170, 150), (430, 80, 170), (470, -20, 190)):
            pen.ellipse((left, top, left + wide, top + wide), fill="#6f6f6f")
        pen.polygon(((390, 390), (440, 290), (490, 390)), fill="#e07b1a")
    else:
        pen.ellipse((380, 350, 500, 390), fill="#4b4638")
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=85)
    photo = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": written.getvalue()}
    phone.set_input_files(f".mine-photo input[name=photo] >> nth={which}", photo)  # type: ignore[arg-type]  # it is a FilePayload


def report(client: Client, kind: str, text: str, east: float) -> None:
    """A citizen's report, ``east`` degrees of longitude further than HERE."""
    citizen = Citizen(client.url)
    try:
        citizen.report(Report(kind, text, HERE[0] + east, HERE[1]))
    finally:
        citizen.close()


@contextmanager
def measured(client: Client, script: Script, home: Path) -> Iterator[None]:
    """The drill's stations measure, on a thread, until the block ends."""
    city = client.get("/api/v1/city")
    place = next(home.rglob("address"))
    stations = Stations(client, script, int(msgspec.json.decode(place.read_bytes())["mqtt"]), city["tenant"])
    ended = threading.Event()

    def measure() -> None:
        while not ended.wait(0.3):
            now = datetime.fromisoformat(client.get("/api/v1/city")["time"])
            stations.send((now - script.begins) / timedelta(minutes=1))

    thread = threading.Thread(target=measure, name="stations")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        stations.close()


def _until(found: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not found():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(1)


if __name__ == "__main__":
    main()
