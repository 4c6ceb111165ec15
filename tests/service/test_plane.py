"""Snapshots on their way to being served: what is waited for, and what one leaves to the next. Time is a Clock, files are real."""

import gc
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.testing import MemoryReactorClock

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap, RuntimeLayer, Snapshot
from shifter.model.cluster import Cluster, DiscoveryType, EdsSource, LbEndpoint, UpstreamProtocol
from shifter.model.health_check import HealthCheck, TcpHealthCheck
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, Listener
from shifter.model.load_balancing import LbPolicy
from shifter.model.outlier_detection import OutlierDetection
from shifter.model.route import PathMatchKind, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.net.listen import ListenError
from shifter.observe.server_stats import ServerStats
from shifter.service.clusters import WARMING_DEADLINE
from shifter.service.counted import managers_of
from shifter.service.filewatch import LOOK_EVERY
from shifter.service.plane import DataPlane, Prepared
from tests.support.listeners import http_listener

LOCAL = (LbEndpoint(SocketAddress("127.0.0.1", 80)),)
STATIC = Cluster("fixed", endpoints=LOCAL)
STRICT = Cluster("strict", DiscoveryType.STRICT_DNS, LOCAL)
LOGICAL = Cluster("logical", DiscoveryType.LOGICAL_DNS, (LbEndpoint(SocketAddress("localhost", 80)),))


class Lab:
    """A data path without listeners."""

    def __init__(self, path: Path) -> None:
        self.reactor = MemoryReactorClock()
        self.late = 0.0  # seconds that pass whenever somebody asks for the time
        self.plane = DataPlane(self.reactor, self.seconds, self.reactor.seconds, lambda: 0, ServerStats("1.0", 0.0))
        self.path = path
        self.eds = Cluster("web", DiscoveryType.EDS, eds=EdsSource(str(path)))
        self.version = 0

    def seconds(self) -> float:
        self.reactor.rightNow += self.late
        now: float = self.reactor.seconds()
        return now

    def write(self, *hosts: str) -> None:
        lines = [f"    - endpoint: {{address: {{socket_address: {{address: {host}, port_value: 80}}}}}}" for host in hosts] or ["     []"]
        kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
        head = ["resources:", f'- "@type": {kind}', "  cluster_name: web", "  endpoints:", "  - lb_endpoints:"]
        self.path.write_text("\n".join([*head, *lines]))

    def warm(self, *clusters: Cluster) -> list[Prepared]:
        """Return a list that has what was prepared once it is warm."""
        self.version += 1
        done: list[Prepared] = []
        self.plane.warm(self.plane.lay_out(Snapshot(self.version, Bootstrap(clusters=clusters), "memory"))).addCallback(done.append)
        return done

    def serve(self, *clusters: Cluster) -> None:
        (prepared,) = self.warm(*clusters)
        self.plane.commit(prepared)
        self.plane.let_go([])

    def put_in_force(self, bootstrap: Bootstrap) -> None:
        """Go the whole way of a change, in slices."""
        self.version += 1
        snapshot = Snapshot(self.version, bootstrap, "memory")
        before = self.plane._snapshot
        prepared: list[Prepared] = []
        self.plane.prepare(snapshot).addCallback(self.plane.warm).addCallback(prepared.append)
        self.reactor.pump([0.5] * 20)
        self.plane.commit(prepared.pop())
        left: list[object] = [before]
        del before
        assert self.plane.let_go(left).called

    def look(self) -> None:
        """Let a changed file be seen."""
        self.reactor.pump([LOOK_EVERY] * 2)

    @property
    def served(self) -> dict[str, list[str]]:
        clusters = self.plane.report().clusters
        return {cluster.name: [f"{endpoint.host}:{endpoint.port}" for endpoint in cluster.endpoints] for cluster in clusters}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "eds.yaml")
    yield lab
    lab.plane.stop()
    lab.reactor.advance(0)
    assert not lab.reactor.getDelayedCalls()


def test_endpoints_of_every_kind(lab: Lab) -> None:
    lab.write("10.0.0.1", "10.0.0.2")
    logical = replace(LOGICAL, endpoints=(LbEndpoint(SocketAddress("127.0.0.9", 81)),))
    lab.serve(STATIC, STRICT, logical, lab.eds)
    assert lab.served == {
        "fixed": ["127.0.0.1:80"],
        "strict": ["127.0.0.1:80"],
        "logical": ["127.0.0.9:81"],
        "web": ["10.0.0.1:80", "10.0.0.2:80"],
    }


def test_names_are_this_machines_where_its_files_say_so(lab: Lab) -> None:
    lab.serve(LOGICAL, replace(LOGICAL, name="strict", type=DiscoveryType.STRICT_DNS))
    assert lab.served["logical"] == lab.served["strict"]
    assert lab.served["logical"][0] in ("::1:80", "127.0.0.1:80")


def test_a_file_that_changes(lab: Lab) -> None:
    lab.write("10.0.0.1")
    lab.serve(lab.eds)
    lab.write("10.0.0.2", "10.0.0.3")
    lab.look()
    assert lab.served == {"web": ["10.0.0.2:80", "10.0.0.3:80"]}
    lab.write("somewhere")
    lab.look()
    assert lab.served == {"web": ["10.0.0.2:80", "10.0.0.3:80"]}
    lab.write()
    lab.look()
    assert lab.served == {"web": []}
    (cluster,) = lab.plane.report().clusters
    counters = cluster.figures.counters
    assert {name[7:]: count for name, count in counters.items() if name.startswith("update_") and count} == {
        "attempt": 4,
        "success": 3,
        "rejected": 1,
    }
    assert counters["membership_change"] == 3


def test_a_file_that_is_not_there_is_waited_for(lab: Lab) -> None:
    done = lab.warm(lab.eds)
    lab.reactor.advance(WARMING_DEADLINE - 1)
    assert not done
    lab.write("10.0.0.1")
    lab.look()
    (prepared,) = done
    lab.plane.commit(prepared)
    assert lab.served == {"web": ["10.0.0.1:80"]}


def test_but_not_for_ever(lab: Lab, logged: list[str]) -> None:
    done = lab.warm(STATIC, lab.eds)
    lab.reactor.advance(WARMING_DEADLINE)
    (prepared,) = done
    lab.plane.commit(prepared)
    assert logged[-1] == "serving before the endpoints of web are found and checked"
    assert lab.served == {"fixed": ["127.0.0.1:80"], "web": []}
    lab.write("10.0.0.1")
    lab.look()
    assert lab.served["web"] == ["10.0.0.1:80"]


def test_and_not_where_nobody_wants_that(lab: Lab) -> None:
    lab.serve(replace(lab.eds, wait_for_warm_on_init=False))
    assert lab.served == {"web": []}


def test_a_reload_keeps_the_endpoints_when_the_file_has_gone(lab: Lab) -> None:
    lab.write("10.0.0.1")
    lab.serve(lab.eds)
    lab.path.unlink()
    lab.serve(replace(lab.eds, connect_timeout=1.0))
    assert lab.served == {"web": ["10.0.0.1:80"]}


def test_a_reload_in_the_midst_of_a_bad_file_keeps_the_endpoints(lab: Lab) -> None:
    lab.write("10.0.0.1")
    lab.serve(lab.eds)
    lab.path.write_text("resources: [")
    lab.serve(replace(lab.eds, connect_timeout=1.0))
    assert lab.served == {"web": ["10.0.0.1:80"]}


@pytest.mark.parametrize("changed", [{"connect_timeout": 1.0}, {"protocol": UpstreamProtocol.HTTP2}])
def test_what_is_known_of_an_endpoint_survives_a_reload(lab: Lab, changed: dict[str, object]) -> None:
    lab.write("10.0.0.1")
    lab.serve(lab.eds, STATIC, STRICT)
    hosts = {name: [pool.host for pool in cluster.pools] for name, cluster in lab.plane._clusters.serving.items()}
    lab.serve(*(replace(cluster, **changed) for cluster in (lab.eds, STATIC, STRICT)))  # type: ignore[arg-type]  # one field or another
    assert {name: [pool.host for pool in cluster.pools] for name, cluster in lab.plane._clusters.serving.items()} == hosts


def test_what_is_discarded_watches_no_more(lab: Lab) -> None:
    lab.write("10.0.0.1")
    lab.serve(lab.eds)
    (prepared,) = lab.warm(replace(lab.eds, connect_timeout=1.0))
    lab.plane.discard(prepared)
    lab.write("10.0.0.2")
    lab.look()
    assert lab.served == {"web": ["10.0.0.2:80"]}
    (cluster,) = lab.plane.report().clusters
    assert cluster.figures.counters["update_attempt"] == 3


def large(seconds: float, port: int = 0) -> Bootstrap:
    """A configuration with one of each of what holds what."""
    check = HealthCheck(TcpHealthCheck(), 1.0, 5.0, 1, 1)
    policies = [LbPolicy.ROUND_ROBIN, LbPolicy.LEAST_REQUEST, LbPolicy.RANDOM, LbPolicy.RING_HASH, LbPolicy.MAGLEV]
    several = (LbEndpoint(SocketAddress("127.0.0.1", 9)), LbEndpoint(SocketAddress("127.0.0.2", 9), weight=3))
    clusters = [Cluster(policy.value, endpoints=several, lb_policy=policy) for policy in policies]
    clusters += [replace(STATIC, outlier_detection=OutlierDetection()), replace(STATIC, name="checked", health_checks=(check,)), STRICT]
    names = [cluster.name for cluster in clusters]
    routes = [
        Route(RouteMatch(PathMatchKind.PREFIX, f"/{number}".encode()), RouteAction((WeightedCluster(one, 1), WeightedCluster(other, 2))))
        for number, (one, other) in enumerate(zip(names, names[1:] + names[:1], strict=True))
    ]
    hosts = (VirtualHost("all", (b"*",), tuple(routes)), VirtualHost("few", (b"a.test",), tuple(routes[:1])))
    listener = http_listener(
        "front", SocketAddress("127.0.0.1", port), HttpConnectionManager("http", RouteConfiguration(virtual_hosts=hosts))
    )
    return Bootstrap((listener,), tuple(replace(cluster, connect_timeout=seconds) for cluster in clusters))


def test_what_is_replaced_is_gone_without_the_garbage_collector(lab: Lab) -> None:
    lab.put_in_force(large(1.0))
    lab.put_in_force(large(2.0))
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.disable()
    try:
        lab.put_in_force(large(3.0))
        gc.collect()
        found = {type(thing).__name__ for thing in gc.garbage} & {"ListenerResource", "RouteResource", "LiveCluster", "Membership", "Route"}
    finally:
        gc.garbage.clear()
        gc.set_debug(0)
        gc.enable()
    assert not found


@pytest.mark.parametrize("ends", ["somebody who has changed his mind", "the process"])
def test_what_is_half_prepared_leaves_nothing_behind(lab: Lab, ends: str) -> None:
    lab.put_in_force(large(1.0))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    lab.late = 0.001
    failed: list[object] = []
    preparing = lab.plane.prepare(Snapshot(2, large(2.0, port), "memory"))
    preparing.addErrback(lambda failure: failed.append(failure.type))
    if ends == "the process":
        lab.plane.stop()
    else:
        preparing.cancel()
    assert failed == [CancelledError]
    socket.create_server(("127.0.0.1", port)).close()  # nobody has it
    assert {cluster.config.connect_timeout for cluster in lab.plane._clusters.serving.values()} == {1.0}


def test_a_cluster_of_a_configuration_that_is_thrown_away_is_forgotten(lab: Lab) -> None:
    lab.serve(STATIC)
    (prepared,) = lab.warm(STATIC, replace(STATIC, name="another"))
    lab.plane.discard(prepared)
    assert set(lab.plane._clusters.registry._states) == {"fixed"}


def test_runtime_values_change_under_a_tree_that_goes_on(lab: Lab) -> None:
    first = large(1.0)
    lab.put_in_force(first)
    trees = [manager.tree for runtime in lab.plane._runtimes.values() for manager in managers_of(runtime)]
    lab.put_in_force(replace(first, runtime=(RuntimeLayer("admin", {"a": 5}),)))
    assert [manager.tree for runtime in lab.plane._runtimes.values() for manager in managers_of(runtime)] == trees != []
    assert all(tree.runtime.integer("a", 0) == 5 for tree in trees)
    lab.put_in_force(large(2.0))  # other clusters: another tree
    assert [manager.tree for runtime in lab.plane._runtimes.values() for manager in managers_of(runtime)] != trees


HTTP = HttpConnectionManager("http", RouteConfiguration())
TCP = TcpProxy("tcp", (TcpCluster("fixed", 1),))


def speaking(name: str, host: str, port: int, filter: HttpConnectionManager | TcpProxy = HTTP, backlog: int = 10) -> Listener:
    return Listener(name, SocketAddress(host, port), (FilterChain(filter),), backlog=backlog)


def two_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def test_listeners_are_known_by_their_addresses(lab: Lab) -> None:
    one, two = two_ports()

    def serve(*listeners: Listener) -> dict[int, int]:
        lab.put_in_force(Bootstrap(listeners, (STATIC,)))
        return {port.address.port: port.fileno() for port in lab.plane._ports.values()}

    sockets = serve(speaking("a", "127.0.0.1", one), speaking("b", "127.0.0.1", two), speaking("any", "127.0.0.1", 0))
    swapped = serve(speaking("b", "127.0.0.1", one, TCP), speaking("a", "127.0.0.1", two, backlog=20), speaking("some", "127.0.0.1", 0))
    assert swapped == sockets
    assert {name: address.port for name, address in lab.plane.addresses.items()} | {"some": 0} == {"a": two, "b": one, "some": 0}
    serve(speaking("b", "127.0.0.1", one, HTTP))
    for port in set(sockets) - {one}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    for host in ("0.0.0.0", "::", "127.0.0.1"):
        serve(speaking("b", host, one))
        socket.create_connection(("127.0.0.1", one)).close()
        assert [str(address.host) for address in lab.plane.addresses.values()] == [host]


def test_a_move_that_is_given_up_leaves_the_port_as_it_was(lab: Lab) -> None:
    one, taken = two_ports()
    lab.put_in_force(Bootstrap((speaking("a", "0.0.0.0", one),), ()))
    with socket.create_server(("127.0.0.1", taken)):
        moved = Bootstrap((speaking("a", "127.0.0.1", one), speaking("b", "127.0.0.1", taken)))
        with pytest.raises(ListenError, match="in use"):
            lab.plane.lay_out(Snapshot(2, moved))
    (port,) = lab.plane._ports.values()
    with socket.socket(fileno=socket.dup(port.fileno())) as same:
        assert not same.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
    socket.create_connection(("127.0.0.1", one)).close()
