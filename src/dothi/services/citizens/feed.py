"""Published reports as an Atom feed (RFC 4287): who watches a ward is told of it and leaves no address with the city."""

from collections.abc import Iterable
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from dothi.services.citizens.store import Shown

MEDIA_TYPE = "application/atom+xml"
_ATOM = "http://www.w3.org/2005/Atom"


def feed(base: str, address: str, title: str, now: datetime, rows: Iterable[tuple[Shown, str]]) -> bytes:
    """The feed at ``address`` of the city at ``base`` (both absolute): each report with what is said of its state."""
    entries = [(one, words, one.answered_at or one.opened_at) for one, words in rows]
    root = Element("feed", xmlns=_ATOM)
    SubElement(root, "id").text = address
    SubElement(root, "title").text = title
    SubElement(root, "updated").text = _moment(max((at for _, _, at in entries), default=now))
    SubElement(SubElement(root, "author"), "name").text = title
    SubElement(root, "link", rel="self", href=address)
    for one, words, at in entries:
        entry = SubElement(root, "entry")
        where = f"{base}/reports/{one.code}"
        SubElement(entry, "id").text = where
        SubElement(entry, "title").text = one.title
        SubElement(entry, "published").text = _moment(one.opened_at)
        SubElement(entry, "updated").text = _moment(at)
        SubElement(entry, "link", rel="alternate", href=where)
        SubElement(entry, "summary").text = "\n\n".join(filter(None, (words, one.text)))
    return bytes(tostring(root, "utf-8", xml_declaration=True))


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
