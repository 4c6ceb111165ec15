"""Intervals end, sinks are told, stalls are counted, all by a clock."""

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.report import Report
from shifter.model.stats import StatsdSink, StatsSettings
from shifter.model.steps import Steps, at_once
from shifter.observe.histogram import Histogram
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import ClusterStats
from shifter.service.statistics import Statistics


class Lab:
    """Statistics of one cluster."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = ClusterStats()
        self.stats = ServerStats("1", 0.0)
        self.statistics = Statistics(self.clock, self.clock.seconds, self.stats, self.histograms, self.reporting, self.meanwhile)
        self.statistics.start()

    def histograms(self) -> Iterator[Histogram]:
        yield self.cluster.upstream_rq_time

    def reporting(self) -> Steps[Report]:
        yield
        return Report(clusters=(self.cluster.report("c"),))

    def meanwhile(self, steps: Steps[None]) -> Deferred[None]:
        return succeed(at_once(steps))

    def passes(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds * 10))

    @property
    def interval(self) -> int | None:
        told = self.cluster.upstream_rq_time.report().interval
        return None if told is None else sum(told.values())


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.statistics.stop()
    assert lab.clock.getDelayedCalls() == []


def test_an_interval_is_five_seconds_or_as_configured(lab: Lab) -> None:
    lab.cluster.upstream_rq_time.record(1)
    lab.passes(4.8)
    assert lab.interval is None
    lab.passes(0.3)
    assert lab.interval == 1
    lab.statistics.configure(StatsSettings(flush_interval=1.0))
    lab.passes(1.1)
    assert lab.interval == 0


def test_an_interval_that_is_changed_while_one_ends_is_the_only_one(lab: Lab) -> None:
    under_way: list[Deferred[None]] = []

    def begun(steps: Steps[None]) -> Deferred[None]:
        under_way.append(Deferred())
        return under_way[-1]

    lab.statistics._meanwhile = begun
    lab.passes(5.1)
    assert len(under_way) == 1
    lab.statistics.configure(StatsSettings(flush_interval=1.0))
    under_way[0].callback(None)
    lab.passes(1.1)
    for number in range(1, 4):
        assert len(under_way) == 1 + number
        under_way[number].callback(None)
        lab.passes(1.0)


def test_sinks_are_told_and_let_go_of(lab: Lab) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(10)
        sink = StatsdSink(SocketAddress("127.0.0.1", ear.getsockname()[1]), datagram=8192)
        lab.statistics.configure(StatsSettings(flush_interval=1.0, sinks=(sink,)))
        lab.cluster.upstream_rq_total = 7
        for expected in (7, 0):
            lab.clock.advance(1.0)
            assert f"envoy.cluster.c.upstream_rq_total:{expected}|c" in ear.recv(9000).decode().split("\n")
        lab.statistics.configure(StatsSettings(flush_interval=1.0))
        lab.passes(2.0)
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(9000)
    assert lab.stats.filters["shifter.stats_sink.lost"] == 0


def test_datagrams_that_are_not_taken_are_counted(lab: Lab) -> None:
    lab.cluster.upstream_rq_total = 1
    lab.statistics.configure(StatsSettings(flush_interval=1.0, sinks=(StatsdSink(SocketAddress("255.255.255.255", 9), datagram=65000),)))
    lab.clock.advance(1.0)
    assert lab.stats.filters["shifter.stats_sink.lost"] == 1


def test_stalls_are_counted_by_their_length(lab: Lab) -> None:
    lab.passes(1.0)
    assert (lab.stats.watchdog_miss, lab.stats.watchdog_mega_miss) == (0, 0)
    lab.clock.advance(0.5)
    assert (lab.stats.watchdog_miss, lab.stats.watchdog_mega_miss) == (1, 0)
    lab.clock.advance(2.0)
    assert (lab.stats.watchdog_miss, lab.stats.watchdog_mega_miss) == (2, 1)
