"""What is counted comes out under Envoy's names, and what follows from it is right."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.cluster import CircuitBreakers, RetryBudget, Thresholds
from shifter.model.report import EndpointReport
from shifter.observe.server_stats import STATES, ServerStats
from shifter.observe.stats import ClusterStats, EndpointStats, HttpStats, ListenerStats, counter


def test_a_request_is_three_changes_downstream() -> None:
    http = HttpStats()
    http.downstream_rq_http1_total += 1
    assert http.downstream_rq_active == 1
    http.codes[200] += 1
    http.downstream_rq_time.record(3)
    figures = http.report("ingress_http", "front").figures
    assert figures.counters["downstream_rq_total"] == 1
    assert figures.gauges["downstream_rq_active"] == 0
    assert figures.completed == 1
    assert figures.classes == {2: 1}
    assert figures.histograms["downstream_rq_time"].total == 3


def test_a_request_without_an_answer_is_over_but_not_completed() -> None:
    http = HttpStats()
    http.downstream_rq_http2_total += 1
    http.codes[0] += 1
    figures = http.report("p", "l").figures
    assert (figures.gauges["downstream_rq_active"], figures.completed, figures.classes) == (0, 0, {})


def test_what_filters_count_has_names_of_its_own() -> None:
    http, server = HttpStats(), ServerStats("1", 0.0)
    count = counter(http.filters)
    count("fault.aborts_injected", 0)
    count("fault.delays_injected")
    count("fault.delays_injected", by=2)
    counter(server.filters)("limit.http_local_rate_limit.ok")
    counters = http.report("p", "l").figures.counters
    assert (counters["fault.aborts_injected"], counters["fault.delays_injected"]) == (0, 3)
    assert server.report(0.0).server.counters["limit.http_local_rate_limit.ok"] == 1


@given(st.lists(st.integers(100, 999)))
def test_completed_and_classes_follow_from_codes(codes: list[int]) -> None:
    cluster = ClusterStats()
    for code in codes:
        cluster.codes[code] += 1
    figures = cluster.report("c").figures
    assert figures.completed == len(codes)
    assert figures.classes == {first: n for first in range(1, 6) if (n := sum(code // 100 == first for code in codes))}


def test_connections_that_ended_are_not_active() -> None:
    http, cluster, listener = HttpStats(), ClusterStats(), ListenerStats()
    http.downstream_cx_total, http.downstream_cx_destroy_local, http.downstream_cx_destroy_remote = 5, 1, 2
    cluster.upstream_cx_total, cluster.upstream_cx_destroy_local, cluster.upstream_cx_destroy_remote = 9, 3, 4
    cluster.upstream_cx_destroy_local_with_active_rq, cluster.upstream_cx_destroy_remote_with_active_rq = 1, 2
    listener.downstream_cx_total, listener.downstream_cx_destroy = 5, 3
    assert http.report("p", "l").figures.gauges["downstream_cx_active"] == 2
    assert http.report("p", "l").figures.counters["downstream_cx_destroy"] == 3
    figures = cluster.report("c").figures
    assert figures.gauges["upstream_cx_active"] == 2
    assert figures.counters["upstream_cx_destroy"] == 7
    assert figures.counters["upstream_cx_destroy_with_active_rq"] == 3
    assert listener.report("l", "::1", 80).figures.gauges["downstream_cx_active"] == 2


def test_a_cluster_tells_of_its_hosts_and_limits() -> None:
    endpoints = [
        EndpointStats().report(EndpointReport("10.0.0.1", 80, weight=3, hostname="service1")),
        EndpointStats().report(EndpointReport("10.0.0.2", 80, health_flags=("failed_active_hc",), health="unhealthy")),
    ]
    report = ClusterStats().report("service1", endpoints, CircuitBreakers(Thresholds(max_connections=7), Thresholds(max_retries=9)))
    assert report.high_limits["max_retries"] == 9
    assert report.figures.shared["membership_total"] == 2
    assert report.figures.shared["membership_healthy"] == 1
    assert report.figures.shared["max_host_weight"] == 3
    assert list(report.limits.items()) == [
        ("max_connections", 7),
        ("max_pending_requests", 1024),
        ("max_requests", 1024),
        ("max_retries", 3),
    ]


def test_circuit_breakers_are_open_at_their_limit() -> None:
    cluster = ClusterStats()
    limits = CircuitBreakers(Thresholds(max_connections=1, max_pending_requests=2, max_requests=3), Thresholds(max_retries=1))

    def breakers(priority: str = "default") -> list[int]:
        shared = cluster.report("c", (), limits).figures.shared
        return [shared[f"circuit_breakers.{priority}.{name}_open"] for name in ("cx", "rq_pending", "rq", "rq_retry", "cx_pool")]

    cluster.default.pending_requests, cluster.default.requests = 1, 2
    assert breakers() == [0, 0, 0, 0, 0]
    cluster.default.connections, cluster.default.pending_requests, cluster.default.requests = 1, 2, 3
    cluster.default.retries = 3
    assert breakers() == [1, 1, 1, 1, 0]
    assert breakers("high") == [0, 0, 0, 0, 0]
    cluster.high.retries = 1
    assert breakers("high") == [0, 0, 0, 1, 0]


def test_what_remains_is_told_where_it_is_tracked() -> None:
    cluster = ClusterStats()
    tracked = Thresholds(max_connections=4, max_pending_requests=3, max_requests=2, max_retries=1, track_remaining=True)
    cluster.default.connections, cluster.default.pending_requests, cluster.default.requests = 1, 5, 1

    def remaining(limits: CircuitBreakers) -> dict[str, int]:
        shared = cluster.report("c", (), limits).figures.shared
        return {name.partition(".")[2]: value for name, value in shared.items() if "remaining" in name}

    assert remaining(CircuitBreakers()) == {}
    assert remaining(CircuitBreakers(tracked)) == {
        "default.remaining_cx": 3,
        "default.remaining_cx_pools": (1 << 64) - 1,
        "default.remaining_pending": 0,
        "default.remaining_retries": 1,
        "default.remaining_rq": 1,
    }
    assert remaining(CircuitBreakers(high=replace(tracked, retry_budget=RetryBudget())))["high.remaining_retries"] == 0


def test_endpoint_figures_are_those_of_envoys_clusters_page() -> None:
    endpoint = EndpointStats()
    endpoint.rq_total += 1
    endpoint.rq_active += 1
    figures = endpoint.report(EndpointReport("10.0.0.1", 80)).figures
    assert set(figures.counters) == {"cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total"}
    assert figures.gauges == {"cx_active": 0, "rq_active": 1, "rq_pending_active": 0}


def test_the_server_puts_the_report_together() -> None:
    listener, cluster = ListenerStats(), ClusterStats()
    listener.downstream_cx_total = 4
    server = ServerStats("1.20.3rc1", started=1000.0, state="LIVE", config_version=2)
    report = server.report(
        1060.5,
        [listener.report("front", "127.0.0.1", 8000)],
        [HttpStats().report("ingress_http", "front")],
        [cluster.report("service1")],
        memory={"physical_size": 12},
    )
    everything = {**report.server.shared, **report.server.gauges, **report.server.counters}
    assert everything["server.uptime"] == 60
    assert everything["server.live"] == 1
    assert everything["server.state"] == 0
    assert everything["server.version"] == 12031
    assert everything["server.total_connections"] == 4
    assert everything["server.memory_physical_size"] == 12
    assert everything["cluster_manager.active_clusters"] == 1
    assert everything["shifter.config.version"] == 2
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_only_a_live_server_is_live() -> None:
    for number, state in enumerate(STATES):
        shared = ServerStats("1", 0.0, state=state).report(0.0).server.shared
        assert (shared["server.state"], shared["server.live"]) == (number, int(state == "LIVE"))


def test_a_report_does_not_change_with_what_it_was_made_from() -> None:
    cluster = ClusterStats()
    cluster.codes[200] += 1
    report = cluster.report("c")
    before = report.to_dict()
    cluster.codes[200] += 1
    cluster.upstream_rq_total += 1
    cluster.upstream_rq_time.record(1)
    assert report.to_dict() == before


def test_counters_cannot_be_misspelt() -> None:
    for stats in (ListenerStats(), HttpStats(), EndpointStats(), ClusterStats()):
        assert not hasattr(stats, "__dict__")
