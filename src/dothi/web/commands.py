"""Commands to devices: what waits for approval, what was sent, what became of it; and the form that proposes one."""

from datetime import datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.access.policy import SYSTEM, may
from dothi.access.routes import person_of
from dothi.model.problem import bad_request
from dothi.model.unit import UNITS
from dothi.platform.commands.kinds import CommandKind
from dothi.platform.commands.model import WORDS, Command, State
from dothi.platform.platform import Platform
from dothi.ui.language import language_of, translator
from dothi.ui.page import render
from dothi.ui.tables import csv_response
from dothi.web.devices import link, page_number
from dothi.web.panel import value_words
from dothi.web.view import ward_names

PAGE = 50
MOST = 5_000
_PROPOSED = ("id", "kind", "entity", "device", "parameters", "state", "proposedBy", "proposedAt", "because")
_HEAD = (*_PROPOSED, "decidedBy", "decidedAt", "sentAt", "acknowledgedAt", "endedAt", "reason", "value", "incident")


class CommandPages:
    """Serves ``/commands``, ``/commands.csv``, ``/commands/new`` and ``/commands/{id}``."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def index(self, request: Request) -> Response:
        """What waits for approval first, then all, newest first; ``state`` keeps those of one state."""
        person, language, page = person_of(request), language_of(request), page_number(request)
        state = _state(request.query_params.get("state", ""))
        commands = self.platform.commands
        waiting, _count = commands.find(person, state="proposed", limit=PAGE)
        rows, total = commands.find(person, state=state, limit=PAGE, offset=(page - 1) * PAGE)
        return render(
            request,
            self.platform,
            "dothi.web:commands.html",
            waiting=waiting,
            rows=rows,
            total=total,
            state=state,
            page=page,
            size=PAGE,
            link=partial(link, request),
            **self._spoken(language),
        )

    def table(self, request: Request) -> Response:
        """The same as CSV, the newest ``MOST``."""
        state = _state(request.query_params.get("state", ""))
        rows, _total = self.platform.commands.find(person_of(request), state=state, limit=MOST)
        return csv_response("commands", _HEAD, (_row(one) for one in rows))

    def form(self, request: Request) -> Response:
        """The form for one entity: what can be told to it, with what it does to the city. Raises Problem 404."""
        query, language = request.query_params, language_of(request)
        urn = query.get("entity", "")
        found = self.platform.context.get(person_of(request), urn) if urn else None
        kinds = [] if found is None else self.platform.commands.for_type(found.type)
        chosen = next((one for one in kinds if one.id == query.get("kind")), kinds[0] if kinds else None)
        return render(
            request,
            self.platform,
            "dothi.web:command-new.html",
            urn=urn,
            found=found,
            kinds=kinds,
            chosen=chosen,
            name=self._name(urn),
            incident=query.get("incident", ""),
            link=partial(link, request),
            **self._spoken(language),
        )

    async def propose(self, request: Request) -> Response:
        """Propose what the form says. Raises Problem 400, 403, 404, 409."""
        form = await request.form()
        said = {name.removeprefix("p-"): str(value) for name, value in form.items() if name.startswith("p-")}
        made = await self.platform.commands.propose(
            person_of(request),
            str(form.get("kind", "")),
            str(form.get("entity", "")),
            said,
            because=str(form.get("because", "")),
            incident=str(form.get("incident", ""))[:40],
            correlation=request.state.correlation,
        )
        return RedirectResponse(f"/commands/{made.id}", 303)

    def show(self, request: Request) -> Response:
        """One command, step by step, with what can be done about it. Raises Problem 404."""
        person, language = person_of(request), language_of(request)
        command = self.platform.commands.get(person, request.path_params["command"])
        kind = self.platform.commands.kinds.get(command.kind)
        own = command.proposed_by == person.id
        return render(
            request,
            self.platform,
            "dothi.web:command.html",
            command=command,
            steps=_steps(command, language),
            own=own,
            approves=may(person, "command.approve", command.thing) and not (own and kind is not None and kind.two_people),
            refuses=may(person, "command.approve", command.thing),
            **self._spoken(language),
        )

    async def decide(self, request: Request) -> Response:
        """Approve, refuse or withdraw. Raises Problem 400, 403, 404, 409."""
        form = await request.form()
        person, id_, act = person_of(request), request.path_params["command"], form.get("act")
        commands, correlation = self.platform.commands, request.state.correlation
        if act == "approve":
            await commands.approve(person, id_, correlation=correlation)
        elif act == "refuse":
            await commands.refuse(person, id_, str(form.get("because", "")), correlation=correlation)
        elif act == "withdraw":
            await commands.withdraw(person, id_, correlation=correlation)
        else:
            raise bad_request("That is nothing one can do here.", "Choose approve, refuse or withdraw.")
        return RedirectResponse(f"/commands/{id_}", 303)

    def _name(self, urn: str) -> str:
        devices = self.platform.devices.of_entity(SYSTEM, urn)
        return next((one.name for one in devices if one.name), urn)

    def _spoken(self, language: str) -> dict[str, Any]:
        """Functions by which templates say what commands are."""

        def title(command: Command) -> str:
            kind = self.platform.commands.kinds.get(command.kind)
            return command.kind if kind is None else kind.title.in_language(language)

        def consequence(command: Command) -> str:
            kind = self.platform.commands.kinds.get(command.kind)
            return "" if kind is None else kind.consequence.in_language(language)

        def parameters(command: Command) -> str:
            kind = self.platform.commands.kinds.get(command.kind)
            return "" if kind is None else _parameters(kind, command, language)

        def proof(command: Command) -> str:
            return _proof(self.platform, command, language)

        def person(account_id: str) -> str:
            account = self.platform.accounts.account(account_id)
            return account_id if account is None else account.name

        def place(command: Command) -> str:
            device = self.platform.devices.lookup(command.device)
            return command.entity if device is None else device.name or device.id

        names = ward_names(self.platform)
        return {
            "title_of": title,
            "consequence_of": consequence,
            "parameters_of": parameters,
            "proof_of": proof,
            "person_name": person,
            "place_of": place,
            "ward_of": lambda command: names.get(command.ward or "", ""),
            "state_words": lambda state: WORDS[state].in_language(language),
            "reason_words": partial(_reason_words, language=language),
        }


def _state(said: str) -> State | None:
    return next((one for one in WORDS if one == said), None)


def _parameters(kind: CommandKind, command: Command, language: str) -> str:
    said = []
    for one in kind.parameters:
        value = command.parameters.get(one.name)
        words = next((text.in_language(language) for choice, text in one.choices if choice == value), None)
        shown = words if words is not None else f"{value:g} {one.unit}".strip() if isinstance(value, float) else str(value)
        said.append(f"{one.title.in_language(language)}: {shown}")
    return ", ".join(said)


def _proof(platform: Platform, command: Command, language: str) -> str:
    """The reading that verified a command: what was measured, how much of which unit."""
    kind = platform.commands.kinds.get(command.kind)
    measured = platform.types.get(kind.entity_type) if kind else None
    attribute = measured.attribute(kind.verification.attribute) if kind and measured else None
    if attribute is None:
        return value_words(command.value, language)
    unit = UNITS.get(attribute.unit or "")
    value = value_words(command.value, language, attribute.decimals)
    return f"{attribute.title.in_language(language)}: {value} {unit.symbol if unit else ''}".rstrip()


def _steps(command: Command, language: str) -> list[tuple[str, datetime | None, str]]:
    """The way of a command: what, when (None: not yet), and by whom or with what result."""
    _ = translator(language)
    decided = {"refused": _("Không được duyệt"), "withdrawn": _("Đã rút"), "expired": _("Quá hạn duyệt")}
    steps: list[tuple[str, datetime | None, str]] = [(_("Đề xuất"), command.proposed_at, command.proposed_by)]
    at = command.decided_at or (command.ended_at if command.state in decided else None)
    steps.append((decided.get(command.state, _("Duyệt")), at, command.decided_by))
    if command.state not in decided:
        steps.append((_("Gửi"), command.sent_at, ""))
        steps.append((_("Thiết bị xác nhận"), command.acknowledged_at, ""))
        last = _("Thất bại") if command.state == "failed" else _("Kiểm chứng bằng số đo")
        steps.append((last, command.ended_at, ""))
    return steps


def _reason_words(reason: str, language: str) -> str:
    """Why it failed and what to do now, in words; what a person wrote stays as it is."""
    _ = translator(language)
    if reason.startswith("the device did not answer"):
        return _("Thiết bị không xác nhận kịp. Kiểm tra nguồn điện, đường truyền của thiết bị, rồi đề xuất lại.")
    if reason.startswith("no reading shows"):
        return _("Thiết bị đã nhận nhưng chưa có số đo nào chứng tỏ đã làm. Cho người tới xem, rồi đề xuất lại.")
    if reason.startswith("nobody decided"):
        return _("Không ai duyệt kịp. Đề xuất lại nếu vẫn cần.")
    if reason.startswith("the device refused:"):
        return _("Thiết bị từ chối: {why}").format(why=reason.partition(":")[2].strip())
    return reason


def _row(one: Command) -> tuple[object, ...]:
    moments = (one.decided_at, one.sent_at, one.acknowledged_at, one.ended_at)
    decided, sent, acknowledged, ended = (moment.isoformat() if moment else "" for moment in moments)
    said = "; ".join(f"{name}={value}" for name, value in one.parameters.items())
    first = (one.id, one.kind, one.entity, one.device, said, one.state, one.proposed_by, one.proposed_at.isoformat())
    return (*first, one.because, one.decided_by, decided, sent, acknowledged, ended, one.reason, one.value, one.incident)
