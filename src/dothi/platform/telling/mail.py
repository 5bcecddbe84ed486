"""Mail leaves through the city's SMTP server (RFC 5321), plain text beside HTML, and only if the settings name one."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import aiosmtplib

from dothi.settings import MailSettings

PATIENCE = 30.0  # seconds for each step of the talk with the server
_LINES_ENDED = str.maketrans("\r\n\0", "   ")


class ServerFails(Exception):  # noqa: N818 - what happens, not what it is called
    """The server cannot be used now: nobody's mail leaves. ``why`` is one of ``FAULTS``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NotTaken(Exception):  # noqa: N818 - as above
    """The server answered no to one mail. ``why`` is "answered" and its code; ``final`` if it says so for good (5yz).

    Never what it said beside the code: that may name the receiver.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"answered {code}")
        self.why, self.final = f"answered {code}", code >= 500


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as it leaves. ``id`` stands in its Message-ID: sent again, it is the same one. ``stop`` is an address (URL)
    at which its receiver can have no more of them.
    """

    id: str
    to: str
    subject: str
    text: str
    html: str
    language: str
    at: datetime
    stop: str = ""


@dataclass(slots=True)
class Postman:
    """Brings mails to the server that the settings name. ``trust`` is whom it believes: the system's authorities."""

    settings: MailSettings
    trust: ssl.SSLContext | None = field(default=None, repr=False)

    @asynccontextmanager
    async def line(self) -> AsyncIterator["Line"]:
        """A talk with the server, for as many mails as there are. Raises ServerFails if it cannot begin."""
        one = self.settings
        context = self.trust or ssl.create_default_context()
        server = aiosmtplib.SMTP(
            hostname=one.host,
            port=one.port,
            username=one.user or None,
            password=one.password.get_secret_value() if one.password is not None else None,
            use_tls=one.tls == "tls",
            start_tls=one.tls == "starttls",
            tls_context=None if one.tls == "none" else context,
            local_hostname=one.sender.domain,
            timeout=PATIENCE,
        )
        try:
            await server.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            server.close()
            raise ServerFails(_fault(error)) from error
        try:
            yield Line(server, one.sender)
        finally:
            with suppress(aiosmtplib.SMTPException, OSError):
                await server.quit(timeout=5)
            server.close()


@dataclass(slots=True)
class Line:
    """An open talk with the server."""

    _server: aiosmtplib.SMTP
    _sender: Address

    async def send(self, mail: Mail) -> None:
        """Hand over one mail; it returns once the server said yes. Raises NotTaken or ServerFails."""
        message, sender = written(mail, self._sender), self._sender.addr_spec
        try:
            await self._server.send_message(message, sender=sender, recipients=[mail.to])
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise NotTaken(error.recipients[0].code) from error
        except aiosmtplib.SMTPSenderRefused as error:
            raise ServerFails("sender-refused") from error
        except aiosmtplib.SMTPNotSupported as error:
            raise NotTaken(550) from error  # letters beyond ASCII in an address, of a server that knows none
        except aiosmtplib.SMTPResponseException as error:
            raise NotTaken(error.code) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ServerFails(_fault(error)) from error


FAULTS = ("unreachable", "silent", "not-trusted", "no-tls", "sign-in", "sender-refused", "hung-up")
"""Why a server cannot be used."""


def written(mail: Mail, sender: Address) -> EmailMessage:
    """``mail`` as it stands on the wire (RFC 5322), marked as written by a machine (RFC 3834)."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = one_line(mail.subject)
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = mail.language
    if mail.stop:
        message["List-Unsubscribe"] = f"<{mail.stop}>"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message


def one_line(words: str) -> str:
    """``words`` as a header may hold them: on one line, and not longer than anybody reads."""
    return " ".join(words.translate(_LINES_ENDED).split())[:150]


def _fault(error: Exception) -> str:
    """What went wrong, as one of ``FAULTS``."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "not-trusted"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return "sign-in"
    if isinstance(error, aiosmtplib.SMTPTimeoutError):
        return "silent"
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return "hung-up"
    if isinstance(error, aiosmtplib.SMTPConnectError | OSError):
        return "unreachable"
    return "sign-in" if "AUTH" in str(error) else "no-tls"
