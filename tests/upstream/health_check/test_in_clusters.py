"""Health checks where they live: in clusters that start, serve, are reloaded and go, with connections and discoveries of their own."""

from dataclasses import replace

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, DiscoveryType, LbEndpoint, UpstreamProtocol
from shifter.model.health_check import HealthCheck, TcpHealthCheck
from shifter.model.outlier_detection import OutlierDetection
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.connection import Http1Connection
from shifter.upstream.discovery import Changed, Discovery
from shifter.upstream.host import HealthFlag, Host
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.registry import Registry
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.upstreams import GET, Leased, RecordingListener

CHECK = HealthCheck(TcpHealthCheck(), timeout=0.5, interval=1.0, no_traffic_interval=1.0, unhealthy_threshold=1, healthy_threshold=1)
CONFIG = Cluster("c", DiscoveryType.EDS, health_checks=(CHECK,))
CHECK_PORT = 9
EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Told:
    """A discovery that finds what the test says."""

    policy = None

    def __init__(self, *endpoints: LbEndpoint) -> None:
        self.endpoints = endpoints
        self.changed: Changed = lambda endpoints: None

    def inherit(self, before: Discovery) -> None:
        self.endpoints = before.endpoints

    def start(self, changed: Changed) -> Deferred[None]:
        self.changed = changed
        changed(self.endpoints)
        return succeed(None)

    def stop(self) -> None: ...


def at(number: int) -> LbEndpoint:
    return LbEndpoint(SocketAddress(f"192.0.2.{number}", 80), health_check_port=CHECK_PORT)


class Lab:
    """A cluster whose endpoints accept everything but the checks of those that are ``ill``."""

    def __init__(self, config: Cluster = CONFIG, hosts: int = 2) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool})
        self.discovery = Told(*(at(number) for number in range(1, hosts + 1)))
        self.ill: set[int] = set()
        self.cluster = LiveCluster(config, self.registry, self.discovery)
        self.started = False
        self.cluster.start().addCallback(self._has_started)

    def _has_started(self, _: None) -> None:
        self.started = True

    def hosts(self) -> list[Host]:
        return [pool.host for pool in self.cluster.pools]

    def serve(self) -> "Lab":
        self.settle()
        self.cluster.activate()
        return self

    def reload(self, config: Cluster, settled: bool = True) -> LiveCluster:
        """Have *config* follow, as `service.plane` does; what it has to find out first is found out."""
        fresh = LiveCluster(config, self.registry, Told())
        fresh.inherit(self.cluster)
        self.started = False
        fresh.start().addCallback(self._has_started)
        if settled:
            self.settle()
            assert self.started
        fresh.activate()
        self.cluster.stop()
        self.cluster = fresh
        return fresh

    def settle(self) -> None:
        for transport in list(self.network.transports):
            if transport.connecting:
                number = int(transport.peer.host.rpartition(".")[2])
                if transport.peer.port == CHECK_PORT and number in self.ill:
                    transport.refuse()
                else:
                    transport.establish()
        self.network.run()

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 8)):
            self.clock.advance(0.125)
            self.network.tick()
            self.registry.tick(self.network.now)
            self.settle()

    def failed(self) -> list[bool]:
        return [host.has(HealthFlag.FAILED_ACTIVE_HC) for host in self.hosts()]

    def ask(self) -> tuple[RecordingListener, FakeTransport]:
        """Have a request under way; return it with its connection."""
        pool = self.cluster.pick()
        assert pool is not None
        stream = pool.take()
        if stream is None:
            leased = Leased(pool.lease())
            self.settle()
            stream = leased.stream
        assert isinstance(stream, Http1Connection)
        listener = RecordingListener()
        stream.send(GET, b"", True, listener)
        self.network.run()
        transport = stream.transport
        assert isinstance(transport, FakeTransport)
        return listener, transport

    def asked(self) -> list[SocketAddress]:
        """Where checks went since this was asked last."""
        checks = [transport.peer for transport in self.network.outgoing if transport.peer.port == CHECK_PORT]
        self.network.outgoing.clear()
        return checks


def test_a_cluster_has_started_when_its_endpoints_have_been_checked() -> None:
    lab = Lab()
    assert not lab.started
    lab.ill = {2}
    lab.settle()
    assert lab.started
    assert lab.failed() == [False, False]
    lab.cluster.activate()
    assert lab.failed() == [False, True]
    assert {lab.cluster.pick(), lab.cluster.pick(), lab.cluster.pick()} == {next(iter(lab.cluster.pools))}


def test_requests_avoid_who_fails_until_it_does_not() -> None:
    lab = Lab().serve()
    lab.ill = {1}
    lab.wait(1)
    assert {str(lab.cluster.pick().address) for _ in range(4)} == {"192.0.2.2:80"}  # type: ignore[union-attr]  # there is one
    lab.ill = set()
    lab.wait(1)
    assert {str(lab.cluster.pick().address) for _ in range(4)} == {"192.0.2.1:80", "192.0.2.2:80"}  # type: ignore[union-attr]


def test_checks_are_no_requests() -> None:
    lab = Lab().serve()
    lab.wait(3)
    stats = lab.cluster.state.stats
    assert (stats.upstream_cx_total, stats.upstream_rq_total, stats.more["health_check.attempt"]) == (0, 0, 8)


def test_connections_to_who_failed_are_not_used_again() -> None:
    lab = Lab(hosts=1).serve()
    lab.ask()[1].say(EMPTY)
    idle = lab.network.outgoing[-1]
    listener, busy = lab.ask()
    assert busy is idle
    lab.ill = {1}
    lab.wait(1)
    assert busy.open
    busy.say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert busy.end == "fin"
    lab.wait(1)
    lab.ill = set()
    lab.wait(1)
    _, fresh = lab.ask()
    assert fresh is not busy


def test_a_reload_keeps_who_is_well_and_who_is_not() -> None:
    lab = Lab()
    lab.ill = {2}
    lab.serve()
    lab.wait(1)
    before = lab.hosts()
    lab.reload(replace(CONFIG, connect_timeout=1.0))
    assert lab.hosts() == before
    assert lab.failed() == [False, True]
    lab.asked()
    lab.wait(1)
    assert sorted(address.host for address in lab.asked()) == ["192.0.2.1", "192.0.2.2"]  # by the one in force alone
    lab.ill = set()
    lab.wait(1)
    assert lab.failed() == [False, False]


def test_a_reload_that_adds_checks_harms_nobody() -> None:
    lab = Lab(replace(CONFIG, health_checks=())).serve()
    changes: list[object] = []
    lab.hosts()[0].watch(changes.append)
    lab.ill = {2}
    lab.reload(CONFIG)
    assert changes == []
    assert lab.failed() == [False, True]


def test_checks_that_are_added_and_take_long_leave_everybody_serving_meanwhile() -> None:
    lab = Lab(replace(CONFIG, health_checks=())).serve()
    lab.reload(replace(CONFIG, health_checks=(replace(CHECK, unhealthy_threshold=2),)), settled=False)
    assert lab.failed() == [False, False]
    lab.discovery = lab.cluster._discovery  # type: ignore[assignment]  # it is a Told
    lab.discovery.changed((at(1), at(2), at(3)))
    assert lab.failed() == [False, False, True]  # who comes now has to pass first
    lab.ill = {2, 3}
    lab.settle()
    assert lab.failed() == [False, False, True]
    lab.wait(1)
    assert lab.failed() == [False, True, True]


def test_a_reload_that_takes_them_away_makes_everybody_well() -> None:
    lab = Lab()
    lab.ill = {2}
    lab.serve()
    assert lab.cluster.state.stats.more_gauges["health_check.healthy"] == 1
    lab.reload(replace(CONFIG, health_checks=()))
    assert lab.failed() == [False, False]
    assert "health_check.healthy" not in lab.cluster.state.stats.more_gauges
    lab.asked()
    lab.wait(2)
    assert lab.asked() == []


def test_who_comes_later_is_used_when_it_was_checked() -> None:
    lab = Lab(hosts=1).serve()
    lab.discovery.changed((at(1), at(2)))
    assert lab.failed() == [False, True]
    assert {str(lab.cluster.pick().address) for _ in range(3)} == {"192.0.2.1:80"}  # type: ignore[union-attr]  # there is one
    lab.settle()
    assert lab.failed() == [False, False]


def test_who_left_and_is_well_stays_and_is_checked_until_it_fails() -> None:
    lab = Lab().serve()
    lab.discovery.changed((at(2),))
    assert len(lab.hosts()) == 2
    lab.asked()
    lab.wait(1)
    assert len(lab.asked()) == 2
    lab.ill = {1}
    lab.wait(1)
    assert [str(host.address) for host in lab.hosts()] == ["192.0.2.2:80"]
    lab.asked()
    lab.wait(1)
    assert [address.host for address in lab.asked()] == ["192.0.2.2"]


def test_who_left_as_an_outlier_goes_with_its_next_bad_check() -> None:
    outliers = OutlierDetection(consecutive_5xx=1, max_ejection_percent=100, successful_active_health_check_uneject_host=False)
    lab = Lab(replace(CONFIG, outlier_detection=outliers)).serve()
    monitor = lab.hosts()[0].monitor
    assert monitor is not None
    monitor.answered(500)
    lab.discovery.changed((at(2),))
    assert len(lab.hosts()) == 2
    lab.ill = {1}
    lab.wait(1)
    assert len(lab.hosts()) == 1


def test_a_cluster_that_goes_checks_no_more() -> None:
    lab = Lab().serve()
    lab.cluster.stop()
    lab.asked()
    lab.wait(2)
    assert lab.asked() == []
    assert lab.clock.getDelayedCalls() == []
