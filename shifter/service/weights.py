"""The weighted choices of a configuration: what they are called, what weights they have, and other weights for them.        (pure)

Rule 1. A choice is a route with several clusters, called ``<virtual host>/<name of the route, or what it matches>``, or a TCP proxy with
        several, called ``<listener>/<stat_prefix>``. The same route with the same weights in several listeners is one choice.
Rule 2. Whoever names every cluster gives weights, which count in relation to each other. Whoever names only some of them gives
        per cent of all requests; the others share what is left in the proportions that they have.
Rule 3. A choice has some weight: all of them 0 is refused, for then nothing serves the requests.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fractions import Fraction
from itertools import islice
from typing import TypeVar

from shifter.model.bootstrap import Bootstrap
from shifter.model.change import WeightOverride
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, Listener
from shifter.model.route import Route, RouteAction, WeightedCluster
from shifter.model.route_title import title_of
from shifter.model.steps import Steps, at_once
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.routing.runtime import Runtime
from shifter.routing.weights import MAX_TOTAL, have_weight, weights_now

E = TypeVar("E", WeightedCluster, TcpCluster)

FINEST = 10_000
"""Shares that are not whole per cents are told in parts of this: 0.01 % is one."""
_MANY = 12
_KNOWN = 500
"""Routes that a misspelt name is compared with."""
_A_STEP = 16
_LOOKED_AT = 128
"""Routes that are looked at in a step."""


class WeightsError(Exception):
    """These cannot be the weights of a route."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Choice:
    """A weighted choice: ``weights`` are by cluster. ``doubled`` are clusters that stand in it twice, ``prefix`` is where runtime may
    have other weights. ``words`` are what it may be called."""

    name: str
    listeners: tuple[str, ...]
    weights: Mapping[str, int]
    prefix: str = ""
    doubled: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    @property
    def shares(self) -> dict[str, Fraction]:
        """Return which share of the requests each cluster gets."""
        total = sum(self.weights.values()) or 1
        return {name: Fraction(weight, total) for name, weight in self.weights.items()}

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values."""
        shares = {name: round(float(share * 100), 4) for name, share in self.shares.items()}
        clusters = [{"name": name, "weight": weight, "percent": shares[name]} for name, weight in self.weights.items()]
        return {"route": self.name, "listeners": list(self.listeners), "clusters": clusters, "runtime_key_prefix": self.prefix}


# finding them


def choices(bootstrap: Bootstrap, wanted: Collection[str] | None = None) -> dict[str, Choice]:
    """Return the weighted choices of *bootstrap* as it is written, by name and in its order; only those in *wanted*, if given, for it
    takes a while to look at thousands."""
    return at_once(choosing(bootstrap, wanted))


def choosing(bootstrap: Bootstrap, wanted: Collection[str] | None = None) -> Steps[dict[str, Choice]]:
    """`choices`, a few routes a step."""
    shorts = None if wanted is None else {*wanted, *(name.partition("/")[2] for name in wanted)}
    by_name: dict[str, list[_Place]] = {}
    for place in _places(bootstrap, shorts):
        if place is None:
            yield
        else:
            by_name.setdefault(place.short, []).append(place)
    found: dict[str, Choice] = {}
    for number, (name, places) in enumerate(by_name.items()):
        if all(one.clusters == places[0].clusters and one.prefix == places[0].prefix for one in places):
            found[name] = _choice(name, places)
        else:
            found |= {one.long: _choice(one.long, [one]) for one in places}
        if not number % _A_STEP:
            yield
    return found if wanted is None else {name: one for name, one in found.items() if name in wanted}


def as_it_is(choice: Choice, runtime: Runtime) -> Choice:
    """Return *choice* with the weights that hold now, which may be those in *runtime*."""
    if not choice.prefix:
        return choice
    return replace(choice, weights={name: runtime.integer(f"{choice.prefix}.{name}", weight) for name, weight in choice.weights.items()})


def as_set(choice: Choice, override: WeightOverride) -> Choice:
    """Return *choice* with the weights of *override*, which holds."""
    weights = {name: override.weights.get(name, weight) for name, weight in choice.weights.items()}
    return replace(choice, weights=weights, prefix="")


def find(bootstrap: Bootstrap, text: str) -> Choice:
    """Return the choice that *text* means, with the weights that hold now: its name, the part behind a slash, or the path that it
    matches. Raises `WeightsError`."""
    return at_once(finding(bootstrap, text))


def finding(bootstrap: Bootstrap, text: str) -> Steps[Choice]:
    """`find`, a few routes a step."""
    named = set()
    for place in _places(bootstrap, calls=text):
        if place is None:
            yield
        else:
            named.add(place.short)
    every = yield from choosing(bootstrap, named | {f"{listener.name}/{short}" for short in named for listener in bootstrap.listeners})
    for fits in (lambda one: one.name == text, lambda one: text in one.words):  # type: Callable[[Choice], bool]
        found = [one for one in every.values() if fits(one)]
        if len(found) == 1:
            return as_it_is(found[0], Runtime(bootstrap.runtime))
        if found:
            listed = ", ".join(f"`{one.name}`" for one in found[:_MANY])
            raise WeightsError(f"`{text}` may be any of {len(found)} routes: {listed}")
    if text in _with_one_cluster(bootstrap):
        raise WeightsError(f"`{text}` has no weights: all of its requests go to one place")
    known = list(islice((place for place in _places(bootstrap) if place is not None), _KNOWN))
    if not known:
        raise WeightsError("no route has weights: none has several clusters")
    words = {word: place.short for place in known for word in (*place.words, place.short)}
    near = get_close_matches(text, words, n=1)
    names = list(dict.fromkeys(place.short for place in known))
    hint = f"did you mean `{near[0]}`?" if near else "known: " + ", ".join(f"`{name}`" for name in names[:_MANY])
    raise WeightsError(f"no route with weights is called `{text}`; {hint}")


@dataclass(frozen=True, slots=True)
class _Place:
    """One route or TCP proxy as it stands in a listener."""

    short: str
    listener: str
    words: frozenset[str]
    clusters: tuple[WeightedCluster, ...] | tuple[TcpCluster, ...]
    prefix: str

    @property
    def long(self) -> str:
        return f"{self.listener}/{self.short}"

    @property
    def weights(self) -> dict[str, int]:
        return weights_of(self.clusters)


def weights_of(clusters: Sequence[WeightedCluster] | Sequence[TcpCluster]) -> dict[str, int]:
    """Return the weights of those *clusters* that have a name, by it."""
    weights: Counter[str] = Counter()
    for entry in clusters:
        if entry.name:
            weights[entry.name] += entry.weight
    return dict(weights)


def _choice(name: str, places: Sequence[_Place]) -> Choice:
    first = places[0]
    names = Counter(entry.name for entry in first.clusters if entry.name)
    words = frozenset[str]().union(*(one.words | {one.long} for one in places))
    doubled = frozenset(one for one, times in names.items() if times > 1)
    return Choice(name, tuple(one.listener for one in places), first.weights, first.prefix, doubled, words)


def _places(bootstrap: Bootstrap, shorts: Collection[str] | None = None, calls: str | None = None) -> Iterator[_Place | None]:
    """Iterate over what has weights; only what has one of the names *shorts*, and only what *calls* may mean, where these are given.
    ``None`` is a place to pause at."""
    among = shorts if shorts is not None else None if calls is None else (calls,)
    for listener in bootstrap.listeners:
        for chain in listener.chains:
            if isinstance(chain.filter, TcpProxy):
                place = _tcp_place(listener.name, chain.filter)
                asked = calls is None or calls == place.short or calls in place.words
                if len(chain.filter.clusters) > 1 and (shorts is None or place.short in shorts) and asked:
                    yield place
                continue
            for host in chain.filter.route_config.virtual_hosts:
                for one in _weighted(host.name, host.routes, among):
                    if one is None:
                        yield None
                        continue
                    short, route, action = one
                    if shorts is not None and short not in shorts:
                        continue
                    words = frozenset((title_of(route), route.match.text.decode("utf-8", "replace")))
                    if calls is None or calls in words or calls in (short, f"{listener.name}/{short}"):
                        yield _Place(short, listener.name, words, action.clusters, action.runtime_key_prefix)


def _tcp_place(listener: str, proxy: TcpProxy) -> _Place:
    return _Place(f"{listener}/{proxy.stat_prefix}", listener, frozenset((proxy.stat_prefix, listener)), proxy.clusters, "")


def _weighted(host: str, routes: Iterable[Route], among: Collection[str] | None = None) -> Iterator[tuple[str, Route, RouteAction] | None]:
    """Iterate over the routes of a virtual host that have weights, with their short names. Twins are numbered. ``None`` is a place to
    pause at.

    Those that certainly have none of the names *among* are left out: making up a name takes longer than that.
    """
    seen: Counter[str] = Counter()
    hints = None if among is None else [name.encode() for name in among]
    for number, route in enumerate(routes):
        if not number % _LOOKED_AT:
            yield None
        if isinstance(route.action, RouteAction) and len(route.action.clusters) > 1:
            if hints is not None:
                path, own = route.match.text, route.name.encode()
                for hint in hints:
                    if path in hint or (own and own in hint):
                        break
                else:
                    continue
            name = f"{host}/{title_of(route)}"
            seen[name] += 1
            yield name if seen[name] == 1 else f"{name}#{seen[name]}", route, route.action


def _with_one_cluster(bootstrap: Bootstrap) -> set[str]:
    hosts = [host for listener in bootstrap.listeners for manager in listener.managers for host in manager.route_config.virtual_hosts]
    routes = [(host.name, route) for host in hosts for route in host.routes]
    titles = {f"{host}/{title_of(route)}" for host, route in routes} | {title_of(route) for _, route in routes}
    return titles | {route.match.text.decode("utf-8", "replace") for _, route in routes}


# other weights


def wanted_weights(choice: Choice, said: Mapping[str, str]) -> dict[str, int]:
    """Return the weights that *choice*, which has some now, is to have when *said* is said of its clusters (rule 2).

    Raises `WeightsError`.
    """
    problems = [_unknown(name, choice) for name in said if name not in choice.weights]
    # whichever is named: what one of them gets is taken from the others
    problems += [f"`{name}` stands twice in `{choice.name}`: only the file can weigh it" for name in sorted(choice.doubled)]
    numbers: dict[str, Fraction] = {}
    for name, text in said.items():
        try:
            numbers[name] = _number(text)
        except ValueError:
            problems.append(f"`{name}={text}`: a weight is a number, 0 or more, with two digits behind the point at most")
    if problems:
        raise WeightsError(*problems)
    weights = _whole(numbers) if len(numbers) == len(choice.weights) else _with_rest(choice, numbers)
    if not any(weights.values()):
        raise WeightsError(f"all weights of `{choice.name}` would be 0: no cluster would serve its requests")
    if sum(weights.values()) > MAX_TOTAL:
        raise WeightsError(f"the weights of `{choice.name}` would add up to more than {MAX_TOTAL}")
    return {name: weights[name] for name in choice.weights}


def _unknown(name: str, choice: Choice) -> str:
    near = get_close_matches(name, choice.weights, n=1)
    hint = f"did you mean `{near[0]}`?" if near else "it has " + ", ".join(f"`{one}`" for one in choice.weights)
    return f"`{choice.name}` has no cluster `{name}`; {hint}"


def _number(text: str) -> Fraction:
    """Raises ``ValueError``."""
    digits, point, behind = text.strip().removesuffix("%").strip().partition(".")
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 10 or len(behind) > 2 or (point and not behind.isdecimal()):
        raise ValueError(text)
    return Fraction(f"{digits}.{behind or 0}")


def _whole(numbers: Mapping[str, Fraction]) -> dict[str, int]:
    """Return *numbers*, multiplied until they are whole."""
    factor = 1 if all(number.denominator == 1 for number in numbers.values()) else 100
    return {name: int(number * factor) for name, number in numbers.items()}


def _with_rest(choice: Choice, percent: Mapping[str, Fraction]) -> dict[str, int]:
    """Return weights where those that are named have their per cent, and the others share the rest."""
    rest = 100 - sum(percent.values(), Fraction(0))
    if rest < 0:
        others = ", ".join(f"`{name}`" for name in choice.weights if name not in percent)
        raise WeightsError(f"that is {float(100 - rest):g} % of `{choice.name}`: say also what {others} gets, or no more than 100 %")
    others_now = {name: weight for name, weight in choice.weights.items() if name not in percent}
    total = sum(others_now.values())
    if rest and not total:
        if len(others_now) > 1:
            raise WeightsError("say what " + ", ".join(f"`{name}`" for name in others_now) + f" get: of `{choice.name}` they have 0 now")
        others_now, total = dict.fromkeys(others_now, 1), 1
    shares = {**percent, **{name: rest * weight / total if total else Fraction(0) for name, weight in others_now.items()}}
    if all(share.denominator == 1 for share in shares.values()):
        return {name: int(share) for name, share in shares.items()}
    return _rounded({name: share * FINEST / 100 for name, share in shares.items()}, FINEST)


def _rounded(shares: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Return whole numbers that add up to *total*: what is cut off goes to those that lose most by it."""
    whole = {name: int(share) for name, share in shares.items()}
    losers = sorted(shares, key=lambda name: whole[name] - shares[name])
    for name in losers[: total - sum(whole.values())]:
        whole[name] += 1
    return whole


# putting them in


def overridden(bootstrap: Bootstrap, overrides: Mapping[str, WeightOverride]) -> tuple[Bootstrap, dict[str, WeightOverride], list[str]]:
    """Return *bootstrap*, which is what the files say, with the weights of *overrides*; those of them that go on; why others end."""
    return at_once(overriding(bootstrap, overrides))


def overriding(
    bootstrap: Bootstrap, overrides: Mapping[str, WeightOverride]
) -> Steps[tuple[Bootstrap, dict[str, WeightOverride], list[str]]]:
    """`overridden`, a few routes a step."""
    if not overrides:
        return bootstrap, {}, []
    every = yield from choosing(bootstrap, overrides.keys())
    held: dict[str, WeightOverride] = {}
    ended: list[str] = []
    for name, one in overrides.items():
        choice = every.get(name)
        why = _ends(one, choice)
        if why:
            ended.append(f"the weights that were set for {name} end: {why}")
        else:
            held[name] = one
    made = yield from _with_weights(bootstrap, {name: held[name].weights for name in held}, every)
    return made, held, ended


def _ends(override: WeightOverride, choice: Choice | None) -> str:
    """Say why *override* holds no longer; empty while it does."""
    if choice is None:
        return "the file has no such route with weights any more"
    if dict(choice.weights) == dict(override.instead_of):
        return ""
    same = choice.shares == replace(choice, weights={**choice.weights, **override.weights}).shares
    return "the file says the same by now" if same else "the file has other weights there by now"


def _with_weights(bootstrap: Bootstrap, weights: Mapping[str, Mapping[str, int]], every: Mapping[str, Choice]) -> Steps[Bootstrap]:
    wanted = {(listener, name): weights[name] for name in weights for listener in every[name].listeners}

    def of(listener: str, short: str) -> Mapping[str, int] | None:
        return wanted.get((listener, short)) or wanted.get((listener, f"{listener}/{short}"))

    if not wanted:
        return bootstrap
    touched = {listener for listener, _ in wanted}
    listeners = []
    for listener in bootstrap.listeners:
        listeners.append((yield from _listener(listener, of, weights.keys())) if listener.name in touched else listener)
    return replace(bootstrap, listeners=tuple(listeners))


def _listener(listener: Listener, of: Callable[[str, str], Mapping[str, int] | None], among: Collection[str]) -> Steps[Listener]:
    def changed(chain: FilterChain) -> Steps[FilterChain]:
        if isinstance(chain.filter, TcpProxy):
            proxy = chain.filter
            weights = of(listener.name, f"{listener.name}/{proxy.stat_prefix}") if len(proxy.clusters) > 1 else None
            return chain if weights is None else replace(chain, filter=replace(proxy, clusters=_entries(proxy.clusters, weights)))
        return replace(chain, filter=(yield from _manager(chain.filter, lambda short: of(listener.name, short), among)))

    chains = []
    for chain in listener.filter_chains:
        chains.append((yield from changed(chain)))
    default = listener.default_filter_chain
    if default is not None:
        default = yield from changed(default)
    return replace(listener, filter_chains=tuple(chains), default_filter_chain=default)


def _manager(
    manager: HttpConnectionManager, of: Callable[[str], Mapping[str, int] | None], among: Collection[str]
) -> Steps[HttpConnectionManager]:
    hosts = []
    for host in manager.route_config.virtual_hosts:
        found = {}
        for one in _weighted(host.name, host.routes, among):
            if one is None:
                yield
                continue
            short, route, _ = one
            weights = of(short)
            if weights is not None:
                found[id(route)] = weights
        routes = tuple(_route(route, found[id(route)]) if id(route) in found else route for route in host.routes)
        hosts.append(replace(host, routes=routes) if found else host)
    return replace(manager, route_config=replace(manager.route_config, virtual_hosts=tuple(hosts)))


def _route(route: Route, weights: Mapping[str, int]) -> Route:
    """Return *route* with other weights. They are the last word: runtime has none while they hold."""
    assert isinstance(route.action, RouteAction)
    return replace(route, action=replace(route.action, clusters=_entries(route.action.clusters, weights), runtime_key_prefix=""))


def _entries(entries: tuple[E, ...], weights: Mapping[str, int]) -> tuple[E, ...]:
    return tuple(replace(entry, weight=weights.get(entry.name, entry.weight)) for entry in entries)


# what runtime makes of them


def weightless(bootstrap: Bootstrap) -> list[str]:
    """Say which routes have no weight at all, as runtime has it (``runtime_key_prefix``)."""
    runtime = Runtime(bootstrap.runtime)
    found = []
    for listener in bootstrap.listeners:
        for manager in listener.managers:
            for host in manager.route_config.virtual_hosts:
                for route in host.routes:
                    action = route.action
                    if isinstance(action, RouteAction) and action.runtime_key_prefix and not have_weight(weights_now(action, runtime)):
                        keys = ", ".join(f"{action.runtime_key_prefix}.{entry.name}" for entry in action.clusters)
                        found.append(f"all weights of {host.name}/{title_of(route)} would be 0 in runtime ({keys}): nothing would serve it")
    return list(dict.fromkeys(found))
