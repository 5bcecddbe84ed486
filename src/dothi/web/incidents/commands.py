"""What devices can be told because of an incident, and what they were told."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from dothi.access.policy import SYSTEM, Person, may
from dothi.platform.commands.model import WORDS
from dothi.platform.incidents.model import Incident
from dothi.platform.platform import Platform

_MOST = 6


@dataclass(frozen=True, slots=True)
class Offer:
    """A command that can be proposed: its kind's id, what and for which device, and where its form is."""

    kind: str
    title: str
    to: str


@dataclass(frozen=True, slots=True)
class Told:
    """A command of the incident, and how far it is."""

    id: str
    title: str
    state: str


class IncidentCommands:
    """Commands beside incidents; whoever may not propose or see them is offered and shown none."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def offered(self, person: Person, incident: Incident, urns: Sequence[str], language: str) -> list[Offer]:
        """What can be told to the devices of the entities (``urns``) that the incident is about."""
        if not incident.worked or not may(person, "command.propose"):
            return []
        found = []
        for urn in urns:
            entity = self.platform.context.get(person, urn)
            for kind in self.platform.commands.for_type(entity.type) if entity else ():
                devices = self.platform.devices.of_entity(SYSTEM, urn)
                name = next((one.name for one in devices if one.name), urn.rpartition(":")[2])
                to = urlencode({"entity": urn, "kind": kind.id, "incident": incident.code})
                found.append(Offer(kind.id, f"{kind.title.in_language(language)} · {name}", f"/commands/new?{to}"))
        return found[:_MOST]

    def of(self, person: Person, code: str, language: str) -> list[Told]:
        """What was proposed because of the incident, the newest first."""
        commands, kinds = self.platform.commands, self.platform.commands.kinds
        found, _total = commands.find(person, incident=code, limit=_MOST)
        return [
            Told(
                one.id,
                kinds[one.kind].title.in_language(language) if one.kind in kinds else one.kind,
                WORDS[one.state].in_language(language),
            )
            for one in found
        ]
