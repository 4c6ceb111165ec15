"""Releases in real time, on real sockets: what they do when something goes wrong, and when nothing does.

All of them run side by side in one shifter, each with a route and versions of its own, while the clock of the machine is set.
"""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import ROOT
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route
from tests.support.release_stage import Told, call, ended, events, start, until

KINDS = {"healthy": 30, "broken": 40, "errors": 100, "latency": 100, "outage": 30, "killed": 30, "gated": 30}
"""With how many requests a second there are: the more, the sooner a small difference is seen."""


class Stage:
    """One shifter, versions of each kind (the canary's name ends in ``-new``), and users."""

    def __init__(self, proxy: Proxy, directory: Path) -> None:
        self.proxy = proxy
        self._offset = directory / "offset"
        names = [f"{kind}{end}" for kind in KINDS for end in ("", "-new")]
        ports = {name: proxy.reserve() for name in names}
        self.versions = proxy.own(Told("versions", *(f"{name}={port}" for name, port in ports.items() if name != "killed-new")))
        self.killed = proxy.own(Told("versions", f"killed-new={ports['killed-new']}"))
        routes = [route(f"/{kind}", kind) for kind in KINDS]
        proxy.start(bootstrap(proxy.admin, [listener(proxy.port, routes)], [cluster(name, port) for name, port in ports.items()]))
        self.users = proxy.own(Told("users", str(proxy.port), *(f"/{kind}={rate}" for kind, rate in KINDS.items())))

    def set_clock(self, seconds: float) -> None:
        """Have shifter's wall clock be wrong by *seconds*."""
        self._offset.write_text(str(seconds))

    def release(self, kind: str, *steps: dict[str, Any], **more: Any) -> None:
        route = {"virtual_host": "all", "prefix": f"/{kind}"}
        spec = {"name": kind, "route": route, "baseline": kind, "canary": f"{kind}-new", "steps": list(steps), **more}
        start(self.proxy, spec)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(
        "import os, time\n"
        "real = time.time\n"
        "def stepped():\n"
        "    try:\n"
        "        return real() + float(open(os.environ['CLOCK_OFFSET']).read() or 0)\n"
        "    except OSError:\n"
        "        return real()\n"
        "time.time = stepped\n"
    )
    environment = {"PYTHONPATH": f"{shim}:{ROOT}", "CLOCK_OFFSET": str(tmp_path / "offset")}
    with Proxy(tmp_path / "front", "--state-dir", str(tmp_path / "state"), environment=environment) as proxy:
        yield Stage(proxy, tmp_path)


def test_each_ends_as_it_should(stage: Stage) -> None:
    proxy, versions = stage.proxy, stage.versions
    silent = proxy.own(socket.create_server(("127.0.0.1", 0)))  # takes connections, and never answers
    gate = {"webhook": f"http://127.0.0.1:{silent.getsockname()[1]}/approve", "timeout": "1s", "retries": 0, "every": "1s"}
    versions.tell(
        **{
            "broken-new": {"errors": 1.0},
            "errors": {"errors": 0.01},
            "errors-new": {"errors": 0.01},
            "latency-new": {"slower": 1.3},
        }
    )

    full = {"weight": 100, "hold_back": 10, "for": "3s"}
    quick = {"min": "1s", "max": "3s", "undecided": "advance"}
    stage.release("healthy", {"weight": 0.01}, {"weight": 10}, {"weight": 50}, full, each_step=quick)
    for kind in ("broken", "errors", "latency", "outage", "killed"):
        brake = {} if kind in ("broken", "killed", "outage") else {"verdict": {"brake": False}}  # small differences take longer with one
        stage.release(kind, {"weight": 50}, {"weight": 100}, each_step={"min": "60s", "max": "120s"}, **brake)
    stage.release("gated", {"weight": 50, "gate": gate}, {"weight": 100}, each_step=quick)

    until(proxy, "errors", lambda status: status["exposure"]["canary_requests"] > 20)
    versions.tell(
        **{"errors-new": {"errors": 0.05}, "outage": {"errors": 0.5, "slower": 3.0}, "outage-new": {"errors": 0.5, "slower": 3.0}}
    )
    until(proxy, "killed", lambda status: status["exposure"]["canary_requests"] > 20)
    stage.killed.kill()
    stage.set_clock(-86_400)
    waiting = until(proxy, "gated", lambda status: status["state"] == "gated")
    assert waiting["weight"] == 50.0
    versions.tell(**{"gated-new": {"errors": 1.0}})  # while somebody is asked who does not answer
    stage.set_clock(86_400)

    reasons = {kind: ended(proxy, kind) for kind in ("healthy", "broken", "errors", "killed", "gated", "latency")}
    assert {kind: said["state"] for kind, said in reasons.items()} == {
        "healthy": "succeeded",
        "broken": "rolled back",
        "errors": "rolled back",
        "killed": "rolled back",
        "gated": "rolled back",
        "latency": "rolled back",
    }
    braked = next(one for one in events(proxy, "broken") if one["event"] == "braked")
    # within two seconds of the first failures, as the release itself counts them
    assert braked["evidence"]["failed"][1] <= 1.25 * KINDS["broken"]  # of which the canary gets half; some may have been under way
    assert [one["event"] for one in events(proxy, "broken")][-2:] == ["rolling_back", "rolled_back"]
    assert ("fail" in reasons["errors"]["reason"] and "slower" in reasons["latency"]["reason"]) or reasons["latency"]["reason"]

    shared = until(proxy, "outage", lambda status: status["exposure"]["canary_failed"] > 100)
    assert shared["state"] == "observing" and [one["event"] for one in events(proxy, "outage")] == ["started", "step"]

    # Where a release was taken back, nobody gets the new version any more; where it has succeeded, everybody does.
    before = stage.versions.tell()
    until(proxy, "outage", _after(2))
    after = stage.versions.tell()
    had = {name: after[name][0] - before[name][0] for name in after}
    assert had["broken-new"] == had["errors-new"] == had["gated-new"] == had["latency-new"] == 0 == had["healthy"]
    assert had["broken"] and had["errors"] and had["gated"] and had["healthy-new"]

    # What users got is what the versions gave them: nothing was dropped, and nothing was asked twice.
    assert not [what for what in stage.users.tell() if what.endswith(" none")]
    status, refused = call(proxy, "POST", "/v1/releases/broken/promote")
    assert status == 409 and "rolled back" in refused["detail"]


def _after(seconds: int) -> Any:
    """Return a condition that holds once so many statuses have come."""
    left = [seconds]

    def passed(status: object) -> bool:
        left[0] -= 1
        return left[0] < 0

    return passed
