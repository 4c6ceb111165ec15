"""Which route a release is of: from what its author wrote to the places in a configuration where that route stands.       (pure)

Rule 1. A route is called as `shifter weight` calls it, ``<virtual host>/<its name, or what it matches>``; here also one to a single
        cluster has such a name. Twins within a virtual host are numbered. The same route with the same clusters in several listeners is
        one route, and all of its places are found. Where they differ, the name begins with the listener's.
Rule 2. Whoever says only what path is matched means the route with no other condition, if there is one.
Rule 3. A reference means exactly one route. None, or several, is an error that names what may have been meant.
Rule 4. It is asked of what files say: there no route is held yet.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from shifter.config.report import ShifterError, shown
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import RouteReference
from shifter.model.route import Route, RouteAction, RouteMatch, VirtualHost
from shifter.model.route_title import title_of
from shifter.model.steps import Steps, at_once
from shifter.model.tcp_proxy import TcpProxy

_LISTED = 8
_KNOWN = 500
"""Routes that a misspelt name is compared with."""
_MANY = 64
"""More twins than this in one listener are not numbered to be told of."""
_LOOKED_AT = 128
"""Routes that are looked at in a step."""


class RouteReferenceError(ShifterError):
    """A reference means no route, or several. ``part`` is what of it is wrong: ``listener``, ``virtual_host`` or ``route``."""

    def __init__(self, message: str, hint: str = "", part: str = "route") -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.message = message
        self.hint = hint
        self.part = part


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A place where the route stands: in which ``listener`` and virtual ``host``. ``name`` is what it is called (rule 1)."""

    listener: str
    host: VirtualHost
    route: Route
    name: str

    @property
    def clusters(self) -> tuple[str, ...]:
        """Return the names of the clusters that it leads to."""
        action = self.route.action
        assert isinstance(action, RouteAction)
        return tuple(entry.name for entry in action.clusters)


def find_routes(bootstrap: Bootstrap, reference: RouteReference, leading_to: Collection[str] = ()) -> list[FoundRoute]:
    """Return where the one route stands that *reference* means. Raises `RouteReferenceError`.

    :param leading_to: the clusters that it must lead to the first of, and to nothing but these; where *reference* fits several routes,
        or says nothing at all, those are meant that do
    """
    return at_once(finding_routes(bootstrap, reference, leading_to))


def finding_routes(bootstrap: Bootstrap, reference: RouteReference, leading_to: Collection[str] = ()) -> Steps[list[FoundRoute]]:
    """`find_routes`, a few routes a step."""
    _check_names(bootstrap, reference)
    fits = _fits(reference)
    every: list[_Place] = []
    for place in _places(bootstrap, reference):
        if place is None:
            yield
        elif fits(place):
            every.append(place)
    found = _narrowed(every, reference, leading_to)
    if not found:
        raise _unknown(bootstrap, reference, leading_to)
    names = list(dict.fromkeys(place.base for place in found))
    if len(names) == 1 and sum(place.listener == found[0].listener for place in found) <= _MANY:
        names = list(dict.fromkeys(place.short for place in found))
    elif len(names) == 1:
        names = [names[0], f"{names[0]}#2"]
    if len(names) > 1:
        raise RouteReferenceError(f"{_said(reference, leading_to)} may be any of {len(names)} routes: {_listed(names)}", "name one of them")
    alike = [one for one in found if _targets(one.route) == _targets(found[0].route)]
    if len(alike) < len(found):
        others = list(dict.fromkeys(one.listener for one in found))
        hint = f"say which `listener`: {_listed(others)}"
        raise RouteReferenceError(f"`{shown(names[0])}` has other clusters or weights in another listener", hint)
    whole = (yield from _all_places(bootstrap, names[0])) if len(bootstrap.listeners) > 1 else found
    short = len(whole) == len(found)
    return [FoundRoute(one.listener, one.host, one.route, one.short if short else one.long) for one in found]


def canonical(found: Sequence[FoundRoute]) -> RouteReference:
    """Return the reference that means just the route that was *found*, whatever else may be added to the configuration."""
    return RouteReference(text=found[0].name)


def route_names(bootstrap: Bootstrap) -> list[str]:
    """Return what the routes to clusters are called, the first few hundred, each once."""
    names: dict[str, None] = {}
    for place in _places(bootstrap, RouteReference()):
        if place is not None:
            names[place.short] = None
            if len(names) == _KNOWN:
                break
    return list(names)


@dataclass(frozen=True, slots=True)
class _Place:
    listener: str
    host: VirtualHost
    route: Route

    @property
    def base(self) -> str:
        """Its name, were it no twin; to number twins all routes of the host are looked at."""
        return f"{self.host.name}/{title_of(self.route)}"

    @property
    def short(self) -> str:
        number = _number(self.host, self.route, title_of(self.route))
        return self.base + (f"#{number}" if number > 1 else "")

    @property
    def long(self) -> str:
        return f"{self.listener}/{self.short}"

    @property
    def path(self) -> str:
        return self.route.match.text.decode("utf-8", "replace")


def _number(host: VirtualHost, route: Route, title: str) -> int:
    """Return which one *route* is of those with its title: first come those with several clusters, which are numbered among themselves."""
    before = 1
    several = _has_several(route)
    behind = False
    for other in host.routes:
        if other is route:
            behind = True
            continue
        like = other.match.text == route.match.text or (route.name and other.name == route.name)
        if not like or not isinstance(other.action, RouteAction) or title_of(other) != title:
            continue
        first = _has_several(other)
        before += (first == several and not behind) or (first and not several)
    return before


def _has_several(route: Route) -> bool:
    return isinstance(route.action, RouteAction) and len(route.action.clusters) > 1


def _places(bootstrap: Bootstrap, reference: RouteReference) -> Iterator[_Place | None]:
    """Iterate over routes to clusters; ``None`` is a place to pause at."""
    for listener in bootstrap.listeners:
        if reference.listener and listener.name != reference.listener:
            continue
        for manager in listener.managers:
            for host in manager.route_config.virtual_hosts:
                if reference.virtual_host and host.name != reference.virtual_host:
                    continue
                for number, route in enumerate(host.routes):
                    if not number % _LOOKED_AT:
                        yield None
                    if isinstance(route.action, RouteAction) and route.action.clusters:
                        yield _Place(listener.name, host, route)


def _fits(reference: RouteReference) -> Callable[[_Place], bool]:
    if reference.name:
        return lambda place: place.route.name == reference.name
    if reference.kind is not None:
        kind, path = reference.kind, reference.text.encode()
        return lambda place: place.route.match.text == path and place.route.match.kind.value == kind
    if not reference.text:
        return lambda place: True
    text, hint = reference.text, reference.text.encode()

    def called(place: _Place) -> bool:
        path, name = place.route.match.text, place.route.name
        if path not in hint and not (name and name in text):
            return False  # making up a name takes longer than that
        if text in (title_of(place.route), place.path, f"{place.host.name}/{place.path}"):
            return True
        return _is_called(place, text)

    return called


def _narrowed(places: Sequence[_Place], reference: RouteReference, leading_to: Collection[str]) -> Sequence[_Place]:
    """Return those of *places* that are meant, from what says it best to what hardly does."""
    wanted = list(leading_to)

    def leads(place: _Place) -> bool:
        names = _clusters(place)
        return bool(wanted) and wanted[0] in names and names <= set(wanted)

    said_nothing = not (reference.name or reference.text or reference.virtual_host or reference.listener)
    if said_nothing:
        places = [place for place in places if leads(place)]
    rules: tuple[Callable[[_Place], bool], ...] = (
        lambda place: bool(reference.text) and reference.kind is None and _is_called(place, reference.text),
        leads,
        lambda place: bool(wanted) and _clusters(place) == set(wanted),
        lambda place: _without_conditions(place.route.match),
    )
    for rule in rules:
        if len(places) < 2:
            break
        places = [place for place in places if rule(place)] or places
    return places


def _is_called(place: _Place, text: str) -> bool:
    """Say whether *text* is all of the name of *place*."""
    return place.base in text and text in (place.short, place.long)


def _clusters(place: _Place) -> set[str]:
    action = place.route.action
    return {entry.name for entry in action.clusters} if isinstance(action, RouteAction) else set()


def _without_conditions(match: RouteMatch) -> bool:
    conditions = (match.headers, match.query_parameters, match.cookies, match.runtime_fraction, match.tls_context, match.dynamic_metadata)
    return not any(conditions) and not match.grpc


def _targets(route: Route) -> object:
    action = route.action
    return (action.clusters, action.runtime_key_prefix) if isinstance(action, RouteAction) else None


def _all_places(bootstrap: Bootstrap, short: str) -> Steps[list[_Place]]:
    """Return the places of the route *short* in all listeners."""
    found = []
    fits = _fits(RouteReference(text=short))
    for place in _places(bootstrap, RouteReference()):
        if place is None:
            yield
        elif fits(place) and place.short == short:
            found.append(place)
    return found


# what cannot be found


def _check_names(bootstrap: Bootstrap, reference: RouteReference) -> None:
    if reference.listener:
        listeners = [listener.name for listener in bootstrap.listeners if any(listener.managers)]
        if reference.listener not in listeners:
            message = f"no listener for HTTP is called `{shown(reference.listener)}`"
            raise RouteReferenceError(message, _nearest(reference.listener, listeners), "listener")
    if reference.virtual_host:
        within = (one for one in bootstrap.listeners if reference.listener in ("", one.name))
        hosts = [host.name for one in within for manager in one.managers for host in manager.route_config.virtual_hosts]
        if reference.virtual_host not in hosts:
            message = f"no virtual host is called `{shown(reference.virtual_host)}`"
            raise RouteReferenceError(message, _nearest(reference.virtual_host, list(dict.fromkeys(hosts))), "virtual_host")


def _unknown(bootstrap: Bootstrap, reference: RouteReference, leading_to: Collection[str]) -> RouteReferenceError:
    known: list[_Place] = []
    for place in _places(bootstrap, RouteReference(reference.virtual_host, listener=reference.listener)):
        if place is not None:
            known.append(place)
            if len(known) == _KNOWN:
                break
    names = list(dict.fromkeys(place.base for place in known))
    if reference.text and _is_tcp(bootstrap, reference.text):
        hint = "releases are of routes: what is said over a TCP connection has no outcome that could be judged"
        return RouteReferenceError(f"`{shown(reference.text)}` is a TCP proxy", hint)
    if not known:
        return RouteReferenceError("no route here leads to a cluster that has a name", "releases are of such routes")
    if not (reference.name or reference.text):
        clusters = " and ".join(f"`{shown(name)}`" for name in leading_to)
        return RouteReferenceError(f"no route leads to {clusters} alone", f"say which `route`: {_listed(names)}")
    if reference.name:
        near = _nearest(reference.name, list(dict.fromkeys(place.route.name for place in known if place.route.name)), names)
    elif reference.kind is not None:
        same = [place for place in known if place.path == reference.text]
        if same:
            near = f"did you mean `{same[0].route.match.kind.value}: {shown(same[0].path)}`?"
        else:
            paths = list(dict.fromkeys(place.path for place in known if place.route.match.kind.value == reference.kind))
            near = _nearest(reference.text, paths, names)
    else:
        words = dict.fromkeys(word for place in known for word in (place.base, title_of(place.route), place.path))
        near = _nearest(reference.text, list(words), names)
    return RouteReferenceError(f"no route to a cluster is called {_said(reference, leading_to)}", near)


def _is_tcp(bootstrap: Bootstrap, text: str) -> bool:
    proxies = (
        (one.name, chain.filter.stat_prefix) for one in bootstrap.listeners for chain in one.chains if isinstance(chain.filter, TcpProxy)
    )
    return any(text in (prefix, f"{listener}/{prefix}") for listener, prefix in proxies)


def _said(reference: RouteReference, leading_to: Collection[str]) -> str:
    if reference.name:
        return f"`{shown(reference.name)}`"
    if reference.kind is not None:
        return f"`{reference.kind} {shown(reference.text)}`"
    if reference.text:
        return f"`{shown(reference.text)}`"
    if reference.virtual_host or reference.listener:
        return f"the route of `{shown(reference.virtual_host or reference.listener)}`"
    return f"the route to {' and '.join(f'`{shown(name)}`' for name in leading_to)}"


def _nearest(word: str, known: Sequence[str], otherwise: Sequence[str] | None = None) -> str:
    near = get_close_matches(word[:200], known[:_KNOWN], n=1)
    if near:
        return f"did you mean `{shown(near[0])}`?"
    listed = known if otherwise is None else otherwise
    return f"known: {_listed(listed)}" if listed else "there is none"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(f"`{shown(name)}`" for name in names[:_LISTED]) + more
