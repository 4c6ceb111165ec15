import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.model.outlier_detection import OutlierDetection
from shifter.observe.stats import ClusterStats
from shifter.routing.retry import Reached
from shifter.upstream.host import Health, HealthFlag, Host
from shifter.upstream.interfaces import Failed, FailureKind
from shifter.upstream.outlier_detection import Detector, HostMonitor, forget
from shifter.upstream.outlier_events import OutlierEvent

EVERYBODY = OutlierDetection(max_ejection_percent=100)
REFUSED = Failed(FailureKind.REMOTE_CONNECTION_FAILURE, Reached.NOTHING_SENT)
FULL = Failed(FailureKind.OVERFLOW, Reached.NOTHING_SENT)


class Lab:
    """A detector, its hosts, and a clock."""

    def __init__(self, config: OutlierDetection = EVERYBODY, hosts: int = 2) -> None:
        self.now = 0.0
        self.stats = ClusterStats()
        self.events: list[OutlierEvent] = []
        self.hosts = [Host(SocketAddress("10.0.0.1", port), 0.0) for port in range(1, hosts + 1)]
        self.detector = self.another(config)

    def another(self, config: OutlierDetection) -> Detector:
        """Put *config* in force."""
        self.detector = Detector(config, self.stats, lambda: self.now, Random(1), self.events.append)
        self.detector.watch(self.hosts)
        return self.detector

    def monitor(self, at: int = 0) -> HostMonitor:
        monitor = self.hosts[at].monitor
        assert monitor is not None
        return monitor

    def answer(self, *statuses: int, at: int = 0) -> None:
        for status in statuses:
            self.monitor(at).answered(status)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            self.now += 1
            self.detector.tick(self.now)

    def out(self) -> list[int]:
        return [i for i, host in enumerate(self.hosts) if host.has(HealthFlag.FAILED_OUTLIER_CHECK)]

    def counted(self) -> dict[str, int]:
        return {name.removeprefix("outlier_detection.ejections_"): count for name, count in self.stats.more.items() if count}


def test_a_row_of_5xx_is_enough() -> None:
    lab = Lab()
    lab.answer(500, 500, 500, 500)
    assert lab.out() == []
    lab.answer(500)
    assert lab.out() == [0]
    assert lab.hosts[0].health is Health.UNHEALTHY
    assert lab.counted() == {
        "detected_consecutive_5xx": 1,
        "enforced_consecutive_5xx": 1,
        "enforced_total": 1,
        "total": 1,
        "consecutive_5xx": 1,
    }
    assert lab.stats.more_gauges == {"outlier_detection.ejections_active": 1}


def test_a_good_answer_ends_the_row() -> None:
    lab = Lab()
    lab.answer(*[500] * 4, 499, *[500] * 4)
    assert lab.out() == []


def test_gateway_failures_are_a_row_of_their_own() -> None:
    lab = Lab(replace(EVERYBODY, consecutive_5xx=9, consecutive_gateway_failure=3, enforcing_consecutive_gateway_failure=100))
    lab.answer(502, 503, 500, 504, 502)
    assert lab.out() == []
    lab.answer(503)
    assert lab.out() == [0]
    assert lab.counted() == {"detected_consecutive_gateway_failure": 1, "enforced_consecutive_gateway_failure": 1, "enforced_total": 1}


def test_what_is_not_enforced_is_counted_only() -> None:
    lab = Lab(replace(EVERYBODY, enforcing_consecutive_5xx=0))
    lab.answer(*[500] * 5)
    assert lab.out() == []
    assert lab.counted() == {"detected_consecutive_5xx": 1, "total": 1, "consecutive_5xx": 1}
    assert [(event.action, event.enforced) for event in lab.events] == [("EJECT", False)]
    lab.answer(*[500] * 5)  # the row begins anew
    assert lab.counted()["detected_consecutive_5xx"] == 2


@pytest.mark.parametrize(
    ("percent", "one", "out"), [(10, False, []), (50, False, [0]), (99, False, [0]), (100, False, [0, 1]), (10, True, [0])]
)
def test_the_most_that_may_be_out(percent: int, one: bool, out: list[int]) -> None:
    lab = Lab(OutlierDetection(max_ejection_percent=percent, always_eject_one_host=one))
    lab.answer(*[500] * 5, at=0)
    lab.answer(*[500] * 5, at=1)
    assert lab.out() == out
    assert lab.counted().get("overflow", 0) == 2 - len(out)


def test_failures_of_ours_count_as_the_answers_they_lead_to() -> None:
    lab = Lab(replace(EVERYBODY, consecutive_gateway_failure=5, enforcing_consecutive_gateway_failure=100, enforcing_consecutive_5xx=0))
    monitor = lab.monitor()
    for _ in range(3):
        monitor.failed(REFUSED)
        monitor.failed(FULL)
    monitor.connected()
    monitor.timed_out()
    assert lab.out() == []
    monitor.timed_out()
    assert lab.out() == [0]


def test_failures_of_ours_are_told_apart_where_that_is_asked_for() -> None:
    lab = Lab(replace(EVERYBODY, split_external_local_origin_errors=True, consecutive_5xx=2, consecutive_local_origin_failure=3))
    monitor = lab.monitor()
    monitor.failed(REFUSED)
    monitor.failed(REFUSED)
    monitor.connected()
    monitor.answered(500)
    monitor.failed(REFUSED)
    monitor.timed_out()
    assert lab.out() == []
    monitor.failed(REFUSED)
    assert lab.out() == [0]
    assert lab.counted() == {
        "detected_consecutive_local_origin_failure": 1,
        "enforced_consecutive_local_origin_failure": 1,
        "enforced_total": 1,
    }


def test_a_host_comes_back_after_a_time_that_grows() -> None:
    lab = Lab(replace(EVERYBODY, base_ejection_time=30.0))
    lab.answer(*[500] * 5)
    lab.wait(29)
    assert lab.out() == [0]
    lab.wait(1)
    assert lab.out() == []
    assert lab.hosts[0].since == 30.0
    lab.answer(*[500] * 5)  # at once again: it has not yet been well for an interval
    lab.wait(30)
    assert lab.out() == [0]
    lab.wait(30)
    assert lab.out() == []
    lab.wait(20)  # two intervals in peace make up for it
    lab.answer(*[500] * 5)
    lab.wait(30)
    assert lab.out() == []
    assert [event.action for event in lab.events] == ["EJECT", "UNEJECT"] * 3


def test_it_is_never_out_for_longer_than_the_longest() -> None:
    lab = Lab(replace(EVERYBODY, base_ejection_time=30.0, max_ejection_time=40.0))
    for _ in range(4):
        lab.answer(*[500] * 5)
        lab.wait(40)
        assert lab.out() == []


def test_jitter_makes_it_longer() -> None:
    lab = Lab(replace(EVERYBODY, base_ejection_time=10.0, max_ejection_time_jitter=1000.0))
    lab.answer(*[500] * 5)
    lab.wait(10)
    assert lab.out() == [0]
    lab.wait(1000)
    assert lab.out() == []


def rates(lab: Lab, *good: int, of: int = 100) -> None:
    for at, number in enumerate(good):
        lab.answer(*[200] * number, at=at)
        for _ in range(of - number):  # no row is long
            lab.monitor(at).consecutive_5xx = 0
            lab.answer(500, at=at)


def test_success_rates_are_compared() -> None:
    lab = Lab(hosts=5)
    rates(lab, 100, 100, 100, 100, 70)
    lab.wait(10)
    assert lab.out() == [4]
    [event] = lab.events
    assert (event.kind, event.rate, event.mean, round(event.threshold, 1)) == ("SUCCESS_RATE", 70.0, 94.0, 71.2)
    assert lab.monitor(0).external.rate == 100.0
    lab.wait(10)
    assert lab.monitor(0).external.rate == -1.0


@pytest.mark.parametrize(("hosts", "of"), [(4, 100), (5, 99)])
def test_success_rates_of_too_few(hosts: int, of: int) -> None:
    lab = Lab(hosts=hosts)
    rates(lab, *[of] * (hosts - 1), 10, of=of)
    lab.wait(10)
    assert lab.out() == []


def test_failure_percentages() -> None:
    lab = Lab(replace(EVERYBODY, enforcing_success_rate=0, enforcing_failure_percentage=100), hosts=5)
    rates(lab, 50, 16, 15, 0, 50)
    lab.wait(10)
    assert lab.out() == [2, 3]
    assert lab.counted() == {"detected_failure_percentage": 2, "enforced_failure_percentage": 2, "enforced_total": 2}


def test_shares_of_our_own_failures() -> None:
    config = replace(EVERYBODY, split_external_local_origin_errors=True, enforcing_failure_percentage_local_origin=100)
    lab = Lab(replace(config, consecutive_local_origin_failure=1000), hosts=5)
    for at in range(5):
        for _ in range(100):
            lab.monitor(at).connected()
    for _ in range(900):
        lab.monitor(4).timed_out()
    lab.wait(10)
    assert lab.out() == [4]
    assert lab.counted()["enforced_local_origin_success_rate"] == 1


def test_a_reload_forgets_nothing() -> None:
    lab = Lab()
    lab.answer(*[500] * 5)
    lab.answer(*[500] * 3, at=1)
    lab.wait(20)
    lab.another(replace(EVERYBODY, interval=1.0, consecutive_5xx=4))
    assert lab.out() == [0]
    lab.answer(500, at=1)
    assert lab.out() == [0, 1]
    lab.wait(10)
    assert lab.out() == [1]


def test_hosts_that_leave_are_no_outliers_any_more() -> None:
    lab = Lab()
    lab.answer(*[500] * 5)
    gone = lab.hosts.pop(0)
    lab.detector.watch(lab.hosts)
    assert (gone.health, gone.monitor) == (Health.HEALTHY, None)
    assert lab.stats.more_gauges == {"outlier_detection.ejections_active": 0}


def test_without_outlier_detection_there_are_no_outliers() -> None:
    lab = Lab()
    lab.answer(*[500] * 5)
    forget(lab.hosts, lab.stats, 5.0)
    assert (lab.hosts[0].health, lab.hosts[0].monitor) == (Health.HEALTHY, None)
    assert lab.stats.more_gauges == {}


@pytest.mark.parametrize("ends", [True, False])
def test_a_successful_health_check_may_end_an_ejection(ends: bool) -> None:
    lab = Lab(replace(EVERYBODY, successful_active_health_check_uneject_host=ends))
    lab.answer(*[500] * 5)
    lab.monitor().check_succeeded()
    assert lab.out() == ([] if ends else [0])


def test_but_not_while_it_fails_otherwise() -> None:
    lab = Lab()
    lab.answer(*[500] * 5)
    lab.hosts[0].set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    lab.monitor().check_succeeded()
    assert lab.out() == [0]


def test_events_are_envoys_lines() -> None:
    lab = Lab(hosts=5)
    lab.answer(*[500] * 5)
    rates(lab, 0, 100, 100, 100, 100)
    lab.wait(30)
    eject, back = (json.loads(event.line("service1", 1.5)) for event in lab.events)
    assert eject == {
        "type": "CONSECUTIVE_5XX",
        "cluster_name": "service1",
        "upstream_url": "10.0.0.1:1",
        "action": "EJECT",
        "num_ejections": 1,
        "enforced": True,
        "timestamp": "1970-01-01T00:00:01.500Z",
        "eject_consecutive_event": {},
    }
    assert (back["action"], back["secs_since_last_action"], back["num_ejections"]) == ("UNEJECT", "30", 1)


def test_events_tell_the_rates() -> None:
    lab = Lab(replace(EVERYBODY, enforcing_failure_percentage=100, failure_percentage_threshold=30, max_ejection_percent=20), hosts=5)
    rates(lab, 100, 100, 100, 100, 70)
    lab.wait(10)
    lab.wait(40)
    said = [json.loads(event.line("c", 0.0)) for event in lab.events]
    assert said[0]["eject_success_rate_event"] == {
        "host_success_rate": 70,
        "cluster_average_success_rate": 94,
        "cluster_success_rate_ejection_threshold": 71,
    }


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([200, 500, 503])), max_size=300), st.integers(0, 100))
def test_never_more_are_out_than_may_be(answers: list[tuple[int, int]], percent: int) -> None:
    lab = Lab(OutlierDetection(max_ejection_percent=percent, consecutive_5xx=2), hosts=10)
    for at, status in answers:
        lab.answer(status, at=at)
        assert len(lab.out()) * 10 <= percent
        assert lab.stats.more_gauges["outlier_detection.ejections_active"] == len(lab.out())


def test_a_detector_that_was_stopped_says_nothing_of_what_others_look_at() -> None:
    lab = Lab()
    lab.answer(*[500] * 5)
    kept, gone = lab.hosts[:2]
    late = gone.monitor
    later = Detector(lab.detector.config, lab.stats, lambda: 0.0, Random())
    later.watch([kept])
    lab.detector.stop()
    assert gone.monitor is None
    assert late is not None
    for _ in range(5):
        late.answered(500)
    assert kept.has(HealthFlag.FAILED_OUTLIER_CHECK)
    assert not gone.flags
    assert lab.stats.more_gauges == {"outlier_detection.ejections_active": 1}
