"""One health check of one host, again and again: when it is made, and what follows from its outcomes.

Rule 1. The first outcome decides at once. After that a host changes after ``unhealthy_threshold`` failures or ``healthy_threshold``
        successes in a row; but an answer that says no is enough by itself, unless it is retriable.
Rule 2. The next check is due an interval after the outcome of the last. Which interval depends on how the host is, whether a change is
        pending, and whether the cluster has had any traffic yet.
Rule 3. A session says how its host is; whether that holds for the host's requests is decided by its owner (`checker`).
"""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Protocol

from shifter.model.cluster import Cluster
from shifter.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, TcpHealthCheck
from shifter.net.transport import Connector, Delayed
from shifter.observe.stats import ClusterStats
from shifter.upstream.health_check.events import EventType, FailureType, HealthCheckEvent
from shifter.upstream.health_check.grpc import GrpcProbe, GrpcQuestion
from shifter.upstream.health_check.http import HttpProbe, HttpQuestion
from shifter.upstream.health_check.http2 import Http2Probe
from shifter.upstream.health_check.probe import HowToConnect, Probe, Verdict
from shifter.upstream.health_check.tcp import TcpProbe
from shifter.upstream.host import Host
from shifter.upstream.transport_sockets import Around, TransportSockets

_SHORTEST = 0.001
_COUNTED = ("attempt", "success", "failure", "network_failure", "passive_failure", "verify_cluster")


class Owner(Protocol):
    """Whom a session tells (`checker.CheckedHost`)."""

    host: Host

    def judged(self, session: "Session", well: bool, changed: bool) -> None:
        """A check has had an outcome: whether the host did *well*, and whether what the session says of it has *changed*."""

    def exclude(self) -> None:
        """The host asked to be left out at once."""


class Check:
    """One health check of a configuration: what the sessions of all its hosts share.

    Figures are ``health_check.<figure>``, or ``health_check.name.<name>.<figure>`` for a check that has a name, as in Envoy.
    """

    __slots__ = ("_log", "_make_probe", "cluster", "config", "kind", "network", "prefix", "random", "stats")

    def __init__(
        self,
        config: HealthCheck,
        cluster: Cluster,
        stats: ClusterStats,
        network: Connector,
        random: Random,
        log: Callable[[str, HealthCheckEvent], object] | None = None,
        sockets: TransportSockets | None = None,
    ) -> None:
        self.config = config
        self.cluster = cluster.name
        self.stats = stats
        self.network = network
        self.random = random
        self.prefix = f"health_check.name.{config.name}." if config.name else "health_check."
        sockets = sockets or TransportSockets(cluster, stats, Around(network.monotonic))
        self.kind, self._make_probe = self._kind(partial(sockets.for_checks, alpn=config.alpn_protocols, criteria=config.socket_criteria))
        self._log = log if config.event_log_path else None
        for figure in _COUNTED:
            stats.more[self.prefix + figure] += 0

    def probe(self, host: Host, verdict: Verdict) -> Probe:
        """Return what asks *host* and tells *verdict*."""
        return self._make_probe(host, verdict)

    def interval(self, healthy: bool, pending: bool) -> float:
        """Return the seconds until the next check of a host that did well or not; *pending*: and that would have changed it, if it
        had done so more often."""
        config = self.config
        if not self.stats.upstream_cx_total:
            seconds: float | None = config.no_traffic_interval
            if healthy and not pending and config.no_traffic_healthy_interval is not None:
                seconds = config.no_traffic_healthy_interval
        elif healthy:
            seconds = config.healthy_edge_interval if pending else None
        else:
            seconds = config.unhealthy_interval
            if pending and config.unhealthy_edge_interval is not None:
                seconds = config.unhealthy_edge_interval
        return self.jittered(config.interval if seconds is None else seconds, config.interval_jitter)

    def jittered(self, seconds: float, jitter: float) -> float:
        """Return *seconds* with what is added to them by lot."""
        more = seconds * self.config.interval_jitter_percent / 100 + jitter
        return max(seconds + self.random.random() * more if more else seconds, _SHORTEST)

    def count(self, figure: str) -> None:
        """Add one to a figure."""
        self.stats.more[self.prefix + figure] += 1

    def log(
        self, kind: EventType, host: Host, failure: FailureType = FailureType.ACTIVE, first_check: bool = False, status: int = 0
    ) -> None:
        """Have an event written, where they are."""
        if self._log is not None:
            self._log(self.config.event_log_path, HealthCheckEvent(kind, self.kind, host, self.cluster, failure, first_check, status))

    def _kind(self, options: HowToConnect) -> tuple[str, Callable[[Host, Verdict], Probe]]:
        check = self.config.check
        reuse = self.config.reuse_connection
        network = self.network
        if isinstance(check, TcpHealthCheck):
            return "TCP", lambda host, verdict: TcpProbe(check, host, verdict, network, reuse, options)
        if isinstance(check, GrpcHealthCheck):
            asks = GrpcQuestion(check, self.cluster, reuse, self.config.timeout)
            return "GRPC", lambda host, verdict: GrpcProbe(asks, host, verdict, network, options)
        assert isinstance(check, HttpHealthCheck)
        question = HttpQuestion(check, self.cluster, reuse, self.stats, self.prefix)
        if check.http2:
            return "HTTP", lambda host, verdict: Http2Probe(question, host, verdict, network, options)
        return "HTTP", lambda host, verdict: HttpProbe(question, host, verdict, network, options)


class Session:
    """See the module. A host begins as ``unhealthy``; ``first`` until the first outcome is there. ``scatters``: the interval after the
    next check is but a part of itself, by lot, so that a crowd that came together is not checked together for ever."""

    __slots__ = (
        "_bad", "_due", "_good", "_over", "_owner", "_probe", "_timeout", "check", "degraded", "first", "scatters", "timed_out",
        "unhealthy",
    )  # fmt: skip

    def __init__(self, check: Check, owner: Owner) -> None:
        self.check = check
        self.unhealthy = True
        self.degraded = False
        self.timed_out = False
        self.first = True
        self.scatters = False
        self._owner = owner
        self._probe = check.probe(owner.host, self)
        self._good = self._bad = 0
        self._due: Delayed | None = None
        self._timeout: Delayed | None = None
        self._over = False

    def begin(self) -> None:
        """Check the host now, or after a part of ``initial_jitter``."""
        jitter = self.check.config.initial_jitter
        self.begin_after(self.check.jittered(0.0, jitter) if jitter else 0.0)

    def begin_after(self, seconds: float) -> None:
        """Check the host first in so many seconds."""
        if seconds:
            self._due = self.check.network.call_later(seconds, self._ask)
        else:
            self._ask()

    def inherit(self, before: "Session") -> None:
        """Go on where the same check of the same host was under the configuration before."""
        self.unhealthy, self.degraded, self.timed_out, self.first = before.unhealthy, before.degraded, before.timed_out, before.first
        self._good, self._bad = before._good, before._bad

    def take(self, unhealthy: bool, degraded: bool, timed_out: bool) -> None:
        """Go on from what other checks found of the host."""
        self.unhealthy, self.degraded, self.timed_out, self.first = unhealthy, degraded, timed_out, False

    def stop(self) -> None:
        """Check no more."""
        self._over = True
        for delayed in (self._due, self._timeout):
            if delayed is not None:
                delayed.cancel()
        self._due = self._timeout = None
        self._probe.asking = False
        self._probe.drop()

    # Verdict

    def succeeded(self, degraded: bool = False) -> None:
        check = self.check
        host = self._owner.host
        changed = pending = False
        self._bad = 0
        if self.unhealthy:
            self._good += 1
            if self.first or self._good == check.config.healthy_threshold:
                self.unhealthy = self.timed_out = False
                changed = True
                check.log(EventType.ADD_HEALTHY, host, first_check=self.first)
            else:
                pending = True
        if not changed and check.config.always_log_health_check_success:
            check.log(EventType.SUCCESSFUL, host)
        if degraded is not self.degraded:
            self.degraded = degraded
            changed = True
            check.log(EventType.DEGRADED if degraded else EventType.NO_LONGER_DEGRADED, host)
        check.count("success")
        self._judged(True, changed, pending)

    def failed(self, kind: FailureType, retriable: bool = False, status: int = 0) -> None:
        changed, pending = self._worse(kind, retriable, status)
        self._judged(False, changed, pending)

    def exclude(self) -> None:
        self._owner.exclude()

    # for the owner

    def failed_passively(self) -> None:
        """An answer to a request said that the host is not well. When it is checked next stays as it was."""
        changed, _ = self._worse(FailureType.PASSIVE, False, 0)
        self.first = False
        self._owner.judged(self, False, changed)

    # inside

    def _ask(self) -> None:
        check = self.check
        self._due = None
        check.count("attempt")
        self._timeout = check.network.call_later(check.config.timeout, self._too_late)
        self._probe.ask()

    def _too_late(self) -> None:
        self._timeout = None
        self._probe.give_up()
        self.failed(FailureType.NETWORK_TIMEOUT)

    def _worse(self, kind: FailureType, retriable: bool, status: int) -> tuple[bool, bool]:
        """Note a failure; return whether the host has changed thereby, and whether it may soon."""
        check = self.check
        config = check.config
        host = self._owner.host
        network = kind in (FailureType.NETWORK, FailureType.NETWORK_TIMEOUT)
        changed = pending = False
        self._good = 0
        if not self.unhealthy:
            self._bad += network or retriable
            if not (network or retriable) or self._bad == config.unhealthy_threshold:
                self.unhealthy = changed = True
                check.log(EventType.EJECT_UNHEALTHY, host, kind, status=status)
            else:
                pending = True
        timed_out = self.unhealthy and kind is FailureType.NETWORK_TIMEOUT
        changed = changed or timed_out is not self.timed_out
        self.timed_out = timed_out
        if self.first or config.always_log_health_check_failures:
            check.log(EventType.FAILURE, host, kind, self.first, status)
        check.count("failure")
        if network:
            check.count("network_failure")
        elif kind is FailureType.PASSIVE:
            check.count("passive_failure")
        return changed, pending

    def _judged(self, well: bool, changed: bool, pending: bool) -> None:
        timeout, self._timeout = self._timeout, None
        if timeout is not None:
            timeout.cancel()
        changed = changed or self.first
        self.first = False
        self._owner.judged(self, well, changed)
        if self._over:
            return  # the host was let go of because of it
        if self._due is not None:
            self._due.cancel()  # between two checks: what was planned begins anew
        seconds = self.check.interval(well, pending)
        if self.scatters:
            self.scatters = False
            seconds *= self.check.random.random()
        self._due = self.check.network.call_later(seconds, self._ask)

    def __repr__(self) -> str:
        state = "unknown" if self.first else "unhealthy" if self.unhealthy else "degraded" if self.degraded else "healthy"
        return f"<Session {self._owner.host.address} {self.check.kind} {state} good={self._good} bad={self._bad}>"
