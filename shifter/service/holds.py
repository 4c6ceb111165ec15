"""Routes that releases hold: what files say, with baseline and canary of a release in the place of a route's clusters.         (pure)

Rule 1. A held route is as its file says, but for its clusters: they are the release's two. An entry that is there already keeps all that it
        says; one that is not is made, with a weight of 0. Weights have no say while the hold lasts, wherever they come from.
Rule 2. What is held is found in what files say, anew for each of their versions. Files in which it cannot be found are refused, or at
        the start, where there is nothing else to serve, the hold ends.
Rule 3. A hold is told as plain data, for those who write it down or hand it over.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from shifter.config.release_route import FoundRoute, RouteReferenceError, finding_routes
from shifter.model.bootstrap import Bootstrap
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, Listener, with_managers
from shifter.model.release import MirrorStep, ReleaseSpec, RouteHold, RouteReference
from shifter.model.route import (
    HashPolicy,
    HashSource,
    HeaderMatcher,
    RangeMatcher,
    RegexRewrite,
    Route,
    RouteAction,
    StringMatcher,
    StringMatchKind,
    VirtualHost,
    WeightedCluster,
)
from shifter.model.steps import Steps, at_once
from shifter.routing.release_split import Splits, with_shares


class HoldError(Exception):
    """The route of ``release`` cannot be held in this configuration."""

    def __init__(self, release: str, why: str) -> None:
        ends = f"when it is over, or was aborted, `shifter release finish {release}` lets go of it"
        super().__init__(f"the release `{release}` holds a route, and {why}; {ends}")
        self.release = release
        self.why = why


def hold_of(spec: ReleaseSpec) -> RouteHold:
    """Return what *spec* wants of its route."""
    found = RouteHold(spec.name, spec.route, spec.baseline, spec.canary, spec.header, spec.stick_to, spec.mirror)
    return replace(found, errors=spec.verdict.errors)


def finding_held(bootstrap: Bootstrap, hold: RouteHold) -> Steps[list[FoundRoute]]:
    """Return where the route of *hold* stands in *bootstrap*, which is what files say. Raises `HoldError`."""
    names = {cluster.name for cluster in bootstrap.clusters}
    for cluster in (hold.baseline, hold.canary):
        if cluster not in names:
            raise HoldError(hold.release, f"there is no cluster `{cluster}` in the configuration")
    try:
        return (yield from finding_routes(bootstrap, hold.route, (hold.baseline, hold.canary)))
    except RouteReferenceError as error:
        raise HoldError(hold.release, f"it cannot be found in the configuration: {error}") from error


def held(bootstrap: Bootstrap, said: Bootstrap, holds: Mapping[str, RouteHold]) -> Bootstrap:
    """Return *bootstrap*, which is *said* with other weights, with its routes held. Raises `HoldError`."""
    return at_once(with_held(bootstrap, said, holds))


def with_held(bootstrap: Bootstrap, said: Bootstrap, holds: Mapping[str, RouteHold]) -> Steps[Bootstrap]:
    """`held`, a few routes a step."""
    places: dict[tuple[str, int], RouteHold] = {}
    for hold in holds.values():
        for one in (yield from finding_held(said, hold)):
            other = places.setdefault((one.listener, id(one.route)), hold)
            if other is not hold:
                raise HoldError(hold.release, f"the release `{other.release}` holds the same one")
    touched = {listener for listener, _ in places}
    listeners = []
    for listener, file in zip(bootstrap.listeners, said.listeners, strict=True):
        listeners.append((yield from _listener(listener, file, places)) if listener.name in touched else listener)
    return replace(bootstrap, listeners=tuple(listeners)) if touched else bootstrap


def holder_of(said: Bootstrap, holds: Mapping[str, RouteHold], name: str) -> Steps[str]:
    """Return the release that holds the route which may be called *name* where weights are set; empty when none does."""
    for hold in holds.values():
        for one in (yield from finding_held(said, hold)):
            words = (one.name, f"{one.listener}/{one.name}", one.name.partition("/")[2], one.route.match.text.decode("utf-8", "replace"))
            if name in words:
                return hold.release
    return ""


def as_shared(bootstrap: Bootstrap, splits: Splits) -> Bootstrap:
    """Return *bootstrap*, which is served, with the shares of its held routes at this moment as their weights, for people to see."""

    def route(one: Route) -> Route:
        action = one.action
        if not isinstance(action, RouteAction) or action.hold is None:
            return one
        return replace(one, action=with_shares(action, splits.of(action.hold.release)))

    def host(one: VirtualHost) -> VirtualHost:
        return replace(one, routes=tuple(map(route, one.routes))) if _holds(one) else one

    def manager(one: HttpConnectionManager) -> HttpConnectionManager:
        hosts = tuple(map(host, one.route_config.virtual_hosts))
        return replace(one, route_config=replace(one.route_config, virtual_hosts=hosts))

    def listener(one: Listener) -> Listener:
        touched = any(_holds(host) for each in one.managers for host in each.route_config.virtual_hosts)
        return with_managers(one, manager) if touched else one

    return replace(bootstrap, listeners=tuple(map(listener, bootstrap.listeners)))


def _holds(host: VirtualHost) -> bool:
    return any(isinstance(route.action, RouteAction) and route.action.hold is not None for route in host.routes)


_Places = Mapping[tuple[str, int], RouteHold]


def _listener(listener: Listener, file: Listener, places: _Places) -> Steps[Listener]:
    chains = []
    for chain, written in zip(listener.filter_chains, file.filter_chains, strict=True):
        chains.append((yield from _chain(chain, written, listener.name, places)))
    default = listener.default_filter_chain
    if default is not None and file.default_filter_chain is not None:
        default = yield from _chain(default, file.default_filter_chain, listener.name, places)
    return replace(listener, filter_chains=tuple(chains), default_filter_chain=default)


def _chain(chain: FilterChain, file: FilterChain, listener: str, places: _Places) -> Steps[FilterChain]:
    if not (isinstance(chain.filter, HttpConnectionManager) and isinstance(file.filter, HttpConnectionManager)):
        return chain
    config = chain.filter.route_config
    hosts = []
    changed = False
    for host, written in zip(config.virtual_hosts, file.filter.route_config.virtual_hosts, strict=True):
        hosts.append(_host(host, written, listener, places))
        changed = changed or hosts[-1] is not host
        yield
    if not changed:
        return chain
    return replace(chain, filter=replace(chain.filter, route_config=replace(config, virtual_hosts=tuple(hosts))))


def _host(host: VirtualHost, file: VirtualHost, listener: str, places: _Places) -> VirtualHost:
    found = {number: places[listener, id(route)] for number, route in enumerate(file.routes) if (listener, id(route)) in places}
    if not found:
        return host
    routes = list(host.routes)
    for number, hold in found.items():
        routes[number] = _route(routes[number], hold)
    return replace(host, routes=tuple(routes))


def _route(route: Route, hold: RouteHold) -> Route:
    action = route.action
    assert isinstance(action, RouteAction)
    there = {entry.name: entry for entry in action.clusters}
    entries = [there.get(name) or WeightedCluster(name, 0, metadata_match=action.metadata_match) for name in (hold.baseline, hold.canary)]
    return replace(route, action=replace(action, clusters=tuple(entries), runtime_key_prefix="", hold=hold))


# as plain data

_CLASSES: Mapping[str, Callable[..., Any]] = {
    one.__name__: one
    for one in (RouteHold, RouteReference, HeaderMatcher, StringMatcher, RangeMatcher, HashPolicy, RegexRewrite, MirrorStep)
}
_ENUMS: Mapping[str, Callable[[Any], Any]] = {one.__name__: one for one in (StringMatchKind, HashSource)}


def to_plain(value: Any) -> Any:
    """Return a hold, or a part of one, as JSON has it."""
    if isinstance(value, Enum):
        return {"enum": type(value).__name__, "value": value.value}
    if is_dataclass(value):
        said = {one.name: to_plain(getattr(value, one.name)) for one in fields(value)}
        return {"is": type(value).__name__, **said}
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    return [to_plain(one) for one in value] if isinstance(value, tuple) else value


def from_plain(plain: Any) -> Any:
    """Undo `to_plain`. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what it has not made."""
    if isinstance(plain, list):
        return tuple(from_plain(one) for one in plain)
    if not isinstance(plain, dict):
        return plain
    if "bytes" in plain:
        return plain["bytes"].encode("latin-1")
    if "set" in plain:
        return frozenset(plain["set"])
    if "enum" in plain:
        return _ENUMS[plain["enum"]](plain["value"])
    return _CLASSES[plain["is"]](**{name: from_plain(value) for name, value in plain.items() if name != "is"})


def plain_holds(holds: Mapping[str, RouteHold]) -> dict[str, Any]:
    """Return *holds*, by release, as JSON has them."""
    return {name: to_plain(hold) for name, hold in holds.items()}


def holds_from(plain: Mapping[str, Any]) -> dict[str, RouteHold]:
    """Undo `plain_holds`."""
    return {name: from_plain(one) for name, one in plain.items()}
