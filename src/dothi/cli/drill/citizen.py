"""A citizen of a drill: the public forms, filled in as they come, by nobody who is known."""

import io
from html.parser import HTMLParser

import httpx
from PIL import Image, ImageDraw

from dothi.cli.drill.script import Rate, Report
from dothi.model.problem import Problem

_TIMEOUT = 60.0
_SCORES = {"satisfied": "3", "acceptable": "2", "unsatisfied": "1"}


class Citizen:
    """One citizen with a browser of their own, without a script. ``follow`` is the page that shows what became of it."""

    def __init__(self, url: str) -> None:
        self._browser = httpx.Client(base_url=url, trust_env=False, timeout=_TIMEOUT, headers={"accept": "text/html,*/*"})
        self.follow = ""

    def report(self, move: Report) -> None:
        """Send a report with a photo. Raises Problem if the city does not take it."""
        where = {"kind": move.category, "longitude": str(move.longitude), "latitude": str(move.latitude)}
        form = self._form(str(httpx.URL("/report", params=where)), "/report")
        form["text"] = move.text
        answer = self._browser.post("/report", data=form, files={"photo": ("anh.jpg", picture("dân báo"), "image/jpeg")})
        self._demand(answer)
        self.follow = answer.headers["location"].partition("?")[0]

    def rate(self, move: Rate) -> None:
        """Say what one thinks of the answer. Raises Problem if the city does not take it."""
        form = self._form(self.follow, f"{self.follow}/rate")
        form["score"] = _SCORES[move.rating]
        self._demand(self._browser.post(f"{self.follow}/rate", data=form))

    def read(self) -> str:
        """The page that shows what became of the report; "" before there is one."""
        return self._browser.get(self.follow).text if self.follow else ""

    def close(self) -> None:
        """Put the phone away."""
        self._browser.close()

    def _form(self, page: str, action: str) -> dict[str, str]:
        reader = _Forms()
        reader.feed(self._browser.get(page).text)
        found = reader.forms.get(action)
        if found is None:
            raise Problem(500, "no-form", f"The page {page} has no form for {action}.", "Look at it in a browser.")
        return found

    def _demand(self, answer: httpx.Response) -> None:
        if answer.status_code not in (302, 303):
            raise Problem(answer.status_code, "not-taken", f"The city answered {answer.status_code} to a citizen.")


class _Forms(HTMLParser):
    """The forms of a page by their action, each with what its fields hold."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self._here: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form" and told.get("method", "").lower() == "post":
            self._here = self.forms.setdefault(told.get("action", ""), {})
        elif tag == "input" and self._here is not None and told.get("type") == "hidden":
            self._here[told.get("name", "")] = told.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._here = None


def picture(words: str) -> bytes:
    """A photo for a drill that says it is none: JPEG, 640 × 480."""
    drawn = Image.new("RGB", (640, 480), "#c9c2b4")
    ImageDraw.Draw(drawn).text((40, 220), f"DIEN TAP / DRILL: {words}".encode("ascii", "ignore").decode(), fill="#16202a")
    written = io.BytesIO()
    drawn.save(written, "JPEG", quality=80)
    return written.getvalue()
