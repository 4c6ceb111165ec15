"""Which hosts a cluster has after each thing that discovery says, and what becomes of those it had."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import AssignmentPolicy, Cluster, DiscoveryType, HealthStatus, LbEndpoint, Locality, UpstreamProtocol
from shifter.model.health_check import HealthCheck, TcpHealthCheck
from shifter.model.outlier_detection import OutlierDetection
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import Changed, Discovery
from shifter.upstream.host import Health, HealthFlag, Host
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.registry import Registry
from tests.support.transports import FakeNetwork
from tests.support.upstreams import GET, Leased, RecordingListener

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
CHECK = HealthCheck(TcpHealthCheck(), timeout=1.0, interval=5.0, unhealthy_threshold=1, healthy_threshold=1)
FAILED, PENDING = HealthFlag.FAILED_ACTIVE_HC, HealthFlag.PENDING_DYNAMIC_REMOVAL


class Told:
    """A discovery that finds what the test says."""

    def __init__(self) -> None:
        self.endpoints: tuple[LbEndpoint, ...] = ()
        self.policy: AssignmentPolicy | None = None
        self.changed: Changed = lambda endpoints: None

    def inherit(self, before: Discovery) -> None:
        self.endpoints = before.endpoints

    def start(self, changed: Changed) -> Deferred[None]:
        self.changed = changed
        if self.endpoints:
            changed(self.endpoints)
        return succeed(None)

    def stop(self) -> None:
        pass

    def find(self, *endpoints: LbEndpoint) -> None:
        self.endpoints = endpoints
        self.changed(endpoints)


_: Discovery = Told()


class Lab:
    """One cluster in memory. Connections are answered."""

    def __init__(self, config: Cluster) -> None:
        self.network = FakeNetwork(Clock())
        self.network.answers = True
        self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool, UpstreamProtocol.HTTP2: Http2Pool})
        self.config = config
        self.discovery = Told()
        self.cluster = LiveCluster(config, self.registry, self.discovery)
        self.cluster.start()
        self.find = self.discovery.find

    @property
    def pools(self) -> list[EndpointPool]:
        return list(self.cluster.pools)

    @property
    def hosts(self) -> list[Host]:
        return [pool.host for pool in self.cluster.pools]

    @property
    def changes(self) -> int:
        return self.cluster.state.stats.membership_change

    def ask(self, pool: EndpointPool) -> RecordingListener:
        """Have a request under way on *pool*."""
        leased = Leased(pool.lease())
        self.network.run()
        assert leased.stream is not None
        listener = RecordingListener()
        leased.stream.send(GET, b"", True, listener)
        self.network.run()
        return listener

    def reload(self, config: Cluster) -> LiveCluster:
        """Serve *config* in place of what is served."""
        fresh = LiveCluster(config, self.registry, Told())
        fresh.inherit(self.cluster)
        fresh.start()
        fresh.activate()
        self.cluster.stop()
        self.network.run()
        self.cluster = fresh
        return fresh


@pytest.fixture
def lab() -> Lab:
    return Lab(Cluster("c", DiscoveryType.EDS))


@pytest.fixture
def checked() -> Lab:
    return Lab(Cluster("c", DiscoveryType.EDS, health_checks=(CHECK,)))


def at(number: int, **said: object) -> LbEndpoint:
    return LbEndpoint(SocketAddress(f"192.0.2.{number}", 80), **said)  # type: ignore[arg-type]  # whatever it may be


def numbers(lab: Lab) -> list[str]:
    return [str(host.address)[8:-3] for host in lab.hosts]


# What Envoy 1.40 counts as a change of membership: once for each priority that has others.


def test_what_changes_membership_and_what_does_not(lab: Lab) -> None:
    seen = []
    for endpoints in (
        (),
        (at(1), at(2)),
        (at(1), at(2), at(3)),
        (at(1), at(4)),
        (at(1, weight=5), at(4)),
        (at(1, metadata={"envoy.lb": {"canary": True}}), at(4)),
        (at(1, health_status=HealthStatus.UNHEALTHY), at(4)),
        (at(4), at(1)),
        (at(4, locality=Locality(zone="z")), at(1, locality=Locality(zone="z"))),
        (at(4, locality=Locality(zone="z")), at(1, locality=Locality(zone="z"), priority=1)),
        (at(4, locality=Locality(zone="z"), priority=2),),
        (),
    ):
        before = lab.changes
        lab.find(*endpoints)
        seen.append(lab.changes - before)
    assert seen == [0, 1, 1, 1, 0, 0, 0, 0, 1, 2, 3, 1]


@pytest.mark.parametrize(
    "said",
    [
        {"weight": 7},
        {"metadata": {"envoy.lb": {"canary": True}}},
        {"health_status": HealthStatus.DRAINING},
        {"locality": Locality(zone="z")},
        {"priority": 1},
        {"hostname": "n"},
    ],
)
def test_a_host_that_is_described_otherwise_keeps_its_connections(lab: Lab, said: dict[str, object]) -> None:
    lab.find(at(1), at(2))
    listener = lab.ask(lab.pools[0])
    before = lab.pools
    lab.find(at(1, **said), at(2))
    assert lab.pools == before
    assert lab.hosts[0].endpoint == at(1, **said)
    lab.network.outgoing[0].say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert lab.network.outgoing[0].lost is None


def test_a_host_that_goes_finishes_what_it_carries(lab: Lab) -> None:
    lab.find(at(1), at(2))
    listener = lab.ask(lab.pools[0])
    lab.find(at(2))
    assert numbers(lab) == ["2"]
    assert {lab.cluster.pick() for _ in range(4)} == set(lab.pools)
    lab.network.outgoing[0].say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert lab.network.outgoing[0].lost == "closed locally"


def test_the_order_is_that_of_the_latest_answer(lab: Lab) -> None:
    lab.find(at(1), at(2))
    lab.find(at(3), at(2), at(1))
    assert numbers(lab) == ["3", "2", "1"]


def test_an_address_in_two_priorities_is_in_the_first_of_them(lab: Lab) -> None:
    lab.find(at(1, priority=1, weight=3), at(1, weight=4), at(1, weight=1), at(1, priority=2, weight=9))
    (host,) = lab.hosts
    assert (host.endpoint.priority, host.weight) == (0, 5)


def test_what_the_configuration_says_of_health_counts_at_once(lab: Lab) -> None:
    lab.find(at(1), at(2))
    assert lab.cluster.available
    lab.find(at(1, health_status=HealthStatus.UNHEALTHY), at(2, health_status=HealthStatus.DRAINING))
    assert not lab.cluster.available
    assert [host.health for host in lab.hosts] == [Health.UNHEALTHY] * 2
    lab.find(at(1, health_status=HealthStatus.DEGRADED), at(2, health_status=HealthStatus.TIMEOUT))
    assert lab.cluster.available
    assert [host.health for host in lab.hosts] == [Health.DEGRADED, Health.UNHEALTHY]


def test_one_change_is_balanced_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.find(*(at(number) for number in range(1, 6)))
    updates: list[int] = []
    monkeypatch.setattr(lab.cluster, "_balancer", type("Balancer", (), {"update": lambda self, pools: updates.append(len(pools))})())
    lab.find(*(at(number, health_status=HealthStatus.UNHEALTHY) for number in range(1, 5)))
    assert updates == [4]
    lab.hosts[0].set(HealthFlag.FAILED_OUTLIER_CHECK, 0.0)
    assert updates == [4]  # it was unhealthy before
    lab.hosts[0].clear(HealthFlag.FAILED_EDS_HEALTH, 0.0)
    lab.hosts[0].clear(HealthFlag.FAILED_OUTLIER_CHECK, 0.0)
    assert updates == [4, 4]


def test_another_address_takes_the_place_of_a_logical_host(checked: Lab) -> None:
    lab = Lab(replace(checked.config, type=DiscoveryType.LOGICAL_DNS))
    lab.find(at(1, additional_addresses=(at(2).address,)))
    listener = lab.ask(lab.pools[0])
    connection = lab.network.outgoing[-1]
    before = lab.pools
    lab.find(at(1, additional_addresses=(at(3).address,)))
    assert lab.pools == before
    assert lab.hosts[0].addresses == (at(1).address, at(3).address)
    lab.find(at(3))
    assert numbers(lab) == ["3"]
    connection.say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert lab.changes == 2


@given(steps=st.lists(st.tuples(st.sets(st.integers(1, 4)), st.integers(0, 3)), max_size=12))
def test_no_request_is_lost_however_hosts_come_and_go(steps: list[tuple[set[int], int]]) -> None:
    """Each step: who is there now, and how many requests begin. They are answered only when all is over."""
    lab = Lab(Cluster("c", DiscoveryType.EDS))
    listeners: list[RecordingListener] = []
    for members, requests in steps:
        lab.find(*(at(number) for number in sorted(members)))
        assert [int(number) for number in numbers(lab)] == sorted(members)
        for _ in range(requests):
            pool = lab.cluster.pick()
            assert (pool in lab.pools) if members else (pool is None)
            if pool is not None:
                listeners.append(lab.ask(pool))
    for transport in lab.network.outgoing:
        transport.say(EMPTY)
    lab.network.run()
    assert all(listener.saw == ["head 200", "end"] for listener in listeners)
    there = {pool.address for pool in lab.pools}
    assert all(transport.lost is not None for transport in lab.network.outgoing if transport.peer not in there)


# What active health checks find well, discovery cannot take away.


def test_a_host_that_is_found_well_stays_until_it_is_not(checked: Lab) -> None:
    checked.find(at(1), at(2))
    gone, _ = checked.hosts
    checked.find(at(2), at(3))
    assert numbers(checked) == ["2", "3", "1"]
    assert gone.has(PENDING)
    assert checked.changes == 2
    gone.set(FAILED, 1.0)
    assert numbers(checked) == ["2", "3"]
    assert not gone.has(PENDING)
    assert checked.changes == 3
    gone.clear(FAILED, 2.0)  # nobody minds any more
    assert numbers(checked) == ["2", "3"]


def test_a_host_that_comes_back_is_as_it_was(checked: Lab) -> None:
    checked.find(at(1), at(2))
    before = checked.pools
    checked.find(at(2))
    checked.find(at(1), at(2))
    assert checked.pools == before
    assert not any(host.flags for host in checked.hosts)
    assert checked.changes == 1


@pytest.mark.parametrize("flag", [FAILED, HealthFlag.FAILED_EDS_HEALTH])
def test_a_host_that_is_found_ill_goes(checked: Lab, flag: HealthFlag) -> None:
    checked.find(at(1), at(2))
    checked.hosts[0].set(flag, 0.0)
    checked.find(at(2))
    assert numbers(checked) == ["2"]


def test_a_host_that_fails_as_an_outlier_stays(checked: Lab) -> None:
    checked.find(at(1), at(2))
    ill = checked.hosts[0]
    ill.set(HealthFlag.FAILED_OUTLIER_CHECK, 0.0)
    checked.find(at(2))
    assert numbers(checked) == ["2", "1"]
    ill.set(FAILED, 0.0)  # no news for those who know that it is ill; the next news are
    ill.clear(HealthFlag.FAILED_OUTLIER_CHECK, 0.0)
    checked.find(at(2))
    assert numbers(checked) == ["2"]


def test_a_host_that_is_not_checked_goes(checked: Lab) -> None:
    checked.find(at(1, disable_active_health_check=True), at(2))
    checked.find(at(2))
    assert numbers(checked) == ["2"]


def test_health_does_not_matter_where_it_is_to_be_ignored() -> None:
    lab = Lab(Cluster("c", DiscoveryType.EDS, health_checks=(CHECK,), ignore_health_on_host_removal=True))
    lab.find(at(1), at(2))
    lab.find(at(2))
    assert numbers(lab) == ["2"]


# What an assignment says besides.


def test_a_policy_that_came_with_the_endpoints_holds(lab: Lab) -> None:
    lab.discovery.policy = AssignmentPolicy(200, True)
    before = lab.cluster._balancer
    lab.find(at(1))
    balancer = lab.cluster._balancer
    assert balancer is not before
    assert lab.cluster.pick() is lab.pools[0]
    lab.find(at(1), at(2))
    assert lab.cluster._balancer is balancer


# What outlives a configuration.


@pytest.mark.parametrize("protocol", [UpstreamProtocol.HTTP1, UpstreamProtocol.HTTP2])
def test_a_reload_keeps_hosts_and_what_is_known_of_them(lab: Lab, protocol: UpstreamProtocol) -> None:
    lab.find(at(1), at(2))
    hosts = lab.hosts
    hosts[0].set(FAILED, 3.0)
    hosts[1].set(HealthFlag.FAILED_OUTLIER_CHECK, 4.0)
    hosts[1].clear(HealthFlag.FAILED_OUTLIER_CHECK, 5.0)
    hosts[1].stats.rq_error = 7
    pools = lab.pools
    listener = lab.ask(pools[1])
    lab.reload(replace(lab.config, connect_timeout=1.0, protocol=protocol))
    assert lab.hosts == hosts
    assert [host.flags for host in lab.hosts] == [FAILED, 0]
    assert (hosts[1].since, hosts[1].stats.rq_error) == (5.0, 7)
    assert (lab.pools == pools) is (protocol is UpstreamProtocol.HTTP1)
    lab.network.outgoing[0].say(EMPTY)
    assert listener.saw == ["head 200", "end"]
    assert (lab.network.outgoing[0].lost is None) is (protocol is UpstreamProtocol.HTTP1)


def test_what_is_in_force_is_what_the_new_configuration_says(lab: Lab) -> None:
    """While it is being warmed, the old one still hears of changes."""
    lab.find(at(1), at(2))
    told = Told()
    fresh = LiveCluster(replace(lab.config, connect_timeout=1.0), lab.registry, told)
    fresh.start()
    told.find(at(1, weight=7), at(2, health_status=HealthStatus.UNHEALTHY))
    lab.find(at(1), at(2), at(3))
    assert [host.weight for host in lab.hosts] == [1, 1, 1]
    fresh.activate()
    lab.cluster.stop()
    lab.cluster = fresh
    assert [(host.weight, host.health) for host in lab.hosts] == [(7, Health.HEALTHY), (1, Health.UNHEALTHY)]
    assert {fresh.pick() for _ in range(4)} == {lab.pools[0]}


def test_a_reload_forgets_hosts_that_were_only_found_well(checked: Lab) -> None:
    checked.find(at(1), at(2))
    checked.find(at(2))
    checked.reload(replace(checked.config, connect_timeout=1.0))
    assert numbers(checked) == ["2"]
    assert len(list(checked.registry.pools())) == 1


# a configuration that is being prepared


def candidate(lab: Lab, **said: object) -> tuple[LiveCluster, Told]:
    """Another configuration of the cluster, which is not in force yet."""
    discovery = Told()
    config = replace(lab.config, **said)  # type: ignore[arg-type]
    cluster = LiveCluster(config, lab.registry, discovery)
    cluster.inherit(lab.cluster)
    cluster.start()
    return cluster, discovery


def test_what_is_not_in_force_says_nothing_of_the_health_and_weight_of_hosts_that_serve() -> None:
    lab = Lab(Cluster("c"))
    lab.find(at(1))
    lab.cluster.activate()
    (host,) = lab.hosts
    fresh, discovery = candidate(lab)
    discovery.find(at(1, weight=7, health_status=HealthStatus.UNHEALTHY), at(2, health_status=HealthStatus.UNHEALTHY))
    assert (host.health, host.weight) == (Health.HEALTHY, 1)
    assert lab.cluster.available
    assert [pool.host.health for pool in fresh.pools] == [Health.HEALTHY, Health.UNHEALTHY]
    fresh.activate()
    lab.cluster.stop(fresh)
    assert (host.health, host.weight) == (Health.UNHEALTHY, 7)
    assert not fresh.available


def test_a_host_that_only_a_prepared_configuration_would_have_go_stays() -> None:
    lab = Lab(Cluster("c"))
    lab.find(at(1), at(2))
    lab.cluster.activate()
    fresh, discovery = candidate(lab, health_checks=(CHECK,))
    discovery.find(at(2))
    one, two = lab.hosts
    two.set(HealthFlag.FAILED_OUTLIER_CHECK, 1.0)  # they are looked at again
    two.clear(HealthFlag.FAILED_OUTLIER_CHECK, 1.0)
    assert lab.hosts == [one, two]
    fresh.stop()
    assert lab.hosts == [one, two]
    assert not one.flags


def test_hosts_that_go_when_a_configuration_comes_into_force_are_not_looked_at_any_more() -> None:
    lab = Lab(Cluster("c"))
    lab.find(at(1), at(2))
    lab.cluster.activate()
    lab.network.answers = "refused"  # so that the first checks fail
    fresh, discovery = candidate(lab, health_checks=(CHECK,), outlier_detection=OutlierDetection())
    gone, _ = lab.hosts
    discovery.find(at(2))
    lab.network.run()
    fresh.activate()
    lab.cluster.stop(fresh)
    assert gone not in [pool.host for pool in fresh.pools]
    assert (gone.check, gone.monitor) == (None, None)
    fresh.stop()
    clock = lab.network.clock
    assert not clock.getDelayedCalls()
