"""Forms that strangers send, read without trusting a field of them: of the wrong kind, twice, missing, too long."""

from dataclasses import dataclass
from datetime import datetime

from starlette.datastructures import FormData, UploadFile

from dothi.access.uploads import LARGEST
from dothi.model.mail import mail_of
from dothi.services.citizens.contact import Contact, phone_of
from dothi.services.citizens.service import AT_ONCE
from dothi.services.citizens.words import line_of, text_of

_LONGEST_NAME, _LONGEST_PHONE, _LONGEST_MAIL = 100, 30, 150


@dataclass(frozen=True, slots=True)
class Fields:
    """The words of a report's form as they are shown again when something is missing."""

    kind: str
    text: str
    name: str
    phone: str
    mail: str
    agree: bool
    still: bool
    trapped: bool
    form: str
    made: datetime | None

    @property
    def contact_given(self) -> bool:
        """Whether anything of a contact was filled in."""
        return bool(self.name or self.phone or self.mail)

    def contact(self, words: str) -> Contact | None:
        """The contact, agreed to in ``words``; None if none was given. Raises ValueError for one that cannot be used."""
        if not self.contact_given:
            return None
        phone, mail = phone_of(self.phone) if self.phone else "", mail_of(self.mail) if self.mail else ""
        if phone is None or mail is None or not (phone or mail) or not self.agree:
            raise ValueError("a contact that cannot be used, or nobody agreed to")
        return Contact(self.name, phone, mail, words)


def fields_of(form: FormData) -> Fields:
    """What a report's form says."""
    return Fields(
        kind=line_of(form.get("kind"), 80),
        text=text_of(form.get("text")),
        name=line_of(form.get("name"), _LONGEST_NAME),
        phone=line_of(form.get("phone"), _LONGEST_PHONE),
        mail=line_of(form.get("mail"), _LONGEST_MAIL),
        agree=form.get("agree") == "yes",
        still=form.get("still") == "yes",
        trapped=bool(line_of(form.get("homepage"))),
        form=line_of(form.get("form"), 40),
        made=_moment(line_of(form.get("made_at"), 40)),
    )


def _moment(told: str) -> datetime | None:
    """When a form was filled in that waited for a line (RFC 3339); None for what is no moment."""
    try:
        found = datetime.fromisoformat(told.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


async def photos_of(form: FormData) -> list[bytes]:
    """The files of the field ``photo``, without empty ones; each read as far as it takes to see that it is too large.

    One more than may be sent at once, at most: enough to see that they are too many.
    """
    found = list[bytes]()
    for one in form.getlist("photo"):
        if isinstance(one, UploadFile) and one.size and len(found) <= AT_ONCE:
            found.append(await one.read(LARGEST + 1))
    return found
