"""A receiver of notifications in its own process: answers every POST with 204 and counts the entities told.

Usage: python -m bench.receive_ngsild PORT. Answers GET with {"notifications": n, "entities": n}. Runs until it is ended.
"""

import asyncio
import json
import sys

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


async def main(port: int) -> None:
    """Listen on 127.0.0.1."""
    counts = {"notifications": 0, "entities": 0}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                if head.startswith(b"get"):
                    body = json.dumps(counts).encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                    continue
                place = head.find(b"content-length:")
                told = await reader.readexactly(int(head[place + 15 : head.index(b"\r\n", place)]))
                counts["notifications"] += 1
                counts["entities"] += told.count(b"urn:ngsi-ld:BenchPump")
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, limit=2**25)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
