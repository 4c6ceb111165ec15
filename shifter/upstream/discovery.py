"""Where the endpoints of a cluster come from: what all ways have in common, and the simplest, its configuration.

Rule 1. What is known stays true until somebody who knows says otherwise: what cannot be found out changes nothing.
Rule 2. ``changed`` is called when something about the endpoints is another, never for the same in another order. The log gets one
        event for such a change, one when something begins to fail and one when that ends, and none for each look.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from shifter.model.cluster import AssignmentPolicy, Cluster, LbEndpoint
from shifter.observe.stats import ClusterStats

_log = Logger()

Changed = Callable[[tuple[LbEndpoint, ...]], object]
"""Gets all endpoints. They can be connected to; the ``hostname`` of one that was resolved is the configured one, or the name that
has its address."""


class Discovery(Protocol):
    """The endpoints of one cluster of one configuration.

    ``endpoints`` are those it has found. ``policy`` came with them, where it is not the configuration that says (EDS).
    """

    endpoints: tuple[LbEndpoint, ...]
    policy: AssignmentPolicy | None

    def inherit(self, before: "Discovery") -> None:
        """Begin with what *before*, the same cluster under its previous configuration, knows. Call it ahead of `start`.

        So a reload while nobody answers costs no endpoint; Envoy begins with none.
        """

    def start(self, changed: Changed) -> Deferred[None]:
        """Call *changed* with all endpoints now, if they are known, and whenever they have changed.

        Fires when the first attempt has ended, well or not, or at `stop`; it has no deadline of its own. Cancelling it ends the wait
        only. A cluster that need not be waited for (``wait_for_warm_on_init: false``) fires at once.
        """

    def stop(self) -> None:
        """Look no more; *changed* is not called again."""


class Finding:
    """What every `Discovery` that finds its endpoints outside the configuration does alike. Counts ``update_*``, as Envoy does."""

    def __init__(self, cluster: Cluster, stats: ClusterStats | None = None) -> None:
        self.stats = stats or ClusterStats()
        self.endpoints: tuple[LbEndpoint, ...] = ()
        self.policy: AssignmentPolicy | None = None
        self._cluster = cluster
        self._changed: Changed = _nobody
        self._warming: Deferred[None] | None = None

    def _begin(self, changed: Changed) -> Deferred[None]:
        """Remember *changed*, tell it what was inherited, and return what `start` returns."""
        self._changed = changed
        if self.endpoints:
            changed(self.endpoints)
        if not self._cluster.wait_for_warm_on_init:
            return succeed(None)
        self._warming = Deferred(self._forget_waiting)
        return self._warming

    def _forget_waiting(self, warming: Deferred[None]) -> None:
        self._warming = None

    def _warm(self) -> None:
        """The first attempt has ended."""
        if self._warming is not None:
            warming, self._warming = self._warming, None
            warming.callback(None)

    def _end(self) -> None:
        """Call nobody any more; whoever waits need not."""
        self._changed = _nobody
        self._warm()

    def _have(self, endpoints: tuple[LbEndpoint, ...], policy: AssignmentPolicy | None = None) -> None:
        """These are the endpoints now: tell about them if they are others."""
        before, now = Counter(self.endpoints), Counter(endpoints)
        if now == before and policy == self.policy:
            self.stats.update_no_rebuild += 1
            return
        self.endpoints = endpoints
        self.policy = policy
        self._tell(before, now)
        self._changed(endpoints)

    def _tell(self, before: Counter[LbEndpoint], now: Counter[LbEndpoint]) -> None:
        were, are = {endpoint.address for endpoint in before}, {endpoint.address for endpoint in now}
        _log.info(
            "cluster {cluster}: endpoints now {count}{added}{removed}{changed}",
            cluster=self._cluster.name,
            count=now.total(),
            added=_listed(", new: ", (endpoint for endpoint in now - before if endpoint.address not in were)),
            removed=_listed(", gone: ", (endpoint for endpoint in before - now if endpoint.address not in are)),
            changed=_listed(", described otherwise: ", (endpoint for endpoint in now - before if endpoint.address in were)),
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._cluster.name} endpoints={len(self.endpoints)}>"


class StaticDiscovery:
    """``STATIC``: the endpoints are those of the configuration."""

    def __init__(self, cluster: Cluster) -> None:
        self.endpoints = cluster.endpoints
        self.policy: AssignmentPolicy | None = None

    def inherit(self, before: Discovery) -> None:
        """There is nothing to learn."""

    def start(self, changed: Changed) -> Deferred[None]:
        changed(self.endpoints)
        return succeed(None)

    def stop(self) -> None:
        """There is nothing to end."""


def _nobody(endpoints: tuple[LbEndpoint, ...]) -> None:
    """Nobody listens (yet, or any more)."""


def _listed(intro: str, endpoints: Iterable[LbEndpoint]) -> str:
    return intro + text if (text := ", ".join(str(endpoint.address) for endpoint in endpoints)) else ""
