"""A receiver of notifications on a thread: remembers what it is sent, and can refuse, hang up or be gone."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dothi.testing.city import PATIENCE, wait_until


class Receiver:
    """Listens on a port of 127.0.0.1 that stays the same when it is stopped and started again."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answers: list[int] = []  # the next answers; 200 when there are none
        self.attempts = 0
        self.says_length = True  # else an answer ends with its connection, as in HTTP/1.0
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/notify"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.attempts += 1
                status = receiver.answers.pop(0) if receiver.answers else 200
                if status == 200:
                    receiver.paths.append(self.path)
                    receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                    receiver.bodies.append(json.loads(body))
                self.send_response(status)
                if receiver.says_length:
                    self.send_header("content-length", "0")
                else:
                    self.close_connection = True
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def process_request(self, request: Any, client_address: Any) -> None:
                self.open = [*getattr(self, "open", []), request]
                super().process_request(request, client_address)

        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Gone: what is open breaks off, what comes is refused."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            for request in getattr(server, "open", []):
                server.shutdown_request(request)

    def wait(self, count: int, timeout: float = PATIENCE) -> list[dict[str, Any]]:
        """The entities of ``count`` notifications, in the order in which they came; they are forgotten."""
        wait_until(lambda: len(self.bodies) >= count, f"{count} notifications came", timeout)
        found, self.bodies = self.bodies, []
        assert len(found) == count, [one["data"] for one in found]
        return [entity for one in found for entity in one["data"]]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for the length of the block."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()
