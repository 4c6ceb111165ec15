"""Moves the canary of a running ``make run`` step by step and shows who answers: ``make shift``.

For each step the two weights in the front proxy's configuration are replaced (nothing else in the file changes), SIGHUP is
sent, and once the admin listener says that the new version is served, requests are made and counted. The connections stay
open from the first step to the last. At the end, and after Ctrl-C, the file is as it was and served as it was.
"""

import argparse
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from pathlib import Path

from demo.addresses import FRONT
from demo.running import Front, find

CANARY, STABLE = "service1a", "service1"
PATH = "/service/1"
STEPS = (1, 5, 10, 25, 50, 100)
CONNECTIONS = 8
PATIENCE = 15.0  # seconds that a new configuration may take to be served
LOOK_AGAIN = 0.02  # seconds between two looks

VERSION, REJECTED = "shifter.config.version", "shifter.config.reload_rejected"


class CannotShift(Exception):
    """There is nothing to shift, or it was refused: the text says why."""


def steps_from(words: Iterable[str]) -> tuple[int, ...]:
    """Read weights in per cent, apart by blanks or commas. Raises ``CannotShift``."""
    steps = [word.removesuffix("%") for text in words for word in text.replace(",", " ").split()]
    wrong = [step for step in steps if not (step.isascii() and step.isdecimal() and len(step) <= 3 and int(step) <= 100)]
    if wrong:
        raise CannotShift(f"A step is a whole number from 0 to 100, not {wrong[0]!r}: make shift STEPS='1 5 10 25 50 100'")
    return tuple(map(int, steps)) or STEPS


def with_weights(config: str, weights: Mapping[str, int]) -> str:
    """Return the text of a configuration with the weights of some clusters replaced, and nothing else.

    Raises ``CannotShift`` unless each of them has exactly one weight, which stands right behind its name.
    """
    for name, weight in weights.items():
        spelled = re.compile(rf"""(\bname:[ ]+["']?{re.escape(name)}["']?\s+weight:[ ]+)[0-9]+(?![\w.])""", re.ASCII)
        config, found = spelled.subn(rf"\g<1>{weight}", config)
        if found != 1:
            places = "no place" if not found else f"{found} places"
            raise CannotShift(f"The configuration gives {name} a weight in {places}, and one was expected: name: {name}, then weight: …")
    return config


def answered_by(body: bytes) -> str | None:
    """Return which service said *body*; ``None`` when none of ours did."""
    hello = re.match(rb"Hello from behind shifter \(service (\w+)\)!", body)
    return f"service{hello[1].decode()}" if hello is not None else None


def figures(stats: str) -> dict[str, int]:
    """Return the numbers among the lines of ``/stats``."""
    pairs = (line.partition(": ") for line in stats.splitlines())
    return {name: int(value) for name, _, value in pairs if value.isascii() and value.isdecimal()}


def row(step: int, services: Mapping[str | None, int]) -> str:
    """Return the line of one step; ``None`` among the *services* counts failures."""
    return f"{step:>6} % {services.get(CANARY, 0):>11} {services.get(STABLE, 0):>10} {services.get(None, 0):>10}"


HEADING = f"{'weight':>8} {CANARY:>11} {STABLE:>10} {'failures':>10}"


class Clients:
    """A few connections that take turns. One that breaks costs a failure and is opened again."""

    def __init__(self, port: int) -> None:
        self._connections = [HTTPConnection("127.0.0.1", port, timeout=PATIENCE) for _ in range(CONNECTIONS)]

    def ask(self, count: int) -> Counter[str | None]:
        """Make *count* requests; return how many each service answered, and under ``None`` how many nobody did."""
        services: Counter[str | None] = Counter()
        for _, connection in zip(range(count), cycle(self._connections), strict=False):
            services[self._ask(connection)] += 1
        return services

    @staticmethod
    def _ask(connection: HTTPConnection) -> str | None:
        try:
            connection.request("GET", PATH)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException):
            connection.close()
            return None
        return answered_by(body) if answer.status == 200 else None


def page(admin: int, path: str) -> str:
    """Return a page of the admin listener, whatever its status. Raises ``OSError`` or ``HTTPException``."""
    connection = HTTPConnection("127.0.0.1", admin, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class Release:
    """The weights of a running front proxy. Knows the file as it found it and as it wrote it last."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._original = self._written = front.config.read_bytes()

    def shift(self, canary: int) -> None:
        """Have *canary* per cent of the requests go to the new version; return when that is served. Raises ``CannotShift``."""
        weights = {CANARY: canary, STABLE: 100 - canary}
        self._serve(with_weights(self._original.decode(), weights).encode())

    def restore(self) -> None:
        """Put back what was there, if it was changed."""
        if self._written != self._original:
            self._serve(self._original)

    def _serve(self, content: bytes) -> None:
        config = self._front.config
        if config.read_bytes() != self._written:
            raise CannotShift(f"Somebody else has changed {config} meanwhile: it is left as it is")
        self._written = content
        config.write_bytes(content)
        before = self._figures()
        os.kill(self._front.pid, signal.SIGHUP)
        limit = time.monotonic() + PATIENCE
        while (now := self._figures())[VERSION] == before[VERSION]:
            if now[REJECTED] != before[REJECTED]:
                raise CannotShift(f"The front proxy refuses its configuration:\n{page(self._front.admin, '/ready')}")
            if time.monotonic() > limit:
                raise CannotShift(f"The front proxy has not taken its configuration within {PATIENCE:g} seconds; see its log")
            time.sleep(LOOK_AGAIN)

    def _figures(self) -> dict[str, int]:
        return figures(page(self._front.admin, "/stats?filter=^shifter.config."))


def running_front(port: int) -> Front:
    """Return the front proxy of the stack on *port*, having made sure that it is there. Raises ``CannotShift``."""
    front = find(port)
    if front is not None:
        with suppress(OSError, HTTPException, ValueError, KeyError):
            # A process id may have become somebody else's; who answers here says which file it serves.
            if json.loads(page(front.admin, "/server_info"))["command_line_options"]["config_path"] == str(front.config):
                return front
    ports = "" if port == FRONT.port else f" PORT={port} …"
    raise CannotShift(f"No stack of this checkout runs on port {port}. Start it in another terminal: make run{ports}")


def shift(port: int, steps: Sequence[int], requests: int) -> int:
    """Go through *steps*; return the exit status: 0 when no request failed. Raises ``CannotShift``."""
    front = running_front(port)
    shown = os.path.relpath(front.config) if front.config.is_relative_to(Path.cwd()) else front.config
    release = Release(front)
    clients = Clients(port)
    failures = 0
    print(f"{requests:,} requests for {PATH} at each step, over {CONNECTIONS} connections that stay open.\n\n{HEADING}", flush=True)
    try:
        for step in steps:
            release.shift(step)
            services = clients.ask(requests)
            failures += services[None]
            print(row(step, services), flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        release.restore()
        print(f"\n{shown} is as it was, and served again.", flush=True)
    return 1 if failures else 0


def main() -> int:
    arguments = argparse.ArgumentParser(description="Move the canary of a running `make run` step by step.")
    arguments.add_argument("--port", type=int, default=FRONT.port, help="of the front proxy (default: %(default)s)")
    arguments.add_argument("--requests", type=int, default=1000, help="at each step (default: %(default)s)")
    arguments.add_argument("steps", nargs="*", metavar="PERCENT", help=f"weights of {CANARY} (default: {' '.join(map(str, STEPS))})")
    options = arguments.parse_args()
    try:
        return shift(options.port, steps_from(options.steps), options.requests)
    except (CannotShift, OSError, HTTPException) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
