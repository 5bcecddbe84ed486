"""Functions that tests and benches run in real workers. They import nothing of the city: a worker weighs its imports."""

import os
import random
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dothi.platform.sector import RunContext


def echo(inputs: Any, _: "RunContext") -> Any:
    """The inputs as they are."""
    return inputs


def walk(inputs: dict[str, Any], context: "RunContext") -> dict[str, Any]:
    """A random walk of ``steps`` steps: the same for the same inputs and seed."""
    chance, place, seen = random.Random(context.seed), 0.0, []  # noqa: S311 - a seeded walk
    for _ in range(int(inputs["steps"])):
        place += chance.gauss(0, 1)
        seen.append(round(place, 6))
    return {"walk": seen, "words": sorted({"một", "hai", "ba"}), "first": next(iter({"một", "hai", "ba"}))}


def nap(inputs: dict[str, Any], context: "RunContext") -> str:
    """Half of the way told, then asleep for ``seconds``."""
    context.progress(0.5)
    time.sleep(float(inputs["seconds"]))
    return "awake"


def fail(inputs: dict[str, Any], _: "RunContext") -> None:
    """Ends in every way a run can end badly: ``how`` says which."""
    how = inputs["how"]
    if how == "die":
        os.kill(os.getpid(), 9)
    if how == "exit":
        os._exit(3)
    if how == "babble":
        raise ValueError("\ud800\0 hai\n dòng")
    raise ValueError(f"không tính được: {how}")


def odd(inputs: dict[str, Any], _: "RunContext") -> Any:
    """Returns what nobody can keep."""
    return "x" * 5_000_000 if inputs["how"] == "large" else {"thing": object()}
