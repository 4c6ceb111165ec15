"""One endpoint of a cluster as it is now: where it is, what the configuration says of it, and how well it is (Envoy's ``Host``).

Rule 1. A host lives as long as some configuration of its cluster names it, whatever else is changed meanwhile: what was learned
        about its health is not forgotten by a reload.
Rule 2. Each observer has flags of its own and sets no other's; the host is as well as the worst of them says.
Rule 3. Who has to know of a change of health is told at once, once for each change.
"""

from collections.abc import Callable
from enum import Enum, IntFlag
from typing import TYPE_CHECKING

from shifter.model.address import Address, SocketAddress
from shifter.model.cluster import HealthStatus, LbEndpoint, UpstreamProtocol
from shifter.model.report import EndpointReport
from shifter.observe.stats import EndpointStats

if TYPE_CHECKING:
    from shifter.upstream.health_check.checker import CheckedHost
    from shifter.upstream.outlier_detection import HostMonitor


class Health(Enum):
    """Envoy's ``Host::Health``: degraded hosts are used when there are too few healthy ones, unhealthy ones in panic only."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class HealthFlag(IntFlag):
    """Envoy's ``Host::HealthFlag``; the lower-case name is what ``/clusters`` shows."""

    FAILED_ACTIVE_HC = 1
    FAILED_OUTLIER_CHECK = 2
    FAILED_EDS_HEALTH = 4
    DEGRADED_ACTIVE_HC = 8
    DEGRADED_EDS_HEALTH = 16
    PENDING_DYNAMIC_REMOVAL = 32
    PENDING_ACTIVE_HC = 64
    EXCLUDED_VIA_IMMEDIATE_HC_FAIL = 128
    ACTIVE_HC_TIMEOUT = 256
    EDS_STATUS_DRAINING = 512


_UNHEALTHY = int(
    HealthFlag.FAILED_ACTIVE_HC | HealthFlag.FAILED_OUTLIER_CHECK | HealthFlag.FAILED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING
)
_DEGRADED = int(HealthFlag.DEGRADED_ACTIVE_HC | HealthFlag.DEGRADED_EDS_HEALTH)
_EXCLUDED = int(HealthFlag.PENDING_ACTIVE_HC | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL | HealthFlag.EDS_STATUS_DRAINING)
_CONFIGURED = int(HealthFlag.FAILED_EDS_HEALTH | HealthFlag.DEGRADED_EDS_HEALTH | HealthFlag.EDS_STATUS_DRAINING)
_FLAG_OF = {
    HealthStatus.UNHEALTHY: int(HealthFlag.FAILED_EDS_HEALTH),
    HealthStatus.TIMEOUT: int(HealthFlag.FAILED_EDS_HEALTH),
    HealthStatus.DRAINING: int(HealthFlag.EDS_STATUS_DRAINING),
    HealthStatus.DEGRADED: int(HealthFlag.DEGRADED_EDS_HEALTH),
}
_CANARY = ("envoy.lb", "canary")


class Host:
    """See the module. Made by the `registry.Registry`, and shown the endpoint of each configuration that names it (`describe`).

    ``weight`` is that of the configuration, added up where it names the address more than once. ``since`` is when it became part
    of the cluster, or healthy again after it was not, whichever was later (seconds of the monotonic clock): slow start counts from
    there. ``flags`` are `HealthFlag` bits. ``monitor`` hears of what the host answers, where outliers are looked for, ``check`` where
    it is checked actively. ``active`` are the requests under way on it, on all its pools. ``speaks`` is
    what its last handshake came to, where that decides.

    ``address`` is what the host is known by, for good; ``addresses`` is where connections to it are made: there first, and at the
    additional addresses that it has now.
    """

    __slots__ = (
        "_watchers", "active", "address", "address_text", "addresses", "check", "endpoint", "flags", "health", "hostname", "monitor",
        "since", "speaks", "stats", "weight",
    )  # fmt: skip

    def __init__(self, address: Address, now: float) -> None:
        self.address = address
        self.addresses: tuple[Address, ...] = (address,)
        self.address_text = str(address).encode()
        self.endpoint = LbEndpoint(address)
        self.hostname = ""
        self.weight = 1
        self.since = now
        self.flags = 0
        self.health = Health.HEALTHY
        self.active = 0
        self.speaks: UpstreamProtocol | None = None
        self.stats = EndpointStats()
        self.monitor: HostMonitor | None = None
        self.check: CheckedHost | None = None
        self._watchers: list[Callable[[Host], object]] = []

    @property
    def canary(self) -> bool:
        """Whether its ``envoy.lb`` metadata says ``canary: true``."""
        return self.endpoint.metadata.get(_CANARY[0], {}).get(_CANARY[1]) is True

    def describe(self, endpoint: LbEndpoint, weight: int, now: float, in_use: bool = True) -> None:
        """Take over what a configuration says of this address; *weight* and ``health_status``, which load balancers look at any time,
        only if that configuration is *in_use*."""
        self.endpoint = endpoint
        self.hostname = endpoint.hostname
        self.addresses = (self.address, *endpoint.additional_addresses)
        if in_use:
            self.weight = weight
            self._become(self.flags & ~_CONFIGURED | _FLAG_OF.get(endpoint.health_status, 0), now)

    def set(self, flag: HealthFlag, now: float) -> None:
        """Set *flag*; a host that thereby becomes less healthy tells its watchers."""
        self._become(self.flags | int(flag), now)

    def clear(self, flag: HealthFlag, now: float) -> None:
        """Take *flag* away; a host that thereby becomes healthier tells its watchers."""
        self._become(self.flags & ~int(flag), now)

    def put(self, flags: HealthFlag, of: HealthFlag, now: float) -> None:
        """Have exactly *flags*, out of those named by *of*, as one change."""
        self._become(self.flags & ~int(of) | int(flags), now)

    def has(self, flag: HealthFlag) -> bool:
        """Say whether *flag* is set."""
        return bool(self.flags & flag)

    @property
    def excluded(self) -> bool:
        """Whether it does not count where it is judged how well the cluster as a whole is: a new one that is not yet checked
        (``ignore_new_hosts_until_first_hc``), one that a health check told to be left out at once, or one that is ``DRAINING``."""
        return bool(self.flags & _EXCLUDED)

    def watch(self, changed: Callable[["Host"], object]) -> Callable[[], None]:
        """Have *changed* called with the host when its ``health`` has changed, or `excluded`; return how to stop that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def report(self) -> EndpointReport:
        """Return what is known of it, with a copy of its figures."""
        address, endpoint, monitor = self.addresses[0], self.endpoint, self.monitor
        path, port = (address.host, address.port) if isinstance(address, SocketAddress) else (address.path, None)
        about = EndpointReport(
            path,
            port,
            self.weight,
            self.hostname,
            tuple(str(flag.name).lower() for flag in HealthFlag if self.has(flag)),
            self.health.value,
            "HEALTHY" if endpoint.health_status is HealthStatus.UNKNOWN else endpoint.health_status.value,
            (endpoint.locality.region, endpoint.locality.zone, endpoint.locality.sub_zone),
            endpoint.priority,
            self.canary,
            monitor.external.rate if monitor is not None else -1.0,
            monitor.local.rate if monitor is not None else -1.0,
        )
        self.stats.rq_active = self.active
        return self.stats.report(about)

    def _become(self, flags: int, now: float) -> None:
        before = self.health
        counted_otherwise = (flags ^ self.flags) & _EXCLUDED
        self.flags = flags
        self.health = Health.UNHEALTHY if flags & _UNHEALTHY else Health.DEGRADED if flags & _DEGRADED else Health.HEALTHY
        if self.health is not before or counted_otherwise:
            if self.health is not before and self.health is Health.HEALTHY:
                self.since = now
            for watcher in list(self._watchers):
                watcher(self)

    def __repr__(self) -> str:
        return f"<Host {self.address} {self.health.value} flags={HealthFlag(self.flags)!r} active={self.active}>"
