"""The door by which senders of reports have no more mails, or have them again: a link in each mail, without an account."""

import hmac

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dothi.model.problem import not_found
from dothi.services.citizens.store import Report
from dothi.services.citizens.told import KIND, Told
from dothi.services.citizens.words import PACKAGE, line_of
from dothi.ui.page import render

_PRIVATE = {"cache-control": "no-store"}


class MailDoor:
    """Serves ``/report/mail``."""

    def __init__(self, told: Told) -> None:
        self.told, self.platform = told, told.platform

    def page(self, request: Request) -> Response:
        """Whether mails come, and the button to change it. Raises Problem 404 for a link that is none."""
        token = line_of(request.query_params.get("token"), 120)
        report = self._report(token)
        return render(
            request,
            self.platform,
            f"{PACKAGE}:mail.html",
            headers=_PRIVATE,
            token=token,
            stopped=self.platform.telling.stopped(f"{KIND}:{report}"),
        )

    async def decide(self, request: Request) -> Response:
        """Stop, or go on. Raises Problem 404 for a link that is none."""
        form = await request.form()
        token = line_of(form.get("token"), 120)
        recipient, correlation = f"{KIND}:{self._report(token)}", request.state.correlation
        if form.get("act") == "go_on":
            await self.platform.telling.go_on(recipient, correlation=correlation)
        else:
            await self.platform.telling.stop(recipient, correlation=correlation)
        return RedirectResponse(f"/report/mail?token={token}", 303, headers=_PRIVATE)

    def _report(self, token: str) -> str:
        """The id of the report that a link is of."""
        report = token.partition(".")[0]
        if not hmac.compare_digest(self.told.stop_token(report).encode(), token.encode()):
            raise not_found("link", "")
        return report

    def of(self, report: Report) -> dict[str, str]:
        """What the page of a report says of mails about it, and the way to change it; empty without an address."""
        if not report.subject or not self.told.writes_to(report):
            return {}
        stopped = self.platform.telling.stopped(f"{KIND}:{report.id}")
        state = "none" if not self.platform.telling.configured else "stopped" if stopped else "sends"
        return {"state": state, "way": f"/report/mail?token={self.told.stop_token(report.id)}"}
