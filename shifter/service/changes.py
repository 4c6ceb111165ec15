"""What changes between two configurations, in words: clusters, listeners, virtual hosts, routes, weights.                (pure)

Rule 1. One line a change: ``+`` is new, ``-`` is gone, ``~`` is another than it was.
Rule 2. A route is the same one when it has the same name, or else when it matches the same requests; so a route that moves or gets
        another action is one change, not two.
Rule 3. Weights are told as shares of the requests, which is what they mean.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import TypeAlias, TypeVar

from shifter.model.bootstrap import Bootstrap
from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, Listener
from shifter.model.route import (
    DirectResponseAction,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    VirtualHost,
    WebResourceAction,
    WeightedCluster,
)
from shifter.model.route_title import matched, percent, title_of
from shifter.model.steps import Steps, at_once, emptying
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.service.runtime_changes import runtime_lines

T = TypeVar("T")
_Key: TypeAlias = Callable[[T], Hashable]
_Entry: TypeAlias = WeightedCluster | TcpCluster

_LONG = 60
_PAUSE = None
"""What stands among the lines where work may pause."""


def changes(old: Bootstrap, new: Bootstrap) -> list[str]:
    """Return what is to be said about going from *old* to *new*; empty when they mean the same."""
    return at_once(telling(old, new))


def telling(old: Bootstrap, new: Bootstrap) -> Steps[list[str]]:
    """`changes`, one cluster or route a step."""
    lines: list[str] = []
    for line in _lines(old, new):
        if line is None:
            yield
        else:
            lines.append(line)
    return lines


def _lines(old: Bootstrap, new: Bootstrap) -> Iterator[str | None]:
    yield from _clusters(old.clusters, new.clusters)
    before, after = ({listener.address: listener for listener in config.listeners} for config in (old, new))
    lines = [f"+ listener {listener.name} on {address}" for address, listener in after.items() if address not in before]
    lines += [f"- listener {listener.name} on {address}" for address, listener in before.items() if address not in after]
    yield from lines
    several = len(before.keys() | after.keys()) > 1
    for address, listener in after.items():
        if address in before and before[address] is not listener:
            yield from _listener(before[address], listener, several=several)
    yield from runtime_lines(old, new)
    rest = replace(old, clusters=(), listeners=(), runtime=()), replace(new, clusters=(), listeners=(), runtime=())
    yield from (f"~ {difference}" for difference in _differences(*rest))


def _clusters(old: Iterable[Cluster], new: Iterable[Cluster]) -> Iterator[str | None]:
    before, after = {cluster.name: cluster for cluster in old}, {cluster.name: cluster for cluster in new}
    yield from (f"+ cluster {name}" for name in after if name not in before)
    for name, cluster in after.items():
        yield _PAUSE
        if name in before and before[name] != cluster:
            what = [*_endpoints(before[name].endpoints, cluster.endpoints)]
            what += _differences(replace(before[name], endpoints=()), replace(cluster, endpoints=()))
            yield f"~ cluster {name}: {', '.join(what) or 'the order of its endpoints'}"
    yield from (f"- cluster {name}" for name in before if name not in after)


def _endpoints(old: Iterable[LbEndpoint], new: Iterable[LbEndpoint]) -> Iterator[str]:
    before, after = {endpoint.address: endpoint for endpoint in old}, {endpoint.address: endpoint for endpoint in new}
    yield from (f"+ {address}" for address in after if address not in before)
    yield from (f"- {address}" for address in before if address not in after)
    for address, endpoint in after.items():
        if address in before and before[address] != endpoint:
            yield f"{address} {' '.join(_differences(before[address], endpoint))}"


def _listener(old: Listener, new: Listener, *, several: bool) -> Iterator[str | None]:
    on = f" on {new.address}" if several else ""
    bare_old, bare_new = (replace(one, filter_chains=(), default_filter_chain=None) for one in (old, new))
    for difference in _differences(bare_old, bare_new):
        yield f"~ listener {new.name}: {difference}"
    before, after = _numbered(old.chains, _chain_key), _numbered(new.chains, _chain_key)
    yield from (f"+ filter chain {_chain_name(key[0])} of listener {new.name}" for key in after if key not in before)
    yield from (f"- filter chain {_chain_name(key[0])} of listener {new.name}" for key in before if key not in after)
    for key, chain in after.items():
        if key in before and before[key] is not chain:
            yield from _chain(before[key], chain, new.name, on)


def _chain(old: FilterChain, new: FilterChain, listener: str, on: str) -> Iterator[str | None]:
    for difference in _differences(old, replace(new, filter=old.filter)):
        yield f"~ listener {listener}: {difference}"
    if isinstance(old.filter, HttpConnectionManager) and isinstance(new.filter, HttpConnectionManager):
        routes = RouteConfiguration()
        for difference in _differences(replace(old.filter, route_config=routes), replace(new.filter, route_config=routes)):
            yield f"~ listener {listener}: {difference}"
        yield from _routes(old.filter.route_config, new.filter.route_config, on)
    elif isinstance(old.filter, TcpProxy) and isinstance(new.filter, TcpProxy):
        if old.filter != new.filter:
            what = [*_shares(old.filter.clusters, new.filter.clusters)]
            what += _differences(replace(old.filter, clusters=()), replace(new.filter, clusters=()))
            yield f"~ TCP proxy {new.filter.stat_prefix} of listener {listener}: {', '.join(what) or 'the order of its clusters'}"
    else:
        yield f"~ listener {listener}: {type(old.filter).__name__} -> {type(new.filter).__name__}"


def _routes(old: RouteConfiguration, new: RouteConfiguration, on: str) -> Iterator[str | None]:
    for difference in _differences(replace(old, virtual_hosts=()), replace(new, virtual_hosts=())):
        yield f"~ routes{on}: {difference}"
    before, after = _numbered(old.virtual_hosts, _host_key), _numbered(new.virtual_hosts, _host_key)
    several = len(before.keys() | after.keys()) > 1
    yield from (f"+ virtual host {host.name} ({_domains(host)}){on}" for key, host in after.items() if key not in before)
    yield from (f"- virtual host {host.name} ({_domains(host)}){on}" for key, host in before.items() if key not in after)
    for key, host in after.items():
        if key in before and before[key] is not host:
            yield from _host(before[key], host, on, several=several)


def _host(old: VirtualHost, new: VirtualHost, on: str, *, several: bool) -> Iterator[str | None]:
    yield _PAUSE
    if old.domains != new.domains:
        yield f"~ virtual host {new.name}{on}: domains {_domains(old)} -> {_domains(new)}"
    for difference in _differences(replace(old, routes=(), domains=()), replace(new, routes=(), domains=())):
        yield f"~ virtual host {new.name}{on}: {difference}"
    where = f" in {new.name}{on}" if several else on
    pairs: list[tuple[Route, Route]] = []
    yield from _pairing(old.routes, new.routes, pairs)
    kept = {id(route): earlier for earlier, route in pairs}
    gone = {id(earlier) for earlier, _ in pairs}
    for route in new.routes:
        yield _PAUSE
        if id(route) not in kept:
            yield f"+ route {title_of(route)}{where} -> {_target(route)}"
    for route in new.routes:
        yield _PAUSE
        if id(route) in kept and kept[id(route)] != route:
            yield f"~ route {title_of(route)}{where}: {', '.join(_route(kept[id(route)], route)) or _hardly(route)}"
    for route in old.routes:
        yield _PAUSE
        if id(route) not in gone:
            yield f"- route {title_of(route)}{where}"
    places = {id(route): number for number, route in enumerate(old.routes)}
    order = [places[id(kept[id(route)])] for route in new.routes if id(route) in kept]
    if order != sorted(order):
        yield f"~ virtual host {new.name}{on}: its routes are asked in another order"


def _hardly(route: Route) -> str:
    """Say what is different of a route of which nothing is told."""
    held = isinstance(route.action, RouteAction) and route.action.hold is not None
    return "its weights, which have no say while a release holds it" if held else "the order of its clusters"


def _pairing(old: tuple[Route, ...], new: tuple[Route, ...], pairs: list[tuple[Route, Route]]) -> Iterator[None]:
    """Find out which route of *new* is which of *old*: by name, and what is left by what it matches."""
    left_old, left_new = list(old), list(new)
    for key in (_route_key, _match_key):
        before: dict[tuple[Hashable, int], Route] = {}
        after: dict[tuple[Hashable, int], Route] = {}
        yield from _numbering(left_old, key, before)
        yield from _numbering(left_new, key, after)
        taken: set[int] = set()
        for name, route in after.items():
            yield _PAUSE
            if name in before:
                pairs.append((before[name], route))
                taken |= {id(before[name]), id(route)}
        left_old = [route for route in left_old if id(route) not in taken]
        left_new = [route for route in left_new if id(route) not in taken]
        yield from emptying(before, after)


def _route_key(route: Route) -> Hashable:
    return route.name or route.match


def _chain_key(chain: FilterChain) -> Hashable:
    return chain.key


def _chain_name(key: Hashable) -> str:
    return str(key) if isinstance(key, str) else "without a name"


def _match_key(route: Route) -> Hashable:
    return route.match


def _host_key(host: VirtualHost) -> Hashable:
    return host.name


def _numbered(items: Iterable[T], key: _Key[T]) -> dict[tuple[Hashable, int], T]:
    found: dict[tuple[Hashable, int], T] = {}
    for _ in _numbering(items, key, found):
        pass
    return found


def _numbering(items: Iterable[T], key: _Key[T], found: dict[tuple[Hashable, int], T]) -> Iterator[None]:
    seen: Counter[Hashable] = Counter()
    for item in items:
        yield _PAUSE
        name = key(item)
        found[name, seen[name]] = item
        seen[name] += 1


def _route(old: Route, new: Route) -> Iterator[str]:
    if old.name != new.name:
        yield f"name {old.name or 'none'} -> {new.name or 'none'}"
    if old.match != new.match:
        yield f"matches {matched(new.match)} instead of {matched(old.match)}"
    if isinstance(old.action, RouteAction) and isinstance(new.action, RouteAction):
        yield from _actions(old.action, new.action)
    elif type(old.action) is not type(new.action):
        yield f"{_target(old)} -> {_target(new)}"
    else:
        yield from _differences(old.action, new.action)
    yield from _differences(replace(old, name="", match=new.match, action=new.action), replace(new, name=""))


def _actions(old: RouteAction, new: RouteAction) -> Iterator[str]:
    """Say how a route to clusters changes. How a release shares its requests out is no part of the configuration."""
    if old.hold is None and new.hold is None:
        yield from _shares(old.clusters, new.clusters)
    elif new.hold is None and old.hold is not None:
        yield f"the release {old.hold.release} lets go of it"
    elif old.hold != new.hold and new.hold is not None:
        yield f"the release {new.hold.release} holds it, to lead it from {new.hold.baseline} to {new.hold.canary}"
    said = {"clusters": (), "hold": None} if old.hold == new.hold is None else {"clusters": (), "hold": None, "runtime_key_prefix": ""}
    yield from _differences(replace(old, **said), replace(new, **said))


def _shares(old: Sequence[_Entry], new: Sequence[_Entry]) -> Iterator[str]:
    """Say how the requests are shared out among clusters."""
    if len(old) == len(new) == 1 and _name(old[0]) != _name(new[0]):
        yield f"cluster {_name(old[0])} -> {_name(new[0])}"
        return
    before, after = _share_of(old), _share_of(new)
    for name in {**before, **after}:
        was, now = before.get(name, Fraction()), after.get(name, Fraction())
        if was != now:
            digits = 4 if percent(was) != percent(now) else 12
            yield f"{name} {percent(was, digits)} -> {percent(now, digits)}"
    weights = [":".join(str(entry.weight) for entry in entries) for entries in (old, new)]
    if before == after and weights[0] != weights[1]:
        yield f"weights {weights[0]} -> {weights[1]}, the same shares"
    earlier = {_name(entry): entry for entry in old}
    for entry in new:
        same = earlier.get(_name(entry))
        if same is not None:
            yield from (f"{_name(entry)} {difference}" for difference in _differences(replace(same, weight=0), replace(entry, weight=0)))


def _share_of(entries: Sequence[_Entry]) -> dict[str, Fraction]:
    total = sum(entry.weight for entry in entries) or 1
    shares: Counter[str] = Counter()
    for entry in entries:
        shares[_name(entry)] += entry.weight
    return {name: Fraction(weight, total) for name, weight in shares.items()}


def _name(entry: _Entry) -> str:
    return entry.name if isinstance(entry, TcpCluster) else entry.name or f"the cluster that {_shown(entry.cluster_header)} names"


def _target(route: Route) -> str:
    """Say in a few words what becomes of a request."""
    action = route.action
    if isinstance(action, RedirectAction):
        return f"redirect {action.response_code}"
    if isinstance(action, DirectResponseAction):
        return f"answer {action.status}"
    if isinstance(action, WebResourceAction):
        return f"the resource {action.resource}"
    if action.cluster_header is not None:
        return f"the cluster that {_shown(action.cluster_header)} names"
    if len(action.clusters) == 1:
        return _name(action.clusters[0])
    return ", ".join(f"{name} {percent(share)}" for name, share in _share_of(action.clusters).items())


def _domains(host: VirtualHost) -> str:
    listed = [_shown(domain) for domain in host.domains]
    return ", ".join(listed[:4]) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")


def _differences(old: object, new: object, path: str = "") -> Iterator[str]:
    """Yield ``field old -> new`` for what differs between two dataclasses of one type, whatever is nested in them."""
    assert is_dataclass(old) and is_dataclass(new)
    for field in fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if not field.compare or before == after:
            continue
        name = f"{path}{field.name}"
        if is_dataclass(before) and type(before) is type(after):
            yield from _differences(before, after, f"{name}.")
        elif isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from (f"{name} of {key}" for key in sorted({*before, *after}) if before.get(key) != after.get(key))
        else:
            was, now = _shown(before), _shown(after)
            yield f"{name} {was} -> {now}" if max(len(was), len(now)) < _LONG and was != now else name


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Enum):
        return value.name
    if value is None or value == () or value == "":
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)
