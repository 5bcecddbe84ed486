"""What mails say, in both languages, as plain text and as HTML that any mail program draws. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from dothi.model.text import Text
from dothi.platform.telling.model import Written

MOST_TOLD = 40  # things in one mail; of more it says how many
_MORE = Text("… và {count} tin nữa.", "… and {count} more.")
_SEVERAL = Text("{count} tin mới", "{count} things to know")
_STOP = Text("Thôi nhận thư này", "Have no more of these mails")
_PAGE = (
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{subject}</title></head>'
    '<body style="margin:0;padding:24px;background:#f4f6f8;color:#16202a;font:16px/1.5 sans-serif">'
    '<div style="max-width:600px;margin:0 auto;padding:24px;background:#ffffff;border-radius:8px">'
    '{mark}<h1 style="margin:0 0 16px;font-size:20px">{title}</h1>{items}'
    '<p style="margin:24px 0 0;color:#51606e;font-size:14px">{why}</p></div></body></html>'
)
_ITEM = (
    '<div style="margin:0 0 16px;padding:0 0 16px;border-bottom:1px solid #d9e0e6"><b>{title}</b>{lines}'
    '<p style="margin:8px 0 0"><a href="{link}" style="color:#0b5cad">{words}</a></p></div>'
)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing told: its title, lines beneath it, and where there is more of it; the words of that link."""

    title: str
    lines: tuple[str, ...]
    link: str
    open: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What a mail says beside its items: whom to, in which language, what the city must admit, why it comes."""

    to: str
    language: str
    mark: str
    why: str
    stop: str = ""


def mail_of(frame: Frame, items: Sequence[Item], subject: str = "") -> Written:
    """The mail of ``items``; its subject is the only item's title, or how many there are, unless it is given."""
    language = frame.language
    several = _SEVERAL.in_language(language).format(count=len(items))
    title = subject or (items[0].title if len(items) == 1 else several)
    shown, rest = items[:MOST_TOLD], len(items) - MOST_TOLD
    more = _MORE.in_language(language).format(count=rest) if rest > 0 else ""
    stop = _STOP.in_language(language)
    text = [frame.mark, title, ""] if frame.mark else [title, ""]
    for one in shown:
        text += [*([one.title] if len(items) > 1 or subject else []), *one.lines, f"{one.open}: {one.link}", ""]
    text += [*([more, ""] if more else []), "-- ", frame.why, *([f"{stop}: {frame.stop}"] if frame.stop else [])]
    marked = f'<p style="margin:0 0 8px;color:#9a3412"><b>{escape(frame.mark)}</b></p>' if frame.mark else ""
    ending = f'<br><a href="{escape(frame.stop)}" style="color:#51606e">{escape(stop)}</a>' if frame.stop else ""
    html = _PAGE.format(
        language=language,
        subject=escape(title),
        mark=marked,
        title=escape(title),
        items="".join(map(_drawn, shown)) + (f"<p>{escape(more)}</p>" if more else ""),
        why=escape(frame.why) + ending,
    )
    line = f"[{frame.mark}] {title}" if frame.mark else title
    return Written(frame.to, line, "\n".join(text) + "\n", html, language, frame.stop)


def _drawn(item: Item) -> str:
    lines = "".join(f"<br>{escape(line)}" for one in item.lines for line in one.split("\n"))
    return _ITEM.format(title=escape(item.title), lines=lines, link=escape(item.link), words=escape(item.open))
