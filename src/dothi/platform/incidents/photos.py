"""Photos of incidents: drawn anew before they are kept, shown to nobody outside until a person released them."""

import asyncio
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from dothi.access.policy import Person
from dothi.access.uploads import WHOLE, Box, Kind, blacked_out, safe_picture
from dothi.access.uploads import Picture as Drawn
from dothi.model.clock import from_micros, to_micros
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import Text
from dothi.platform.incidents import store
from dothi.platform.incidents.listening import Listeners
from dothi.platform.incidents.sight import WRITE, changeable, seen, sees
from dothi.store.audit import Act
from dothi.store.connection import Connection
from dothi.store.files import Files, FolderFiles

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

Phase = Literal["report", "before", "after", "proof"]
Size = Literal["full", "small"]
PHASES: dict[Phase, Text] = {
    "report": Text("Ảnh phản ánh", "Sent with a report"),
    "before": Text("Trước khi xử lý", "Before"),
    "after": Text("Sau khi xử lý", "After"),
    "proof": Text("Bằng chứng", "Proof"),
}
DONE: tuple[Phase, ...] = ("after", "proof")
"""The phases that show what was done."""
MOST = 40  # of one incident
LARGEST_NUMBER = 2**63 - 1  # that a database can be asked for
MOST_SENT = 28  # from which on no more of citizens are taken: who works on it has to be able to prove its end
MOST_BOXES = 40  # of one photo
SMALL_SIDE = 480  # pixels, the longest of a small one
_QUALITY = 80
_SMALL_MEDIA = "image/jpeg"
_COLUMNS = (
    "number, incident, report, phase, hash, small, media, width, height, taken_at, added_at, person, "
    "released_at, released_by, boxes, shown, shown_small"
)
_PROVING = (
    "SELECT p.number FROM incident_photo p WHERE p.incident = ? AND p.removed_at IS NULL "  # noqa: S608 - names of our own
    f"AND p.phase IN ({', '.join(map(repr, DONE))}) AND NOT EXISTS "
    "(SELECT 1 FROM incident_entry e WHERE e.incident = p.first AND e.act = 'photo' "
    "AND e.refs = '[\"' || CAST(p.number AS TEXT) || '\"]' AND e.number < "
    "(SELECT coalesce(max(r.number), 0) FROM incident_entry r WHERE r.incident = p.incident AND r.act = 'reopen'))"
)
_SELECT = f"SELECT {_COLUMNS} FROM incident_photo"  # noqa: S608 - names of our own


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo. ``report`` is the report it came with, "" if it was taken by who works on the incident; ``width`` and
    ``height`` in pixels. ``released_at`` None: nobody outside may see it. Where ``boxes`` of it are blacked out, everybody
    sees ``shown`` and ``shown_small`` instead of it.
    """

    number: int
    incident: str
    report: str
    phase: Phase
    hash: str
    small: str
    media: Kind
    width: int
    height: int
    taken_at: datetime | None
    added_at: datetime
    person: str
    released_at: datetime | None
    released_by: str
    boxes: tuple[Box, ...]
    shown: str
    shown_small: str

    @property
    def released(self) -> bool:
        """True if everybody may see it."""
        return self.released_at is not None

    def name(self, size: Size, *, public: bool) -> str:
        """The file of its picture as it is, or as everybody sees it."""
        if public and self.boxes:
            return self.shown if size == "full" else self.shown_small
        return self.hash if size == "full" else self.small


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to send: its bytes, its media type and a name for its version."""

    body: bytes
    media: str
    hash: str


class Photos:
    """The photos of one city's incidents."""

    def __init__(self, platform: "Platform", listeners: Listeners, files: Files | None = None) -> None:
        self._platform, self._listeners = platform, listeners
        self._files = files or FolderFiles(platform.database.folder / "files")
        # No file is deleted between being kept for a photo and that photo's row.
        self._turn = asyncio.Lock()

    async def add(
        self,
        person: Person,
        code: str,
        body: bytes,
        phase: Phase,
        *,
        taken_at: datetime | None = None,
        report: str = "",
        correlation: str = "",
    ) -> Photo:
        """Keep a photo, without whatever the file says of who took it and where; the same one again is the one that is
        there.

        Raises Problem 413, 415 and 400 as ``safe_picture``, 404 and 403 for the incident, 409 if it has too many.
        """
        if phase not in get_args(Phase):
            raise bad_request(f"There is no phase {phase!r}.", f"Give one of: {', '.join(PHASES)}.")
        now = self._platform.clock.now()
        await asyncio.to_thread(self._look, person, code)  # before a picture is drawn for somebody who may not
        drawn = await asyncio.to_thread(safe_picture, body)
        small = await asyncio.to_thread(_small, drawn.body)
        recorded: list[Act] = []

        def work(db: Connection) -> Photo:
            incident = changeable(db, person, code, helping=True)
            known = db.execute(
                f"{_SELECT} WHERE incident = ? AND hash = ? AND removed_at IS NULL", (code, kept["hash"])
            ).fetchone()
            if known:
                return _photo(known)
            if incident.photos >= (MOST_SENT if report else MOST):
                raise Problem(409, "too-many-photos", f"{code} has {MOST} photos already.", "Remove one that says nothing.")
            row = kept | {
                "incident": code,
                "first": code,
                "report": report,
                "phase": phase,
                "taken_at": None if taken_at is None else to_micros(min(taken_at, now)),
                "added_at": to_micros(now),
                "person": person.id,
            }
            marks = ",".join("?" * len(row))
            (number,) = db.execute(
                f"INSERT INTO incident_photo ({', '.join(row)}) VALUES ({marks}) RETURNING number",  # noqa: S608 - ours
                tuple(row.values()),
            ).fetchone()
            store.write_entry(db, incident, now, person.id, "photo", PHASES[phase], (), (str(number),))
            recorded.append(Act(person.id, "incident.photo", code, "done", correlation, str(number)))
            return _fetched(db, number)

        async with self._turn:
            # The files come first: a row never names one that is not there.
            kept = await asyncio.to_thread(self._keep, drawn, small)
            try:
                photo = await self._platform.writer.run(person, now, work, recorded, action=WRITE)
            except Problem:
                await asyncio.to_thread(self._forget, kept["hash"], kept["small"])
                raise
        if recorded:
            self._listeners.tell({photo.incident})
        return photo

    def of(self, asker: Person, code: str) -> list[Photo]:
        """The photos of an incident, oldest first. Raises Problem 404."""
        with self._platform.database.reader() as db:
            seen(db, asker, code)
            return photos_of(db, code)

    def proving(self, asker: Person, code: str) -> frozenset[int]:
        """The numbers of the photos that prove the next answer of an incident, as ``proving``. Raises Problem 404."""
        with self._platform.database.reader() as db:
            seen(db, asker, code)
            return proving(db, code)

    def read(self, asker: Person, number: int, size: Size = "full", *, public: bool = False) -> Picture:
        """A photo's picture: as it is for who may see its incident, once it is released as everybody sees it for everybody.

        ``public`` shows it as everybody sees it, or will. Raises Problem 404. It reads a file: call it off the event loop.
        """
        with self._platform.database.reader() as db:
            photo = _fetched(db, number)
            incident = store.fetch(db, photo.incident)
        allowed = incident is not None and sees(asker, incident)
        name = photo.name(size, public=public or not allowed)
        body = self._files.get(name) if allowed or photo.released else None
        if body is None:
            raise not_found("photo", str(number))
        return Picture(body, photo.media if size == "full" else _SMALL_MEDIA, name)

    async def black_out(
        self, person: Person, number: int, boxes: Sequence[Box], known: Sequence[Box], *, correlation: str = ""
    ) -> Photo:
        """Show everybody a picture in which ``boxes`` are black, in the place of those that were ``known``; the photo stays
        as it is for who may see its incident. Where more of it would be seen than before, somebody must release it anew.

        Raises Problem 400 for what is no part of it, 403, 404, 409 if somebody else changed its boxes meanwhile.
        """
        wanted = tuple(dict.fromkeys(boxes))
        check_boxes(wanted)
        async with self._turn:
            before, body = await asyncio.to_thread(self._original, person, number)
            if before.boxes == wanted:
                return before
            if before.boxes != tuple(known):
                raise Problem(
                    409, "changed-meanwhile", "Somebody else blacked out other parts of it.", "Look at it again, then save."
                )
            shown, shown_small = await asyncio.to_thread(self._cover, before, body, wanted) if wanted else ("", "")
            kept = all(any(box.holds(old) for box in wanted) for old in before.boxes)
            hidden = "" if kept else ", released_at = NULL, released_by = ''"
            photo = await self._change(
                person,
                number,
                "black_out" if wanted else "uncover",
                f"boxes = ?, shown = ?, shown_small = ?{hidden}",
                lambda _: (msgspec.json.encode(wanted).decode(), shown, shown_small),
                correlation,
            )
            await asyncio.to_thread(self._forget, before.shown, before.shown_small)
        return photo

    async def release(self, person: Person, number: int, *, correlation: str = "") -> Photo:
        """Let everybody see a photo: somebody looked whether a face, a number plate or a home is in it. Raises Problem 403,
        404.
        """
        return await self._change(
            person, number, "release_photo", "released_at = ?, released_by = ?", lambda now: (now, person.id), correlation
        )

    async def withdraw(self, person: Person, number: int, *, correlation: str = "") -> Photo:
        """Let only those who work on the incident see it again. Raises Problem 403, 404."""
        return await self._change(
            person, number, "withdraw_photo", "released_at = ?, released_by = ?", lambda _: (None, ""), correlation
        )

    async def remove(self, person: Person, number: int, *, correlation: str = "") -> None:
        """Destroy a photo; that there was one stays in the timeline. Raises Problem 403, 404."""
        async with self._turn:
            photo = await self._change(
                person,
                number,
                "remove_photo",
                "released_at = NULL, removed_at = ?, removed_by = ?",
                lambda now: (now, person.id),
                correlation,
            )
            await asyncio.to_thread(self._forget, photo.hash, photo.small, photo.shown, photo.shown_small)

    async def forget(self, names: Iterable[str]) -> None:
        """Delete the files of photos whose rows were destroyed, but those that another photo still has."""
        async with self._turn:
            await asyncio.to_thread(self._forget, *names)

    async def sweep(self) -> None:
        """Delete the files that no photo has any more, or never had: a city was killed before its row was written."""
        async with self._turn:
            await asyncio.to_thread(self._sweep)

    async def _change(
        self,
        person: Person,
        number: int,
        act: str,
        assignment: str,
        values: Callable[[int], tuple[Any, ...]],
        correlation: str,
    ) -> Photo:
        now = self._platform.clock.now()
        recorded: list[Act] = []

        def work(db: Connection) -> Photo:
            photo = _fetched(db, number)
            incident = changeable(db, person, photo.incident)
            query = f"UPDATE incident_photo SET {assignment} WHERE number = ?"  # noqa: S608 - parts of our own
            db.execute(query, (*values(to_micros(now)), number))
            store.write_entry(db, incident, now, person.id, act, PHASES[photo.phase], (), (str(number),))
            recorded.append(Act(person.id, f"incident.{act}", incident.code, "done", correlation, str(number)))
            row = db.execute(f"{_SELECT} WHERE number = ?", (number,)).fetchone()
            return _photo(row)

        photo = await self._platform.writer.run(person, now, work, recorded, action=WRITE)
        self._listeners.tell({photo.incident})
        return photo

    def _look(self, person: Person, code: str) -> None:
        with self._platform.database.reader() as db:
            changeable(db, person, code, helping=True)

    def _keep(self, drawn: Drawn, small: bytes) -> dict[str, Any]:
        """Keep a picture and a small one, and say how they are found."""
        return {
            "hash": self._files.put(drawn.body),
            "small": self._files.put(small),
            "media": drawn.kind,
            "width": drawn.width,
            "height": drawn.height,
        }

    def _original(self, person: Person, number: int) -> tuple[Photo, bytes]:
        with self._platform.database.reader() as db:
            photo = _fetched(db, number)
            changeable(db, person, photo.incident)
        body = self._files.get(photo.hash)
        if body is None:
            raise not_found("photo", str(number))
        return photo, body

    def _cover(self, photo: Photo, body: bytes, boxes: Sequence[Box]) -> tuple[str, str]:
        """Keep what everybody sees in the place of a photo: the names of the whole picture and the small one."""
        drawn = blacked_out(body, photo.media, boxes)
        return self._files.put(drawn.body), self._files.put(_small(drawn.body))

    def _forget(self, *names: str) -> None:
        """Delete files, but those that a photo still has."""
        with self._platform.database.reader() as db:
            for name in filter(None, names):
                query = (
                    "SELECT 1 FROM incident_photo WHERE (hash = ? OR small = ? OR shown = ? OR shown_small = ?) "
                    "AND removed_at IS NULL LIMIT 1"
                )
                if db.execute(query, (name,) * 4).fetchone() is None:
                    self._files.delete(name)

    def _sweep(self) -> None:
        self._files.tidy()
        with self._platform.database.reader() as db:
            rows = db.execute("SELECT hash, small, shown, shown_small FROM incident_photo WHERE removed_at IS NULL")
            held = {name for row in rows for name in row}
        for name in list(self._files.names()):
            if name not in held:
                self._files.delete(name)


def check_boxes(boxes: Sequence[Box]) -> None:
    """Make sure that these are parts of a picture. Raises Problem 400."""
    if len(boxes) > MOST_BOXES:
        raise bad_request(f"These are {len(boxes)} parts.", f"Black out at most {MOST_BOXES}; larger ones if need be.")
    for box in boxes:
        if (
            min(box.left, box.top, box.width - 1, box.height - 1) < 0
            or max(box.left + box.width, box.top + box.height) > WHOLE
        ):
            raise bad_request("A part lies outside the picture.", "Give left, top, width and height within it.")


def photos_of(db: Connection, code: str) -> list[Photo]:
    """The photos of an incident, oldest first, whoever asks."""
    rows = db.execute(f"{_SELECT} WHERE incident = ? AND removed_at IS NULL ORDER BY number", (code,))
    return [_photo(row) for row in rows]


def proving(db: Connection, code: str) -> frozenset[int]:
    """The numbers of the photos that prove the next answer: of the work that was done, kept since the incident was last
    reopened. Those before it proved an answer that did not hold. The timeline's order says which, not a clock.
    """
    return frozenset(number for (number,) in db.execute(_PROVING, (code,)))


def _fetched(db: Connection, number: int) -> Photo:
    row = db.execute(f"{_SELECT} WHERE number = ? AND removed_at IS NULL", (min(number, LARGEST_NUMBER),)).fetchone()
    if row is None:
        raise not_found("photo", str(number))
    return _photo(row)


def _photo(row: Any) -> Photo:
    cells = list(row)
    for place in (9, 10, 12):
        cells[place] = None if cells[place] is None else from_micros(cells[place])
    cells[14] = msgspec.json.decode(cells[14], type=tuple[Box, ...])
    return Photo(*cells)


def _small(body: bytes) -> bytes:
    """The same picture, small enough for a list on a phone. It takes milliseconds: it was drawn once already."""
    from PIL import Image  # most of what a city does needs no pictures

    with Image.open(io.BytesIO(body)) as picture:
        picture.thumbnail((SMALL_SIDE, SMALL_SIDE))
        written = io.BytesIO()
        picture.convert("RGB").save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()
