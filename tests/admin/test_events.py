"""What the live page is told, and what becomes of those who do not listen well."""

import json
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import fail
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from shifter.admin.events import HISTORY, IDLE_INTERVAL, MOST_LISTENERS, PATIENCE, Feed
from shifter.admin.moving import BOUNDS_MS
from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeKind
from shifter.model.cluster import Cluster
from shifter.model.report import EndpointReport
from shifter.observe.stats import ClusterStats, EndpointStats, HttpStats, ListenerStats, TcpStats
from tests.support.admin import Asker, FixedView

Event = tuple[str, Any]


class Ear:
    """A sink that notes what it is told."""

    def __init__(self) -> None:
        self.full = False
        self.ended = False
        self.ids: list[str] = []
        self._text = b""

    def write(self, piece: bytes) -> None:
        assert not self.ended
        self._text += piece

    def finish(self) -> None:
        self.ended = True

    def heard(self) -> list[Event]:
        """What came since the last time."""
        blocks, self._text = self._text.decode().split("\n\n"), b""
        assert blocks.pop() == ""
        events: list[Event] = []
        for block in blocks:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            if "id" in fields:
                self.ids.append(fields["id"])
            if "event" in fields:
                events.append((fields["event"], json.loads(fields["data"])))
        return events


class Scene:
    """A view with one cluster that tests have traffic for."""

    def __init__(self) -> None:
        self.view = FixedView()
        self.view.told_snapshot = Snapshot(3, Bootstrap(clusters=(Cluster("one"),)), "etc/front.yaml")
        self.cluster, self.endpoint = ClusterStats(), EndpointStats()
        self.about = EndpointReport("10.0.0.1", 80)
        self.feed: Feed = self.view.feed
        self.report()

    def requests(self, code: int, count: int = 1, ms: float = 3) -> None:
        self.cluster.codes[code] += count
        self.endpoint.rq_total += count
        self.endpoint.rq_error += count if code >= 500 else 0
        for _ in range(count):
            self.cluster.upstream_rq_time.record(ms)

    def report(self) -> None:
        self.view.told_parts = [self.cluster.report("one", [self.endpoint.report(self.about)])]

    def listen(self, after: str = "") -> tuple[Ear, Any]:
        stream = self.feed.listen(after)
        assert stream is not None
        ear = Ear()
        gone = stream.start(ear)
        self.view.clock.advance(0)
        return ear, gone

    def second(self, seconds: float = 1) -> None:
        self.report()
        self.view.told_now += seconds
        self.view.clock.advance(seconds)


def names(events: list[Event]) -> list[str]:
    return [name for name, _ in events]


def test_who_comes_first_is_told_what_there_is() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    events = ear.heard()
    assert names(events) == ["hello", "state", "topology", "clusters"]
    told = dict(events)
    assert told["hello"]["version"] == "1.2.3"
    assert told["state"] == {"state": "LIVE", "version": 3, "problems": [], "notices": [], "releases": []}
    assert told["topology"]["clusters"]["one"]["type"] == "STATIC"
    assert told["clusters"]["one"] == {
        "active": 0,
        "pending": 0,
        "cx": 0,
        "healthy": 1,
        "members": 1,
        "endpoints": {"10.0.0.1:80": {"health": "healthy", "weight": 1}},
    }


def test_each_second_what_moved() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    scene.requests(200, 3)
    scene.requests(503)
    scene.requests(404)
    scene.second()
    [(name, figures)] = ear.heard()
    assert name == "figures"
    assert figures["seconds"] == 1
    assert figures["t"] == scene.view.told_now
    one = figures["clusters"]["one"]
    assert (one["rq"], one["e4"], one["e5"], one["h"]) == (5, 1, 1, [BOUNDS_MS.index(3), 5])
    assert 2.9 < one["p50"] < one["p99"] <= 3
    assert one["e"] == {"10.0.0.1:80": [5, 1]}
    scene.second()
    [(_, figures)] = ear.heard()
    assert "clusters" not in figures


def test_an_endpoint_that_turns_ill() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    scene.about = replace(scene.about, health="unhealthy", health_flags=("failed_outlier_check",))
    scene.second()
    [(_, figures)] = ear.heard()
    assert figures["clusters"]["one"]["healthy"] == 0
    [about] = figures["clusters"]["one"]["endpoints"].values()
    assert about == {"health": "unhealthy", "weight": 1, "flags": ["failed_outlier_check"]}


def test_listeners_managers_and_tcp_proxies() -> None:
    scene = Scene()
    listener, http, tcp = ListenerStats(), HttpStats(), TcpStats()
    parts = lambda: [listener.report("l", "0.0.0.0", 80), http.report("in", "l"), tcp.report("db", "l")]  # noqa: E731
    scene.view.told_parts = parts()
    ear, _ = scene.listen()
    ear.heard()
    listener.downstream_cx_total = 3
    http.codes[200] = 7
    tcp.downstream_cx_total = 2
    scene.view.told_parts = parts()
    scene.view.clock.advance(1)
    [(_, figures)] = ear.heard()
    assert figures["listeners"] == {"l 0.0.0.0:80": {"cx": 3, "cx_active": 3}}
    assert figures["managers"] == {"l in": {"rq": 7}}
    assert figures["tcp"] == {"l db": {"cx": 2}}


def test_counters_that_were_reset() -> None:
    scene = Scene()
    scene.requests(200, 9)
    scene.report()
    ear, _ = scene.listen()
    ear.heard()
    scene.cluster.codes.clear()
    scene.cluster.upstream_rq_time.counts.clear()
    scene.requests(200, 2)
    scene.second()
    [(_, figures)] = ear.heard()
    assert figures["clusters"]["one"]["rq"] == 2
    assert figures["clusters"]["one"]["h"] == [BOUNDS_MS.index(3), 2]


def test_a_new_configuration_brings_a_new_picture_and_its_change() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    scene.view.told_snapshot = Snapshot(4, Bootstrap(clusters=(Cluster("one"), Cluster("two"))), "etc/front.yaml")
    actor = Actor("ann", "why not", "SIGHUP")
    scene.view.told_audit = [AuditEntry(1, 5.0, ChangeKind.CONFIG, actor, "etc/front.yaml", ("a line",), version=4)]
    scene.second()
    events = dict(ear.heard())
    assert set(events) == {"state", "topology", "changes", "figures"}
    assert set(events["topology"]["clusters"]) == {"one", "two"}
    [change] = events["changes"]["changes"]
    assert change["actor"]["by"] == "ann"
    scene.second()
    assert names(ear.heard()) == ["figures"]


def test_a_refused_configuration_is_told_at_once() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    scene.view.told_problems = ["front.yaml:3:1: no"]
    scene.second()
    assert ear.heard()[0] == ("state", {"state": "LIVE", "version": 3, "problems": ["front.yaml:3:1: no"], "notices": [], "releases": []})


def test_releases_that_run_are_told() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    one = {"name": "one", "state": "observing", "canary": "b", "weight": 5.0}
    scene.view.told_releases.told = {"old": {"name": "old", "over": True}, "one": {**one, "over": False, "reason": "all is well"}}
    scene.second()
    [state] = [told for name, told in ear.heard() if name == "state"]
    assert state["releases"] == [one]


def test_who_comes_late_sees_what_has_been() -> None:
    scene = Scene()
    scene.feed.start()
    scene.view.clock.advance(0)
    for _ in range(2 * IDLE_INTERVAL):
        scene.requests(200)
        scene.second()
    ear, _ = scene.listen()
    events = ear.heard()
    assert names(events) == ["hello", "state", "topology", "figures", "figures", "clusters"]
    assert [told["clusters"]["one"]["rq"] for name, told in events if name == "figures"] == [IDLE_INTERVAL, IDLE_INTERVAL]


def test_who_comes_back_is_told_what_it_missed() -> None:
    scene = Scene()
    ear, gone = scene.listen()
    scene.listen()
    scene.second()
    ear.heard()
    gone()
    scene.second()
    scene.second()
    again, _ = scene.listen(ear.ids[-1])
    again.heard()
    assert len(again.ids) == 2
    stranger, _ = scene.listen("fff-2")
    stranger.heard()
    assert len(stranger.ids) == 3


@pytest.mark.parametrize("after", ["x", "1-", "-", "1-²", "1-" + "9" * 40])
def test_an_id_that_is_none(after: str) -> None:
    scene = Scene()
    ear, _ = scene.listen(after)
    assert names(ear.heard())[0] == "hello"


def test_history_is_bounded() -> None:
    scene = Scene()
    _, _gone = scene.listen()
    for _ in range(int(HISTORY) + 50):
        scene.second()
    late, _ = scene.listen()
    late.heard()
    assert HISTORY - 2 <= len(late.ids) <= HISTORY + 1


def test_who_does_not_keep_up_is_sent_nothing_until_it_does() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    ear.full = True
    for _ in range(5):
        scene.second()
    assert ear.heard() == []
    ear.full = False
    scene.second()
    assert names(ear.heard()) == ["figures"] * 6


def test_who_does_not_read_is_left() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.full = True
    for _ in range(PATIENCE + 1):
        scene.second()
    assert ear.ended
    assert scene.feed.listening == 0


def test_only_so_many_may_listen() -> None:
    scene = Scene()
    for _ in range(MOST_LISTENERS):
        scene.listen()
    assert scene.feed.listen("") is None
    answer = Asker(scene.view).ask("/events")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"


def test_streams_end_when_the_process_drains() -> None:
    scene = Scene()
    ear, _ = scene.listen()
    ear.heard()
    scene.view.told_state = "DRAINING"
    scene.second()
    assert ear.ended
    assert ear.heard()[-1][1]["state"] == "DRAINING"
    again, _ = scene.listen()
    scene.second()
    assert not again.ended  # the drain itself can be watched


def test_an_audit_log_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, logged_failures: list[Failure]) -> None:
    scene = Scene()
    monkeypatch.setattr(scene.view, "audit", lambda count, before=None: fail(OSError("no disk")))
    ear, _ = scene.listen()
    assert names(ear.heard()) == ["hello", "state", "topology", "clusters"]
    assert logged_failures.pop().check(OSError)


def test_many_clusters_are_looked_at_a_few_at_a_time() -> None:
    scene = Scene()
    stats = ClusterStats()
    scene.view.told_parts = [stats.report(f"c{number}") for number in range(200)]
    stream = scene.feed.listen("")
    assert stream is not None
    ear = Ear()
    stream.start(ear)
    steps = 0
    while "clusters" not in names(ear.heard()):
        scene.view.clock.pump([0])
        steps += 1
        assert steps < 100
    scene.feed.stop()
    assert ear.ended


def test_the_process_ends_in_the_middle_of_a_look(logged_failures: list[Failure]) -> None:
    scene = Scene()
    scene.view.told_parts = [ClusterStats().report(f"c{number}", []) for number in range(100)]
    stream = scene.feed.listen("")
    assert stream is not None
    ear = Ear()
    stream.start(ear)  # begins to look: the clock goes no further
    scene.feed.stop()
    scene.view.clock.advance(0)
    assert ear.ended
    late = scene.feed.listen("")
    assert late is not None
    ear = Ear()
    late.start(ear)
    assert ear.ended  # so that it comes back to the process that listens by now
    assert logged_failures == []


def test_over_http() -> None:
    scene = Scene()
    asker = Asker(scene.view)
    asker.send("/events")
    scene.view.clock.advance(0)
    head, _, body = asker.transport.value().partition(b"\r\n\r\n")
    assert b"\r\nContent-Type: text/event-stream\r\n" in head
    assert b"event: hello" in body
    asker.transport.clear()
    scene.second()
    assert b"event: figures" in asker.transport.value()
    asker.channel.connectionLost(Failure(ConnectionLost()))
    assert scene.feed.listening == 0
