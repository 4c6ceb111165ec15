"""Two programs of a release's surroundings: versions of services that behave as they are told, and users who do not mind.

    python tests/support/versions.py versions NAME=PORT ...
    python tests/support/versions.py users PORT PATH=RATE ...

Both read commands from standard input, a JSON object a line, and answer each with one on standard output.

Rule 1. A version answers after a time that is lognormal (p50 `P50`, p99 `P99`, times ``slower``) and fails ``errors`` of its requests.
        With ``silent`` it answers no more. Commands: ``{"NAME": {"errors": 0.05, "slower": 1.3, "silent": true}}``; the answer says how
        many requests each has had, and how many of them it failed.
Rule 2. Users come at random (a Poisson process of RATE a second for each path), whatever became of those before them. Each command is
        answered with how many answers there were, by path, version and status.
"""

import asyncio
import json
import math
import random
import sys
from collections import Counter
from typing import Any

P50, P99 = 0.040, 0.150
SIGMA = math.log(P99 / P50) / 2.3263
PATIENCE = 20.0


class Version:
    """One version of one service."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.errors = 0.0
        self.slower = 1.0
        self.silent = False
        self.had = self.failed = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.had += 1
                while self.silent:
                    await asyncio.sleep(PATIENCE)
                await asyncio.sleep(random.lognormvariate(math.log(P50), SIGMA) * self.slower)
                fails = random.random() < self.errors
                self.failed += fails
                status = "500 Internal Server Error" if fails else "200 OK"
                body = self.name.encode()
                writer.write(f"HTTP/1.1 {status}\r\nx-version: {self.name}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


class Users:
    """All users of one path."""

    def __init__(self, port: int, path: str, rate: float) -> None:
        self._port = port
        self._path = path
        self._rate = rate
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._asking: set[asyncio.Task[None]] = set()
        self.answers: Counter[str] = Counter()

    async def come(self) -> None:
        """Come, for ever."""
        due = asyncio.get_running_loop().time()
        while True:
            due += random.expovariate(self._rate)
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            task = asyncio.create_task(self._ask())
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                status, version = await self._answer()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            status, version = "none", "none"
        self.answers[f"{self._path} {version} {status}"] += 1

    async def _answer(self) -> tuple[str, str]:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(f"GET {self._path} HTTP/1.1\r\nhost: users\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return head.split()[1], fields.get("x-version", "none")


async def commands() -> Any:
    """Iterate over what standard input says."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield json.loads(line)


async def versions(arguments: list[str]) -> None:
    every = {}
    for argument in arguments:
        name, _, port = argument.partition("=")
        every[name] = Version(name)
        await asyncio.start_server(every[name].serve, "127.0.0.1", int(port))
    print(json.dumps({}), flush=True)
    async for command in commands():
        for name, wanted in command.items():
            for what, value in wanted.items():
                setattr(every[name], what, value)
        print(json.dumps({name: [one.had, one.failed] for name, one in every.items()}), flush=True)


async def users(port: str, *arguments: str) -> None:
    paths = dict(argument.split("=") for argument in arguments)
    every = [Users(int(port), path, float(rate)) for path, rate in paths.items()]
    tasks = [asyncio.create_task(one.come()) for one in every]
    print(json.dumps({}), flush=True)
    async for _ in commands():
        print(json.dumps(sum((one.answers for one in every), Counter())), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    if sys.argv[1] == "versions":
        asyncio.run(versions(sys.argv[2:]))
    else:
        asyncio.run(users(*sys.argv[2:]))
