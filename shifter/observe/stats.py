"""The statistics of one data-path process while they are being counted.

Rule 1. An attribute is an Envoy statistic without its scope, and a plain ``int`` that the hot path changes in place::

            http.downstream_rq_http1_total += 1             # a request begins
            http.codes[status] += 1                         # it ended; 0 when the client got no answer
            http.downstream_rq_time.record(ms)

Rule 2. What follows from other figures is a property, or made when a report is: nobody counts the same thing twice.
Rule 3. Every request that was counted as begun ends in ``codes`` exactly once, else ``downstream_rq_active`` drifts;
        every connection counted in ``*_cx_total`` ends in exactly one of ``*_cx_destroy_local`` and ``*_cx_destroy_remote``.
Rule 4. These objects never leave the process; their ``report()`` does.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

from shifter.model.cluster import CircuitBreakers, Thresholds
from shifter.model.report import (
    ClusterReport,
    EndpointReport,
    Figures,
    HttpReport,
    ListenerReport,
    TcpReport,
    VirtualClusterReport,
)
from shifter.observe.histogram import Histogram
from shifter.observe.http2_stats import Http2Stats

_GAUGE = "gauge"
_NAME = "name"
"""How a counter is called that is not called as its attribute."""
_DEFAULT_LIMITS = CircuitBreakers()
_ANY_NUMBER = (1 << 64) - 1
_LIMITS = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
_EXCLUDING = frozenset(("pending_active_hc", "excluded_via_immediate_hc_fail"))
"""Flags of hosts that do not count when it is asked how many are well."""


def _gauge() -> int:
    value: int = field(default=0, metadata={_GAUGE: True})
    return value


def _nothing_more() -> defaultdict[str, int]:
    return defaultdict(int)


def _no_codes() -> defaultdict[int, int]:
    return defaultdict(int)


@dataclass(slots=True, eq=False)
class ListenerStats:
    """What one listening address counts (``listener.<address>.``); the same once more for the one worker that there is.

    ``downstream_pre_cx_active`` are connections whose first bytes are looked at before they have a filter chain. ``more`` and
    ``more_gauges`` are what only some listeners have (``ssl.``), as `ClusterStats.more`.
    """

    downstream_cx_total: int = 0
    downstream_cx_destroy: int = 0
    downstream_cx_overflow: int = 0
    downstream_cx_overload_reject: int = 0
    downstream_cx_transport_socket_connect_timeout: int = 0
    downstream_global_cx_overflow: int = 0
    downstream_listener_filter_error: int = 0
    downstream_listener_filter_remote_close: int = 0
    downstream_pre_cx_timeout: int = 0
    no_filter_chain_match: int = 0
    downstream_pre_cx_active: int = _gauge()
    more: defaultdict[str, int] = field(default_factory=_nothing_more)
    more_gauges: dict[str, int] = field(default_factory=dict)
    downstream_cx_length_ms: Histogram = field(default_factory=Histogram)

    @property
    def downstream_cx_active(self) -> int:
        """Connections open now."""
        return self.downstream_cx_total - self.downstream_cx_destroy

    def report(self, name: str, host: str, port: int) -> ListenerReport:
        """Return a copy of the figures of listener *name*, which listens on *host* and *port*."""
        active = self.downstream_cx_active
        load = {"downstream_cx_active": active, "worker_0.downstream_cx_active": active}
        made = {"worker_0.downstream_cx_total": self.downstream_cx_total, **self.more}
        return ListenerReport(name, host, port, _figures(self, counters=made, gauges=load, shared=self.more_gauges))


@dataclass(slots=True, eq=False)
class HttpStats:
    """What one HTTP connection manager of one listener counts (``http.<stat_prefix>.``).

    Managers that share a ``stat_prefix`` count each for themselves; their figures are added up when they are shown.
    """

    # Connections.
    downstream_cx_total: int = 0
    downstream_cx_http1_total: int = 0
    downstream_cx_http2_total: int = 0
    downstream_cx_ssl_total: int = 0
    downstream_cx_destroy_local: int = 0
    downstream_cx_destroy_remote: int = 0
    downstream_cx_destroy_local_active_rq: int = 0
    downstream_cx_destroy_remote_active_rq: int = 0
    downstream_cx_delayed_close_timeout: int = 0
    downstream_cx_drain_close: int = 0
    downstream_cx_idle_timeout: int = 0
    downstream_cx_max_duration_reached: int = 0
    downstream_cx_max_requests_reached: int = 0
    downstream_cx_protocol_error: int = 0
    downstream_cx_upgrades_total: int = 0
    downstream_cx_upgrades_active: int = _gauge()
    downstream_cx_ssl_active: int = _gauge()
    downstream_cx_rx_bytes_total: int = 0
    downstream_cx_tx_bytes_total: int = 0
    downstream_flow_control_paused_reading_total: int = 0
    downstream_flow_control_resumed_reading_total: int = 0
    # Requests.
    downstream_rq_http1_total: int = 0
    downstream_rq_http2_total: int = 0
    downstream_rq_failed_path_normalization: int = 0
    downstream_rq_header_timeout: int = 0
    downstream_rq_idle_timeout: int = 0
    downstream_rq_max_duration_reached: int = 0
    downstream_rq_non_relative_path: int = 0
    downstream_rq_redirected_with_normalized_path: int = 0
    downstream_rq_response_before_rq_complete: int = 0
    downstream_rq_rx_reset: int = 0
    downstream_rq_timeout: int = 0
    downstream_rq_too_large: int = 0
    downstream_rq_too_many_premature_resets: int = 0
    downstream_rq_tx_reset: int = 0
    downstream_rq_ws_on_non_ws_route: int = 0
    # Where requests went that no cluster answered.
    no_cluster: int = 0
    no_route: int = 0
    passthrough_internal_redirect_bad_location: int = 0
    passthrough_internal_redirect_no_route: int = 0
    passthrough_internal_redirect_predicate: int = 0
    passthrough_internal_redirect_too_many_redirects: int = 0
    passthrough_internal_redirect_unsafe_scheme: int = 0
    rq_direct_response: int = 0
    rq_redirect: int = 0
    rq_reset_after_downstream_response_started: int = 0
    rq_total: int = 0

    filters: dict[str, int] = field(default_factory=dict)
    """What HTTP filters count, by whole names behind the prefix (``fault.aborts_injected``)."""
    http2: Http2Stats = field(default_factory=Http2Stats)
    codes: defaultdict[int, int] = field(default_factory=_no_codes)
    downstream_rq_time: Histogram = field(default_factory=Histogram)
    downstream_cx_length_ms: Histogram = field(default_factory=Histogram)

    @property
    def downstream_cx_active(self) -> int:
        """Connections open now."""
        return self.downstream_cx_total - self.downstream_cx_destroy_local - self.downstream_cx_destroy_remote

    @property
    def downstream_rq_total(self) -> int:
        """Requests begun."""
        return self.downstream_rq_http1_total + self.downstream_rq_http2_total

    @property
    def downstream_rq_active(self) -> int:
        """Requests begun and not ended."""
        return self.downstream_rq_total - sum(self.codes.values())

    def report(self, prefix: str, listener: str) -> HttpReport:
        """Return a copy of the figures of the manager with stat prefix *prefix* on the listener called *listener*."""
        made = {
            "downstream_cx_destroy": self.downstream_cx_destroy_local + self.downstream_cx_destroy_remote,
            "downstream_cx_destroy_active_rq": self.downstream_cx_destroy_local_active_rq + self.downstream_cx_destroy_remote_active_rq,
            "downstream_rq_total": self.downstream_rq_total,
            **self.filters,
            **self.http2.counters(),
        }
        active, http2 = self.downstream_cx_active, len(self.http2.connections)
        load = {
            "downstream_cx_active": active,
            "downstream_cx_http1_active": active - http2,
            "downstream_cx_http2_active": http2,
            "downstream_rq_active": self.downstream_rq_active,
            **self.http2.gauges(),
        }
        return HttpReport(prefix, listener, _figures(self, counters=made, gauges=load))


@dataclass(slots=True, eq=False)
class TcpStats:
    """What one TCP proxy counts (``tcp.<stat_prefix>.``). Bytes are those of clients, without TLS.

    ``downstream_cx_rx_bytes_buffered`` are bytes that wait for an endpoint, ``downstream_cx_tx_bytes_buffered`` such as wait for their
    client; who makes a report sets them.
    """

    downstream_cx_total: int = 0
    downstream_cx_drain_close: int = 0
    downstream_cx_no_route: int = 0
    downstream_cx_overload_close: int = 0
    downstream_cx_rx_bytes_total: int = 0
    downstream_cx_tx_bytes_total: int = 0
    downstream_flow_control_paused_reading_total: int = 0
    downstream_flow_control_resumed_reading_total: int = 0
    early_data_received_count_total: int = 0
    idle_timeout: int = 0
    max_downstream_connection_duration: int = 0
    route_delayed_total: int = 0
    upstream_flush_total: int = 0
    downstream_cx_rx_bytes_buffered: int = _gauge()
    downstream_cx_tx_bytes_buffered: int = _gauge()
    upstream_flush_active: int = _gauge()

    def report(self, prefix: str, listener: str) -> TcpReport:
        """Return a copy of the figures of the TCP proxy with stat prefix *prefix* on the listener called *listener*."""
        return TcpReport(prefix, listener, _figures(self))


@dataclass(slots=True, eq=False)
class EndpointStats:
    """What one endpoint counts (Envoy's host statistics, shown by ``/clusters``).

    ``rq_success`` counts answers below 500, ``rq_error`` all others and requests that got none through the endpoint's fault;
    ``rq_timeout`` those of the latter that ran out of time.
    """

    cx_connect_fail: int = 0
    cx_total: int = 0
    rq_error: int = 0
    rq_success: int = 0
    rq_timeout: int = 0
    rq_total: int = 0
    cx_active: int = _gauge()
    rq_active: int = _gauge()
    rq_pending_active: int = _gauge()

    def report(self, about: EndpointReport) -> EndpointReport:
        """Return *about* with a copy of the figures."""
        return replace(about, figures=_figures(self))


@dataclass(slots=True, eq=False)
class InUse:
    """What requests of one priority have taken of a cluster and not given back: what its circuit breakers limit."""

    connections: int = 0
    pending_requests: int = 0
    requests: int = 0
    retries: int = 0

    def report(self, priority: str, limits: Thresholds) -> dict[str, int]:
        """Return the gauges of *priority* (``circuit_breakers.<priority>.``): what is open, and what remains where that is tracked."""
        used = {"cx": self.connections, "rq": self.requests, "rq_pending": self.pending_requests, "rq_retry": self.retries}
        allowed = {
            "cx": limits.max_connections,
            "rq": limits.max_requests,
            "rq_pending": limits.max_pending_requests,
            "rq_retry": limits.max_retries,
        }
        gauges = {f"{name}_open": int(used[name] >= allowed[name]) for name in used} | {"cx_pool_open": 0}
        if limits.track_remaining:
            rest = {name: max(allowed[name] - used[name], 0) for name in used}
            gauges |= {
                "remaining_cx": rest["cx"],
                "remaining_cx_pools": _ANY_NUMBER,
                "remaining_pending": rest["rq_pending"],
                "remaining_retries": 0 if limits.retry_budget else rest["rq_retry"],
                "remaining_rq": rest["rq"],
            }
        return {f"circuit_breakers.{priority}.{name}": value for name, value in gauges.items()}


@dataclass(slots=True, eq=False)
class ClusterStats:
    """What one cluster counts (``cluster.<name>.``). ``default`` and ``high`` are what each priority has in use.

    ``codes`` includes answers that the proxy gave in the cluster's name (503 when it has no healthy host), as in Envoy.
    ``more`` and ``more_gauges`` are the counters and gauges of what only some clusters have (health checks, outlier detection,
    subsets), by their names behind ``cluster.<name>.``; who has them sets them to 0 first, so that they are shown.
    """

    # Connections.
    upstream_cx_total: int = 0
    upstream_cx_http1_total: int = 0
    upstream_cx_http2_total: int = 0
    upstream_cx_close_notify: int = 0
    upstream_cx_connect_attempts_exceeded: int = 0
    upstream_cx_connect_fail: int = 0
    upstream_cx_connect_timeout: int = 0
    upstream_cx_destroy_local: int = 0
    upstream_cx_destroy_local_with_active_rq: int = 0
    upstream_cx_destroy_remote: int = 0
    upstream_cx_destroy_remote_with_active_rq: int = 0
    upstream_cx_idle_timeout: int = 0
    upstream_cx_max_duration_reached: int = 0
    upstream_cx_max_requests: int = 0
    upstream_cx_none_healthy: int = 0
    upstream_cx_overflow: int = 0
    upstream_cx_protocol_error: int = 0
    upstream_cx_rx_bytes_total: int = 0
    upstream_cx_tx_bytes_total: int = 0
    upstream_flow_control_paused_reading_total: int = 0
    upstream_flow_control_resumed_reading_total: int = 0
    # Requests.
    upstream_internal_redirect_failed_total: int = 0
    upstream_internal_redirect_succeeded_total: int = 0
    upstream_rq_total: int = 0
    upstream_rq_active_overflow: int = 0
    upstream_rq_cancelled: int = 0
    upstream_rq_pending_failure_eject: int = 0
    upstream_rq_pending_overflow: int = 0
    upstream_rq_pending_total: int = 0
    upstream_rq_redistributed: int = field(default=0, metadata={_NAME: "shifter.upstream_rq_redistributed"})  # Envoy does not know it
    retry_or_shadow_abandoned: int = 0
    upstream_rq_per_try_idle_timeout: int = 0
    upstream_rq_per_try_timeout: int = 0
    upstream_rq_retry: int = 0
    upstream_rq_retry_backoff_exponential: int = 0
    upstream_rq_retry_backoff_ratelimited: int = 0
    upstream_rq_retry_limit_exceeded: int = 0
    upstream_rq_retry_overflow: int = 0
    upstream_rq_retry_success: int = 0
    upstream_rq_rx_reset: int = 0
    upstream_rq_timeout: int = 0
    upstream_rq_tx_reset: int = 0
    # Hosts.
    lb_healthy_panic: int = 0
    membership_change: int = 0
    update_attempt: int = 0
    update_empty: int = 0
    update_failure: int = 0
    update_no_rebuild: int = 0
    update_success: int = 0

    more: defaultdict[str, int] = field(default_factory=_nothing_more)
    more_gauges: dict[str, int] = field(default_factory=dict)
    http2: Http2Stats = field(default_factory=Http2Stats)
    codes: defaultdict[int, int] = field(default_factory=_no_codes)
    upstream_rq_time: Histogram = field(default_factory=Histogram)
    upstream_cx_connect_ms: Histogram = field(default_factory=Histogram)
    upstream_cx_length_ms: Histogram = field(default_factory=Histogram)
    default: InUse = field(default_factory=InUse)
    high: InUse = field(default_factory=InUse)

    @property
    def upstream_rq_active(self) -> int:
        """Requests under way."""
        return self.default.requests + self.high.requests

    @property
    def upstream_rq_pending_active(self) -> int:
        """Requests that wait for a connection."""
        return self.default.pending_requests + self.high.pending_requests

    @property
    def upstream_cx_active(self) -> int:
        """Connections open now, or being opened."""
        return self.upstream_cx_total - self.upstream_cx_destroy_local - self.upstream_cx_destroy_remote

    def report(self, name: str, endpoints: Iterable[EndpointReport] = (), limits: CircuitBreakers = _DEFAULT_LIMITS) -> ClusterReport:
        """Return a copy of the figures of cluster *name* with those of its *endpoints*; its circuit breakers allow *limits* now."""
        hosts = tuple(endpoints)
        made = {
            "upstream_cx_destroy": self.upstream_cx_destroy_local + self.upstream_cx_destroy_remote,
            "upstream_cx_destroy_with_active_rq": (
                self.upstream_cx_destroy_local_with_active_rq + self.upstream_cx_destroy_remote_with_active_rq
            ),
            **self.more,
            **self.http2.counters(),
        }
        load = {
            "upstream_cx_active": self.upstream_cx_active,
            "upstream_rq_active": self.upstream_rq_active,
            "upstream_rq_pending_active": self.upstream_rq_pending_active,
            **self.more_gauges,
            **self.http2.gauges(),
        }
        shared = {
            **self.default.report("default", limits.default),
            **self.high.report("high", limits.high),
            "max_host_weight": max((host.weight for host in hosts), default=0),
            "membership_healthy": sum(host.health == "healthy" for host in hosts),
            "membership_degraded": sum(host.health == "degraded" for host in hosts),
            "membership_excluded": sum(not _EXCLUDING.isdisjoint(host.health_flags) for host in hosts),
            "membership_total": len(hosts),
        }
        return ClusterReport(
            name, _figures(self, counters=made, gauges=load, shared=shared), hosts, _limits(limits.default), _limits(limits.high)
        )


def _limits(limits: Thresholds) -> dict[str, int]:
    return {name: getattr(limits, name) for name in _LIMITS}


@dataclass(slots=True, eq=False)
class VirtualClusterStats:
    """What one virtual cluster counts (``vhost.<virtual host>.vcluster.<name>.``). The counters of retries are Envoy's too."""

    upstream_rq_total: int = 0
    upstream_rq_timeout: int = 0
    upstream_rq_retry: int = 0
    upstream_rq_retry_limit_exceeded: int = 0
    upstream_rq_retry_overflow: int = 0
    upstream_rq_retry_success: int = 0

    codes: defaultdict[int, int] = field(default_factory=_no_codes)
    upstream_rq_time: Histogram = field(default_factory=Histogram)

    def report(self, host: str, name: str) -> VirtualClusterReport:
        """Return a copy of the figures of the virtual cluster *name* of the virtual host called *host*."""
        return VirtualClusterReport(host, name, _figures(self))


def counter(counted: dict[str, int]) -> Callable[..., None]:
    """Return ``count(name, by=1)``, which adds to the counter *name* of *counted*; ``by=0`` has it shown from the start."""

    def count(name: str, by: int = 1) -> None:
        counted[name] = counted.get(name, 0) + by

    return count


_Scope = ListenerStats | HttpStats | TcpStats | EndpointStats | ClusterStats | VirtualClusterStats


_ONCE_RECORDED = frozenset(("upstream_rq_time",))
"""Histograms that are shown once there is a value in them, as by Envoy."""


class _Names(NamedTuple):
    counters: tuple[tuple[str, str], ...]
    gauges: tuple[str, ...]
    histograms: tuple[str, ...]


def _names(kind: type[_Scope]) -> _Names:
    numbers = [one for one in fields(kind) if one.type is int]
    return _Names(
        tuple((one.metadata.get(_NAME, one.name), one.name) for one in numbers if _GAUGE not in one.metadata),
        tuple(one.name for one in numbers if _GAUGE in one.metadata),
        tuple(one.name for one in fields(kind) if one.type is Histogram),
    )


_NAMES: dict[type[_Scope], _Names] = {
    kind: _names(kind) for kind in (ListenerStats, HttpStats, TcpStats, EndpointStats, ClusterStats, VirtualClusterStats)
}


def histograms_of(stats: _Scope) -> list[Histogram]:
    """Return the histograms among *stats*."""
    return [getattr(stats, name) for name in _NAMES[type(stats)].histograms]


def _figures(
    stats: _Scope,
    *,
    counters: Mapping[str, int] | None = None,
    gauges: Mapping[str, int] | None = None,
    shared: Mapping[str, int] | None = None,
) -> Figures:
    """Copy what *stats* counted, with the derived figures added."""
    names = _NAMES[type(stats)]
    codes: Mapping[int, int] = getattr(stats, "codes", {})
    timed = ((name, getattr(stats, name)) for name in names.histograms)
    return Figures(
        {name: getattr(stats, attribute) for name, attribute in names.counters} | dict(counters or {}),
        {name: getattr(stats, name) for name in names.gauges} | dict(gauges or {}),
        dict(shared or {}),
        {code: count for code, count in codes.items() if count},
        {name: histogram.report() for name, histogram in timed if histogram.counts or name not in _ONCE_RECORDED},
    )
