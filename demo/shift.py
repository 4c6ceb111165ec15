"""Moves the canary of a running ``make run`` step by step and shows who answers: ``make shift``.

For each step the weights of the route are set over the admin listener (``POST /weights``, as `shifter weight` does), and once that is
answered, requests are made and counted. The connections stay open from the first step to the last. At the end, and after Ctrl-C,
the weights are those of the configuration file again, which nobody has touched.
"""

import argparse
import json
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from itertools import cycle
from urllib.parse import urlencode

from demo.addresses import FRONT
from demo.running import Front, find

CANARY, STABLE = "service1a", "service1"
PATH = "/service/1"
STEPS = (1, 5, 10, 25, 50, 100)
CONNECTIONS = 8
PATIENCE = 15.0  # seconds that a change may take


class CannotShift(Exception):
    """There is nothing to shift, or it was refused: the text says why."""


def steps_from(words: Iterable[str]) -> tuple[int, ...]:
    """Read weights in per cent, apart by blanks or commas. Raises ``CannotShift``."""
    steps = [word.removesuffix("%") for text in words for word in text.replace(",", " ").split()]
    wrong = [step for step in steps if not (step.isascii() and step.isdecimal() and len(step) <= 3 and int(step) <= 100)]
    if wrong:
        raise CannotShift(f"A step is a whole number from 0 to 100, not {wrong[0]!r}: make shift STEPS='1 5 10 25 50 100'")
    return tuple(map(int, steps)) or STEPS


def answered_by(body: bytes) -> str | None:
    """Return which service said *body*; ``None`` when none of ours did."""
    hello = re.match(rb"Hello from behind shifter \(service (\w+)\)!", body)
    return f"service{hello[1].decode()}" if hello is not None else None


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


def ask_admin(admin: int, method: str, path: str) -> dict[str, object]:
    """Return what the admin listener answers, which is JSON. Raises ``OSError``, ``HTTPException`` or ``ValueError``."""
    connection = HTTPConnection("127.0.0.1", admin, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = json.loads(connection.getresponse().read())
        if not isinstance(answer, dict):
            raise ValueError(f"{path} answers {answer!r}")
        return answer
    finally:
        connection.close()


def set_weights(front: Front, **wanted: object) -> None:
    """Have the route of the canary get other weights, or (``reset``) those of the file. Raises ``CannotShift``."""
    parameters = urlencode({"route": PATH, "by": "make shift", **wanted})
    said = ask_admin(front.admin, "POST", f"/weights?{parameters}")
    problems = said["problems"]
    if not said["taken"]:
        raise CannotShift("\n".join(map(str, problems if isinstance(problems, list) else [problems])))


def running_front(port: int) -> Front:
    """Return the front proxy of the stack on *port*, having made sure that it is there. Raises ``CannotShift``."""
    front = find(port)
    if front is not None:
        with suppress(OSError, HTTPException, ValueError, KeyError):
            # A process id may have become somebody else's; who answers here says which file it serves.
            options = ask_admin(front.admin, "GET", "/server_info")["command_line_options"]
            if isinstance(options, dict) and options["config_path"] == str(front.config):
                return front
    ports = "" if port == FRONT.port else f" PORT={port} …"
    raise CannotShift(f"No stack of this checkout runs on port {port}. Start it in another terminal: make run{ports}")


def shift(port: int, steps: Sequence[int], requests: int) -> int:
    """Go through *steps*; return the exit status: 0 when no request failed. Raises ``CannotShift``."""
    front = running_front(port)
    clients = Clients(port)
    failures = 0
    print(f"{requests:,} requests for {PATH} at each step, over {CONNECTIONS} connections that stay open.\n\n{HEADING}", flush=True)
    try:
        for step in steps:
            set_weights(front, **{CANARY: step})
            services = clients.ask(requests)
            failures += services[None]
            print(row(step, services), flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        set_weights(front, reset=1)
        print("\nThe weights are those of the configuration file again.", flush=True)
    return 1 if failures else 0


def main() -> int:
    arguments = argparse.ArgumentParser(description="Move the canary of a running `make run` step by step.")
    arguments.add_argument("--port", type=int, default=FRONT.port, help="of the front proxy (default: %(default)s)")
    arguments.add_argument("--requests", type=int, default=1000, help="at each step (default: %(default)s)")
    arguments.add_argument("steps", nargs="*", metavar="PERCENT", help=f"weights of {CANARY} (default: {' '.join(map(str, STEPS))})")
    options = arguments.parse_args()
    try:
        return shift(options.port, steps_from(options.steps), options.requests)
    except (CannotShift, OSError, HTTPException, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
