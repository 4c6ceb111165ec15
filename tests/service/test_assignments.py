"""An EDS file from its first reading to its last."""

from pathlib import Path

import pytest
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import Assignment, Cluster, DiscoveryType, EdsSource, LbEndpoint
from shifter.service.assignments import AssignmentFile, broken_assignments, missing_assignments, read_assignment
from shifter.service.filewatch import LOOK_EVERY, FileWatch
from shifter.upstream.discovery_eds import Lack, NoAssignment, Said

GOOD = """\
resources:
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: web
  endpoints:
  - lb_endpoints:
    - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}}
"""
ASSIGNMENT = Assignment((LbEndpoint(SocketAddress("10.0.0.1", 80)),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "eds.yaml"


def cluster(path: Path | str, service: str = "") -> Cluster:
    return Cluster("c" if service else "web", DiscoveryType.EDS, eds=EdsSource(str(path), service), place="front.yaml:7:5")


@pytest.mark.parametrize("service", ["", "web"])
def test_the_endpoints_are_those_of_the_service(path: Path, service: str) -> None:
    path.write_text(GOOD)
    assert read_assignment(cluster(path, service)) == ASSIGNMENT


def test_the_endpoints_of_somebody_else(path: Path) -> None:
    path.write_text(GOOD)
    said = read_assignment(cluster(path, "other"))
    assert said == NoAssignment(
        Lack.REJECTED, (f"{path}:3:17: error: these are the endpoints of `web`, and `other` asks for its own (see `service_name`)",)
    )


@pytest.mark.parametrize(
    ("text", "lack"),
    [("", Lack.UNREADABLE), ("resources: [\n", Lack.UNREADABLE), ("resources: []\n", Lack.EMPTY), ("resource: []\n", Lack.REJECTED)],
)
def test_what_cannot_be_used(path: Path, text: str, lack: Lack) -> None:
    path.write_text(text)
    said = read_assignment(cluster(path))
    assert isinstance(said, NoAssignment)
    assert said.lack is lack
    assert said.problems[0].startswith(f"{path}:")
    # one that is empty, or is to come yet, may be so on purpose
    assert broken_assignments([cluster(path)]) == ([] if lack is Lack.EMPTY else [said.problems[0]])


def test_a_file_that_is_not_there(path: Path) -> None:
    assert read_assignment(cluster(path)) == NoAssignment(Lack.MISSING, (f"{path}: there is no such file",))


@pytest.mark.parametrize(("where", "why"), [("/tmp", "Is a directory"), ("a\0b", "embedded null byte")])
def test_what_is_no_file(where: str, why: str) -> None:
    assert read_assignment(cluster(where)) == NoAssignment(Lack.UNREADABLE, (f"{where}: cannot be read: {why}",))


def test_a_change_is_told_until_nobody_watches(path: Path) -> None:
    clock = Clock()
    told: list[Said] = []
    stop = AssignmentFile(cluster(path), FileWatch(clock)).watch(told.append)
    path.write_text(GOOD)
    clock.pump([LOOK_EVERY] * 3)
    path.write_text("resources: []")
    clock.pump([LOOK_EVERY] * 3)
    assert [one if isinstance(one, Assignment) else one.lack for one in told] == [Lack.MISSING, ASSIGNMENT, Lack.EMPTY]
    stop()
    path.unlink()
    clock.pump([LOOK_EVERY] * 3)
    assert len(told) == 3
    assert not clock.getDelayedCalls()


def test_who_would_have_no_endpoints_is_told(path: Path) -> None:
    path.write_text(GOOD)
    bad = path.with_name("bad.yaml")
    bad.write_text(GOOD.replace("10.0.0.1", "somewhere").replace("web", "c"))
    clusters = [cluster(path), Cluster("fixed"), cluster("/nothing/there"), cluster(bad)]
    assert [str(problem) for problem in missing_assignments(clusters)] == [
        "front.yaml:7:5: warning: the cluster `web` would have no endpoints: /nothing/there: there is no such file",
        f"front.yaml:7:5: warning: the cluster `web` would have no endpoints: {bad}:3:17: error: these are the endpoints of `c`, "
        "and `web` asks for its own (see `service_name`), and 1 more",
    ]
