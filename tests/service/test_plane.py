"""Snapshots on their way to being served: what is waited for, and what one leaves to the next. Time is a Clock, files are real."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from twisted.internet.testing import MemoryReactorClock

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.cluster import Cluster, DiscoveryType, EdsSource, LbEndpoint, UpstreamProtocol
from shifter.observe.stats import ServerStats
from shifter.service.filewatch import LOOK_EVERY
from shifter.service.plane import WARMING_DEADLINE, DataPlane, Prepared

LOCAL = (LbEndpoint(SocketAddress("127.0.0.1", 80)),)
STATIC = Cluster("fixed", endpoints=LOCAL)
STRICT = Cluster("strict", DiscoveryType.STRICT_DNS, LOCAL)
LOGICAL = Cluster("logical", DiscoveryType.LOGICAL_DNS, (LbEndpoint(SocketAddress("localhost", 80)),))


class Lab:
    """A data path without listeners."""

    def __init__(self, path: Path) -> None:
        self.reactor = MemoryReactorClock()
        self.plane = DataPlane(self.reactor, self.reactor.seconds, self.reactor.seconds, lambda: 0, ServerStats("1.0", 0.0))
        self.path = path
        self.eds = Cluster("web", DiscoveryType.EDS, eds=EdsSource(str(path)))
        self.version = 0

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
    hosts = {name: [pool.host for pool in cluster.pools] for name, cluster in lab.plane._clusters.items()}
    lab.serve(*(replace(cluster, **changed) for cluster in (lab.eds, STATIC, STRICT)))  # type: ignore[arg-type]  # one field or another
    assert {name: [pool.host for pool in cluster.pools] for name, cluster in lab.plane._clusters.items()} == hosts


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
