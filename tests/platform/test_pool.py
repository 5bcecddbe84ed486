"""Worker processes: named functions only, one failure hurts one run, and nobody outlives what needs them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs_world import lives, until

from dothi.platform.pool import Pool, RunError, name_of, spare_cores
from dothi.testing import computations

MINUTE = timedelta(minutes=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@asynccontextmanager
async def pool(**options: Any) -> AsyncIterator[Pool]:
    made = Pool(1, **options)
    try:
        yield made
    finally:
        await made.close()
        assert made.pids == []


async def ask(made: Pool, name: str, inputs: Any, seed: int = 7, limit: timedelta = MINUTE) -> Any:
    heard: list[float] = []
    function = name_of(getattr(computations, name))
    return msgspec.json.decode(await made.run(function, seed, msgspec.json.encode(inputs), limit, heard.append))


def told(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def test_what_cannot_be_found_by_name_is_refused() -> None:
    def inner(inputs: Any, context: Any) -> Any:
        return inputs

    for function in (inner, lambda inputs, context: inputs, Pool(1).run):
        with pytest.raises(ValueError, match="import by name"):
            name_of(function)
    assert name_of(computations.echo) == "dothi.testing.computations:echo"


def test_one_core_stays_free() -> None:
    assert spare_cores() == max(1, len(os.sched_getaffinity(0)) - 1)


def test_values_go_there_and_back_unchanged() -> None:
    with asyncio.Runner() as runner:
        made = Pool(1)

        @settings(max_examples=40)
        @given(JSON)
        def same(value: Any) -> None:
            assert runner.run(ask(made, "echo", value)) == msgspec.json.decode(msgspec.json.encode(value))

        same()
        assert len(made.pids) == 1, "one worker did them all"
        runner.run(made.close())


def test_the_same_inputs_and_seed_give_the_same_in_any_worker() -> None:
    with asyncio.Runner() as runner:
        pools = Pool(1), Pool(1)

        @settings(max_examples=20)
        @given(st.integers(0, 2**32), st.integers(1, 50))
        def same(seed: int, steps: int) -> None:
            first, second = (runner.run(ask(one, "walk", {"steps": steps}, seed)) for one in pools)
            assert first == second
            assert first != runner.run(ask(pools[0], "walk", {"steps": steps}, seed + 1))

        same()
        for one in pools:
            runner.run(one.close())


def test_a_worker_is_polite_and_knows_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOTHI_NATS", "nats://user:secret@journal")

    async def scene() -> None:
        async with pool() as made:
            await ask(made, "echo", 1)
            (pid,) = made.pids
            assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 10
            environment = told(pid, "environ").split("\0")
            assert "PYTHONHASHSEED=0" in environment
            assert not any(one.startswith("DOTHI_") for one in environment)
            assert int(told(pid, "oom_score_adj")) > int(told(os.getpid(), "oom_score_adj"))
            resident = int(told(pid, "status").split("VmRSS:")[1].split()[0])
            assert resident < 40_000, "a worker alone weighs little"

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("name", "inputs", "code", "detail"),
    [
        ("fail", {"how": "die"}, "worker-died", "SIGKILL"),
        ("fail", {"how": "exit"}, "worker-died", "exit 3"),
        ("fail", {"how": "x"}, "process-error", "ValueError: không tính được: x"),
        ("fail", {"how": "babble"}, "process-error", "ValueError: ? hai dòng"),
        ("odd", {"how": "large"}, "bad-outputs", "5000002 > 4194304 B"),
        ("odd", {"how": "no json"}, "bad-outputs", "TypeError: Encoding objects of type object is unsupported"),
    ],
)
def test_a_failure_is_told_and_hurts_nobody_else(name: str, inputs: Any, code: str, detail: str) -> None:
    async def scene() -> None:
        async with pool() as made:
            with pytest.raises(RunError) as failed:
                await ask(made, name, inputs)
            assert (failed.value.code, failed.value.detail) == (code, detail)
            assert await ask(made, "echo", "next") == "next"

    asyncio.run(scene())


def test_who_overstays_is_ended() -> None:
    async def scene() -> None:
        async with pool() as made:
            await ask(made, "echo", 1)
            (pid,) = made.pids
            with pytest.raises(RunError, match="time-limit"):
                await ask(made, "nap", {"seconds": 60}, limit=timedelta(seconds=0.1))
            assert not lives(pid)

    asyncio.run(scene())


def test_who_is_not_needed_any_more_ends() -> None:
    async def scene() -> None:
        async with pool(idle=0.01) as made:
            await ask(made, "echo", 1)
            (pid,) = made.pids
            await until(lambda: not lives(pid))
            assert await ask(made, "echo", 2) == 2, "a new one comes when there is work"

    asyncio.run(scene())
