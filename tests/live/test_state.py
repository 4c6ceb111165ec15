"""What was set while a process ran holds in the next one, however the first one ended."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any

from tests.support.backend import Backend
from tests.support.programs import PATIENCE
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, split
from tests.support.wireclient import ask

RUNS = 3


def config(proxy: Proxy, backends: list[Backend]) -> Config:
    one, two, _ = backends
    listeners = [listener(proxy.port, [split("/name", one=50, two=50)])]
    return bootstrap(proxy.admin, listeners, [cluster("one", one.port), cluster("two", two.port)])


class Changer(threading.Thread):
    """Turns all weight to the one cluster, and to the other, over and over; ``answered`` are the answers that came."""

    def __init__(self, admin: int) -> None:
        super().__init__()
        self.answered: list[dict[str, Any]] = []
        self.enough = threading.Event()
        self._admin = admin

    def run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._admin, timeout=PATIENCE)
        try:
            for turn in range(10**6):
                connection.request("POST", f"/weights?route=/name&one={100 * (turn % 2)}&two={100 - 100 * (turn % 2)}&by=changer")
                self.answered.append(json.loads(connection.getresponse().read()))
                if len(self.answered) >= 10:
                    self.enough.set()
        except (OSError, HTTPException, ValueError):
            pass  # it was killed
        finally:
            self.enough.set()
            connection.close()


@contextmanager
def killed(proxy: Proxy) -> Iterator[None]:
    """The process may be killed meanwhile: it is not asked to end well."""
    try:
        yield
    finally:
        proxy.end()


def test_a_proxy_that_is_killed_goes_on_with_the_last_weights_and_no_line_is_lost(tmp_path: Path, backends: list[Backend]) -> None:
    random = Random(5)
    answered: list[dict[str, Any]] = []
    for run in range(RUNS):
        proxy = Proxy(tmp_path / f"{run}", "--state-dir", str(tmp_path / "state"))
        with killed(proxy):
            proxy.start(config(proxy, backends))
            entries = json.loads(proxy.page("/audit?format=json&count=10000"))
            numbers = [one["number"] for one in entries]
            assert numbers == list(range(len(numbers), 0, -1))
            by_number = {one["number"]: one for one in entries}
            assert all(by_number[one["change"]["number"]] == one["change"] for one in answered)
            changes = [one for one in entries if one["kind"] == "weight"]
            assert len(changes) in (len(answered), len(answered) + 1)  # one may be written, and its answer lost
            if changes:
                [name] = [name for name, weight in changes[0]["after"].items() if weight]
                assert all(ask(proxy.port, "GET", f"/name/{turn}").body.startswith(name.encode()) for turn in range(3))
            if run == RUNS - 1:
                break
            changer = Changer(proxy.admin)
            changer.start()
            assert changer.enough.wait(PATIENCE)
            threading.Event().wait(random.random() / 10)  # at any moment
            proxy.signal(signal.SIGKILL)
            changer.join()
            done = [one for one in changer.answered if one["taken"] and one["change"] is not None]
            assert len(done) >= 9
            answered = [*({"change": one} for one in changes), *done]
