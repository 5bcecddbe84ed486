"""Somebody with a telephone in a running city: fills in forms as a browser without scripts does."""

import io
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
from PIL import Image

from dothi.access.policy import LOCAL_OPERATOR
from dothi.platform.incidents import acts
from dothi.platform.incidents.acts import Act
from dothi.platform.incidents.model import Incident
from dothi.testing.city import RunningCity

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
CODE = re.compile(r"PA-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")


def picture(colour: str = "green", kind: str = "JPEG", **more: Any) -> bytes:
    """A small photo."""
    written = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(written, kind, **more)
    return written.getvalue()


@dataclass
class Citizen:
    """A browser of somebody nobody knows."""

    city: RunningCity
    address: str = "ngõ 121, phường Vĩnh Tuy"
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        headers = {"accept": "text/html", "accept-language": "vi"}
        self.client = httpx.Client(base_url=self.city.base_url, trust_env=False, timeout=30, headers=headers)

    def form(self, kind: str = "report-environment", **place: str) -> dict[str, str]:
        """The hidden fields of the second half of the form."""
        page = self.client.get("/report", params={"kind": kind, **(place or {"address": self.address})})
        assert page.status_code == 200, page.text
        form = page.text[page.text.index('action="/report" enctype') :]
        return {name: unescape(value) for name, value in HIDDEN.findall(form)}

    def send(self, text: str = "Rác chưa thu gom từ hôm qua", *photos: bytes, **more: str) -> httpx.Response:
        """Send a report as it stands on the page; ``more`` overrides fields."""
        form = self.form() | {"text": text} | more
        return self.client.post("/report", data=form, files=[("photo", ("anh.jpg", one)) for one in photos] or EMPTY)

    def report(self, text: str = "Rác chưa thu gom từ hôm qua", *photos: bytes, **more: str) -> str:
        """Send a report; the code to follow it by."""
        answer = self.send(text, *photos, **more)
        assert answer.status_code == 303, answer.text
        return code_in(answer)

    def page(self, code: str) -> str:
        """The page of a code."""
        answer = self.client.get(f"/report/{code}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return unescape(answer.text)

    def post(self, path: str, files: Any = None, **fields: str) -> httpx.Response:
        """Send a small form with its token."""
        token = dict(HIDDEN.findall(self.client.get("/reports").text)) or dict(HIDDEN.findall(self._any_form()))
        return self.client.post(path, data={"csrf_token": token["csrf_token"], **fields}, files=files)

    def _any_form(self) -> str:
        return self.client.get("/report", params={"kind": "report-other", "address": self.address}).text

    def incident(self, code: str) -> Incident:
        """The incident behind a code, as the city knows it."""
        with self.city.platform.database.reader() as db:
            from dothi.services.citizens import codes, store

            found = store.of_code(db, codes.hash_of(code))
        assert found is not None
        return self.city.platform.incidents.get(LOCAL_OPERATOR, found.incident)

    def work(self, code: str, *todo: Act) -> Incident:
        """An official works on the incident behind a code."""
        incident = self.incident(code)
        for one in todo:
            incident = self.city.run(
                self.city.platform.incidents.act(LOCAL_OPERATOR, incident.code, one, version=incident.version)
            )
        return incident

    def answered(self, code: str, text: str = "Đã thu gom xong lúc 16 giờ.") -> Incident:
        """The incident behind a code, answered with a released photo as proof."""
        begin = (acts.Accept(), acts.Start()) if self.incident(code).state == "new" else (acts.Start(),)
        incident = self.work(code, *begin)
        photos = self.city.platform.incidents.photos
        shot = picture(f"hsl({incident.photos * 40 % 360}, 80%, 50%)")  # another one each time: an old one proves nothing
        proof = self.city.run(photos.add(LOCAL_OPERATOR, incident.code, shot, "proof"))
        self.city.run(photos.release(LOCAL_OPERATOR, proof.number))
        return self.work(code, acts.Answer(text, (proof.number,)))


EMPTY = [("photo", ("", b""))]


def code_in(answer: httpx.Response) -> str:
    """The code a redirect leads to."""
    found = CODE.search(answer.headers["location"])
    assert found is not None, answer.headers["location"]
    return found.group()
