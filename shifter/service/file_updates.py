"""Envoy's statistics of files with clusters, listeners and routes: ``cluster_manager.cds.``, ``listener_manager.lds.``,
``http.<stat_prefix>.rds.<name>.``

Rule 1. An attempt is a text that was not tried before, or that is taken now and was not then. Each ends as a success, as rejected, or,
        when it is no YAML or not there, as a failure.
Rule 2. What Envoy counts as a reload is a success that brought something: a cluster that is new or another, other routes.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from xxhash import xxh64_intdigest

from shifter.model.bootstrap import Documents
from shifter.observe.server_stats import ServerStats
from shifter.service.loading import Candidate, FileUpdate

_COUNTED = ("init_fetch_timeout", "update_attempt", "update_failure", "update_rejected", "update_success")


@dataclass(slots=True)
class _Tried:
    """What a file said last, and whether that was taken."""

    said: bytes | None
    taken: bool


class FileUpdates:
    """See the module."""

    def __init__(self, stats: ServerStats, wall: Callable[[], float]) -> None:
        self._stats = stats
        self._wall = wall
        self._tried: dict[tuple[str, str], _Tried] = {}
        self._resources: Collection[tuple[str, bytes]] = frozenset()

    def note(self, candidate: Candidate, served: bool) -> None:
        """Count what became of the files of *candidate*, which is *served* from now on, or was refused."""
        found = _resources(candidate.documents) if served else self._resources
        for update in candidate.updates:
            taken = update.taken and served
            for scope in update.scopes:
                before = self._tried.get((update.path, scope))
                if before is None or before.said != update.said or taken > before.taken:
                    self._tried[update.path, scope] = _Tried(update.said, taken)
                    self._prepare(scope)
                    self._count(scope, update, taken, found, before)
        if served:
            self._resources = found
            named = {(update.path, scope) for update in candidate.updates for scope in update.scopes}
            self._tried = {one: tried for one, tried in self._tried.items() if one in named}
            self._forget({scope for _, scope in named})

    def _prepare(self, scope: str) -> None:
        stats = self._stats
        if f"{scope}.update_attempt" in stats.discovery:
            return
        stats.discovery |= {f"{scope}.{name}": 0 for name in _COUNTED}
        stats.discovery_gauges |= {f"{scope}.update_time": 0, f"{scope}.version": 0}
        if not scope.startswith("listener_manager."):
            stats.discovery[f"{scope}.config_reload"] = 0
            stats.discovery_gauges[f"{scope}.config_reload_time_ms"] = 0
        if scope.startswith("http."):
            stats.discovery[f"{scope}.update_empty"] = 0

    def _count(self, scope: str, update: FileUpdate, taken: bool, found: Collection[tuple[str, bytes]], before: _Tried | None) -> None:
        stats, now = self._stats, int(self._wall() * 1000)
        stats.discovery[f"{scope}.update_attempt"] += 1
        if not taken:
            stats.discovery[f"{scope}.{'update_rejected' if update.readable else 'update_failure'}"] += 1
            return
        stats.discovery[f"{scope}.update_success"] += 1
        stats.discovery_gauges[f"{scope}.update_time"] = now
        stats.discovery_gauges[f"{scope}.version"] = xxh64_intdigest(update.version.encode())
        stats.discovery_texts[f"{scope}.version_text"] = update.version
        new = {one for one, _ in (found if before is None else set(found) - set(self._resources))}
        name = scope.partition(".rds.")[2]
        brought = f"rds {name}" in new if name else any(one.startswith("cds ") for one in new)
        if brought and f"{scope}.config_reload" in stats.discovery:
            stats.discovery[f"{scope}.config_reload"] += 1
            stats.discovery_gauges[f"{scope}.config_reload_time_ms"] = now

    def _forget(self, scopes: Collection[str]) -> None:
        """Have no statistics of files that nobody names any more."""
        for figures in (self._stats.discovery, self._stats.discovery_gauges, self._stats.discovery_texts):
            for name in [name for name in figures if name.rpartition(".")[0] not in scopes]:
                del figures[name]


def _resources(documents: Documents) -> frozenset[tuple[str, bytes]]:
    """Return what a change of makes a reload: clusters and routes, by kind and name."""
    clusters = ((f"cds {one.name}", one.json) for one in documents.clusters)
    routes = ((f"rds {one.name}", one.json) for one in documents.route_configs)
    return frozenset((*clusters, *routes))
