"""The officer's own list: what is theirs, done without a script, and with one also without a line."""

import re
from collections.abc import Callable

import pytest
from incident_world import PIXEL, does, opened, with_kinds
from playwright.sync_api import APIResponse, Page, Route, expect
from visitor_world import Visitor

from dothi.access.sessions import COOKIE
from dothi.platform.incidents import acts
from dothi.platform.incidents.model import Incident
from dothi.testing.city import RunningCity, wait_until
from dothi.testing.people import insider
from dothi.web.incidents.ground import HEIGHT, WIDTH, Ground

Opener = Callable[..., Page]
# What a thumb can hit is the box, or the room that is laid around it; dots of a map are in a list beneath it, too.
SMALL = """() => {
  document.querySelectorAll('main details').forEach(one => one.open = true)
  const all = 'a[href], button, summary, select, textarea, label:has(> input), input:not([type=hidden], label input)'
  const room = one => Math.max(one.getBoundingClientRect().height, parseFloat(getComputedStyle(one, '::after').height) || 0)
  const seen = [...document.querySelectorAll(`main :is(${all}), footer a`)].filter(one => one.checkVisibility())
  return seen.filter(one => room(one) < 44 && !one.closest('svg')).map(one => `${room(one)} px: ${one.outerHTML}`)
}"""


def mine(city: RunningCity, session: str, title: str = "") -> Incident:
    """An incident that was given to whoever holds ``session``."""
    with_kinds(city)
    account = city.platform.accounts.sessions.find(session)
    assert account is not None
    return does(city, opened(city, title), acts.Accept(), acts.Assign(assignee=account.account))


def test_the_list_is_ones_own_and_works_by_forms(city: RunningCity) -> None:
    session = city.session("ward_officer")
    with Visitor(city, session) as officer:

        def cards() -> list[str]:
            return re.findall(r'<article class="card mine-card[^>]* data-code="([^"]+)"', officer.get("/mine").text)

        before = cards()  # other tests of this city give the officer work too
        other = mine(city, city.session("engineer"))
        one = mine(city, session, "Cây đổ Hàng Bạc")
        assert sorted(cards()) == sorted([*before, one.code])
        page = officer.get("/mine").text
        assert other.code not in page
        assert ">Báo đã có mặt</button>" in page
        sent = officer.send_form(
            "/mine", f"/incidents/{one.code}/act", {"act": "arrive", "version": str(one.version), "back": "/mine"}
        )
        assert (sent.status_code, sent.headers["location"]) == (303, "/mine")
        found = re.search(r'name="csrf_token" value="([^"]+)"', officer.get("/mine").text)
        assert found is not None
        photo = {"photo": ("a.png", PIXEL, "image/png")}
        fields = {"csrf_token": found[1], "phase": "after", "back": "/mine"}
        added = officer.post(f"/incidents/{one.code}/photos", data=fields, files=photo)
        assert (added.status_code, added.headers["location"]) == (303, "/mine")
        (taken,) = city.platform.incidents.photos.of(insider(), one.code)
        assert f"/incidents/{one.code}/photos/{taken.number}?size=small" in officer.get("/mine").text
        picture = officer.get(f"/incidents/{one.code}/photos/{taken.number}")
        assert picture.headers["content-type"] == "image/png"
        again = officer.get(
            f"/incidents/{one.code}/photos/{taken.number}", headers={"if-none-match": picture.headers["etag"]}
        )
        assert again.status_code == 304
        no_photo = officer.post(f"/incidents/{one.code}/photos", data=fields, files={"photo": ("a.png", b"no", "image/png")})
        assert no_photo.status_code == 415
        assert ">Cho công khai</button>" in officer.get("/mine").text
        token = {"csrf_token": found[1], "do": "release", "back": "/mine"}
        released = officer.post(f"/incidents/{one.code}/photos/{taken.number}", data=token)
        assert (released.status_code, released.headers["location"]) == (303, "/mine")
        assert ">Rút khỏi công khai</button>" in officer.get("/mine").text
        assert "công khai" in officer.get(f"/incidents/{one.code}").text
        now = city.platform.incidents.get(insider(), one.code)
        does(city, now, acts.Answer("Đã dọn cây", (taken.number,)))
        assert one.code in officer.get("/mine?done=1").text
        assert one.code not in officer.get("/mine").text


def test_after_a_reopening_old_photos_are_not_sent_as_proof(city: RunningCity) -> None:
    session = city.session("ward_officer")
    one = mine(city, session)
    taken = city.run(city.platform.incidents.photos.add(insider(), one.code, PIXEL, "after"))
    asked = f'name="proof" value="{taken.number}"'
    chosen = f"{asked} checked"
    with Visitor(city, session) as officer:
        one = does(city, one, acts.Arrive())
        assert asked in officer.get("/mine").text and chosen in officer.get(f"/incidents/{one.code}").text
        one = does(city, one, acts.Answer("Đã cắt cành."), acts.Reopen("Cây còn chắn đường"), acts.Start())
        listed = officer.get("/mine").text
        assert asked not in listed and ": Cây còn chắn đường</p>" in listed
        page = officer.get(f"/incidents/{one.code}").text
        assert asked in page and chosen not in page, "it may be shown again, but by choice"


def test_a_place_is_drawn_with_itself_in_the_middle(city: RunningCity) -> None:
    picture = Ground(city.platform).picture(105.852, 21.029)
    west, south, east, north = picture.bounds
    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((105.852, 21.029))
    numbers = [float(one) for _name, path in picture.lines for one in re.findall(r"-?[\d.]+", path)]
    assert all(-0.5 <= one <= max(WIDTH, HEIGHT) + 0.5 for one in numbers), "nothing is drawn beyond the frame"


@pytest.mark.browser
def test_a_thumb_has_room_on_the_pages_of_officers_and_citizens(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/report", width=390, height=844, has_touch=True)
    session = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    tied = acts.Tie("incident", opened(with_kinds(city)).code)
    one = does(city, mine(city, session), acts.AddTask("Chặn đường"), tied)
    for path in ("/report", "/reports", "/mine", f"/incidents/{one.code}"):
        page.goto(path)
        assert page.evaluate(SMALL) == [], path


@pytest.mark.browser
def test_what_is_done_without_a_line_is_sent_when_it_is_back(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/incidents", width=390, height=844, has_touch=True)
    session = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    one = mine(city, session, "Cây đổ khi mất mạng")
    page.goto("/mine")
    page.evaluate(
        "() => !!navigator.serviceWorker.controller || "
        "new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', () => done(true)))"
        ".then(() => true)"
    )
    card = page.locator(f".mine-card[data-code='{one.code}']")
    if not card.locator(".mine-body").is_visible():
        card.locator("summary").first.click()
    page.context.set_offline(True)
    open_page.faults.clear()  # type: ignore[attr-defined]  # the fixture's own list
    card.get_by_role("button", name="Báo đã có mặt").click()
    expect(page.locator("[data-part=line]")).to_have_text("Ngoại tuyến · 1 chờ gửi")
    card.locator(".mine-photo input[name=phase][value=before] ~ label input").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": PIXEL}
    )
    expect(page.locator("[data-part=line]")).to_have_text("Ngoại tuyến · 2 chờ gửi")
    page.goto("/mine")
    expect(page.locator("[data-part=line]")).to_have_text("Ngoại tuyến · 2 chờ gửi")
    expect(card).to_be_visible()
    page.context.set_offline(False)
    wait_until(lambda: city.platform.incidents.get(insider(), one.code).state == "handling", "the act arrived")
    wait_until(lambda: len(city.platform.incidents.photos.of(insider(), one.code)) == 1, "the photo arrived")
    expect(page.locator("[data-part=line]")).to_be_hidden()
    page.locator(".me-open").click()
    page.locator("#me button:has-text('Đăng xuất')").click()
    page.wait_for_url("**/sign-in**")
    kept = "caches.has('dothi-mine').then(async (there) => there && !!(await caches.match('/mine')))"
    wait_until(lambda: page.evaluate(kept) is False, "the list is gone from the phone")
    open_page.faults.clear()  # type: ignore[attr-defined]  # a cut line logs what it could not load


@pytest.mark.browser
def test_a_photo_chosen_while_the_list_is_drawn_anew_is_not_lost(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/incidents", width=390, height=844, has_touch=True, service_workers="block")
    session = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    one = mine(city, session, "Cây đổ đang chụp")
    page.on("filechooser", lambda _chooser: None)  # from the beginning: the browser is told in time to hand them over
    page.goto("/mine")
    card = page.locator(f".mine-card[data-code='{one.code}']")
    if not card.locator(".mine-body").is_visible():
        card.locator("summary").first.click()
    late: list[Route] = []
    page.route("**/mine", lambda route: route.continue_() if late else late.append(route))
    with page.expect_request("**/mine"):
        card.get_by_role("button", name="Báo đã có mặt").click()
    with page.expect_file_chooser() as camera:
        card.get_by_label("Ảnh trước").tap()
    with page.expect_response("**/mine"):
        late[0].continue_()
    with page.expect_response("**/mine"):  # the next look: the one that was late has been read
        later = mine(city, session, "Cây đổ khi đang chụp")
    camera.value.set_files({"name": "a.png", "mimeType": "image/png", "buffer": PIXEL})
    expect(card.get_by_text("Ảnh trước ✓")).to_be_visible()
    expect(card.get_by_text("Trả lời…")).to_be_visible()
    expect(page.locator(f".mine-card[data-code='{later.code}']")).to_be_attached()
    assert len(city.platform.incidents.photos.of(insider(), one.code)) == 1


@pytest.mark.browser
def test_what_is_written_stays_while_the_list_is_drawn_anew(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/incidents", width=390, height=844, has_touch=True, service_workers="block")
    session = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    one = does(city, mine(city, session, "Cây đổ đang viết"), acts.Arrive())
    page.goto("/mine")
    card = page.locator(f".mine-card[data-code='{one.code}']")
    if not card.locator(".mine-body").is_visible():
        card.locator("summary").first.click()
    card.get_by_text("Trả lời…").click()
    words = card.locator("[data-act=answer] textarea")
    words.fill("Đã cưa và dọn cây")
    page.locator(".mine-head h1").click()  # the keyboard of the phone goes
    words.blur()
    one = does(city, one, acts.Rank(4, "urgent"))
    expect(page.locator(f".mine-card-4[data-code='{one.code}']")).to_be_visible()
    expect(words).to_be_visible()
    expect(words).to_have_value("Đã cưa và dọn cây")
    expect(card.locator("[data-act=answer] input[name=version]")).to_have_value(str(one.version))
    one = does(city, one, acts.Return("Không thuộc phường"))
    later = mine(city, session, "Cây đổ sau đó")
    expect(page.locator(f".mine-card[data-code='{later.code}']")).to_be_attached()
    expect(words).to_have_value("Đã cưa và dọn cây")
    card.get_by_role("button", name="Gửi trả lời").click()
    expect(page.locator(".mine-refused")).to_contain_text("Sự việc đã đổi")
    assert city.platform.incidents.get(insider(), one.code).answer == ""
    page.locator(".mine-refused button").click()
    open_page.faults.clear()  # type: ignore[attr-defined]  # a browser logs the refusal that was wanted


@pytest.mark.browser
def test_what_changes_while_the_list_is_looked_at_is_seen_too(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/incidents", width=390, height=844, has_touch=True, service_workers="block")
    session = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    one = mine(city, session, "Cây đổ khi đang xem")
    page.goto("/mine")
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/mine", lambda route: route.continue_() if held else held.append((route, route.fetch())))
    one = does(city, one, acts.Arrive())
    wait_until(lambda: page.evaluate("1") and held, "the list is looked at")
    page.evaluate(
        "() => void (window.heard = new Promise((done) => {"
        " const line = new BroadcastChannel('dothi-live /live?layers=none&lang=vi');"
        " line.onmessage = (event) => event.data.kind === 'incidents' && done(true); }))"
    )
    does(city, one, acts.Rank(4, "urgent"))
    assert page.evaluate("heard")
    route, answer = held[0]
    route.fulfill(response=answer)
    expect(page.locator(f".mine-card-4[data-code='{one.code}']")).to_be_attached()


@pytest.mark.browser
def test_an_act_that_is_late_does_not_overwrite_and_says_so(open_page: Opener, city: RunningCity) -> None:
    page = open_page("/incidents", width=390, height=844, has_touch=True)
    session = next(one["value"] for one in page.context.cookies() if one["name"] == COOKIE)
    one = mine(city, session, "Cây đổ đã đổi")
    page.goto("/mine")
    card = page.locator(f".mine-card[data-code='{one.code}']")
    if not card.locator(".mine-body").is_visible():
        card.locator("summary").first.click()
    page.context.set_offline(True)
    card.get_by_role("button", name="Báo đã có mặt").click()
    expect(page.locator("[data-part=line]")).to_have_text("Ngoại tuyến · 1 chờ gửi")
    does(city, one, acts.Return("Không thuộc phường"))
    page.context.set_offline(False)
    expect(page.locator(".mine-refused")).to_contain_text("Sự việc đã đổi trong lúc mất mạng")
    assert city.platform.incidents.get(insider(), one.code).state == "accepted"
    next_one = [{"name": COOKIE, "value": city.session("engineer"), "url": city.base_url}]
    page.context.add_cookies(next_one)  # type: ignore[arg-type]  # as Playwright takes them
    page.goto("/mine")
    expect(page.locator(".mine-refused")).to_have_count(0)  # who signs in next sees and sends nothing of it
    page.context.add_cookies([next_one[0] | {"value": session}])  # type: ignore[list-item]  # as above
    page.goto("/mine")
    page.locator(".mine-refused button").click()
    expect(page.locator(".mine-refused")).to_have_count(0)
    open_page.faults.clear()  # type: ignore[attr-defined]  # a cut line logs what it could not load
