"""The form of a rule: what was kept comes back as it was, and what cannot be read is said in words."""

from typing import Any

import pytest
from msgspec import structs

from dothi.model.problem import Problem
from dothi.model.schema import AttributeType, EntityType
from dothi.model.text import Text
from dothi.platform.rules.model import Compare, Graver, Rule, Schedule, check
from dothi.web.rules.form import Row, attributes_of, blank, numbers_of, rule_in, told_in, told_of

TYPE, LEVEL, ALARM, NOTE, OPEN = (f"https://example.org/{name}" for name in ("Gate", "level", "alarm", "note", "open"))
GATE = EntityType(
    "Gate",
    TYPE,
    Text("Cống", "Gate"),
    (
        AttributeType("level", LEVEL, Text("Mực nước", "Level"), unit="MTR"),
        AttributeType("alarm", ALARM, Text("Mức báo động", "Alarm level"), unit="MTR"),
        AttributeType("note", NOTE, Text("Ghi chú", "Note"), value="text"),
        AttributeType("open", OPEN, Text("Đang mở", "Open"), value="boolean"),
    ),
)


def rule(*terms: Compare, **more: Any) -> Rule:
    return Rule(id="gate", title=Text("Cống", "Gate"), entity_type=TYPE, any_of=(terms,), **more)


def read(**told: str) -> Compare:
    row: Row = {"is": "compare", "join": "and", **told}
    (term,) = rule_in({"title_vi": "Cống", "type": TYPE}, [row], "gate", GATE).terms()
    assert isinstance(term, Compare)
    return term


@pytest.mark.parametrize(
    "term",
    [
        Compare(attribute=LEVEL, op=">", value=0.0, than=ALARM),
        Compare(attribute=LEVEL, op=">=", value=0.5, than=ALARM, clear=0.25, negated=False),
        Compare(attribute=NOTE, op="contains", value="5"),
        Compare(attribute=NOTE, op="begins", value="hỏng", negated=True),
        Compare(attribute=NOTE, op="in", value=("kẹt", "hỏng hẳn")),
        Compare(attribute=NOTE, op="=", value="12"),
        Compare(attribute=OPEN, op="=", value=True),
        Compare(attribute=OPEN, op="!=", value=False),
    ],
    ids=str,
)
def test_the_form_loses_nothing(term: Compare) -> None:
    of = rule(term)
    check(of, {TYPE: GATE})
    told, rows = told_of(of)
    sent = told | {f"r{place}-{name}": value for place, row in enumerate(rows) for name, value in row.items()}
    assert rule_in(*told_in(sent, []), "gate", GATE) == of


@pytest.mark.parametrize(
    "hours",
    [
        Schedule(start=420, end=1_440, days=(0, 4)),
        Schedule(start=30, start_by="sunset", end=0, end_by="sunrise"),
        Schedule(start=-45, start_by="sunrise", end=600, negated=True),
    ],
    ids=str,
)
def test_hours_come_back(hours: Schedule) -> None:
    level = Compare(attribute=LEVEL, op=">", value=1.0)
    of = Rule(id="gate", title=Text("Cống", "Gate"), entity_type=TYPE, any_of=((level, hours),))
    check(of, {TYPE: GATE})
    told, rows = told_of(of)
    assert rule_in(told, rows, "gate", GATE) == of
    for wrong in (Schedule(start=300, start_by="sunset"), Schedule(end=-241, end_by="sunrise"), Schedule(days=())):
        with pytest.raises(Problem, match="hours"):
            check(structs.replace(of, any_of=((level, wrong),)), {TYPE: GATE})
    with pytest.raises(Problem, match="by the sun"):
        check(structs.replace(of, quiet=Schedule(end=0, end_by="sunrise")), {TYPE: GATE})


def test_steps_come_back() -> None:
    of = rule(Compare(attribute=LEVEL, op=">", value=1.0), severity=1, graver=(Graver(2, 1.5), Graver(4, 2.0)))
    told, rows = told_of(of)
    assert (told["graver2"], told.get("graver3", ""), told["graver4"]) == ("1.5", "", "2")
    assert rule_in(told, rows, "gate", GATE) == of


def test_what_people_write_is_understood() -> None:
    assert read(attribute=OPEN, op="=", value="CO").value is True
    assert read(attribute=OPEN, op="=", value="no").value is False
    assert read(attribute=NOTE, op="in", value=" kẹt ;hỏng; ;kẹt").value == ("kẹt", "hỏng")
    assert read(attribute=LEVEL, op=">", value="", than=ALARM).value == 0.0
    assert read(attribute=LEVEL, op=">", value="1,5").value == 1.5
    assert read(attribute=LEVEL, op="like", value="1").op == ">"
    for wrong in ({"attribute": OPEN, "value": "perhaps"}, {"attribute": LEVEL, "value": ""}):
        with pytest.raises(Problem):
            read(op="=", **wrong)


def test_what_is_offered() -> None:
    assert [iri for iri, _ in attributes_of(GATE, "vi")] == [LEVEL, ALARM, NOTE, OPEN]
    assert [iri for iri, _ in numbers_of(GATE, "vi")] == [LEVEL, ALARM]
    assert numbers_of(None, "vi") == attributes_of(None, "vi") == []
    with pytest.raises(Problem):
        blank("script")


@pytest.mark.parametrize(
    "term",
    [
        Compare(attribute=LEVEL, op="contains", value="1"),
        Compare(attribute=LEVEL, op=">", value=True),
        Compare(attribute=LEVEL, op=">", value=1.0, than=LEVEL),
        Compare(attribute=LEVEL, op=">", value=1.0, than=NOTE),
        Compare(attribute=LEVEL, op=">", value=1.0, than="https://example.org/none"),
        Compare(attribute=NOTE, op=">", value="1"),
        Compare(attribute=NOTE, op="in", value="một"),
        Compare(attribute=NOTE, op="in", value=()),
        Compare(attribute=NOTE, op="contains", value=""),
        Compare(attribute=NOTE, op="contains", value=1.0),
        Compare(attribute=NOTE, op="=", value="x", than=LEVEL),
        Compare(attribute=OPEN, op="=", value="có"),
        Compare(attribute=OPEN, op=">", value=True),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused(term: Compare) -> None:
    with pytest.raises(Problem, match="cannot be used"):
        check(rule(term), {TYPE: GATE})
