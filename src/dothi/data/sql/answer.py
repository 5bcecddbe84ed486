"""What goes between the city and the process that answers a question: plain values, so that each can be tested alone."""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from dothi.access.policy import Person
from dothi.model.problem import Problem
from dothi.model.schema import EntityType
from dothi.model.ward import Ward

Form = Literal["rows", "parquet"]
Kind = Literal["number", "integer", "text", "boolean", "time", "date"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one question may take. Sizes in megabytes (10⁶ bytes), ``seconds`` and ``patience`` in seconds.

    ``memory`` is DuckDB's own limit; ``process`` is the wall around the whole process, because DuckDB's own is not kept by
    every function (measured: 1,229 MB resident under a limit of 400 MB). ``spill`` bounds what is written to disk meanwhile,
    ``rows`` and ``answer`` what comes back, ``text`` (letters) what is asked. ``at_once`` questions run side by side,
    ``waiting`` more wait for ``patience``.
    """

    seconds: float = 20.0
    memory: int = 512
    process: int = 1_200
    spill: int = 2_000
    threads: int = 2
    rows: int = 100_000
    answer: int = 32
    text: int = 20_000
    at_once: int = 2
    waiting: int = 6
    patience: float = 10.0


class World(msgspec.Struct, frozen=True):
    """What the answering process must know of the city: where its record lies and how it names things.

    ``url`` leads to its PostgreSQL database, with its secret: it goes from process to process through a pipe only.
    """

    home: str
    tenant: str
    url: str | None
    time_zone: str
    types: list[EntityType]
    wards: list[Ward]
    limits: Limits


class Ask(msgspec.Struct, frozen=True):
    """One question: ``now`` (µs UTC) is the city's clock, ``rows`` how many come back at most."""

    world: World
    text: str
    asker: Person
    now: int
    rows: int
    form: Form = "rows"


class AnswerColumn(msgspec.Struct, frozen=True):
    """A column of an answer: moments (``time``) are µs UTC in the rows, dates ISO text."""

    name: str
    kind: Kind


class Answer(msgspec.Struct, tag="answer"):
    """What came back, ``count`` rows: as they are or, where that was asked for, in ``parquet``. ``more`` were left out."""

    columns: list[AnswerColumn]
    count: int
    rows: list[list[Any]]
    more: bool = False
    parquet: bytes | None = None
    seconds: float = 0.0


class Refusal(msgspec.Struct, tag="refusal"):
    """Why there is no answer. ``position`` is the letter of the question, from 0, at which it went wrong."""

    status: int
    code: str
    title: str
    detail: str = ""
    position: int | None = None


class Refused(Problem):
    """A question that is not answered, and the place in its text that is to blame, if one is."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = "",
        position: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(status, code, title, detail, retry_after)
        self.position = position


def encode(message: Ask | Answer | Refusal) -> bytes:
    """The bytes of a message."""
    return msgspec.msgpack.encode(message)


def decode_ask(body: bytes) -> Ask:
    """The question in ``body``."""
    return msgspec.msgpack.decode(body, type=Ask)


def decode_reply(body: bytes) -> Answer | Refusal:
    """The answer or refusal in ``body``. Raises msgspec.DecodeError."""
    return msgspec.msgpack.decode(body, type=Answer | Refusal)
