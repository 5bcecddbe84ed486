"""Those who work here as receivers of mail: people by their account, units by their box; never more than each may know."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

from dothi.access.policy import Clearance, Person
from dothi.model.problem import Problem
from dothi.model.severity import SEVERITIES
from dothi.model.text import Text
from dothi.platform.incidents import store as incident_rows
from dothi.platform.incidents.model import Incident
from dothi.platform.incidents.sight import sees
from dothi.platform.telling import wishes
from dothi.platform.telling.model import MINUTE, Note, Pace, Written
from dothi.platform.telling.wishes import Wish
from dothi.platform.telling.words import Frame, Item, mail_of

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

SETTLE = MINUTE // 3  # what comes within it is told together
_MOST_OF_UNIT = 10  # mails an hour
_OPEN = Text("Mở sự việc", "Open the incident")
_LOOK = Text("Xem trong hệ thống", "Look at it in the city's system")
_ALERTS = Text("Mở cảnh báo", "Open the alerts")
_COMMAND = Text("Mở lệnh", "Open the command")
_DUE = Text("Hạn: {time}", "Due: {time}")
_SEVERITY = Text("Mức độ: {severity}", "Severity: {severity}")
_INCIDENT = Text("Sự việc {code}", "Incident {code}")
_FAILED = Text("Lệnh {id} thất bại: {kind}", "Command {id} failed: {kind}")
_ALERT = Text("Cảnh báo: {title}", "Alert: {title}")
_ONCE = Text("Một lời mời nhận thư từ {city}", "An invitation to mails from {city}")
_CONFIRM = Text(
    "{name} muốn nhận tin của {city} ở địa chỉ này. Nếu không phải bạn, bỏ qua thư này: sẽ không có thư nào khác.",
    "{name} wants to hear of {city} at this address. If that is not you, leave it: no other mail will come.",
)
_CONFIRMED = Text("Xác nhận địa chỉ", "Confirm the address")
_WHY = Text(
    "Bạn nhận thư này vì đã chọn ở trang Tài khoản của tôi trên {city}. Đổi hoặc thôi nhận: {link}",
    "You have this because you chose so on the page My account of {city}. Change or stop it: {link}",
)
_WHY_UNIT = Text(
    "Hộp thư này được quản trị viên của {city} ghi cho {unit}. Trả lời thư này để báo lại.",
    "An administrator of {city} entered this box for {unit}. Answer this mail to report back.",
)


class Reader:
    """What correspondents share: the marks of the city, links, names and times."""

    def __init__(self, platform: "Platform") -> None:
        self.platform = platform
        self.zone = ZoneInfo(platform.city.time_zone)

    def link(self, path: str) -> str:
        """A path of the city as an address."""
        return f"{self.platform.settings.address}{path}"

    def mark(self, language: str) -> str:
        """What every mail must admit of this city's data, as every page does."""
        replay = self.platform.replay
        if replay is not None:
            words = Text("DIỄN TẬP", "DRILL") if replay.drill else Text("PHÁT LẠI", "REPLAY")
            return words.in_language(language)
        return Text("DỮ LIỆU MÔ PHỎNG", "SIMULATED DATA").in_language(language) if self.platform.simulated else ""

    def city(self, language: str) -> str:
        """What the city is called."""
        return f"Đô Thị {self.platform.city.title.in_language(language)}"

    def unit(self, id: str, language: str) -> str:
        """A ward or an agency by its name."""
        ward, agency = self.platform.city.by_code.get(id), self.platform.city.agency(id)
        return ward.full_name if ward is not None else agency.title.in_language(language) if agency is not None else id

    def moment(self, at: datetime) -> str:
        """A moment in the city's zone."""
        return at.astimezone(self.zone).strftime("%H:%M %d/%m/%Y")

    def incident(self, incident: Incident, words: Sequence[str], language: str) -> Item:
        """An incident as a mail may tell of it: what people wrote of it stays in the city's pages."""
        code = _INCIDENT.in_language(language).format(code=incident.code)
        link = self.link(f"/incidents/{quote(incident.code)}")
        if incident.clearance > Clearance.INTERNAL:
            return Item(code, tuple(words), link, _LOOK.in_language(language))
        reported = incident.origin == "report"
        title = self.platform.incidents.kind(incident.kind).title if reported else incident.title
        severity = _SEVERITY.in_language(language).format(severity=SEVERITIES[incident.severity].in_language(language))
        place = self.unit(incident.ward, language) if incident.ward else ""
        due = "" if incident.due_at is None else _DUE.in_language(language).format(time=self.moment(incident.due_at))
        facts = " · ".join(part for part in (severity, place, due) if part)
        return Item(f"{incident.code}: {title.in_language(language)}", (*words, facts), link, _OPEN.in_language(language))

    def incidents(self, notes: Sequence[Note], who: "Person | str", language: str) -> dict[str, Item]:
        """The incidents that these notes are of and ``who``, a person or a unit, may know, by what they are about."""
        found = dict[str, Item]()
        with self.platform.database.reader() as db:
            for about in dict.fromkeys(one.about for one in notes if one.about.startswith("incident:")):
                incident = incident_rows.fetch(db, about.partition(":")[2])
                if incident is None or not _knows(who, incident):
                    continue
                words = [one.words.in_language(language) for one in notes if one.about == about]
                found[about] = self.incident(incident, tuple(dict.fromkeys(words)), language)
        return found


class People(Reader):
    """Accounts: each hears of what it asked for, as far as it may know of it at the moment of sending."""

    def pace(self, ref: str) -> Pace | None:
        """As the person chose; None for who wants nothing any more, or is not let in."""
        wish = self._wish(ref)
        if wish is None or self.platform.accounts.person_of(ref) is None:
            return None
        return Pace(wish.most, SETTLE, wish.quiet)

    async def write(self, ref: str, notes: Sequence[Note]) -> Written | None:
        """What they may know of these notes, the first of each thing in order."""
        wish, person = self._wish(ref), self.platform.accounts.person_of(ref)
        if wish is None or person is None:
            return None
        language = wish.language
        items = self.incidents(notes, person, language)
        for note in notes:
            if note.about not in items and (item := self._item(note, person, language)) is not None:
                items[note.about] = item
        if not items:
            return None
        why = _WHY.in_language(language).format(city=self.city(language), link=self.link("/account#telling"))
        order = dict.fromkeys(note.about for note in notes if note.about in items)
        return mail_of(Frame(wish.address, language, self.mark(language), why), [items[about] for about in order])

    def name(self, ref: str, language: str) -> str:
        """The account's name."""
        account = self.platform.accounts.account(ref)
        return ref if account is None else account.name

    def _wish(self, ref: str) -> Wish | None:
        with self.platform.database.reader() as db:
            wish = wishes.of(db, ref)
        return wish if wish is not None and wish.confirmed_at is not None else None

    def _item(self, note: Note, person: Person, language: str) -> Item | None:
        kind, _, ref = note.about.partition(":")
        try:
            if kind == "alerts":
                line = self.platform.rules.group(person, int(ref))
                title = _ALERT.in_language(language).format(title=line.title.in_language(language))
                where = " · ".join(self.unit(ward, language) for ward in line.wards)
                link = self.link(f"/alerts?group={line.id}")
                told = (line.newest.said.in_language(language), where)
                return Item(title, tuple(filter(None, told)), link, _ALERTS.in_language(language))
            if kind == "command":
                command = self.platform.commands.get(person, ref)
                named = self.platform.commands.kinds.get(command.kind)
                words = command.kind if named is None else named.title.in_language(language)
                title = _FAILED.in_language(language).format(id=command.id, kind=words)
                link = self.link(f"/commands/{quote(command.id)}")
                return Item(title, (command.reason,) if command.reason else (), link, _COMMAND.in_language(language))
        except Problem:  # gone, or not theirs to know any more
            return None
        return None


class Confirming(Reader):
    """Asks whoever reads an address whether they are the one who entered it: nobody is signed up by somebody else."""

    def pace(self, ref: str) -> Pace | None:
        """At once, and not often: a stranger's box is no toy."""
        return Pace(3, 0)

    async def write(self, ref: str, notes: Sequence[Note]) -> Written | None:
        """The question, if it still stands."""
        with self.platform.database.reader() as db:
            wish = wishes.of(db, ref)
        account = self.platform.accounts.account(ref)
        if wish is None or wish.confirmed_at is not None or account is None:
            return None
        language, city = wish.language, self.city(wish.language)
        link = self.link(f"/account/telling/confirm?token={self.platform.telling.token(wish)}")
        asked = _CONFIRM.in_language(language).format(name=account.name, city=city)
        title = _ONCE.in_language(language).format(city=city)
        frame = Frame(wish.address, language, self.mark(language), city)
        return mail_of(frame, [Item(title, (asked,), link, _CONFIRMED.in_language(language))])

    def name(self, ref: str, language: str) -> str:
        """The account's name."""
        account = self.platform.accounts.account(ref)
        return ref if account is None else account.name


class Units(Reader):
    """Wards and agencies that work without an account: they hear of what is given to them."""

    def pace(self, ref: str) -> Pace | None:
        """The same for all; None for a unit that has no box any more."""
        return None if self._address(ref) is None else Pace(_MOST_OF_UNIT, SETTLE)

    async def write(self, ref: str, notes: Sequence[Note]) -> Written | None:
        """The incidents that still are this unit's. A box is read by many: what is more than internal is not for it."""
        address = self._address(ref)
        items = self.incidents(notes, ref, "vi")
        if address is None or not items:
            return None
        why = _WHY_UNIT.vi.format(city=self.city("vi"), unit=self.unit(ref, "vi"))
        return mail_of(Frame(address, "vi", self.mark("vi"), why), list(items.values()))

    def name(self, ref: str, language: str) -> str:
        """The unit's name."""
        return self.unit(ref, language)

    def incident(self, incident: Incident, words: Sequence[str], language: str) -> Item:
        """With where it is: who has no account cannot look it up."""
        item = super().incident(incident, words, language)
        point = "" if incident.latitude is None else f"{incident.latitude:.5f}, {incident.longitude:.5f}"
        return replace(item, lines=(*item.lines, *filter(None, (incident.address, point))))

    def _address(self, ref: str) -> str | None:
        with self.platform.database.reader() as db:
            row = db.execute("SELECT address FROM telling_unit WHERE unit = ?", (ref,)).fetchone()
        return None if row is None else str(row[0])


def _knows(who: "Person | str", incident: Incident) -> bool:
    if isinstance(who, Person):
        return sees(who, incident)
    return incident.clearance <= Clearance.INTERNAL and who in (incident.ward, incident.agency, *incident.help)
