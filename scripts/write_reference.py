"""Writes reference pages of docs from the code, so that they cannot differ from it. `--check` only compares."""

import sys
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from dothi.access.policy import Clearance
from dothi.access.roles import ACTIONS, ROLES
from dothi.app import installed_sectors
from dothi.data.sql.catalogue import tables
from dothi.platform.incidents.flow import TABLE
from dothi.platform.incidents.model import CLOCKS, STATES, STEPS
from dothi.platform.incidents.timing import REMIND_EVERY
from dothi.settings import Settings

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def settings_page() -> str:
    """The reference of all settings as Markdown."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default()
        shown = "none" if default is None else f"`{default}`" if str(default) else "empty"
        rows.append(f"| `DOTHI_{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(
        (
            "# Settings",
            "",
            "Read from the environment at start. Every one has a default that runs on one machine. A secret may stand in a",
            f"file: {_secrets()} name it. Written from `src/dothi/settings.py` by `make docs`.",
            "",
            "| variable | default | what it is |",
            "|---|---|---|",
            *rows,
            "",
        )
    )


def _secrets() -> str:
    names = [name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)]
    *first, last = (f"`DOTHI_{name.upper()}_FILE`" for name in names)
    return f"{', '.join(first)} and {last}"


def tables_page() -> str:
    """The reference of the tables that questions in SQL may read, as Markdown in both languages."""
    lines = [
        "# Tables for questions in SQL",
        "",
        "What [dothi sql](../guides/sql.md), the page `/data/sql` and `POST /api/v1/sql` can read; everybody sees in them",
        "only what they may. Written from `src/dothi/data/sql/catalogue.py` and the installed sectors by `make docs`.",
    ]
    for table in tables(one for sector in installed_sectors() for one in sector.entity_types).values():
        lines += ["", f"## {table.name}", "", f"{table.means.en}. *{table.means.vi}.*"]
        if table.time:
            lines += ["", f"Bound `{table.time}`: only the days it leaves are read."]
        lines += ["", "| column | type | unit | what it is | là gì | example |", "|---|---|---|---|---|---|"]
        for column in table.columns:
            example = f"`{column.example}`" if column.example else ""
            words = f"{column.means.en} | {column.means.vi}"
            lines.append(f"| `{column.name}` | {column.type.lower()} | {column.unit} | {words} | {example} |")
    return "\n".join((*lines, ""))


def access_page() -> str:
    """The reference of who may do what, as Markdown: the table that tests hold the policy to."""
    levels = "`public`, `internal`, `restricted`, `personal`"
    lines = [
        "# Who may do what",
        "",
        "Written from `src/dothi/access/roles.py` by `make docs`; `tests/access/test_matrix.py` runs every role against",
        "every action, scope and clearance and holds the answers to this page.",
        "",
        "Somebody holds grants. A grant is a role (what may be done), a scope (over what) and a clearance (how far):",
        "",
        "- A thing lies in a scope if its ward, its owning agency and its type are each among those the scope names; a",
        "  scope that names no wards, agencies or types has all of them. What belongs to no ward (or agency, or type) lies",
        "  in no list of them: the lobby, whole-city figures and runs of whole-city processes need an unbounded scope.",
        f"- Clearances, each with all before it: {levels}. What nobody classified is",
        "  `internal`. An attribute may be stricter than its thing, never wider. State secrets are refused at the door.",
        "- Several grants add up; each holds within its own scope and clearance, none widens another.",
        "- What is public everybody may read, signed in or not, by the actions marked in the column *anybody*.",
        "",
        "## Roles",
        "",
        "| role | English | tiếng Việt | highest clearance a grant may carry |",
        "|---|---|---|---|",
    ]
    for name, role in ROLES.items():
        lines.append(f"| `{name}` | {role.title.en} | {role.title.vi} | {Clearance(role.ceiling).name.lower()} |")
    lines += ["", "## Actions", "", f"| action | anybody | {' | '.join(ROLES)} |", "|---" * (len(ROLES) + 2) + "|"]
    for action, public in sorted(ACTIONS.items()):
        marks = ["✓" if action in role.actions else "" for role in ROLES.values()]
        lines.append(f"| `{action}` | {'✓' if public else ''} | {' | '.join(marks)} |")
    return "\n".join((*lines, ""))


def incidents_page() -> str:
    """The state machine of incidents, drawn from its table, with the acts, clocks and kinds, as Markdown."""
    able = ", ".join(f"`{name}`" for name, role in ROLES.items() if "incident.write" in role.actions)
    lines = [
        "# Incidents: states, acts, clocks",
        "",
        "Written from `src/dothi/platform/incidents/flow.py` and the installed sectors by `make docs`: what is drawn here",
        "is what a city allows, and nothing else.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        *(f"    {state}: {words.en}" for state, words in STATES.items()),
        "    [*] --> new: Open",
        *_arrows(),
        *(
            f"    {state} --> [*]"
            for state in STATES
            if not any(state in rule.states and rule.to for rule in TABLE.values())
        ),
        "```",
        "",
        "Four steps are what everybody sees, the citizen too: "
        + ", ".join(f"{words.vi} ({words.en.lower()})" for _, words in STEPS)
        + ".",
        "",
        "## Acts",
        "",
        f"Who may: whoever holds a grant with the action `incident.write` ({able})",
        "that covers the incident, by its ward, its agency and its clearance; whoever it is assigned to, wherever it lies.",
        "A merge needs both incidents.",
        "",
        "An act that *collides* is done to the version that was looked at: whoever comes second gets 409",
        "`changed-meanwhile` with the incident as it stands and every field that changed, from what to what, by whom and",
        "when. Nothing is overwritten.",
        "",
        "| act | Vietnamese | English | possible in | leads to | needs | collides |",
        "|---|---|---|---|---|---|---|",
    ]
    for tag, rule in TABLE.items():
        only = {True: " (paused)", False: " (not paused)", None: ""}[rule.paused]
        needs = rule.needs.en if rule.needs is not None else ""
        lines.append(
            f"| `{tag}` | {rule.title.vi} | {rule.title.en} | {', '.join(rule.states)}{only} | {rule.to or 'as it was'} "
            f"| {needs} | {'yes' if rule.collides else 'no'} |"
        )
    lines += [
        "",
        "Another state ends a pause. Reopening clears the answer. A merged incident's reports, alerts, photos and open",
        "tasks go to the other one, with who was asked to help; it is as grave as the graver of the two then, and of each",
        "clock the shorter time goes on. A split takes chosen reports, with their photos and promises, to a",
        "new one, whose playbook begins anew.",
        "Another kind brings its title, severity and urgency where they were still those of the old kind; its unit too, if",
        "nobody chose one and it is not assigned yet. Clocks follow the urgency, what is used of them stays used; the new",
        "kind's playbook begins then with nothing done, and its answer needs a photo if the new kind asks for one.",
        "",
        "## Clocks",
        "",
        *(f"- **{words.vi}** ({words.en.lower()}, `{step}`): {_CLOCKS[step]}" for step, words in CLOCKS.items()),
        "",
        "How long each may take, and whether it counts hours of work, says the city's pack (`[[promises]]`,",
        "`[working_time]`). All time is the city's: a replay's clocks run as fast as its day. In its last fifth a clock",
        "warns, once; when it runs out the incident goes one level up. A pause stops what runs, and ends by itself if that",
        f"was said; every {REMIND_EVERY.days} days that it goes on are told of, so that none is forgotten. Steps of a",
        "playbook have their minutes from the acceptance on, and are told of once when they are late.",
        "What was answered is closed by itself after `close_after_days`; the timeline says so in the last fifth of them.",
        "",
        "## Kinds",
        "",
        "A sector brings its own (`Sector.incident_kinds`, and playbooks in `Sector.playbooks`). A kind says who owns such",
        "incidents and how they begin, until somebody decides otherwise; without an agency it is its sector's.",
        "",
        "| kind | Vietnamese | English | agency | severity | urgency | people may report it | needs proof | playbook |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for sector in installed_sectors():
        playbooks = {one.id: one for one in sector.playbooks}
        for kind in sector.incident_kinds:
            steps = len(playbooks[kind.playbook].steps) if kind.playbook in playbooks else 0
            lines.append(
                f"| `{kind.id}` | {kind.title.vi} | {kind.title.en} | {kind.agency or sector.agency} | {kind.severity} "
                f"| {kind.urgency} | {'yes' if kind.citizens else ''} | {'yes' if kind.proof else ''} "
                f"| {f'{steps} steps' if steps else ''} |"
            )
    return "\n".join((*lines, ""))


_CLOCKS = {
    "detect": "from the first sign until the incident was opened; a value of a whole hour is a sign at its end.",
    "accept": "from the opening until it leaves the state new.",
    "handle": "from the acceptance until it is answered; by its urgency, anew if that changes.",
    "resolve": "from the opening until it is answered.",
}


def _arrows() -> list[str]:
    """One arrow for every two states, with the acts that lead from one to the other."""
    acts: dict[tuple[str, str], list[str]] = {}
    for rule in TABLE.values():
        for state in rule.states:
            if rule.to is not None and rule.to != state:
                acts.setdefault((state, rule.to), []).append(rule.title.en)
    return [f"    {state} --> {to}: {', '.join(titles)}" for (state, to), titles in acts.items()]


PAGES = {
    "settings.md": settings_page,
    "tables.md": tables_page,
    "access.md": access_page,
    "incidents.md": incidents_page,
}


def main(check: bool) -> int:
    """Write the pages, or with ``check`` return 1 if one is out of date."""
    wrong = 0
    for name, page in PAGES.items():
        path = FOLDER / name
        if check:
            wrong |= not path.is_file() or path.read_text(encoding="utf-8") != page()
        else:
            path.write_text(page(), encoding="utf-8")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
