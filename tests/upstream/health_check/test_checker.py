"""The checks of a whole cluster: who is checked, when they hold, and what a reload leaves as it was."""

from dataclasses import replace

from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from shifter.model.address import SocketAddress
from shifter.model.cluster import UpstreamConnectionOptions
from shifter.model.health_check import GrpcHealthCheck, HttpHealthCheck, TcpHealthCheck
from shifter.model.load_balancing import CommonLbConfig
from shifter.model.outlier_detection import OutlierDetection
from shifter.upstream.health_check import forget_checks
from shifter.upstream.host import Health, HealthFlag
from shifter.upstream.outlier_detection import Detector
from tests.support.checks import BAD, HANG, HTTP, OK, REFUSE, Ward, answer

FAILED = ["failed_active_hc"]
ONE = replace(HTTP, name="one", check=HttpHealthCheck(b"/one"))
TWO = replace(HTTP, name="two", check=TcpHealthCheck(), reuse_connection=False)


# who is checked


def test_hosts_that_come_are_checked_and_those_that_go_are_not() -> None:
    ward = Ward(hosts=3)
    two, three = ward.hosts[1:]
    ward.hosts = ward.hosts[:2]
    checker = ward.checker()
    assert repr(checker) == "<HealthChecker hosts=2 unhealthy=0 unknown=0>"
    ward.does[3] = HANG
    checker.watch([two, three])
    ward.wait(2)
    assert ward.times(1) == [0]
    assert len(ward.times(2)) == 3
    assert (ward.first.check, ward.flags(ward.first)) == (None, [])
    assert ward.flags(three) == [*FAILED, "active_hc_timeout"]
    assert all(transport.lost is not None for transport in ward.network.outgoing if transport.peer.port == 1)
    assert ward.stats.more_gauges["health_check.healthy"] == 1


def test_a_host_may_not_want_to_be_checked() -> None:
    ward = Ward()
    ward.hosts = [ward.host(1, disable_active_health_check=True)]
    checker = ward.checker()
    ward.wait(2)
    assert ward.asked == []
    assert ward.flags() == []
    ward.first.describe(ward.host(1).endpoint, 1, 0.0)
    checker.watch(ward.hosts)
    ward.settle()
    assert ward.times() == [2]
    ward.first.describe(ward.host(1, disable_active_health_check=True).endpoint, 1, 0.0)
    ward.first.set(HealthFlag.FAILED_ACTIVE_HC, 0.0)
    checker.watch(ward.hosts)
    ward.wait(2)
    assert ward.times() == [2]
    assert ward.flags() == []


def test_checks_may_go_elsewhere() -> None:
    ward = Ward()
    ward.does |= {7: OK, 8: OK}
    ward.hosts = [ward.host(1, health_check_port=7, health_check_hostname="check.example")]
    ward.checker()
    assert ward.asked == [(0.0, 7)]
    assert b"\r\nhost: check.example\r\n" in ward.requests[0]
    ward.first.describe(ward.host(1, health_check_port=8).endpoint, 1, 0.0)
    ward.wait(1)
    assert ward.asked == [(0.0, 7), (1.0, 8)]


def test_checks_connect_as_requests_do() -> None:
    options = UpstreamConnectionOptions(source_addresses=(SocketAddress("192.0.2.9", 0),))
    for check in (HTTP, TWO, replace(HTTP, check=HttpHealthCheck(b"/", http2=True)), replace(HTTP, check=GrpcHealthCheck())):
        ward = Ward(check, connection_options=options)
        ward.does[1] = REFUSE
        ward.checker()
        made = ward.network.outgoing[0].options
        assert made is not None and made.socket == options


def test_new_hosts_may_be_left_out_until_they_are_known() -> None:
    ward = Ward(common_lb=CommonLbConfig(ignore_new_hosts_until_first_hc=True))
    ward.does[1] = HANG
    ward.checker()
    assert ward.flags() == [*FAILED, "pending_active_hc"]
    ward.wait(0.5)
    assert ward.flags() == [*FAILED, "active_hc_timeout"]


def test_hosts_that_serve_already_are_not_left_out() -> None:
    ward = Ward(common_lb=CommonLbConfig(ignore_new_hosts_until_first_hc=True))
    ward.does[1] = HANG
    checker = ward.checker(in_force=False)
    checker.activate(ward.hosts)
    assert ward.flags() == []
    ward.wait(0.5)
    assert ward.flags() == []  # one failure is not enough for that


def test_a_crowd_that_comes_together_is_scattered() -> None:
    ward = Ward(hosts=51)
    ward.lot.value = 0.25
    ward.checker()
    ward.wait(2)
    assert ward.times(51) == [0, 0.25, 1.25]
    assert not any(ward.flags(host) for host in ward.hosts)


# several checks


def test_a_host_is_as_well_as_its_worst_check_says() -> None:
    ward = Ward(ONE, TWO)
    checker = ward.checker()
    assert ward.flags() == []
    ward.does[1] = BAD
    ward.wait(1)
    assert ward.flags() == FAILED
    assert ward.counted() == {
        "name.one.attempt": 2,
        "name.one.success": 1,
        "name.one.failure": 1,
        "name.two.attempt": 2,
        "name.two.success": 2,
        "name.two.healthy": 1,
    }
    ward.does[1] = answer(200, b"x-envoy-degraded: ")
    ward.wait(2)
    assert ward.flags() == ["degraded_active_hc"]
    assert {name for name in ward.counted() if "." not in name} == {"healthy", "degraded"}
    checker.stop()
    forget_checks(ward.hosts, ward.stats, 0.0)
    assert ward.stats.more_gauges == {}


def test_one_name_makes_the_figures_bear_it() -> None:
    ward = Ward(ONE)
    ward.checker()
    assert set(ward.counted()) == {"name.one.attempt", "name.one.success", "name.one.healthy"}


def test_with_several_checks_the_first_outcome_is_there_when_all_are() -> None:
    ward = Ward(ONE, replace(TWO, check=HttpHealthCheck(b"/two"), initial_jitter=1.0))
    ward.lot.value = 0.5
    checker = ward.checker()
    fired: list[None] = []
    checker.checked().addCallback(fired.append)
    assert ward.flags() == FAILED
    assert fired == []
    ward.wait(0.5)
    assert ward.flags() == []
    assert fired == [None]


# warming


def test_the_first_checks_can_be_waited_for() -> None:
    ward = Ward(hosts=3)
    ward.does |= {2: REFUSE, 3: HANG}
    checker = ward.checker(in_force=False)
    fired: list[None] = []
    checker.checked().addCallback(fired.append)
    assert fired == []
    ward.wait(0.5)
    assert fired == [None]
    assert [ward.flags(host) for host in ward.hosts] == [[], [], []]  # nobody serves by this configuration yet
    checker.activate()
    assert [ward.flags(host) for host in ward.hosts] == [[], FAILED, [*FAILED, "active_hc_timeout"]]
    ward.wait(1)
    assert ward.times(1) == [0, 1]


def test_without_hosts_there_is_nothing_to_wait_for() -> None:
    ward = Ward(hosts=0)
    assert ward.checker().checked().called


def test_who_stops_waits_no_more() -> None:
    ward = Ward()
    ward.does[1] = HANG
    checker = ward.checker(in_force=False)
    waiting = checker.checked()
    checker.stop()
    assert waiting.called
    ward.wait(2)
    assert ward.clock.getDelayedCalls() == []


def test_a_host_that_goes_while_it_is_waited_for() -> None:
    ward = Ward()
    ward.does[1] = HANG
    checker = ward.checker(in_force=False)
    waiting = checker.checked()
    checker.watch([])
    assert waiting.called


def test_nobody_has_to_wait() -> None:
    ward = Ward()
    ward.does[1] = HANG
    checker = ward.checker(in_force=False)
    waiting = checker.checked()
    waiting.addErrback(lambda failure: None)
    waiting.cancel()
    ward.wait(1)
    assert ward.first.health is Health.HEALTHY
    checker.activate()
    assert ward.first.health is Health.UNHEALTHY


# reloads


def test_a_reload_changes_the_health_of_nobody() -> None:
    ward = Ward(hosts=2)
    ward.does[2] = BAD
    before = ward.checker()
    changes: list[object] = []
    for host in ward.hosts:
        host.watch(changes.append)
    ward.wait(1.5)
    after = ward.checker(replace(HTTP, interval=2.0), in_force=False)
    assert after.checked().called  # they are known
    asked = len(ward.asked)
    ward.lot.value = 0.25
    after.activate()
    before.stop()
    assert [ward.flags(host) for host in ward.hosts] == [[], FAILED]
    assert changes == []
    assert ward.stats.more_gauges["health_check.healthy"] == 1
    ward.settle()
    assert len(ward.asked) == asked
    ward.wait(3)
    assert ward.times(1) == [0, 1, 2, 4]  # within the interval, and then after it


def test_a_count_goes_on_over_a_reload() -> None:
    ward = Ward()
    before = ward.checker()
    ward.does[1] = REFUSE
    ward.network.outgoing[-1].hang_up()
    ward.wait(2)
    after = ward.checker(replace(HTTP, interval=1.25), in_force=False)
    after.activate()
    before.stop()
    assert ward.flags() == []
    ward.wait(0.125)
    assert ward.flags() == FAILED


def test_another_check_begins_with_what_was_known() -> None:
    ward = Ward(ONE, TWO)
    ward.does[1] = answer(500, b"x-envoy-immediate-health-check-fail: ")
    before = ward.checker()
    ward.wait(1)
    after = ward.checker(TWO, in_force=False)
    after.activate()
    before.stop()
    assert ward.flags() == ["excluded_via_immediate_hc_fail"]  # for it was the other check that failed
    three = ward.checker(replace(TWO, name="three"), in_force=False)
    three.activate()
    after.stop()
    assert ward.first.health is Health.HEALTHY


def test_what_the_old_checks_know_holds_until_the_new_ones_know_better() -> None:
    ward = Ward()
    ward.does[1] = HANG
    before = ward.checker()
    after = ward.checker(replace(HTTP, name="slow", initial_jitter=8.0), in_force=False)
    ward.wait(0.25)
    ward.does[1] = OK
    for transport in ward.network.outgoing:
        if transport.connecting:
            transport.establish()
    ward.settle()
    assert ward.flags() == []
    after.activate()
    before.stop()
    assert ward.flags() == []
    assert after.checked().called


def test_the_log_tells_of_hosts_that_fail_and_come_back() -> None:
    ward = Ward()
    said: list[str] = []

    def hear(event: LogEvent) -> None:
        if event["log_namespace"] == "shifter.upstream.health_check.checker":
            said.append(formatEvent(event))

    globalLogPublisher.addObserver(hear)
    try:
        ward.checker()
        for does in (BAD, BAD, OK, OK, OK):
            ward.does[1] = does
            ward.wait(1)
    finally:
        globalLogPublisher.removeObserver(hear)
    assert said == ["cluster c: 192.0.2.1:1 fails its health checks", "cluster c: 192.0.2.1:1 passes its health checks"]


def test_checks_that_are_added_hold_when_they_are_in_force() -> None:
    ward = Ward(hosts=2)
    ward.does[2] = BAD
    checker = ward.checker(in_force=False)
    ward.wait(1)
    assert [ward.flags(host) for host in ward.hosts] == [[], []]
    checker.activate()
    assert [ward.flags(host) for host in ward.hosts] == [[], FAILED]


def test_checks_that_are_taken_away_leave_no_trace() -> None:
    ward = Ward()
    ward.does[1] = answer(500, b"x-envoy-immediate-health-check-fail: ")
    checker = ward.checker()
    forget_checks(ward.hosts, ward.stats, 0.0)
    assert (ward.flags(), ward.first.check) == ([], None)
    checker.stop()
    assert ward.clock.getDelayedCalls() == []


def test_a_host_that_the_old_configuration_dropped_meanwhile_is_new() -> None:
    ward = Ward()
    before = ward.checker()
    after = ward.checker(ONE, in_force=False)
    before.watch([])
    after.activate()
    ward.settle()
    assert ward.flags() == []
    assert [request.split()[1] for request in ward.requests] == [b"/hc", b"/one"]


def test_a_host_that_nobody_knew_yet_is_asked_by_both() -> None:
    ward = Ward()
    ward.does[1] = HANG
    before = ward.checker()
    ward.does[1] = OK
    after = ward.checker(ONE, in_force=False)
    assert after.checked().called
    after.activate()
    before.stop()
    assert ward.flags() == []


# who else hears of it


def test_a_host_may_be_let_go_of_because_it_failed() -> None:
    ward = Ward()
    checker = ward.checker()
    ward.failed = [ward.first]
    checker._failed = lambda host: checker.watch([])
    ward.does[1] = BAD
    ward.wait(3)
    assert ward.times() == [0, 1]
    assert ward.clock.getDelayedCalls() == []


def test_a_good_check_may_end_an_ejection() -> None:
    ward = Ward()
    ward.checker()
    detector = Detector(OutlierDetection(consecutive_5xx=1, max_ejection_percent=100), ward.stats, ward.clock.seconds, ward.lot)
    detector.watch(ward.hosts)
    assert ward.first.monitor is not None
    ward.first.monitor.answered(500)
    assert ward.flags() == ["failed_outlier_check"]
    ward.wait(1)
    assert ward.flags() == []


def test_who_answers_requests_so_is_failed_once_only() -> None:
    ward = Ward()
    ward.checker()
    for _ in range(2):
        assert ward.first.check is not None
        ward.first.check.answered(b"\r\nx-envoy-immediate-health-check-fail: true")
    assert len(ward.failed) == 1
