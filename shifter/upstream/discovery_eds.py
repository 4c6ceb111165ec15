"""Endpoints that somebody else writes down while the proxy runs: ``EDS``.

Rule 1. What is not understood whole changes nothing, and is told with its place; what was understood last holds.
Rule 2. Of endpoints with one address the first counts, in whichever priority or locality it stands (Envoy).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from shifter.model.address import Address
from shifter.model.cluster import Assignment, AssignmentPolicy, Cluster, LbEndpoint
from shifter.observe.stats import ClusterStats
from shifter.upstream.discovery import Changed, Discovery, Finding

_log = Logger()


class Lack(Enum):
    """Why there is no assignment."""

    MISSING = "missing"
    """There is nothing to be read (yet): it is worth waiting for."""
    UNREADABLE = "unreadable"
    REJECTED = "rejected"
    EMPTY = "empty"
    """There is no assignment in it, and nothing wrong with that."""


@dataclass(frozen=True, slots=True)
class NoAssignment:
    """What was written down cannot be used; ``problems`` says why, in words with places."""

    lack: Lack
    problems: tuple[str, ...] = ()


Said = Assignment | NoAssignment


class AssignmentSource(Protocol):
    """Where the assignments of one cluster are written down."""

    def watch(self, told: Callable[[Said], object]) -> Callable[[], None]:
        """Call *told* with what is said now, before this returns, and whenever something else is; return how to stop that."""


class EdsDiscovery(Finding):
    """``EDS``: the endpoints are those of the latest assignment that could be used. A source that has nothing yet is waited for."""

    def __init__(self, cluster: Cluster, source: AssignmentSource, stats: ClusterStats | None = None) -> None:
        super().__init__(cluster, stats)
        self.policy = AssignmentPolicy()
        self.stats.more.setdefault("update_rejected", 0)
        self._source = source
        self._unwatch: Callable[[], None] | None = None
        self._stopped = False

    def inherit(self, before: Discovery) -> None:
        if isinstance(before, EdsDiscovery) and self._service == before._service:
            self.endpoints = before.endpoints
            self.policy = before.policy

    @property
    def _service(self) -> str:
        eds = self._cluster.eds
        return eds.service_name if eds is not None and eds.service_name else self._cluster.name

    def start(self, changed: Changed) -> Deferred[None]:
        warming = self._begin(changed)
        if self.endpoints:
            self._warm()
        unwatch = self._source.watch(self._told)
        if self._stopped:
            unwatch()
        else:
            self._unwatch = unwatch
        return warming

    def stop(self) -> None:
        self._stopped = True
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._end()

    def _told(self, said: Said) -> None:
        self.stats.update_attempt += 1
        try:
            if isinstance(said, Assignment):
                self.stats.update_success += 1
                self._have(_each_once(said.endpoints), said.policy)
            else:
                self._lacks(said)
        except Exception:
            _log.failure("cluster {cluster}: its new endpoints were not taken", cluster=self._cluster.name)
        if not (isinstance(said, NoAssignment) and said.lack is Lack.MISSING):
            self._warm()

    def _lacks(self, said: NoAssignment) -> None:
        if said.lack is Lack.EMPTY:
            self.stats.update_success += 1
            self.stats.update_empty += 1
        elif said.lack is Lack.REJECTED:
            self.stats.more["update_rejected"] += 1
        else:
            self.stats.update_failure += 1
        tell = _log.error if said.lack in (Lack.REJECTED, Lack.UNREADABLE) else _log.warn
        for problem in said.problems:
            tell("cluster {cluster}: {problem}", cluster=self._cluster.name, problem=problem)
        consequence = "keeps the endpoints it has" if self.endpoints else "has no endpoints"
        _log.warn("cluster {cluster} {consequence}", cluster=self._cluster.name, consequence=consequence)


def _each_once(endpoints: tuple[LbEndpoint, ...]) -> tuple[LbEndpoint, ...]:
    first: dict[Address, LbEndpoint] = {}
    for endpoint in endpoints:
        first.setdefault(endpoint.address, endpoint)
    return tuple(first.values())
