"""When a host is checked, and after how many outcomes of which kind it counts as well or not."""

from dataclasses import replace
from typing import Any

import pytest

from shifter.model.health_check import HealthCheck, HttpHealthCheck, TcpHealthCheck
from shifter.upstream.health_check.checker import HealthChecker
from shifter.upstream.host import Health
from tests.support.checks import BAD, HANG, HTTP, OK, REFUSE, Ward, answer

FAILED = ["failed_active_hc"]
TIMED_OUT = ["failed_active_hc", "active_hc_timeout"]
RETRIABLE = replace(HTTP, check=HttpHealthCheck(b"/hc", retriable_statuses=((503, 504),)))


def checked(*checks: HealthCheck, **more: Any) -> tuple[Ward, HealthChecker]:
    ward = Ward(*checks, **more)
    return ward, ward.checker()


# what follows from outcomes


def test_a_host_is_unhealthy_until_its_first_check_went_well_and_one_is_enough() -> None:
    ward = Ward()
    ward.does[1] = HANG
    ward.checker()
    assert ward.first.health is Health.UNHEALTHY
    assert ward.flags() == FAILED
    assert ward.failed == []
    ward = Ward()
    ward.checker()
    assert ward.first.health is Health.HEALTHY
    assert ward.times() == [0.0]


def test_after_a_bad_first_check_it_takes_all_of_them() -> None:
    ward = Ward()
    ward.does[1] = BAD
    ward.checker()
    assert ward.flags() == FAILED
    ward.does[1] = OK
    ward.wait(1)
    assert ward.flags() == FAILED
    ward.wait(1)
    assert ward.flags() == []


def test_an_answer_that_says_no_is_enough() -> None:
    ward, _ = checked()
    ward.does[1] = BAD
    ward.wait(1)
    assert ward.flags() == FAILED
    assert ward.failed == [ward.first]
    assert ward.counted() == {"attempt": 2, "success": 1, "failure": 1}


@pytest.mark.parametrize("does", [REFUSE, answer(503), b"garbage\r\n\r\n"], ids=["refused", "retriable status", "no HTTP"])
def test_what_may_pass_takes_the_threshold(does: str | bytes) -> None:
    ward = Ward(replace(RETRIABLE, reuse_connection=False))
    ward.checker()
    ward.does[1] = does
    ward.wait(2)
    assert ward.flags() == []
    ward.wait(1)
    assert ward.flags() == FAILED
    assert len(ward.failed) == 1


def test_a_good_check_in_between_starts_the_count_anew() -> None:
    ward, _ = checked(RETRIABLE)
    for _ in range(3):
        ward.does[1] = answer(503)
        ward.wait(2)
        ward.does[1] = OK
        ward.wait(1)
    assert ward.flags() == []


def test_a_bad_check_in_between_starts_the_way_back_anew() -> None:
    ward, _ = checked()
    ward.does[1] = BAD
    ward.wait(1)
    for does in (OK, BAD, OK):
        ward.does[1] = does
        ward.wait(1)
        assert ward.flags() == FAILED
    ward.wait(1)
    assert ward.flags() == []


def test_no_answer_in_time() -> None:
    ward, _ = checked()
    ward.does[1] = HANG
    ward.wait(1.5 + 1.5)
    assert ward.flags() == []
    ward.wait(1.5)
    assert ward.flags() == TIMED_OUT
    assert ward.counted() == {"attempt": 4, "success": 1, "failure": 3, "network_failure": 3}
    ward.does[1] = BAD  # it fails for another reason now
    ward.wait(1.5)
    assert ward.flags() == FAILED


def test_degraded_hosts_say_so_themselves() -> None:
    ward, _ = checked()
    ward.does[1] = answer(200, b"x-envoy-degraded: ")
    ward.wait(1)
    assert ward.first.health is Health.DEGRADED
    assert ward.flags() == ["degraded_active_hc"]
    assert ward.counted() == {"attempt": 2, "success": 2, "healthy": 1, "degraded": 1}
    ward.does[1] = OK
    ward.wait(1)
    assert ward.flags() == []
    assert ward.stats.more_gauges["health_check.degraded"] == 0  # in Envoy the gauge stays


def test_who_asks_to_be_left_out_is_until_it_is_well_again() -> None:
    ward, _ = checked()
    ward.does[1] = answer(500, b"x-envoy-immediate-health-check-fail: true")
    ward.wait(1)
    assert ward.flags() == [*FAILED, "excluded_via_immediate_hc_fail"]
    ward.does[1] = OK
    ward.wait(1)
    assert ward.flags() == [*FAILED, "excluded_via_immediate_hc_fail"]
    ward.wait(1)
    assert ward.flags() == []


def test_who_asks_to_be_left_out_with_an_answer_that_may_pass() -> None:
    ward, _ = checked(RETRIABLE)
    ward.does[1] = answer(503, b"x-envoy-immediate-health-check-fail: true")
    ward.wait(1)
    assert ward.flags() == ["excluded_via_immediate_hc_fail"]
    ward.does[1] = OK
    ward.wait(1)
    assert ward.flags() == []


def test_the_answer_to_a_request_may_fail_a_host() -> None:
    ward, _ = checked()
    assert ward.first.check is not None
    ward.first.check.answered(b"\r\ncontent-type: text/plain")
    assert ward.flags() == []
    ward.first.check.answered(b"\r\nx-envoy-immediate-health-check-fail: true")
    assert ward.flags() == [*FAILED, "excluded_via_immediate_hc_fail"]
    assert ward.failed == [ward.first]
    assert ward.counted() == {"attempt": 1, "success": 1, "failure": 1, "passive_failure": 1}
    ward.wait(2)
    assert ward.times() == [0, 1, 2]  # which makes no check earlier or later
    assert ward.flags() == []


# when


def test_the_next_check_is_an_interval_after_the_outcome() -> None:
    ward, _ = checked()
    ward.wait(2)
    ward.does[1] = HANG
    ward.wait(3)
    ward.does[1] = OK
    ward.wait(2)
    assert ward.times() == [0, 1, 2, 3, 6, 7]  # those at 3 and (not connected) 4.5 took their timeout of 0.5


def test_intervals_depend_on_how_the_host_is_and_whether_that_may_change() -> None:
    ward, _ = checked(
        replace(
            RETRIABLE, interval=10.0, unhealthy_interval=5.0, unhealthy_edge_interval=2.0, healthy_edge_interval=1.0, unhealthy_threshold=2
        )
    )
    ward.wait(10)
    ward.does[1] = answer(503)
    ward.wait(10)  # the first failure, at 20: one more, and the host changes
    ward.wait(2)  # the second, at 22
    assert ward.flags() == FAILED
    ward.wait(5)  # 27: still bad
    ward.does[1] = OK
    ward.wait(5)  # 32: good once
    ward.wait(1)  # 33: good twice
    assert ward.flags() == []
    ward.wait(10)
    assert ward.times() == [0, 10, 20, 22, 27, 32, 33, 43]


def test_unhealthy_edges_are_as_long_as_unhealthy_intervals_and_those_as_all() -> None:
    ward, _ = checked(replace(RETRIABLE, unhealthy_interval=3.0))
    ward.does[1] = answer(503)
    ward.wait(13)
    assert ward.times() == [0, 1, 4, 7, 10, 13]


def test_a_cluster_without_traffic_is_checked_less() -> None:
    ward, _ = checked(replace(HTTP, no_traffic_interval=4.0), traffic=False)
    ward.wait(8)
    assert ward.times() == [0, 4, 8]
    ward.stats.upstream_cx_total = 1  # which is seen at the next check
    ward.wait(6)
    assert ward.times() == [0, 4, 8, 12, 13, 14]


def test_a_healthy_cluster_without_traffic_is_checked_less_still() -> None:
    ward, _ = checked(replace(RETRIABLE, no_traffic_interval=2.0, no_traffic_healthy_interval=5.0), traffic=False)
    ward.wait(5)
    ward.does[1] = answer(503)
    ward.wait(9)
    assert ward.times() == [0, 5, 10, 12, 14]


def test_jitter_is_added() -> None:
    ward = Ward(replace(HTTP, interval_jitter=2.0, interval_jitter_percent=50))
    ward.lot.value = 0.5
    ward.checker()
    ward.wait(5)
    assert ward.times() == [0, 2.25, 4.5]  # 1 s and half of 0.5 s + 2 s


def test_the_first_check_may_be_spread() -> None:
    ward = Ward(replace(HTTP, initial_jitter=2.0))
    ward.lot.value = 0.625
    ward.checker()
    assert ward.times() == []
    ward.wait(3)
    assert ward.times() == [1.25, 2.25]


def test_there_is_always_some_time_between_two_checks() -> None:
    ward = Ward(replace(HTTP, interval=1e-9))
    ward.checker()
    ward.wait(0.003, step=0.001)
    assert len(ward.times()) == 4


# the event log


def test_what_is_told() -> None:
    ward, _ = checked(replace(HTTP, event_log_path="/log"))
    ward.wait(1)
    ward.does[1] = BAD
    ward.wait(2)
    ward.does[1] = answer(200, b"x-envoy-degraded: ")
    ward.wait(2)
    ward.does[1] = OK
    ward.wait(1)
    assert [(event.kind.name, event.first_check, event.status) for event in ward.events] == [
        ("ADD_HEALTHY", True, 0),
        ("EJECT_UNHEALTHY", False, 500),
        ("DEGRADED", False, 0),
        ("ADD_HEALTHY", False, 0),
        ("NO_LONGER_DEGRADED", False, 0),
    ]


def test_more_can_be_told() -> None:
    ward, _ = checked(replace(HTTP, event_log_path="/log", always_log_health_check_failures=True, always_log_health_check_success=True))
    ward.wait(1)
    ward.does[1] = BAD
    ward.wait(2)
    assert [event.kind.name for event in ward.events] == ["ADD_HEALTHY", "SUCCESSFUL", "EJECT_UNHEALTHY", "FAILURE", "FAILURE"]


def test_a_first_failure_is_always_told() -> None:
    ward = Ward(replace(HTTP, event_log_path="/log"))
    ward.does[1] = REFUSE
    ward.checker()
    assert [(event.kind.name, event.failure.name, event.first_check) for event in ward.events] == [("FAILURE", "NETWORK", True)]


def test_nothing_is_told_where_nobody_wants_to_know() -> None:
    ward, _ = checked()
    assert ward.events == []


def test_a_session_says_how_it_stands() -> None:
    ward = Ward(replace(HTTP, check=TcpHealthCheck()))
    ward.does[1] = HANG
    ward.checker()
    assert ward.first.check is not None
    (session,) = ward.first.check.sessions
    assert repr(session) == "<Session 192.0.2.1:1 TCP unknown good=0 bad=0>"
    ward.wait(0.5)
    assert repr(session) == "<Session 192.0.2.1:1 TCP unhealthy good=0 bad=0>"
    assert repr(session._probe) == "<TcpProbe 192.0.2.1:1 resting not connected>"
