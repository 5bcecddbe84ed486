"""People of a drill who are played: each is known to its city and acts through its doors, with the rights of their role."""

from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import msgspec

from dothi.cli.client import Client
from dothi.cli.drill.citizen import picture
from dothi.cli.drill.script import Approve, Do, Photograph, Player, Propose, Script
from dothi.model.problem import Problem

_TIMEOUT = 30.0
_DAYS = 30


class Person:
    """One of them. Raises Problem whenever the city says no, in its words."""

    def __init__(self, client: Client, player: Player) -> None:
        grant = {"role": player.role, "clearance": "internal", "wards": [player.ward] if player.ward else None}
        made = client.post(
            "/api/v1/accounts", {"login": player.id, "name": player.name, "kind": "system", "grants": [grant]}
        )
        key = client.post(f"/api/v1/accounts/{made['id']}/keys", {"label": "drill", "days": _DAYS})["secret"]
        self._url, self._headers = client.url, {"Authorization": f"Bearer {key}", "Accept": "application/json"}
        self._open = build_opener(ProxyHandler({})).open

    def make(self, move: Do | Photograph | Propose | Approve, script: Script, incident: dict[str, Any]) -> None:
        """Make a move about ``incident`` (as the API shows it)."""
        code = incident["code"]
        if isinstance(move, Do):
            act = dict(move.act)
            if act["type"] == "answer":
                shown = self._ask("GET", f"/api/v1/incidents/{code}/photos")["items"]
                act.setdefault("proof", [one["number"] for one in shown if one["phase"] in ("after", "proof")])
            self._ask("POST", f"/api/v1/incidents/{code}/acts", {"act": act, "version": incident["version"]})
        elif isinstance(move, Photograph):
            self._send(
                f"/api/v1/incidents/{code}/photos?phase={move.phase}",
                picture(f"{move.phase} {code} {incident['version']}"),
                "image/jpeg",
            )
        elif isinstance(move, Propose):
            station = next(one for one in script.stations if one.device == move.device)
            entity = self._ask("GET", f"/api/v1/devices/{station.device}")["entity"]
            told = {"kind": move.kind, "entity": entity, "parameters": move.parameters, "because": move.because}
            self._ask("POST", "/api/v1/commands", told | {"incident": code})
        else:
            waiting = self._ask("GET", f"/api/v1/commands?incident={code}&state=proposed")["items"]
            if not waiting:
                raise Problem(404, "no-command", "No command waits for approval.")
            self._ask("POST", f"/api/v1/commands/{waiting[0]['id']}/approve", {})

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        sent = None if body is None else msgspec.json.encode(body)
        return self._send(path, sent, "application/json", method)

    def _send(self, path: str, body: bytes | None, kind: str, method: str = "POST") -> Any:
        headers = self._headers | ({"Content-Type": kind} if body is not None else {})
        request = Request(self._url + path, body, headers, method=method)  # noqa: S310 - the city's own address
        try:
            with self._open(request, timeout=_TIMEOUT) as answer:
                return msgspec.json.decode(answer.read())
        except HTTPError as error:
            told = msgspec.json.decode(error.read())
            raise Problem(error.code, "refused", told.get("title", ""), told.get("detail", "")) from error
