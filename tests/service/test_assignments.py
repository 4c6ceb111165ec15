"""An EDS file from its first reading to its last."""

from pathlib import Path

import pytest
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import Assignment, Cluster, DiscoveryType, EdsSource, LbEndpoint
from shifter.service.assignments import AssignmentFile
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


def file_of(path: Path | str, service: str = "", clock: Clock | None = None) -> AssignmentFile:
    name = "c" if service else "web"
    return AssignmentFile(Cluster(name, DiscoveryType.EDS, eds=EdsSource(str(path), service)), FileWatch(clock or Clock()))


@pytest.mark.parametrize("service", ["", "web"])
def test_the_endpoints_are_those_of_the_service(path: Path, service: str) -> None:
    path.write_text(GOOD)
    assert file_of(path, service).read() == ASSIGNMENT


def test_the_endpoints_of_somebody_else(path: Path) -> None:
    path.write_text(GOOD)
    said = file_of(path, "other").read()
    assert said == NoAssignment(
        Lack.REJECTED, (f"{path}:3:17: error: these are the endpoints of `web`, and `other` asks for its own (see `service_name`)",)
    )


@pytest.mark.parametrize(
    ("text", "lack"),
    [("", Lack.UNREADABLE), ("resources: [\n", Lack.UNREADABLE), ("resources: []\n", Lack.EMPTY), ("resource: []\n", Lack.REJECTED)],
)
def test_what_cannot_be_used(path: Path, text: str, lack: Lack) -> None:
    path.write_text(text)
    said = file_of(path).read()
    assert isinstance(said, NoAssignment)
    assert said.lack is lack
    assert said.problems[0].startswith(f"{path}:")


def test_a_file_that_is_not_there(path: Path) -> None:
    assert file_of(path).read() == NoAssignment(Lack.MISSING, (f"{path}: there is no such file",))


@pytest.mark.parametrize(("where", "why"), [("/tmp", "Is a directory"), ("a\0b", "embedded null byte")])
def test_what_is_no_file(where: str, why: str) -> None:
    assert file_of(where).read() == NoAssignment(Lack.UNREADABLE, (f"{where}: cannot be read: {why}",))


def test_a_change_is_told_until_nobody_watches(path: Path) -> None:
    clock = Clock()
    told: list[Said] = []
    stop = file_of(path, clock=clock).watch(told.append)
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
