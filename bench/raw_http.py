"""The raw limit of a door: the same server (uvicorn, httptools) that answers every request with the same few bytes.

Usage: python -m bench.raw_http PORT. Runs until it is ended.
"""

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

BODY = b'{"id":"urn:ngsi-ld:BenchPump:hanoi:1","type":"BenchPump"}' * 8
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())],
}
Message = MutableMapping[str, Any]


async def answer(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Take the whole request, answer at once."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": BODY})


if __name__ == "__main__":
    uvicorn.run(answer, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="off")
