"""The card of mails on one's own account: what is wanted now, or what is suggested to who wants nothing yet."""

from typing import Any

from dothi.model.severity import SEVERITIES
from dothi.platform.platform import Platform
from dothi.platform.telling.wishes import MOST, TOPICS, Wish


def card(platform: Platform, account: str, language: str) -> dict[str, Any]:
    """What the card on ``/account`` shows: what is wanted, or what is suggested to who wants nothing yet."""
    kept = platform.telling.wish(account)
    wish = kept or Wish(account, "")
    return {
        "configured": platform.telling.configured,
        "wish": wish,
        "kept": kept is not None,
        "topics": [(id, words.in_language(language), id in wish.topics) for id, words in TOPICS.items()],
        "severities": [(id, words.in_language(language)) for id, words in SEVERITIES.items()],
        "most": MOST,
        "quiet": ("", "") if wish.quiet is None else (_clock(wish.quiet.start), _clock(wish.quiet.end)),
    }


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
