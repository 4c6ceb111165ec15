"""A controller whose data path only remembers what it was given: for wishes, and what comes of them."""

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed

from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.change import Actor, ChangeResult
from shifter.model.steps import at_once
from shifter.observe.server_stats import ServerStats
from shifter.service.controller import Controller, Reload
from shifter.service.journal import Journal, MemoryJournal
from shifter.service.loading import Candidate, loaded_again
from shifter.service.steering import Steering
from tests.support.threads import Threads

NAME = "front.yaml"
ANN = Actor("ann", "because", "a test")

CLUSTERS = """
  clusters:
  - {name: service1, load_assignment: {cluster_name: service1}}
  - {name: service1a, load_assignment: {cluster_name: service1a}}
  - {name: service2, load_assignment: {cluster_name: service2}}
"""


def weighted(prefix: str, more: str = "", **weights: int) -> str:
    """A route to weighted clusters."""
    clusters = ", ".join(f"{{name: {name}, weight: {weight}}}" for name, weight in weights.items())
    return f"{{match: {{prefix: {prefix}}}, route: {{weighted_clusters: {{{more}clusters: [{clusters}]}}}}}}"


def listener(*routes: str, name: str = "front", port: int = 1, host: str = "all") -> str:
    """A listener with one virtual host."""
    manager = (
        '"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, '
        f"stat_prefix: {name}, route_config: {{virtual_hosts: [{{name: {host}, domains: ['*'], routes: [{', '.join(routes)}]}}]}}, "
        "http_filters: [{name: envoy.filters.http.router, "
        'typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]'
    )
    chain = f"{{filters: [{{name: envoy.filters.network.http_connection_manager, typed_config: {{{manager}}}}}]}}"
    address = f"{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}"
    return f"{{name: {name}, address: {address}, filter_chains: [{chain}]}}"


def tcp_listener(name: str, stat_prefix: str, port: int = 2, **weights: int) -> str:
    """A listener with a TCP proxy to weighted clusters."""
    clusters = ", ".join(f"{{name: {cluster}, weight: {weight}}}" for cluster, weight in weights.items())
    proxy = (
        '"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, '
        f"stat_prefix: {stat_prefix}, weighted_clusters: {{clusters: [{clusters}]}}"
    )
    chain = f"{{filters: [{{name: envoy.filters.network.tcp_proxy, typed_config: {{{proxy}}}}}]}}"
    return f"{{name: {name}, address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}, filter_chains: [{chain}]}}"


def config(*listeners: str, layers: str = "") -> bytes:
    """A whole configuration."""
    runtime = f"layered_runtime: {{layers: [{layers}]}}\n" if layers else ""
    return f"{runtime}static_resources:\n  listeners: [{', '.join(listeners)}]{CLUSTERS}".encode()


def candidate(text: bytes) -> Candidate:
    """What a good configuration file says."""
    found = loaded_again({NAME: text})
    assert found.bootstrap is not None, found.problems
    return found


class RememberingPlane:
    """A data path that serves nothing."""

    def __init__(self) -> None:
        self.served: list[Bootstrap] = []
        self.unable: Exception | None = None
        self.cut_short_after: int | None = None
        """After how many pieces of work the process ends."""

    def lay_out(self, snapshot: Snapshot) -> Snapshot:
        return snapshot

    def prepare(self, snapshot: Snapshot) -> Deferred[Snapshot]:
        if self.unable is not None:
            raise self.unable
        return succeed(snapshot)

    def warm(self, prepared: Snapshot) -> Deferred[Snapshot]:
        return succeed(prepared)

    def meanwhile(self, steps: Any) -> Deferred[Any]:
        if self.cut_short_after == 0:
            return fail(CancelledError())
        if self.cut_short_after is not None:
            self.cut_short_after -= 1
        return succeed(at_once(steps))

    def commit(self, prepared: Snapshot) -> None:
        self.served.append(prepared.bootstrap)

    def discard(self, prepared: object) -> None:
        pass

    def let_go(self, over: list[object]) -> Deferred[None]:
        over.clear()
        return succeed(None)


class Steered:
    """A controller over *text*, with a journal and everything that may be wished for."""

    def __init__(self, text: bytes, journal: Journal | None = None, reactor: Threads | None = None) -> None:
        self.reactor = reactor or Threads()
        self.plane = RememberingPlane()
        self.journal = journal or MemoryJournal()
        self.stats = ServerStats("1.2.3", 0.0)
        self.text = text
        plane: Any = self.plane
        self.controller = Controller(plane, self.journal, self.stats, lambda: 1795409043.5, lambda sock: None)
        self.steering = Steering(self.reactor, self.controller, self.journal, lambda texts: succeed(loaded_again(texts)))
        self.wait(self.controller.lay_out(candidate(text))())

    def wait(self, deferred: Deferred[Any]) -> Any:
        return self.reactor.wait(deferred)

    def weigh(self, route: str, dry_run: bool = False, **weights: str) -> ChangeResult:
        result: ChangeResult = self.wait(self.steering.set_weights(route, weights, ANN, dry_run))
        return result

    def modify(self, **values: str) -> ChangeResult:
        result: ChangeResult = self.wait(self.steering.modify_runtime({key.replace("_", "."): text for key, text in values.items()}, ANN))
        return result

    def undo(self) -> ChangeResult:
        result: ChangeResult = self.wait(self.steering.undo(ANN))
        return result

    def reload(self, text: bytes) -> ChangeResult:
        self.text = text
        result: ChangeResult = self.wait(self.controller.change(Reload(lambda: succeed(loaded_again({NAME: text}))), ANN))
        return result

    def shares(self) -> dict[str, dict[str, float]]:
        """By route, how many per cent each cluster gets now."""
        found: list[dict[str, Any]] = self.wait(self.steering.weights())
        return {one["route"]: {cluster["name"]: cluster["percent"] for cluster in one["clusters"]} for one in found}

    def history(self) -> list[str]:
        """The audit log, the newest first: kind and lines of each change."""
        entries = self.wait(self.journal.entries(100))
        return [f"{one.number} {one.kind.value} {'; '.join(one.changes)}" for one in entries]
