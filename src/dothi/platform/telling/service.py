"""People are told outside the browser: their wishes, what is heard for them, and the post that brings it."""

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dothi.access.policy import SYSTEM, Person, Thing, may
from dothi.model.clock import Clock, from_micros, to_micros
from dothi.model.mail import mail_of
from dothi.model.problem import Problem, bad_request, not_found
from dothi.model.text import Text
from dothi.platform.home import secret_of
from dothi.platform.telling import store, wishes
from dothi.platform.telling.hearing import Heard, Hearing
from dothi.platform.telling.mail import Postman
from dothi.platform.telling.model import Audience, Correspondent, Letter, Note
from dothi.platform.telling.posting import Post, ServerState
from dothi.platform.telling.readers import Confirming, People, Units
from dothi.platform.telling.wishes import Wish
from dothi.store.audit import Act
from dothi.store.connection import Connection

if TYPE_CHECKING:
    from dothi.platform.platform import Platform
    from dothi.platform.tasks import TaskState

LOOK_EVERY = 2.0  # seconds
READ, WRITE = "mail.read", "mail.write"
MOST_SHOWN = 200
_ASK = Text("Xác nhận địa chỉ", "Confirm the address")


@dataclass(frozen=True, slots=True)
class Desk:
    """How the post is doing, for those who look after it. ``last`` is when the server last took a mail (µs)."""

    configured: bool
    server: ServerState
    counts: dict[str, int]
    last: int | None
    dead: tuple[Letter, ...]
    waiting: tuple[Letter, ...]
    units: dict[str, str]


class Telling:
    """The mails of one city. ``clock`` is the machine's: people live by it, also beside a replay."""

    def __init__(self, platform: "Platform", clock: Clock) -> None:
        self._platform, self._clock = platform, clock
        self._secret = secret_of(platform.settings.home)
        mail = platform.settings.mail
        audiences = [sector.tells(platform) for sector in platform.sectors if sector.tells is not None]
        self.audiences: tuple[Audience, ...] = tuple(audiences)
        own: dict[str, Correspondent] = {
            "account": People(platform),
            "confirm": Confirming(platform),
            "unit": Units(platform),
        }
        self.post = Post(
            platform.database,
            platform.writer,
            clock,
            ZoneInfo(platform.city.time_zone),
            None if mail is None else Postman(mail),
            own | {one.kind: one for one in self.audiences},
            platform.tenant,
        )
        self._hearing = Hearing(platform)

    @property
    def configured(self) -> bool:
        """True if there is a server that sends; without one nothing is told outside the browser."""
        return self.post.postman is not None

    async def run(self, _: "TaskState") -> None:
        """Hear and send, for as long as the city runs."""
        if not self.configured:  # should a server come later, nobody is told of what was before
            await self._platform.writer.run(SYSTEM, self._clock.now(), lambda db: db.execute("DELETE FROM telling_mark"))
            return
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Hear what happened, then send what may be sent by now."""
        now = to_micros(self._clock.now())
        heard = await asyncio.to_thread(self._hear, now)
        if heard.marks:

            def work(db: Connection) -> None:
                store.add_notes(db, heard.notes)
                for source, mark in heard.marks.items():
                    store.set_mark(db, source, mark)

            await self._platform.writer.run(SYSTEM, from_micros(now), work)
        await self.post.look()

    def _hear(self, now: int) -> Heard:
        with self._platform.database.reader() as db:
            return self._hearing.look(db, now)

    # What somebody wants

    def wish(self, account: str) -> Wish | None:
        """What an account wants to hear of; None if nothing."""
        with self._platform.database.reader() as db:
            return wishes.of(db, account)

    async def want(self, person: Person, wish: Wish, *, correlation: str = "") -> Wish:
        """Keep what somebody wants of their own account. A new address is asked first whether it is theirs.

        Raises Problem 400 for what makes no sense, 409 where no server sends.
        """
        wanted = wishes.checked(replace(wish, account=person.id))
        if not self.configured:
            raise Problem(
                409, "no-mail-server", "This city sends no mail.", "Ask an administrator to set DOTHI_MAIL_SERVER."
            )
        before, now = await asyncio.to_thread(self.wish, person.id), to_micros(self._clock.now())
        same = before is not None and before.address == wanted.address
        confirmed = before.confirmed_at if before is not None and same else None
        asks = confirmed is None
        kept = replace(wanted, confirmed_at=confirmed, asked_at=now if asks else before.asked_at if before else None)

        def work(db: Connection) -> None:
            wishes.keep(db, kept, now)
            if asks:
                store.forget_waiting(db, f"account:{person.id}")
                store.add_notes(db, [Note(f"confirm:{person.id}", str(now), "confirm", "", _ASK, at=now)])

        act = Act(person.id, "telling.change", person.id, correlation=correlation, detail=" ".join(kept.topics))
        await self._platform.writer.run(person, self._clock.now(), work, [act], action="account.own")
        return kept

    async def unwant(self, person: Person, *, correlation: str = "") -> None:
        """Keep nothing of what somebody wanted, nor their address."""

        def work(db: Connection) -> None:
            wishes.drop(db, person.id)
            for kind in ("account", "confirm"):  # what went stays counted: nobody's box is filled by asking anew and anew
                store.forget_waiting(db, f"{kind}:{person.id}")

        act = Act(person.id, "telling.change", person.id, correlation=correlation, detail="nothing")
        await self._platform.writer.run(person, self._clock.now(), work, [act], action="account.own")

    def token(self, wish: Wish) -> str:
        """What the link in a question holds: whoever has it reads the mail of this address."""
        told = f"{wish.account}.{wish.asked_at or 0}"
        return f"{told}.{self.sign('confirm', f'{told}.{wish.address}')}"

    async def confirm(self, token: str, *, correlation: str = "") -> Wish:
        """The owner of an address says yes. Raises Problem 404 for a link that stands for nothing (any more)."""
        account = token.partition(".")[0]
        wish = await asyncio.to_thread(self.wish, account)
        if wish is None or not hmac.compare_digest(self.token(wish).encode(), token.encode()):
            raise not_found("question", "")
        if wish.confirmed_at is not None:
            return wish
        now = to_micros(self._clock.now())
        kept = replace(wish, confirmed_at=now)
        act = Act(account, "telling.confirm", account, correlation=correlation)
        await self._platform.writer.run(SYSTEM, self._clock.now(), lambda db: wishes.keep(db, kept, now), [act])
        return kept

    def sign(self, purpose: str, told: str) -> str:
        """A mark under ``told`` that only this city makes; 128 bits, for links."""
        return hmac.new(self._secret, f"telling:{purpose}:{told}".encode(), sha256).hexdigest()[:32]

    # Who wants no more

    async def stop(self, recipient: str, *, correlation: str = "") -> None:
        """Write no more to somebody outside, by their own wish."""
        now = to_micros(self._clock.now())

        def work(db: Connection) -> None:
            db.execute("INSERT INTO telling_stop (recipient, at) VALUES (?,?) ON CONFLICT DO NOTHING", (recipient, now))
            store.forget_waiting(db, recipient)

        act = Act("stranger", "telling.stop", recipient, correlation=correlation)
        await self._platform.writer.run(SYSTEM, self._clock.now(), work, [act])

    async def go_on(self, recipient: str, *, correlation: str = "") -> None:
        """Write to them again, by their own wish."""
        act = Act("stranger", "telling.go_on", recipient, correlation=correlation)
        await self._platform.writer.run(
            SYSTEM,
            self._clock.now(),
            lambda db: db.execute("DELETE FROM telling_stop WHERE recipient = ?", (recipient,)),
            [act],
        )

    def stopped(self, recipient: str) -> bool:
        """True of who wants no more."""
        with self._platform.database.reader() as db:
            return store.stopped(db, recipient)

    async def tell(self, recipient: str, what: str, about: str, words: Text) -> None:
        """Tell somebody outside of something that no timeline says, once; nothing happens in a city that sends no mail."""
        if not self.configured:
            return
        note = Note(recipient, what, what, about, words, at=to_micros(self._clock.now()))
        await self._platform.writer.run(SYSTEM, self._clock.now(), lambda db: store.add_notes(db, [note]))

    async def forget(self, recipient: str) -> None:
        """Leave nothing of what was or is to be told to somebody."""
        await self._platform.writer.run(SYSTEM, self._clock.now(), lambda db: store.forget(db, recipient))

    # Those who look after it

    def desk(self, asker: Person) -> Desk:
        """How the post is doing, as far as ``asker`` may know: letters who looks after the whole city, boxes who does so of
        their units.
        """
        whole = may(asker, READ, Thing())
        with self._platform.database.reader() as db:
            boxes = db.execute("SELECT unit, address FROM telling_unit ORDER BY unit").fetchall()
            return Desk(
                self.configured,
                self.post.server,
                store.counts(db) if whole else {},
                store.last_sent(db),
                tuple(store.letters(db, "dead", MOST_SHOWN)) if whole else (),
                tuple(store.letters(db, "waiting", MOST_SHOWN)) if whole else (),
                {unit: address for unit, address in boxes if self.reaches(asker, READ, unit)},
            )

    def reaches(self, person: Person, action: str, unit: str) -> bool:
        """True if ``person`` may do ``action`` to the box of a unit (a ward's code, an agency's id)."""
        ward = unit in self._platform.city.by_code
        return may(person, action, Thing(ward=unit) if ward else Thing(agency=unit))

    async def resend(self, person: Person, letters: Sequence[int], *, correlation: str = "") -> int:
        """Try dead letters again; how many there were. Raises Problem 403."""
        if not may(person, WRITE, Thing()):
            raise _forbidden()
        now, acts = to_micros(self._clock.now()), list[Act]()

        def work(db: Connection) -> int:
            told = store.again(db, letters[:MOST_SHOWN], now)
            acts.extend(Act(person.id, "telling.resend", one, correlation=correlation) for one in told)
            return len(told)

        return await self._platform.writer.run(person, self._clock.now(), work, acts, action=WRITE)

    async def set_box(self, person: Person, unit: str, address: str, *, correlation: str = "") -> None:
        """Write to a unit (a ward's code, an agency's id) at this address from now on; "" writes no more.

        Raises Problem 400, 403.
        """
        if not self.reaches(person, WRITE, unit):
            raise _forbidden()
        city, box = self._platform.city, address.strip()
        if city.agency(unit) is None and unit not in city.by_code:
            raise bad_request(f"No unit {unit[:40]!r} here.", "Choose an agency or a ward of this city.")
        if box and (mail_of(box) is None or not box.isascii()):
            raise bad_request("This is no address of e-mail.", "Write one like name@example.vn.")
        now = to_micros(self._clock.now())

        def work(db: Connection) -> None:
            db.execute("DELETE FROM telling_unit WHERE unit = ?", (unit,))
            if box:
                query = "INSERT INTO telling_unit (unit, address, changed_by, changed_at) VALUES (?,?,?,?)"
                db.execute(query, (unit, box, person.id, now))
            else:
                store.forget_waiting(db, f"unit:{unit}")

        act = Act(person.id, "telling.box", unit, correlation=correlation, detail="set" if box else "removed")
        await self._platform.writer.run(person, self._clock.now(), work, [act], action=WRITE)


def _forbidden() -> Problem:
    return Problem(403, "not-allowed", "You may not look after this mail.", "Ask an administrator of the city.")
