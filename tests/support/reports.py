"""A report with a little of everything in it, for whatever shows reports."""

from shifter.model.cluster import CircuitBreakers, Thresholds
from shifter.model.histogram import HistogramReport
from shifter.model.report import EndpointReport, Report
from shifter.observe.histogram import Histogram
from shifter.observe.server_stats import ServerStats
from shifter.observe.stats import ClusterStats, EndpointStats, HttpStats, ListenerStats


def recorded(*values: float) -> HistogramReport:
    """A histogram of these durations."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram.report()


def a_report(name: str = "service1") -> Report:
    """Six requests through listener ``front`` to cluster *name*, one more answered by the proxy; a cluster without hosts."""
    listener, http, cluster, endpoint = ListenerStats(), HttpStats(), ClusterStats(), EndpointStats()
    listener.downstream_cx_total = 7
    listener.downstream_cx_destroy = 6
    http.downstream_cx_total = http.downstream_cx_http1_total = http.downstream_rq_http1_total = 7
    http.downstream_cx_destroy_remote = 6
    http.downstream_cx_rx_bytes_total = 611
    http.codes.update({200: 6, 503: 1})
    cluster.upstream_cx_total = cluster.upstream_cx_http1_total = 1
    cluster.upstream_rq_total = endpoint.rq_total = endpoint.rq_success = 6
    endpoint.cx_total = endpoint.cx_active = 1
    cluster.codes.update({200: 6, 503: 1})
    for ms in (0.2, 0.7, 3, 3, 4, 9999999):
        cluster.upstream_rq_time.record(ms)
        http.downstream_rq_time.record(ms)
    server = ServerStats("1.2.3", started=100.0, state="LIVE", config_version=1)
    endpoints = [
        endpoint.report(EndpointReport("127.0.0.1", 28411, hostname="localhost")),
        EndpointStats().report(
            EndpointReport(
                "::1",
                80,
                3,
                health_flags=("failed_active_hc", "failed_outlier_check"),
                health="unhealthy",
                configured_health="DEGRADED",
                locality=("eu", "", "rack 1"),
                priority=1,
                canary=True,
                success_rate=87.5,
            )
        ),
    ]
    return server.report(
        105.0,
        [listener.report("front", "127.0.0.1", 28100), ListenerStats().report("six", "::", 80)],
        [http.report("ingress_http", "front"), HttpStats().report("ingress_http", "six")],
        [cluster.report(name, endpoints, CircuitBreakers(Thresholds(max_connections=7))), ClusterStats().report("empty")],
    )
