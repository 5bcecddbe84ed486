"""The socket that people and machines connect to, and the server on it that leaves signals to the city."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from dothi.model.problem import Problem
from dothi.settings import Settings


def listen(settings: Settings) -> socket.socket:
    """The socket of the web server, bound before anything else is opened. Raises Problem, saying which setting to change."""
    _check_secrecy(settings)
    _check_doors(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio sends without Nagle's delay (40 ms an answer) only where the socket says that it is TCP.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                409, "port-in-use", f"Something listens on {where} already.", "Stop it, or set DOTHI_PORT to another port."
            ) from error
        advice = "Set DOTHI_HOST and DOTHI_PORT to an address of this machine and a port from 1024 on."
        raise Problem(400, "cannot-listen", f"Cannot listen on {where}: {error.strerror}.", advice) from error
    return bound


def _check_secrecy(settings: Settings) -> None:
    """Refuse to have passwords sent in the clear over a network. Raises Problem 400, also for a certificate that is none."""
    if settings.tls is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*settings.tls, password="")
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            raise Problem(
                400,
                "bad-certificate",
                f"The certificate or its key cannot be used: {getattr(error, 'strerror', None) or error}.",
                "DOTHI_TLS_CERTIFICATE and DOTHI_TLS_KEY name PEM files that belong together, the key without a passphrase.",
            ) from None
    elif not settings.on_loopback and not settings.trusted_proxy:
        raise Problem(
            400,
            "no-tls",
            f"On {settings.host} passwords would travel in the clear.",
            "Set DOTHI_TLS_CERTIFICATE and DOTHI_TLS_KEY, or DOTHI_TRUSTED_PROXY if a proxy before the city speaks TLS.",
        )


def _check_doors(settings: Settings) -> None:
    """Refuse to leave a door open that others could come to. Raises Problem 400."""
    if settings.open_doors and not settings.alone:
        raise Problem(
            400,
            "open-door",
            "DOTHI_OPEN_DOORS opens a door to everybody who can reach the city, and that may not only be this machine.",
            "Leave it out, or listen on 127.0.0.1 without DOTHI_NAMES, DOTHI_TRUSTED_PROXY and DOTHI_TLS_CERTIFICATE.",
        )


def url_of(listening: socket.socket, *, tls: bool = False) -> str:
    """The address people type for this socket, on this machine if it listens on every address."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """A server that leaves signals to us: the city has more to close than the doors."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
