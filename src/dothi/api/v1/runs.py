"""Runs of processes: what there is to run, what ran, what it was given and what came of it."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from dothi.api.encoding import instant, json_response
from dothi.api.v1.common import Limit, Offset, RunCanceller, RunReader, RunStarter, Text, new_router, paged
from dothi.model.problem import bad_request, not_found
from dothi.platform.platform import Platform
from dothi.platform.runs import ERRORS, STATES, Run
from dothi.platform.sector import Process

RunId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9]{1,64}$")]


class NewRun(BaseModel):
    """What is to be run: a process anew, or an earlier run once more with its inputs and seed."""

    model_config = ConfigDict(extra="forbid")
    process: str | None = Field(None, max_length=200, description="A process's id, as /api/v1/processes lists it.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="What the process is to be asked; it says what it takes."
    )
    seed: int | None = Field(None, ge=0, lt=2**53, description="Drawn if left out.")
    repeat: str | None = Field(None, max_length=64, description="Id of a run to repeat, instead of a process.")


def router(platform: Platform) -> APIRouter:
    """``/api/v1/processes`` and ``/api/v1/runs``."""
    api = new_router("runs")
    runs = platform.runs

    @api.get("/processes", summary="What can be run")
    def get_processes(_: RunReader) -> Response:
        rows = [process_json(one) for one in runs.processes.values()]
        return json_response(paged(rows, len(rows), len(rows), 0))

    @api.get("/runs", summary="Runs, the newest first")
    def get_runs(
        person: RunReader,
        process: Text = None,
        state: Annotated[str | None, Query(max_length=20, description=", ".join(STATES))] = None,
        q: Annotated[str, Query(max_length=100, description="Part of an id, a process's title or who asked.")] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Response:
        if state is not None and state not in STATES:
            raise bad_request(f"No run is ever {state!r}.", f"A state is one of: {', '.join(STATES)}.")
        found, total = runs.list(person, process=process, state=state, text=q, limit=limit, offset=offset)
        return json_response(
            dict(paged([run_json(one) for one in found], total, limit, offset)) | {"counts": runs.counts(person)}
        )

    @api.get("/runs/{run}", summary="One run, with its inputs and outputs")
    def get_run(person: RunReader, run: RunId) -> Response:
        found = runs.get(person, run)
        if found is None:
            raise not_found("run", run)
        return json_response(whole_json(found))

    @api.post("/runs", status_code=202, summary="Start a run; 429 when too many wait")
    async def start_run(request: Request, person: RunStarter, asked: NewRun) -> Response:
        if (asked.process is None) == (asked.repeat is None):
            raise bad_request("It is not clear what to run.", "Give either process or repeat.")
        correlation = request.state.correlation
        if asked.repeat is not None:
            run = await runs.repeat(person, asked.repeat, correlation=correlation)
        else:
            run = await runs.submit(person, str(asked.process), asked.options, seed=asked.seed, correlation=correlation)
        return json_response({"id": run}, 202, {"Location": f"/api/v1/runs/{run}"})

    @api.post("/runs/{run}/cancel", summary="End a run that waits or runs, at once")
    async def cancel_run(request: Request, person: RunCanceller, run: RunId) -> Response:
        await runs.cancel(person, run, correlation=request.state.correlation)
        return json_response({"id": run})

    return api


def process_json(process: Process) -> dict[str, Any]:
    """A process as the API shows it; spans in seconds, ``every`` of the city's time, ``timeLimit`` of the machine's."""
    purpose = process.purpose
    return {
        "id": process.id,
        "title": {"vi": process.title.vi, "en": process.title.en},
        "purpose": {"vi": purpose.vi, "en": purpose.en} if purpose else None,
        "version": process.version,
        "every": process.every.total_seconds() if process.every else None,
        "timeLimit": process.time_limit.total_seconds(),
    }


def run_json(run: Run) -> dict[str, Any]:
    """A run as lists show it: times in UTC by the city's clock, ``seconds`` of the machine's time.

    ``withheld`` says that its options, inputs, outputs and the details of an error are not for this asker.
    """
    code, _, detail = run.error.partition(": ")
    words = ERRORS.get(code)
    return {
        "id": run.id,
        "process": run.process,
        "version": run.version,
        "seed": run.seed,
        "state": run.state,
        "progress": run.progress,
        "requestedBy": run.requested_by,
        "requestedAt": instant(run.requested_at),
        "startedAt": instant(run.started_at),
        "endedAt": instant(run.ended_at),
        "endedBy": run.ended_by or None,
        "seconds": run.seconds,
        "error": {"code": code, "detail": detail, "words": {"vi": words.vi, "en": words.en} if words else None}
        if run.error
        else None,
        "repeats": run.repeats,
        "inputsDigest": run.inputs_digest or None,
        "outputsDigest": run.outputs_digest or None,
        "withheld": run.withheld,
    }


def whole_json(run: Run) -> dict[str, Any]:
    """A run with its options, inputs and outputs; null where they are not there (yet, or any more)."""
    return run_json(run) | {
        "options": msgspec.Raw(run.options.encode()),
        "inputs": msgspec.Raw(run.inputs.encode()) if run.inputs else None,
        "outputs": msgspec.Raw(run.outputs.encode()) if run.outputs else None,
    }
