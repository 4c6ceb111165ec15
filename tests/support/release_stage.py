"""What a release on real sockets plays on: versions, users, and the release itself as its HTTP API shows it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import yaml

from tests.support.programs import PATIENCE, ROOT
from tests.support.proxy import Proxy

Json = dict[str, Any]


class Told:
    """One of the programs of ``tests/support/versions.py``."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, str(ROOT / "tests/support/versions.py"), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def tell(self, **what: Mapping[str, object]) -> Json:
        """Give a command; return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return self._read()

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, if it has not ended."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _read(self) -> Json:
        assert self._process.stdout is not None
        answer: Json = json.loads(self._process.stdout.readline())
        return answer


def start(proxy: Proxy, release: Json) -> Json:
    """Start *release*; return what the API says of it."""
    status, said = call(proxy, "POST", "/v1/releases", yaml.safe_dump({"releases": [release]}, sort_keys=False))
    assert status in (200, 201), said
    return said


def call(proxy: Proxy, method: str, path: str, body: str | None = None) -> tuple[int, Json]:
    """Return the status and the JSON that the admin listener answers."""
    connection = HTTPConnection("127.0.0.1", proxy.admin, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"connection": "close"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


@contextmanager
def seen(proxy: Proxy, name: str) -> Iterator[Iterator[Json]]:
    """Yield what the stream of a release's page says of it, second by second."""
    connection = HTTPConnection("127.0.0.1", proxy.admin, timeout=PATIENCE)
    try:
        connection.request("GET", f"/v1/releases/{name}/events")
        answer = connection.getresponse()
        assert answer.status == 200
        yield _statuses(answer)
    finally:
        connection.close()


def until(proxy: Proxy, name: str, condition: Callable[[Json], object]) -> Json:
    """Return the first status of the release *name* that *condition* holds of."""
    with seen(proxy, name) as statuses:
        for number, status in enumerate(statuses):
            if condition(status):
                return status
            assert number < PATIENCE, status
    raise AssertionError("the stream has ended")


def ended(proxy: Proxy, name: str) -> Json:
    """Return the status of the release *name* once it is over."""
    return until(proxy, name, lambda status: status["over"])


def events(proxy: Proxy, name: str) -> list[Json]:
    """Return what has happened to the release *name*, the oldest first."""
    _, said = call(proxy, "GET", f"/v1/history?release={name}")
    found: list[Json] = said["events"]
    return sorted(found, key=lambda one: int(one["number"]))


def _statuses(answer: Any) -> Iterator[Json]:
    kind = ""
    for line in answer:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "status":
            yield json.loads(value)
