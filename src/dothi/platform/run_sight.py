"""Who may see what of a run: that it was, and what went in and came out, which is as secret as what may have gone in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dothi.access.policy import SYSTEM, Clearance, Person, Thing, may, reach
from dothi.platform.run_records import Run
from dothi.platform.sector import Process

if TYPE_CHECKING:
    from dothi.platform.platform import Platform

_CITY = SYSTEM.grants[0].clearance  # how far the city itself may know what it computes with
_STRICTEST = (
    "SELECT coalesce(max(e.clearance), 0) FROM entity e JOIN name n ON n.id = e.type "
    "WHERE e.clearance <= ? AND (CAST(? AS text) IS NULL OR n.iri = ?)"
)


class RunSight:
    """The runs of ``processes`` as the policy sees them: internal, of the type that is forecast, of no ward or agency."""

    def __init__(self, platform: "Platform", processes: Mapping[str, Process]) -> None:
        self._platform, self._processes = platform, processes

    def thing(self, process_id: str) -> Thing:
        """Any run of a process: that it was asked for, by whom, and how it went."""
        return Thing(type=self._type(process_id))

    def allows(self, asker: Person, action: str, process_id: str) -> bool:
        """True if ``asker`` may do ``action`` to runs of this process."""
        return may(asker, action, self.thing(process_id))

    def processes(self, asker: Person) -> Sequence[str] | None:
        """The processes whose runs ``asker`` sees; None for all, those that are not here any more included."""
        reached = reach(asker, "run.read")
        if reached is None:
            return ()
        return None if reached.whole else [one for one in self._processes if reached.covers(self.thing(one))]

    def shown(self, asker: Person, runs: Sequence[Run]) -> list[Run]:
        """``runs`` as ``asker`` may see them: without options, inputs, outputs and the words of errors, unless they may know
        the strictest thing that may have gone in.
        """
        whole = {one: may(asker, "run.read", self._whole(one)) for one in {run.process for run in runs}}
        return [run if whole[run.process] else _withheld(run) for run in runs]

    def _whole(self, process_id: str) -> Thing:
        """A run with all that went in: as secret as the strictest thing of its type (of any type, for a process that
        forecasts nothing), and the strictest of its attributes, which the city itself may read.
        """
        type_iri = self._type(process_id)
        with self._platform.database.reader() as db:
            (strictest,) = db.execute(_STRICTEST, (int(_CITY), type_iri, type_iri)).fetchone()
        kinds = [one for one in self._platform.types.values() if type_iri in (None, one.iri)]
        declared = [one.clearance for kind in kinds for one in kind.attributes if one.clearance <= _CITY]
        return Thing(max(Clearance.INTERNAL, Clearance(strictest), *declared), type=type_iri)

    def _type(self, process_id: str) -> str | None:
        process = self._processes.get(process_id)
        return process.target.entity_type if process is not None and process.target is not None else None


def _withheld(run: Run) -> Run:
    code = run.error.partition(": ")[0]
    return replace(run, options="{}", inputs="", outputs="", error=code, withheld=True)
