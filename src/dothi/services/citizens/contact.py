"""How to reach whoever reports: optional, kept in the vault of personal data, apart from the report, by consent."""

import re
from dataclasses import dataclass

from dothi.access.personal.model import Purpose
from dothi.access.personal.service import Personal
from dothi.access.policy import SYSTEM
from dothi.model.text import Text

PURPOSE = Purpose(
    "phan-anh",
    Text("Liên hệ về phản ánh", "Contact about a report"),
    Text(
        "Để cán bộ hỏi thêm về phản ánh và báo tiến độ, kết quả cho người gửi.",
        "So that officials can ask about a report and tell its sender of its progress and result.",
    ),
    "consent",
    keep_days=180,
)
CONSENT = Text(
    "Tôi đồng ý để thành phố giữ tên và cách liên hệ này trong 180 ngày, chỉ để hỏi thêm và báo tiến độ, kết quả của"
    " phản ánh này. Tôi có thể xóa bất cứ lúc nào ở trang theo dõi.",
    "I agree that the city keeps this name and contact for 180 days, only to ask about this report and to tell its progress"
    " and result. I may delete it at any time on the page I follow it by.",
)
_PHONE = re.compile(r"\+?\d{8,15}")


@dataclass(frozen=True, slots=True)
class Contact:
    """How somebody wants to be reached, each "" if not, and the words they agreed to."""

    name: str
    phone: str
    mail: str
    words: str

    @property
    def values(self) -> dict[str, str]:
        """What there is, by its kind in the vault."""
        return {kind: said for kind, said in (("name", self.name), ("phone", self.phone), ("email", self.mail)) if said}


def phone_of(said: str) -> str | None:
    """A telephone number without blanks and dots; None if it is none."""
    bare = re.sub(r"[\s().-]", "", said)
    return bare if _PHONE.fullmatch(bare) else None


async def keep(personal: Personal, contact: Contact, veiled: str, correlation: str) -> str:
    """Put a contact into the vault; the id of the new subject. Raises Problem where it cannot be kept.

    ``veiled`` is what mails need to lead to the report's page: it is forgotten with the address that they go to.
    """
    subject = await personal.enrol(SYSTEM, correlation=correlation)
    await personal.consent(SYSTEM, subject, PURPOSE.id, contact.words, correlation=correlation)
    values = contact.values | ({"other": veiled} if contact.mail else {})
    for kind, value in values.items():
        await personal.seal(SYSTEM, subject, PURPOSE.id, kind, value, correlation=correlation)
    return subject
