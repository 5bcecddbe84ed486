"""Every act the city records or refuses has a name among people."""

import re
from pathlib import Path
from typing import get_args

import dothi
from dothi.access.roles import ACTIONS
from dothi.access.wording import DEEDS, deed, outcome
from dothi.data.batch import EntityKind

# The second thing an Act says, where it is said there and then.
_SAID = re.compile(r"\bAct\(\s*[^,()]+(?:\([^)]*\))?,\s*\"([^\"]+)\"")


def test_every_act_has_its_words_in_both_languages() -> None:
    sources = Path(dothi.__file__).parent.rglob("*.py")
    recorded = {code for path in sources for code in _SAID.findall(path.read_text(encoding="utf-8"))}
    assert {"city.export", "session.open", "sql.ask"} <= recorded, "the acts are no longer found in the code"
    recorded |= ACTIONS.keys() | {f"entity.{kind}" for kind in get_args(EntityKind)}
    assert recorded - DEEDS.keys() == set()
    assert [code for code, words in DEEDS.items() if not words.vi or not words.en or words.vi == words.en] == []


def test_how_it_ended_is_said_in_words() -> None:
    assert outcome("refused: not-allowed, too-many-requests", "vi") == ("từ chối", "không có quyền, quá nhiều lần")
    assert outcome("answered: 3 rows", "en") == ("answered", "3 rows")
    assert outcome("done", "vi") == ("xong", "")
    assert outcome("something else", "vi") == ("something else", "")
    assert deed("tides.turn", "vi") == "tides.turn"
