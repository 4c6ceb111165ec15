"""What happens to endpoints is written down where the configuration in force, or the one to be, wants it."""

from dataclasses import replace
from pathlib import Path

import pytest

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster
from shifter.observe.accesslog import AccessLogError
from shifter.service.event_logs import EventLogs
from shifter.upstream.health_check.events import EventType, HealthCheckEvent
from shifter.upstream.host import Host
from shifter.upstream.outlier_events import OutlierEvent
from tests.support.checks import HTTP
from tests.support.sinks import Direct

HOST = Host(SocketAddress("192.0.2.1", 80), 0.0)
EJECTED = OutlierEvent("CONSECUTIVE_5XX", HOST, "EJECT", 1, True, None)
CHECKED = HealthCheckEvent(EventType.ADD_HEALTHY, "HTTP", HOST, "c")


class Lab:
    def __init__(self, directory: Path) -> None:
        self.logs = EventLogs(lambda: 0.0, Direct)
        self.directory = directory

    def wanting(self, outliers: str = "", *checks: str) -> Bootstrap:
        cluster = Cluster("c", health_checks=tuple(replace(HTTP, event_log_path=self.path(name)) for name in checks))
        return Bootstrap(clusters=(cluster,), outlier_event_log_path=self.path(outliers) if outliers else "")

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def serve(self, bootstrap: Bootstrap) -> None:
        self.logs.prepare(bootstrap)
        self.logs.commit(bootstrap)

    def lines(self, name: str) -> int:
        self.logs.flush()
        return (self.directory / name).read_text().count("\n")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_ejections(lab: Lab) -> None:
    lab.logs.outlier("c", EJECTED)  # nobody wants to know
    lab.serve(lab.wanting("out"))
    lab.logs.outlier("c", EJECTED)
    assert lab.lines("out") == 1
    lab.serve(lab.wanting("other"))
    lab.logs.outlier("c", EJECTED)
    assert (lab.lines("out"), lab.lines("other")) == (1, 1)
    lab.logs.close()


def test_checks_are_written_down_before_they_are_in_force(lab: Lab) -> None:
    first = lab.wanting("", "a")
    lab.logs.prepare(first)
    lab.logs.check(lab.path("a"), CHECKED)
    lab.logs.commit(first)
    assert lab.lines("a") == 1
    both = lab.wanting("", "a", "b")
    lab.logs.prepare(both)
    for name in ("a", "b"):
        lab.logs.check(lab.path(name), CHECKED)
    lab.logs.commit(both)
    assert (lab.lines("a"), lab.lines("b")) == (2, 1)
    lab.serve(Bootstrap())
    lab.logs.check(lab.path("a"), CHECKED)
    assert (lab.lines("a"), lab.lines("b")) == (2, 1)


def test_a_log_that_cannot_be_opened(lab: Lab) -> None:
    lab.serve(lab.wanting("out"))
    with pytest.raises(AccessLogError):
        lab.logs.prepare(lab.wanting("out", "good", "nowhere/bad"))
    lab.logs.discard()
    lab.logs.check(lab.path("good"), CHECKED)
    lab.logs.outlier("c", EJECTED)
    assert lab.lines("out") == 1
    lab.logs.close()
    assert not (lab.directory / "good").exists() or (lab.directory / "good").read_text() == ""


def test_files_are_exchanged(lab: Lab) -> None:
    lab.serve(lab.wanting("out", "a"))
    lab.logs.outlier("c", EJECTED)
    lab.logs.check(lab.path("a"), CHECKED)
    for name in ("out", "a"):
        (lab.directory / name).rename(lab.directory / f"{name}.1")
    lab.logs.reopen()
    lab.logs.outlier("c", EJECTED)
    assert [lab.lines(name) for name in ("out", "out.1", "a", "a.1")] == [1, 1, 0, 1]
    lab.logs.close()
