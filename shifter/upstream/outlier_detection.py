"""Endpoints that answer worse than they should are left out for a while (``cluster.v3.OutlierDetection``), as Envoy does it.

Rule 1. What a host did is counted on the host (`HostMonitor`), which outlives configurations; what follows from it is decided by the
        `Detector` of the configuration in force. So a reload neither forgets an ejection nor brings it forward.
Rule 2. Rows of failures are judged as they happen, shares of failures once in an ``interval``, on the interval that has just ended.
        That is also when hosts come back.
Rule 3. At most ``max_ejection_percent`` of the hosts are out at a time, whatever their priorities; what would be too many is counted.
Rule 4. Without ``split_external_local_origin_errors``, a failure of ours to reach the host counts as the 5xx that the client got.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from math import sqrt
from random import Random

from shifter.model.outlier_detection import OutlierDetection
from shifter.observe.stats import ClusterStats
from shifter.upstream.host import HealthFlag, Host
from shifter.upstream.interfaces import Failed, FailureKind
from shifter.upstream.outlier_events import OutlierEvent, WriteEvent

__all__ = ["Detector", "EjectionType", "HostMonitor"]

_GATEWAY_ERRORS = (502, 503, 504)
_LONGEST = 300.0
_OLD = ("total", "consecutive_5xx", "success_rate")
_DONE = ("detected", "enforced")
_ACTIVE = "outlier_detection.ejections_active"


class EjectionType(Enum):
    """Envoy's ``OutlierEjectionType``; ``value`` is (word in events, name in statistics, field that says how often it is enforced)."""

    CONSECUTIVE_5XX = ("CONSECUTIVE_5XX", "consecutive_5xx", "enforcing_consecutive_5xx")
    CONSECUTIVE_GATEWAY_FAILURE = ("CONSECUTIVE_GATEWAY_FAILURE", "consecutive_gateway_failure", "enforcing_consecutive_gateway_failure")
    CONSECUTIVE_LOCAL_ORIGIN_FAILURE = (
        "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
        "consecutive_local_origin_failure",
        "enforcing_consecutive_local_origin_failure",
    )
    SUCCESS_RATE = ("SUCCESS_RATE", "success_rate", "enforcing_success_rate")
    SUCCESS_RATE_LOCAL_ORIGIN = ("SUCCESS_RATE_LOCAL_ORIGIN", "local_origin_success_rate", "enforcing_local_origin_success_rate")
    FAILURE_PERCENTAGE = ("FAILURE_PERCENTAGE", "failure_percentage", "enforcing_failure_percentage")
    FAILURE_PERCENTAGE_LOCAL_ORIGIN = (
        "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
        "local_origin_failure_percentage",
        "enforcing_failure_percentage_local_origin",
    )


class _Share:
    """How many of a host's requests went well: in the interval that runs, and in the one before."""

    __slots__ = ("good", "last_good", "last_total", "rate", "total")

    def __init__(self) -> None:
        self.good = self.total = 0
        self.last_good = self.last_total = 0
        self.rate = -1.0  # percent in the last interval that had enough of them; -1 for none

    def turn(self) -> None:
        """The interval is over."""
        self.last_good, self.last_total = self.good, self.total
        self.good = self.total = 0
        self.rate = -1.0


class HostMonitor:
    """What one host did. Made by the first `Detector` that looks at the host, and handed on from one to the next (rule 1).

    ``ejected_at`` is when it was left out last, ``returned_at`` when it came back (seconds of the monotonic clock); ``None``: never.
    """

    __slots__ = (
        "consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure", "detector", "ejected_at", "ejections",
        "external", "host", "jitter", "local", "returned_at", "times",
    )  # fmt: skip

    def __init__(self, host: Host, detector: "Detector") -> None:
        self.host = host
        self.detector = detector
        self.consecutive_5xx = 0
        self.consecutive_gateway_failure = 0
        self.consecutive_local_origin_failure = 0
        self.external = _Share()
        self.local = _Share()
        self.ejections = 0
        self.times = 0  # how many times the base ejection time it stays out
        self.jitter = 0.0
        self.ejected_at: float | None = None
        self.returned_at: float | None = None

    def answered(self, status: int) -> None:
        """An answer's head arrived; of a gRPC answer, *status* is the HTTP status that its code stands for."""
        external = self.external
        external.total += 1
        if status < 500:
            external.good += 1
            self.consecutive_5xx = self.consecutive_gateway_failure = 0
            return
        config = self.detector.config
        if status in _GATEWAY_ERRORS:
            self.consecutive_gateway_failure += 1
            if self.consecutive_gateway_failure == config.consecutive_gateway_failure:
                self.detector.row(self, EjectionType.CONSECUTIVE_GATEWAY_FAILURE)
        else:
            self.consecutive_gateway_failure = 0
        self.consecutive_5xx += 1
        if self.consecutive_5xx == config.consecutive_5xx:
            self.detector.row(self, EjectionType.CONSECUTIVE_5XX)

    def connected(self) -> None:
        """A request got a connection to the host."""
        if self.detector.config.split_external_local_origin_errors:
            self.local.total += 1
            self.local.good += 1
            self.consecutive_local_origin_failure = 0

    def served(self) -> None:
        """A connection was made that carries no requests: the host did all that can be seen of it (TCP)."""
        if self.detector.config.split_external_local_origin_errors:
            self.connected()
        else:
            self.answered(200)

    def failed(self, failed: Failed) -> None:
        """A request, or the attempt to connect for one, came to nothing. What was refused for being too much does not count."""
        if failed.kind is not FailureKind.OVERFLOW:
            self._local_failure(503)

    def timed_out(self) -> None:
        """A request, or a try, was not answered in time."""
        self._local_failure(504)

    def check_succeeded(self) -> None:
        """An active health check went well, which may end an ejection (``successful_active_health_check_uneject_host``)."""
        self.detector.checked(self)

    def _local_failure(self, status: int) -> None:
        config = self.detector.config
        if not config.split_external_local_origin_errors:
            self.answered(status)
            return
        self.local.total += 1
        self.consecutive_local_origin_failure += 1
        if self.consecutive_local_origin_failure == config.consecutive_local_origin_failure:
            self.detector.row(self, EjectionType.CONSECUTIVE_LOCAL_ORIGIN_FAILURE)

    def start_over(self) -> None:
        """Begin all rows anew, so that a few errors do not end what has just begun."""
        self.consecutive_5xx = self.consecutive_gateway_failure = self.consecutive_local_origin_failure = 0

    def __repr__(self) -> str:
        return f"<HostMonitor {self.host.address} ejections={self.ejections} 5xx in a row={self.consecutive_5xx}>"


class Detector:
    """The outlier detection of one configuration of one cluster.

    ``now`` returns seconds of the monotonic clock. *log* gets an event for each ejection and return. ``mean`` and ``threshold`` are
    those of the success rates of the last interval, by whether they are of the local origin (-1 for none).
    """

    __slots__ = ("_due", "_log", "_now", "_random", "_stats", "config", "monitors", "thresholds")

    def __init__(
        self, config: OutlierDetection, stats: ClusterStats, now: Callable[[], float], random: Random, log: WriteEvent | None = None
    ) -> None:
        self.config = config
        self.monitors: dict[Host, HostMonitor] = {}
        self.thresholds: dict[bool, tuple[float, float]] = {False: (-1.0, -1.0), True: (-1.0, -1.0)}
        self._stats = stats
        self._now = now
        self._random = random
        self._log = log
        self._due = now() + config.interval
        for name in (*_OLD, "overflow", "enforced_total", *(f"{done}_{kind.value[1]}" for done in _DONE for kind in EjectionType)):
            stats.more[f"outlier_detection.ejections_{name}"] += 0
        stats.more_gauges.setdefault(_ACTIVE, 0)

    def watch(self, hosts: Iterable[Host]) -> None:
        """Look at *hosts* from now on, and at no others."""
        before = self.monitors
        self.monitors = {}
        for host in hosts:
            monitor = host.monitor
            if monitor is None:
                monitor = host.monitor = HostMonitor(host, self)
            monitor.detector = self
            self.monitors[host] = monitor
        for host, monitor in before.items():
            if host not in self.monitors and monitor.detector is self:
                _forget(host, self._now())
        self._stats.more_gauges[_ACTIVE] = self._active()

    def stop(self) -> None:
        """Look at none any more; those that another detector has taken over are its own, and so is the figure of how many are out."""
        monitors, self.monitors = self.monitors, {}
        for host, monitor in monitors.items():
            if monitor.detector is self:
                _forget(host, self._now())

    def tick(self, now: float) -> None:
        """Judge the interval that has passed, if one has."""
        if now < self._due:
            return
        self._due = now + self.config.interval
        for monitor in self.monitors.values():
            self._return_when_due(monitor, now)
            monitor.external.turn()
            monitor.local.turn()
        self._judge_shares(local=False)
        self._judge_shares(local=True)
        for host, monitor in self.monitors.items():
            well = monitor.returned_at is not None and now - monitor.returned_at >= self.config.interval
            if well and monitor.times and not host.has(HealthFlag.FAILED_OUTLIER_CHECK):
                monitor.times -= 1

    def row(self, monitor: HostMonitor, kind: EjectionType) -> None:
        """A host failed so often in a row that it is an outlier."""
        if not monitor.host.has(HealthFlag.FAILED_OUTLIER_CHECK) and monitor.host in self.monitors:
            self._found(monitor, kind)
            setattr(monitor, kind.value[1], 0)
            if kind is EjectionType.CONSECUTIVE_5XX:
                self._stats.more["outlier_detection.ejections_consecutive_5xx"] += 1  # deprecated, and counted so in Envoy, too

    def checked(self, monitor: HostMonitor) -> None:
        """See `HostMonitor.check_succeeded`."""
        host = monitor.host
        if (
            self.config.successful_active_health_check_uneject_host
            and host.has(HealthFlag.FAILED_OUTLIER_CHECK)
            and not host.has(HealthFlag.FAILED_ACTIVE_HC)
        ):
            self._return(monitor, self._now())

    # inside

    def _active(self) -> int:
        return sum(host.has(HealthFlag.FAILED_OUTLIER_CHECK) for host in self.monitors)

    @property
    def _longest(self) -> float:
        config = self.config
        return config.max_ejection_time if config.max_ejection_time is not None else max(_LONGEST, config.base_ejection_time)

    def _judge_shares(self, local: bool) -> None:
        config = self.config
        self.thresholds[local] = (-1.0, -1.0)
        if len(self.monitors) < min(config.success_rate_minimum_hosts, config.failure_percentage_minimum_hosts):
            return
        enough = min(config.success_rate_request_volume, config.failure_percentage_request_volume)
        by_rate: list[tuple[HostMonitor, float]] = []
        by_failures: list[tuple[HostMonitor, float]] = []
        for host, monitor in self.monitors.items():
            share = monitor.local if local else monitor.external
            if host.has(HealthFlag.FAILED_OUTLIER_CHECK) or not share.last_total:
                continue
            rate = 100.0 * share.last_good / share.last_total
            if share.last_total >= enough:
                share.rate = rate
            if share.last_total >= config.success_rate_request_volume:
                by_rate.append((monitor, rate))
            if share.last_total >= config.failure_percentage_request_volume:
                by_failures.append((monitor, rate))
        if by_rate and len(by_rate) >= config.success_rate_minimum_hosts:
            mean = sum(rate for _, rate in by_rate) / len(by_rate)
            deviation = sqrt(sum((rate - mean) ** 2 for _, rate in by_rate) / len(by_rate))
            threshold = mean - config.success_rate_stdev_factor / 1000.0 * deviation
            self.thresholds[local] = (mean, threshold)
            kind = EjectionType.SUCCESS_RATE_LOCAL_ORIGIN if local else EjectionType.SUCCESS_RATE
            for monitor, rate in by_rate:
                if rate < threshold:
                    self._stats.more["outlier_detection.ejections_success_rate"] += 1  # deprecated
                    self._found(monitor, kind, rate)
        if by_failures and len(by_failures) >= config.failure_percentage_minimum_hosts:
            kind = EjectionType.FAILURE_PERCENTAGE_LOCAL_ORIGIN if local else EjectionType.FAILURE_PERCENTAGE
            for monitor, rate in by_failures:
                if 100.0 - rate >= config.failure_percentage_threshold and not monitor.host.has(HealthFlag.FAILED_OUTLIER_CHECK):
                    self._found(monitor, kind, rate)

    def _found(self, monitor: HostMonitor, kind: EjectionType, rate: float = -1.0) -> None:
        """A host is an outlier; leave it out if that may be."""
        config = self.config
        stats = self._stats
        name = kind.value[1]
        stats.more[f"outlier_detection.ejections_detected_{name}"] += 1
        active = self._active()
        percent = 100.0 * (active + 1) / len(self.monitors)
        if percent > config.max_ejection_percent and not (config.always_eject_one_host and not active):
            stats.more["outlier_detection.ejections_overflow"] += 1
            return
        if kind in (EjectionType.CONSECUTIVE_5XX, EjectionType.SUCCESS_RATE):
            stats.more["outlier_detection.ejections_total"] += 1  # deprecated
        enforced = self._random.random() * 100 < getattr(config, kind.value[2])
        if enforced:
            self._eject(monitor, name)
        self._tell(monitor, kind, rate, enforced)

    def _eject(self, monitor: HostMonitor, name: str) -> None:
        config = self.config
        now = self._now()
        self._stats.more["outlier_detection.ejections_enforced_total"] += 1
        self._stats.more[f"outlier_detection.ejections_enforced_{name}"] += 1
        monitor.ejections += 1
        monitor.ejected_at = now
        monitor.jitter = self._random.random() * config.max_ejection_time_jitter
        if monitor.times * config.base_ejection_time < self._longest + config.base_ejection_time:
            monitor.times += 1
        monitor.host.set(HealthFlag.FAILED_OUTLIER_CHECK, now)
        self._stats.more_gauges[_ACTIVE] = self._active()

    def _return_when_due(self, monitor: HostMonitor, now: float) -> None:
        if monitor.host.has(HealthFlag.FAILED_OUTLIER_CHECK) and monitor.ejected_at is not None:
            out_for = min(self.config.base_ejection_time * monitor.times, self._longest) + monitor.jitter
            if out_for <= now - monitor.ejected_at:
                self._return(monitor, now)

    def _return(self, monitor: HostMonitor, now: float) -> None:
        monitor.start_over()
        if self._log is not None:
            since = None if monitor.ejected_at is None else now - monitor.ejected_at
            self._log(OutlierEvent("", monitor.host, "UNEJECT", monitor.ejections, True, since))
        monitor.returned_at = now
        monitor.host.clear(HealthFlag.FAILED_OUTLIER_CHECK, now)
        self._stats.more_gauges[_ACTIVE] = self._active()

    def _tell(self, monitor: HostMonitor, kind: EjectionType, rate: float, enforced: bool) -> None:
        if self._log is None:
            return
        local = kind is EjectionType.SUCCESS_RATE_LOCAL_ORIGIN
        mean, threshold = self.thresholds[local]
        since = None if monitor.returned_at is None else self._now() - monitor.returned_at
        self._log(OutlierEvent(kind.value[0], monitor.host, "EJECT", monitor.ejections, enforced, since, rate, mean, threshold))

    def __repr__(self) -> str:
        return f"<Detector hosts={len(self.monitors)} ejected={self._active()}>"


def forget(hosts: Iterable[Host], stats: ClusterStats, now: float) -> None:
    """Nobody looks for outliers among *hosts* any more: none is one, and what they do is not counted."""
    for host in hosts:
        _forget(host, now)
    stats.more_gauges.pop(_ACTIVE, None)


def _forget(host: Host, now: float) -> None:
    host.monitor = None
    host.clear(HealthFlag.FAILED_OUTLIER_CHECK, now)
