"""A release goes on with the share that was written down last, at whatever commit its process is killed.

Each process is killed at the first commit that it makes, before it or behind it, and the next one goes on from there: so a release is
walked from its beginning to its end, one commit after the other.
"""

import json
import sqlite3
import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from shifter.model.release import MILLION
from shifter.service.state import NAME
from tests.support import nursery
from tests.support.backend import Backend
from tests.support.programs import PATIENCE
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, route
from tests.support.wireclient import ask

pytestmark = pytest.mark.skipif(not nursery.AVAILABLE, reason="processes are started from scratch here, and nothing can be put before them")

KILLER = """
import functools, os, signal, sqlite3

class Killing(sqlite3.Connection):
    def execute(self, statement, *more):
        if statement == "BEGIN IMMEDIATE":
            self.before = self.total_changes
        last = statement == "COMMIT" and self.total_changes != self.before
        if last and {before}:
            os.kill(os.getpid(), signal.SIGKILL)
        done = super().execute(statement, *more)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

sqlite3.connect = functools.partial(sqlite3.connect, factory=Killing)
"""
HEADER = {"header": {"name": "x-canary", "exact_match": "yes"}, "gate": "manual"}
SPEC = {
    "name": "r",
    "route": {"virtual_host": "all", "prefix": "/"},
    "baseline": "one",
    "canary": "two",
    "steps": [HEADER, {"weight": 100}],
}
VERBS = {"step": "promote", "promoted": "pause", "paused": "abort", "aborted": "finish"}  # all else happens by itself
STORY = ("started", "step", "promoted", "paused", "aborted", "finished")
LONGEST = 40


class Killed:
    """Processes over one state directory, and what stands in there between two of them."""

    def __init__(self, directory: Path, backends: list[Backend]) -> None:
        self._directory = directory
        self._backends = backends
        self._place = Proxy(directory)  # they all have its ports, and its file
        self.points: list[tuple[str, int]] = []
        """What the last event was and how many there were, whenever a process had been killed."""
        self.seen: set[int] = set()
        """After how many events it was seen who answers first."""

    def written(self) -> tuple[list[str], dict[str, Any] | None]:
        """The events that are written down, and how far the release is."""
        path = self._directory / "state" / NAME
        if not path.exists():
            return [], None
        with closing(sqlite3.connect(path)) as db:
            events = db.execute("SELECT event, after FROM release_event ORDER BY number").fetchall()
            found = db.execute("SELECT progress FROM release").fetchall()
        progress = json.loads(found[0][0]) if found else None
        if events:
            assert json.loads(events[-1][1]) == progress  # never one without the other
        return [event for event, _ in events], progress

    def run(self, before: bool | None) -> bool:
        """Run one process, which is killed at its first commit (``None``: never). Return whether it was."""
        events, progress = self.written()
        proxy = Proxy(self._directory, "--state-dir", str(self._directory / "state"))
        proxy.port, proxy.admin = self._place.port, self._place.admin
        proxy.first = KILLER.format(before=before) if before is not None else ""
        try:
            first = First(proxy)
            try:
                proxy.start(self._config(proxy))
            except AssertionError:
                assert proxy.process.wait(PATIENCE) == -9  # as soon as it served, or before
            told = first.answer(proxy)
            if told:
                share = progress["share"] if progress is not None else 0
                assert told == ("two" if share == MILLION else "one"), (events, progress)
                self.seen.add(len(events))
            if before is None:
                self._goes_on(proxy, progress)
                proxy.stop()
                return False
            self._go_on(proxy, events, progress)
            assert proxy.process.wait(PATIENCE) == -9
            self.points.append((events[-1] if events else "", len(events)))
            return True
        finally:
            proxy.end()

    def close(self) -> None:
        self._place.end()

    def _config(self, proxy: Proxy) -> Config:
        one, two, _ = self._backends
        return bootstrap(
            proxy.admin, [listener(proxy.port, [route("/", "one")], access_log=[])], [cluster("one", one.port), cluster("two", two.port)]
        )

    def _go_on(self, proxy: Proxy, events: list[str], progress: dict[str, Any] | None) -> None:
        """Have the next thing happen, which kills the process."""
        if progress is None:
            self._post(proxy, "", json.dumps(SPEC))
        elif events and events[-1] in VERBS:
            self._post(proxy, f"/r/{VERBS[events[-1]]}")

    def _post(self, proxy: Proxy, path: str, body: str = "") -> None:
        connection = HTTPConnection("127.0.0.1", proxy.admin, timeout=PATIENCE)
        try:
            connection.request("POST", f"/v1/releases{path}", body)
            answer = connection.getresponse()
            raise AssertionError(f"{path} was answered: {answer.status} {answer.read()!r}")
        except (OSError, HTTPException):
            pass  # it was killed
        finally:
            connection.close()

    def _goes_on(self, proxy: Proxy, progress: dict[str, Any] | None) -> None:
        """Nothing holds the route any more, and another release of it can begin."""
        assert progress is not None and not progress["held"]
        connection = HTTPConnection("127.0.0.1", proxy.admin, timeout=PATIENCE)
        with closing(connection):
            connection.request("GET", "/v1/releases/r")
            told = json.loads(connection.getresponse().read())
            assert (told["state"], told["held"], told["version"]) == ("aborted", False, progress["version"])
            connection.request("POST", "/v1/releases", json.dumps({**SPEC, "name": "another"}))
            assert connection.getresponse().status == 200


class First(threading.Thread):
    """The first request of all: who answers it, as soon as somebody does."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(daemon=True)
        self._port = proxy.port
        self._told = ""
        self._over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._told and not self._over.is_set():
            try:
                self._told = json.loads(ask(self._port, "GET", "/").body)["backend"]
            except (OSError, AssertionError, ValueError):
                self._over.wait(0.005)  # nobody listens yet

    def answer(self, proxy: Proxy) -> str:
        """Return who has answered; nobody when the process was killed before."""
        for _ in range(PATIENCE * 50):
            self.join(0.02)
            if not self.is_alive():
                break
            if proxy.process.poll() is not None:
                self._over.set()
        assert not self.is_alive()
        return self._told


def test_the_share_that_was_written_down_last_is_back(tmp_path: Path, backends: list[Backend], request: pytest.FixtureRequest) -> None:
    killed = Killed(tmp_path, backends)
    request.addfinalizer(killed.close)
    while len(killed.points) < LONGEST and killed.points[-2:].count(("finished", len(STORY))) < 2:  # then its hold is gone, too
        killed.run(before=not len(killed.points) % 2)
    events, _ = killed.written()
    assert tuple(events) == STORY
    assert {2, 3, 4, 5} <= killed.seen  # with and without a share
    killed.run(before=None)
