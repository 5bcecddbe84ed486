"""Which folders of the suite make which group, and what Robot Framework wrote about a run of one."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

_TESTS = "TP/NGSI-LD/"
_INFORMATION = _TESTS + "ContextInformation/"

# The groups of the targets. What needs context sources (registrations, distributed operations) is not built yet.
GROUPS: dict[str, tuple[str, ...]] = {
    "Common behaviours": (_TESTS + "CommonBehaviours",),
    "Entities": (_INFORMATION + "Provision/Entities",),
    "Entity attributes": (_INFORMATION + "Provision/EntityAttributes",),
    "Batch": (_INFORMATION + "Provision/BatchEntities",),
    "Purge": (_INFORMATION + "Provision/PurgeEntities",),
    "Transient entities": (_INFORMATION + "Provision/TransientEntities",),
    "Query and retrieve": (_INFORMATION + "Consumption/Entity",),
    "Entity maps": (_INFORMATION + "EntityMap",),
    "Discovery": (_INFORMATION + "Consumption/Discovery",),
    "Contexts": (_TESTS + "jsonldContext",),
    "Temporal provision": (
        _INFORMATION + "Provision/TemporalEntity",
        _INFORMATION + "Provision/TemporalEntityAttributes",
    ),
    "Temporal consumption": (_INFORMATION + "Consumption/TemporalEntity",),
    "Subscriptions": (_INFORMATION + "Subscription",),
}
WITH_MQTT = "Subscriptions"
_WORDS = 240  # of a reason


@dataclass(slots=True)
class GroupResult:
    """How one group went: ``failures`` maps a test's name to the first reason it failed for."""

    name: str
    passed: int = 0
    total: int = 0
    seconds: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    def as_line(self) -> dict[str, Any]:
        """The result as JSON, the reasons by how often they came."""
        reasons = Counter(self.failures.values())
        return {
            "group": self.name,
            "passed": self.passed,
            "total": self.total,
            "share": round(self.passed / max(self.total, 1), 4),
            "seconds": round(self.seconds, 1),
            "reasons": dict(reasons.most_common(20)),
            "failures": self.failures,
        }


def read_results(name: str, output: Path) -> GroupResult:
    """What Robot Framework's ``output.xml`` says. Raises OSError or ParseError if there is none to read."""
    result = GroupResult(name)
    for test in ElementTree.parse(output).getroot().iter("test"):  # noqa: S314 - written by the run just made
        status = test.find("status")
        if status is None or status.get("status") == "SKIP":
            continue
        result.total += 1
        result.seconds += float(status.get("elapsed", "0"))
        if status.get("status") == "PASS":
            result.passed += 1
        else:
            result.failures[test.get("name", "?")] = " ".join((status.text or "no reason").split())[:_WORDS]
    return result
