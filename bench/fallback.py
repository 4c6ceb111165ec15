"""The backend for machines without nginx: ``python -m bench.fallback PORT...``. See `backend`.

It trusts its clients, which are the proxies under test: lengths are believed, and a chunked body ends at the first
``0\\r\\n\\r\\n``.
"""

import asyncio
import re
import sys

from bench.backend import GREETING, SIZES

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"


class Server(asyncio.Protocol):
    """One connection; answers each request when its body is complete."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._end_of_request()) > 0:
            target = self._received.split(b" ", 2)[1].partition(b"?")[0]
            self._received = self._received[end:]
            self._transport.write(self._answers.get(target.rpartition(b"/")[2], self._answers[b""]))

    def _end_of_request(self) -> int:
        """Where the first request in the buffer ends; 0 when more must come."""
        head_end = self._received.find(b"\r\n\r\n") + 4
        if head_end == 3:
            return 0
        head = self._received[:head_end]
        if b"chunked" in head.lower():
            last = self._received.find(_LAST_CHUNK, head_end)
            return last + len(_LAST_CHUNK) if last >= 0 else 0
        length = _LENGTH.search(head)
        end = head_end + (int(length[1]) if length else 0)
        return end if len(self._received) >= end else 0


def answers(port: int) -> dict[bytes, bytes]:
    """Complete responses by the last segment of the path."""
    bodies = {b"": GREETING, **{name.encode(): b"x" * size for name, size in SIZES.items()}}
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-Served-By: %d\r\nContent-Length: %d\r\n\r\n"
    return {name: head % (port, len(body)) + body for name, body in bodies.items()}


async def main(ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    for port in ports:
        ready = answers(port)
        await loop.create_server(lambda ready=ready: Server(ready), "127.0.0.1", port, backlog=4096)  # type: ignore[misc]  # a default argument keeps this port's
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main([int(port) for port in sys.argv[1:]]))
