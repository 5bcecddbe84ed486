"""Failed commands and alerts by mail: each told once, however long ago it was, with a link that leads somewhere."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from incidents_world import OPERATOR
from telling_world import World, play, text_of

from dothi.access.policy import SYSTEM
from dothi.model.clock import to_micros
from dothi.model.text import Text
from dothi.store.audit import Act
from dothi.testing.mail import Inbox

pytestmark = pytest.mark.usefixtures("homes")
_COMMAND = (
    "INSERT INTO command (month, number, id, kind, entity, entity_type, device, parameters, state, proposed_by, "
    "proposed_at, because, incident, clearance, decided_by, sends, ended_at, reason) "
    "VALUES ('2605', 1, 'L-2605-0001', 'k', 'urn:x', 'x', 'd', '{}', 'failed', 'an', 0, 'x', '', 1, '', 0, ?, '')"
)
_ALERT = (
    "INSERT INTO alert (id, group_id, rule, version, subject, entity_type, name, state, severity, began_at, detected_at, "
    "said_vi, said_en, clearance) VALUES (1, 7, 'dust', 1, 'urn:x', 'x', 'Trạm', 'firing', 4, 0, 0, 'Bụi', 'Dust', 1)"
)


def told(world: World) -> None:
    """What the post asks the city about."""
    line = SimpleNamespace(id=7, title=Text("Bụi mịn", "Dust"), wards=(), newest=SimpleNamespace(said=Text("Bụi", "Dust")))
    failed = SimpleNamespace(id="L-2605-0001", kind="k", reason="")
    world.platform.rules = SimpleNamespace(group=lambda *_: line)
    world.platform.commands = SimpleNamespace(get=lambda *_: failed, kinds={})


def test_a_failed_command_is_told_once_also_after_its_letter_was_forgotten(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        told(world)
        await world.wants(OPERATOR, "commands")
        asked = len(inbox.taken)
        moment = to_micros(world.clock.now())
        failed = [Act(SYSTEM.id, "command.failed", "L-2605-0001")]
        await world.writer.run(SYSTEM, world.clock.now(), lambda db: db.execute(_COMMAND, (moment,)), failed)
        for days in (0, 1, 29, 2, 40):
            await world.opened()  # something else is heard, too
            await world.look(days=days, minutes=5)
        assert len(inbox.taken) == asked + 1
        assert "https://city.example/commands/L-2605-0001" in text_of(inbox)

    play(tmp_path, scene)


def test_the_link_of_an_alert_is_a_page_of_the_city(tmp_path: Path) -> None:
    async def scene(world: World, inbox: Inbox) -> None:
        told(world)
        await world.wants(OPERATOR, "alerts")
        await world.writer.run(SYSTEM, world.clock.now(), lambda db: db.execute(_ALERT))
        await world.look(minutes=5)
        assert "https://city.example/alerts?group=7" in text_of(inbox)

    play(tmp_path, scene)
