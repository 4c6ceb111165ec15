"""What a data-path process counts about itself, and its whole report. The rules are those of `stats`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from shifter.model.report import (
    CertificateReport,
    ClusterReport,
    Figures,
    HttpReport,
    ListenerReport,
    ReleaseReport,
    Report,
    TcpReport,
    VirtualClusterReport,
)
from shifter.observe.histogram import Histogram

STATES = ("LIVE", "DRAINING", "PRE_INITIALIZING", "INITIALIZING")
"""Envoy's ``ServerInfo.State``; the index is the value of ``server.state``."""


@dataclass(slots=True, eq=False)
class ServerStats:
    """What the process counts about itself. ``version`` is the program's, ``started`` its start in seconds of the wall clock.

    ``first_started`` is the start of the first process in a row of ``restart_epoch`` that handed over to each other (0.0 where there was
    one only), ``parent_connections`` how many connections the last one before has left.

    ``config_version`` is the version of the snapshot being served, ``config_problems`` how many problems the last candidate
    had that was refused (0 once one was taken), ``config_time`` when a snapshot was last taken, in seconds of the wall clock.

    ``watchdog_miss`` is how often nothing went on for a fifth of a second, ``watchdog_mega_miss`` for a second (Envoy's defaults).
    """

    version: str
    started: float
    first_started: float = 0.0
    restart_epoch: int = 0
    parent_connections: int = 0
    state: str = "PRE_INITIALIZING"
    concurrency: int = 1
    config_version: int = 0
    config_time: float = 0.0
    config_problems: int = 0
    config_reload_success: int = 0
    config_reload_rejected: int = 0
    cluster_added: int = 0
    cluster_modified: int = 0
    cluster_removed: int = 0
    listener_added: int = 0
    listener_modified: int = 0
    listener_removed: int = 0
    runtime_admin_overrides_active: int = 0
    runtime_load_error: int = 0
    runtime_load_success: int = 0
    runtime_num_keys: int = 0
    runtime_num_layers: int = 0
    runtime_override_dir_exists: int = 0
    runtime_override_dir_not_exists: int = 0
    listeners_draining: int = 0
    watchdog_miss: int = 0
    watchdog_mega_miss: int = 0
    initialization_time_ms: Histogram = field(default_factory=Histogram)
    access_log_lines: int = 0
    access_log_writes: int = 0
    access_log_failures: int = 0
    access_log_reopen_failures: int = 0
    access_log_lost: int = 0
    filters: dict[str, int] = field(default_factory=dict)
    """What HTTP filters count that Envoy does not name after the connection manager."""
    discovery: dict[str, int] = field(default_factory=dict)
    """What is counted of files with clusters, listeners and routes, by whole names."""
    discovery_gauges: dict[str, int] = field(default_factory=dict)
    discovery_texts: dict[str, str] = field(default_factory=dict)
    releases: Callable[[], tuple[ReleaseReport, ...]] = tuple
    """What there is to tell of releases."""

    def report(
        self,
        now: float,
        listeners: Iterable[ListenerReport] = (),
        http: Iterable[HttpReport] = (),
        clusters: Iterable[ClusterReport] = (),
        virtual_clusters: Iterable[VirtualClusterReport] = (),
        *,
        tcp: Iterable[TcpReport] = (),
        certificates: Iterable[CertificateReport] = (),
        memory: Mapping[str, int] | None = None,
    ) -> Report:
        """Put the whole report together.

        *now* is the wall clock in seconds. *memory* may hold ``physical_size`` and ``allocated`` in bytes, as far as known.
        """
        every_listener, every_cluster, every_certificate = tuple(listeners), tuple(clusters), tuple(certificates)
        counters = {
            "cluster_manager.cluster_added": self.cluster_added,
            "cluster_manager.cluster_modified": self.cluster_modified,
            "cluster_manager.cluster_removed": self.cluster_removed,
            "filesystem.write_buffered": self.access_log_lines,
            "filesystem.write_completed": self.access_log_writes,
            "filesystem.write_failed": self.access_log_failures,
            "filesystem.reopen_failed": self.access_log_reopen_failures,
            "listener_manager.listener_added": self.listener_added,
            "listener_manager.listener_create_success": self.listener_added + self.listener_modified,
            "listener_manager.listener_modified": self.listener_modified,
            "listener_manager.listener_removed": self.listener_removed,
            "runtime.deprecated_feature_use": 0,
            "runtime.load_error": self.runtime_load_error,
            "runtime.load_success": self.runtime_load_success,
            "runtime.override_dir_exists": self.runtime_override_dir_exists,
            "runtime.override_dir_not_exists": self.runtime_override_dir_not_exists,
            "shifter.access_log.lost": self.access_log_lost,
            "shifter.config.reload_rejected": self.config_reload_rejected,
            "shifter.config.reload_success": self.config_reload_success,
            **self._stalls(),
            **self.filters,
            **self.discovery,
        }
        own = sum(one.figures.gauges["downstream_cx_active"] for one in every_listener)
        gauges = {"server.total_connections": own + self.parent_connections}
        gauges |= {f"server.memory_{name}": size for name, size in (memory or {}).items()}
        shared = {
            "cluster_manager.active_clusters": len(every_cluster),
            "listener_manager.total_listeners_active": len(every_listener),
            "listener_manager.total_listeners_draining": self.listeners_draining,
            "listener_manager.workers_started": int(self.config_version > 0),
            "runtime.admin_overrides_active": self.runtime_admin_overrides_active,
            "runtime.deprecated_feature_seen_since_process_start": 0,
            "runtime.num_keys": self.runtime_num_keys,
            "runtime.num_layers": self.runtime_num_layers,
            "server.concurrency": self.concurrency,
            "server.days_until_first_cert_expiring": _days_left(every_certificate, now),
            "server.hot_restart_epoch": self.restart_epoch,
            "server.parent_connections": self.parent_connections,
            "server.live": int(self.state == "LIVE"),
            "server.state": STATES.index(self.state),
            "server.uptime": int(now - self.started),
            "server.version": _version_number(self.version),
            "shifter.config.problems": self.config_problems,
            "shifter.config.time_seconds": int(self.config_time),
            "shifter.config.version": self.config_version,
            **self.discovery_gauges,
        }
        histograms = {"server.initialization_time_ms": self.initialization_time_ms.report()}
        server = Figures(counters, gauges, shared, histograms=histograms)
        named, proxies, words = tuple(virtual_clusters), tuple(tcp), dict(self.discovery_texts)
        return Report(every_listener, tuple(http), every_cluster, server, named, proxies, every_certificate, words, self.releases())

    def _stalls(self) -> dict[str, int]:
        """How often nothing went on for a while, of both threads that Envoy has: here they are one."""
        kinds = {"miss": self.watchdog_miss, "mega_miss": self.watchdog_mega_miss}
        threads = ("main_thread", "workers", "server.main_thread", "server.worker_0")
        return {f"{thread}.watchdog_{kind}": count for thread in threads for kind, count in kinds.items()}


_NEVER_EXPIRES = (1 << 32) - 1


def _days_left(certificates: Iterable[CertificateReport], now: float) -> int:
    """Return for how many days all *certificates* are good; as in Envoy a very large number when there are none."""
    every = (detail for one in certificates for detail in (one.authority, *one.shown) if detail is not None)
    return min((detail.days_left(now) for detail in every), default=_NEVER_EXPIRES)


def _version_number(version: str) -> int:
    """Fold ``1.20.3`` into 12003: Envoy's ``server.version`` is a number too (of its commit)."""
    numbers = [int("".join(filter(str.isdecimal, part)) or 0) for part in version.split(".")[:3]]
    major, minor, patch = (*numbers, 0, 0)[:3]
    return (major * 100 + minor) * 100 + patch
