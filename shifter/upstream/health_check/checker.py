"""The active health checks of one cluster in one configuration (``Cluster.health_checks``), as Envoy makes them.

Rule 1. A host is unhealthy until its first check has gone well; with several health checks, as long as one of them says so.
Rule 2. What is found before the configuration is in force (`HealthChecker.activate`) reaches nobody: the hosts may be serving already,
        under the configuration before. Hosts that this one checks are not asked twice; what it found of them is taken over.
Rule 3. So a reload changes the health of no host by itself, and one that takes the checks away leaves no trace of them.
"""

from collections.abc import Callable, Collection, Iterable
from random import Random

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from shifter.model.cluster import Cluster
from shifter.net.transport import Connector
from shifter.observe.stats import ClusterStats
from shifter.upstream.health_check.events import HealthCheckEvent
from shifter.upstream.health_check.http import IMMEDIATE_FAIL
from shifter.upstream.health_check.session import Check, Session
from shifter.upstream.host import HealthFlag, Host
from shifter.upstream.transport_sockets import TransportSockets
from shifter.wire.heads import first_value

_log = Logger()
_OURS = (
    HealthFlag.FAILED_ACTIVE_HC
    | HealthFlag.DEGRADED_ACTIVE_HC
    | HealthFlag.PENDING_ACTIVE_HC
    | HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL
    | HealthFlag.ACTIVE_HC_TIMEOUT
)
_FIGURES = "health_check."
_NONE = HealthFlag(0)
_CROWD = 50
"""Hosts that can be checked in one go without anybody else noticing."""


class CheckedHost:
    """What the checks of a configuration say of one host (``Host.check`` when it is the one in force)."""

    __slots__ = ("_checker", "announced", "begun", "excluded", "host", "known", "sessions")

    def __init__(self, checker: "HealthChecker", host: Host) -> None:
        self.host = host
        self.excluded = False
        self.begun = False
        self.announced = False  # the log says that it fails
        self.known = False  # every check has had an outcome
        self._checker = checker
        self.sessions = [Session(check, self) for check in checker.checks]

    def answered(self, block: bytes) -> None:
        """A request to the host was answered with these fields: they may say that it is to be left out at once."""
        if first_value(block, IMMEDIATE_FAIL) is not None:
            self.excluded = True
            self.sessions[0].failed_passively()

    @property
    def unhealthy(self) -> bool:
        """Whether some check says so."""
        return any(session.unhealthy for session in self.sessions)

    @property
    def degraded(self) -> bool:
        """Whether some check says so."""
        return any(session.degraded for session in self.sessions)

    def flags(self) -> HealthFlag:
        """Return what the host's flags have to be."""
        flags = _NONE
        if self.unhealthy:
            flags |= HealthFlag.FAILED_ACTIVE_HC
            if any(session.timed_out for session in self.sessions):
                flags |= HealthFlag.ACTIVE_HC_TIMEOUT
        if self.degraded:
            flags |= HealthFlag.DEGRADED_ACTIVE_HC
        if self.excluded:
            flags |= HealthFlag.EXCLUDED_VIA_IMMEDIATE_HC_FAIL
        if self._checker.marks_pending and self.unhealthy and not self.known:
            flags |= HealthFlag.PENDING_ACTIVE_HC
        return flags

    def trust(self) -> None:
        """Take it for well as long as no check says otherwise."""
        for session in self.sessions:
            session.unhealthy = session.unhealthy and not session.first

    def inherit(self, before: "CheckedHost") -> None:
        """Take over what the checks of the configuration *before* have found."""
        self.known = True
        self.announced = before.announced
        self.excluded = before.excluded
        known = {session.check.config.name: session for session in before.sessions}
        for session in self.sessions:
            same = known.get(session.check.config.name)
            if same is not None and not same.first:
                session.inherit(same)
            else:
                session.take(before.unhealthy, before.degraded, any(one.timed_out for one in before.sessions))

    # session.Owner

    def judged(self, session: Session, well: bool, changed: bool) -> None:
        if self.excluded:
            self.excluded = not well or self.unhealthy
            changed = True
        if not self.known and not any(one.first for one in self.sessions):
            self.known = changed = True
            self._checker.one_more_known()
        self._checker.judged(self, well, changed)

    def exclude(self) -> None:
        self.excluded = True


class HealthChecker:
    """See the module. *failed* is called with a host whose check has just failed it (or that failed its first)."""

    def __init__(
        self,
        cluster: Cluster,
        stats: ClusterStats,
        network: Connector,
        random: Random,
        failed: Callable[[Host], object],
        log: Callable[[str, HealthCheckEvent], object] | None = None,
        sockets: TransportSockets | None = None,
    ) -> None:
        self.checks = [Check(config, cluster, stats, network, random, log, sockets) for config in cluster.health_checks]
        self.marks_pending = cluster.common_lb.ignore_new_hosts_until_first_hc
        self.in_force = False
        self._name = cluster.name
        self._stats = stats
        self._network = network
        self._random = random
        self._failed = failed
        self._hosts: dict[Host, CheckedHost] = {}
        self._unknown = 0
        self._waiting: Deferred[None] | None = None

    def watch(self, hosts: Iterable[Host]) -> None:
        """Check *hosts* from now on, but for those that are not to be checked, and no others."""
        before = self._hosts
        self._hosts = {}
        new = []
        for host in hosts:
            if host.endpoint.disable_active_health_check:
                continue
            checked = before.pop(host, None)
            if checked is None:
                checked = CheckedHost(self, host)
                new.append(checked)
            self._hosts[host] = checked
        for checked in before.values():
            self._let_go(checked)
        for checked in new:
            for session in checked.sessions:
                session.scatters = len(new) > _CROWD
            if self.in_force:
                self._enforce(checked)
            elif checked.host.check is None or not checked.host.check.known:
                self._begin(checked)
        if self.in_force:
            self._show()
        self._tell_when_checked()

    def checked(self) -> Deferred[None]:
        """Fires when each host's first check has ended, well or not, or at `stop`. Cancelling it ends the wait only."""
        if not self._unknown:
            return succeed(None)
        self._waiting = Deferred(self._forget_waiting)
        return self._waiting

    def activate(self, serving: Collection[Host] = ()) -> None:
        """What is found holds for the hosts from now on, together with what was found of them so far. Those that are *serving* unchecked
        go on until the first check fails them."""
        self.in_force = True
        for checked in list(self._hosts.values()):
            if checked.host.check is None and checked.host in serving and not checked.known:
                checked.trust()
            self._enforce(checked)
        self._show()

    def stop(self) -> None:
        """Check nothing more."""
        hosts, self._hosts = self._hosts, {}
        for checked in hosts.values():
            self._let_go(checked)
        self._tell_when_checked()
        self._failed = _nobody  # who holds this is not held by it any more

    # for the hosts

    def one_more_known(self) -> None:
        """Every check of some host has had an outcome."""
        self._unknown -= 1

    def judged(self, checked: CheckedHost, well: bool, changed: bool) -> None:
        """See `session.Owner`."""
        if self.in_force:
            host = checked.host
            if changed:
                failed = not host.has(HealthFlag.FAILED_ACTIVE_HC)
                host.put(checked.flags(), _OURS, self._network.monotonic())
                self._show()
                self._announce(checked)
                if failed and checked.unhealthy:
                    self._failed(host)
            if well and host.monitor is not None:
                host.monitor.check_succeeded()
        self._tell_when_checked()

    # inside

    def _begin(self, checked: CheckedHost) -> None:
        checked.begun = True
        self._unknown += 1
        for session in checked.sessions:
            session.begin()

    def _enforce(self, checked: CheckedHost) -> None:
        """Have the host's health follow from *checked*, and check it if that has not begun."""
        host = checked.host
        before = host.check
        host.check = checked
        if before is not None and before.known and not checked.known:
            checked.inherit(before)
            self._unknown -= checked.begun
        host.put(checked.flags(), _OURS, self._network.monotonic())
        self._announce(checked)
        if checked.known and not checked.begun:
            checked.begun = True
            for session in checked.sessions:
                # not all at once: there is no hurry
                session.begin_after(self._random.random() * session.check.config.interval)
        elif not checked.begun:
            self._begin(checked)

    def _announce(self, checked: CheckedHost) -> None:
        """Tell the log of a host that fails, once, and of its return."""
        if checked.known and checked.unhealthy is not checked.announced:
            checked.announced = checked.unhealthy
            does = "fails" if checked.unhealthy else "passes"
            _log.info("cluster {cluster}: {host} {does} its health checks", cluster=self._name, host=checked.host.address, does=does)

    def _let_go(self, checked: CheckedHost) -> None:
        if checked.begun and not checked.known:
            self._unknown -= 1
        for session in checked.sessions:
            session.stop()
        if checked.host.check is checked:
            _forget(checked.host, self._network.monotonic())

    def _show(self) -> None:
        """Bring the gauges up to date."""
        gauges = self._stats.more_gauges
        hosts = self._hosts.values()
        for number, check in enumerate(self.checks):
            gauges[check.prefix + "healthy"] = sum(not checked.sessions[number].unhealthy for checked in hosts)
            gauges[check.prefix + "degraded"] = sum(checked.sessions[number].degraded for checked in hosts)
        if len(self.checks) > 1:
            gauges[_FIGURES + "healthy"] = sum(not checked.unhealthy for checked in hosts)
            gauges[_FIGURES + "degraded"] = sum(checked.degraded for checked in hosts)

    def _forget_waiting(self, waiting: Deferred[None]) -> None:
        self._waiting = None

    def _tell_when_checked(self) -> None:
        if self._waiting is not None and not self._unknown:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    def __repr__(self) -> str:
        unhealthy = sum(checked.unhealthy for checked in self._hosts.values())
        return f"<HealthChecker hosts={len(self._hosts)} unhealthy={unhealthy} unknown={self._unknown}>"


def _forget(host: Host, now: float) -> None:
    """Nobody checks *host* any more: it is as well as the others say."""
    host.check = None
    host.put(_NONE, _OURS, now)


def _nobody(host: Host) -> None:
    """Nobody is told."""


def forget_checks(hosts: Iterable[Host], stats: ClusterStats, now: float) -> None:
    """There are no health checks any more: *hosts* neither fail nor pass any."""
    for host in hosts:
        if host.check is not None:
            _forget(host, now)
    for name in [name for name in stats.more_gauges if name.startswith(_FIGURES)]:
        del stats.more_gauges[name]
