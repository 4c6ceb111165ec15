"""An `Explanation` for people and for programs; and the table of routes.

Rule 1. One fact a line, its kind at the left, its place in the configuration at the right.
Rule 2. Of many routes that did not fit, those are shown that nearly did: first by how many of their conditions held, then by how
        much of the path. The others are counted where they stand.
Rule 3. In JSON everything is there, and shares are numbers from 0 to 1.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from shifter.model.bootstrap import Bootstrap
from shifter.model.listener import FilterChain, Listener
from shifter.model.route import DirectResponseAction, RedirectAction, Route, RouteAction, RouteConfiguration, VirtualHost, WebResourceAction
from shifter.model.steps import Steps, at_once
from shifter.model.tcp_proxy import TcpProxy
from shifter.routing.explain import Candidate, Explanation, Miss, Reply, Way
from shifter.routing.explain_question import scene_of
from shifter.routing.explain_retries import Tries
from shifter.routing.match_text import described, shown
from shifter.routing.runtime import Runtime
from shifter.routing.weights import have_weight, weights_now

FEW = 8
"""So many routes that did not fit are always shown."""

_NEAREST = 5
_EXACT = 6
_LABEL = 14
_BODY_SHOWN = 60
_ROUTES_A_STEP = 16
_TOKENS_A_STEP = 500


def percent(share: Fraction) -> str:
    """Return *share* as a percentage with as many digits as it takes: what is neither none nor all never looks like it."""
    value = share * 100
    digits = next((digits for digits in range(_EXACT + 1) if round(value, digits) == value), 2)
    while value != round(value) and round(value, digits) in (0, 100):
        digits += 1
    if digits > _EXACT:
        digits += 1
    return f"{float(round(value, digits)):.{digits}f} %"


def domain_kind(domain: bytes) -> str:
    """Say how *domain* matches."""
    if domain == b"*":
        return "any host"
    if domain.startswith(b"*"):
        return "suffix"
    return "prefix" if domain.endswith(b"*") else "exact"


def title(number: int, route: Route) -> str:
    """Return how a route is called: its number, and its name where it has one."""
    return f"#{number}" + (f" {shown(route.name)}" if route.name else "")


def text(explanation: Explanation, everything: bool = False) -> str:
    """Return *explanation* for a terminal; with *everything* no route is left out."""
    return "\n".join(_Page(explanation, everything).lines()) + "\n"


class _Page:
    def __init__(self, explanation: Explanation, everything: bool) -> None:
        self._told = explanation
        self._everything = everything

    def lines(self) -> Iterator[str]:
        told = self._told
        request, *headers = told.asked.text.decode("utf-8", "replace").split("\r\n")
        yield _line("request", " ".join(request.split(" ")[:2]))
        for header in headers:
            yield _line("", header)
        if told.head is not None and told.head.path != request.split(" ")[1].encode():
            yield _line("", f"path is read as {shown(told.head.path)}")
        listener, chain = told.scene.listener, told.scene.chain
        if listener is not None:
            yield _line("listener", f"{shown(listener.name)} on {listener.address}", listener.place)
            if chain is not None and len(listener.chains) > 1:
                yield _line("filter chain", _chain(listener, chain), chain.place)
        for note in told.notes:
            yield _line("note", note)
        if told.found is not None:
            host, domain = told.found.host, told.found.domain
            yield _line("virtual host", f"{shown(host.name)}, by its domain {shown(domain)} ({domain_kind(domain)})", host.place)
        yield from self._routes()
        if told.reply is not None:
            yield from _reply(told.reply)

    def _routes(self) -> Iterator[str]:
        folded = dict(fold(self._told.misses, b"" if self._told.head is None else self._told.head.path, self._everything))
        ways = {way.number: way for way in self._told.ways}
        last = max([*folded, *ways], default=0)
        label = "not"
        for number in range(1, last + 1):
            if number in ways:
                yield from self._way(ways[number])
                label = "not"
            elif number in folded:
                entry = folded[number]
                if isinstance(entry, int):
                    yield _line(label, f"{entry} more route{'s' if entry > 1 else ''} (--all shows them)")
                else:
                    yield _line(label, f"{title(number, entry.route)}: {entry.reason}", entry.route.place)
                label = ""

    def _way(self, way: Way) -> Iterator[str]:
        chance = "" if way.share == 1 else f", for {percent(way.share)} of such requests"
        yield _line("route", f"{title(way.number, way.route)}: {described(way.route.match)}{chance}", way.route.place)
        if way.reply is not None:
            yield from _reply(way.reply)
            return
        yield from _candidates(way)
        for one in way.copies:
            share = "" if one.share == 1 else f", {percent(one.share)} of them"
            yield _line("copy to", f"{shown(one.cluster) or '(the request names none)'}{share}")
        if way.tries is not None:
            yield from _tries(way.tries)


def _tries(tries: Tries) -> Iterator[str]:
    yield _line("timeout", f"{tries.timeout:g} s" if tries.timeout else "none")
    if tries.per_try:
        yield _line("a try", f"{tries.per_try:g} s")
    if tries.retries:
        yield _line("retries", f"{tries.retries}, for {', '.join(tries.words)}")


def _candidates(way: Way) -> Iterator[str]:
    possible = [candidate for candidate in way.candidates if candidate.share]
    label = "to"
    width = max(len(shown(candidate.cluster)) for candidate in way.candidates)
    for candidate in way.candidates:
        share = "" if len(way.candidates) == 1 else f"  {percent(candidate.share)}"
        missing = "  (there is no such cluster)" if candidate.missing else ""
        name = shown(candidate.cluster) or "(the request names none)"
        yield _line(label, f"{name:{width if share else 0}}{share}{missing}")
        label = ""
    if way.decided:
        yield _line("by", way.decided)
    alike = len({(candidate.sent, candidate.added) for candidate in possible}) == 1
    for candidate in possible[:1] if alike else possible:
        yield from _sent(candidate, "" if alike else f" to {shown(candidate.cluster)}")


def _sent(candidate: Candidate, whom: str) -> Iterator[str]:
    sent = candidate.sent
    yield _line("sent" + whom, f"{shown(sent.method)} {shown(sent.path)}")
    yield _line("", f"host: {shown(sent.authority)}")
    for name, value in sent.fields:
        yield _line("", f"{shown(name)}: {shown(value)}")
    label = "answer gets"
    for name, value in candidate.added:
        yield _line(label, f"{shown(name)}: {shown(value)}")
        label = ""


def _reply(reply: Reply) -> Iterator[str]:
    chance = "" if reply.share == 1 else f", for {percent(reply.share)} of such requests"
    yield _line("answer", f"{reply.status} ({reply.why}){chance}")
    for name, value in reply.fields:
        yield _line("", f"{shown(name)}: {shown(value)}")
    if reply.body:
        body = reply.body.decode("utf-8", "replace")
        yield _line("", f"body of {len(reply.body)} bytes: {shown(body[:_BODY_SHOWN])}{'…' if len(body) > _BODY_SHOWN else ''}")


def _line(label: str, value: str, place: str = "") -> str:
    left = f"{label:{_LABEL}}{value}" if len(label) < _LABEL else f"{label}\n{'':{_LABEL}}{value}"
    return f"{left:{_LABEL + 62}}  {place}" if place else left.rstrip()


def fold(misses: Sequence[Miss], path: bytes, everything: bool = False) -> Iterator[tuple[int, Miss | int]]:
    """Iterate over what to show of *misses*: each with its number, or how many are left out from that number on."""
    shown_ones = {miss.number for miss in misses}
    if len(misses) > FEW and not everything:
        nearest = sorted(misses, key=lambda miss: (miss.held, _common(miss.route.match.text, path)), reverse=True)
        shown_ones = {miss.number for miss in nearest[:_NEAREST]}
    first = left_out = 0
    for miss in misses:
        if miss.number in shown_ones:
            if left_out:
                yield first, left_out
            left_out = 0
            yield miss.number, miss
        else:
            first = first if left_out else miss.number
            left_out += 1
    if left_out:
        yield first, left_out


def _common(one: bytes, two: bytes) -> int:
    for at, (left, right) in enumerate(zip(one, two, strict=False)):
        if left != right:
            return at
    return min(len(one), len(two))


def _chain(listener: Listener, chain: FilterChain) -> str:
    """What a filter chain is called, and whom it is for."""
    names = ", ".join(map(shown, chain.match.server_names))
    whom = f"for {names}" if names else "the default one" if chain is listener.default_filter_chain else "for all others"
    return f"{shown(chain.name)}, {whom}" if chain.name else whom


def as_dict(explanation: Explanation) -> dict[str, object]:
    """Return *explanation* as plain JSON-able values."""
    told = explanation
    request, *headers = told.asked.text.decode("utf-8", "replace").split("\r\n")
    listener, chain = told.scene.listener, told.scene.chain
    return {
        "request": {
            "line": " ".join(request.split(" ")[:2]),
            "headers": headers,
            "path": _text(told.head.path) if told.head is not None else None,
        },
        "listener": None if listener is None else {"name": listener.name, "address": str(listener.address), "place": listener.place},
        "filter_chain": None if chain is None else {"name": chain.name, "place": chain.place},
        "virtual_host": None
        if told.found is None
        else {
            "name": told.found.host.name,
            "domain": _text(told.found.domain),
            "match": domain_kind(told.found.domain),
            "place": told.found.host.place,
        },
        "not_matched": [{**_route(miss.number, miss.route), "reason": miss.reason} for miss in told.misses],
        "matched": [_way(way) for way in told.ways],
        "answer": None if told.reply is None else _reply_dict(told.reply),
        "notes": list(told.notes),
    }


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _route(number: int, route: Route) -> dict[str, object]:
    return {"number": number, "name": route.name, "place": route.place, "match": described(route.match)}


def _way(way: Way) -> dict[str, object]:
    found: dict[str, object] = {**_route(way.number, way.route), "share": float(way.share)}
    if way.reply is not None:
        return {**found, "answer": _reply_dict(way.reply)}
    candidates = [
        {
            "cluster": candidate.cluster,
            "share": float(candidate.share),
            "missing": candidate.missing,
            "sent": {
                "method": _text(candidate.sent.method),
                "path": _text(candidate.sent.path),
                "host": _text(candidate.sent.authority),
                "headers": _pairs(candidate.sent.fields),
            },
            "answer_gets": _pairs(candidate.added),
        }
        for candidate in way.candidates
    ]
    copies = [{"cluster": one.cluster, "share": float(one.share)} for one in way.copies]
    tries = way.tries
    times = {} if tries is None else {"timeout": tries.timeout, "per_try_timeout": tries.per_try}
    again = {} if tries is None else {"retries": tries.retries, "retry_on": list(tries.words)}
    return {**found, "decided_by": way.decided, "candidates": candidates, "copies": copies, **times, **again}


def _pairs(pairs: Iterable[tuple[bytes, bytes]]) -> list[list[str]]:
    return [[_text(name), _text(value)] for name, value in pairs]


def _reply_dict(reply: Reply) -> dict[str, object]:
    return {
        "status": reply.status,
        "reason": reply.why,
        "headers": _pairs(reply.fields),
        "body": _text(reply.body),
        "share": float(reply.share),
    }


def action_words(route: Route, runtime: Runtime) -> str:
    """Return in one line what *route* does with a request."""
    action = route.action
    if isinstance(action, RedirectAction):
        return f"redirect {action.response_code}"
    if isinstance(action, DirectResponseAction):
        return f"answer {action.status}"
    if isinstance(action, WebResourceAction):
        return f"resource {action.resource}"
    if action.cluster_header is not None:
        return f"cluster named by {shown(action.cluster_header)}"
    if len(action.clusters) == 1:
        return _cluster_words(action, 0)
    weights = weights_now(action, runtime)
    total = sum(weights) if have_weight(weights) else 1
    said = ", ".join(f"{_cluster_words(action, at)} {percent(Fraction(weight, total))}" for at, weight in enumerate(weights))
    return said if action.hold is None else f"{said} (release {shown(action.hold.release)})"


def _cluster_words(action: RouteAction, at: int) -> str:
    entry = action.clusters[at]
    return shown(entry.name) if entry.cluster_header is None else f"named by {shown(entry.cluster_header)}"


Tables = Sequence[tuple[Listener | None, RouteConfiguration | TcpProxy]]
"""Route configurations, and TCP proxies, with the listeners they belong to."""


def tables_of(bootstrap: Bootstrap, name: str | None = None) -> Tables:
    """Return the tables of all listeners, or those of the listener *name*. Raises `ExplainError`."""
    chosen = [listener for listener in bootstrap.listeners if name is None or listener.name == name]
    if name is not None and not chosen:
        scene_of(bootstrap, name=name)  # which says why not
    filters = [(listener, chain.filter) for listener in chosen for chain in listener.chains]
    return [(listener, one if isinstance(one, TcpProxy) else one.route_config) for listener, one in filters]


def table(tables: Tables, runtime: Runtime, as_json: bool) -> str:
    """Return all routes as text or as JSON."""
    return at_once(tabling(tables, runtime, as_json))


def tabling(tables: Tables, runtime: Runtime, as_json: bool) -> Steps[str]:
    """`table`, a few routes a step."""
    if not as_json:
        return (yield from _joined((f"{line}\n" for line in _table_lines(tables, runtime)), _ROUTES_A_STEP))
    listeners: list[dict[str, object]] = []
    for listener, config in tables:
        what = _tcp_dict(config) if isinstance(config, TcpProxy) else {"virtual_hosts": (yield from _host_dicts(config, runtime))}
        listeners.append({"listener": None if listener is None else listener.name, **what})
    text = yield from _joined(json.JSONEncoder(indent=1, ensure_ascii=False).iterencode(listeners), _TOKENS_A_STEP)
    return f"{text}\n"


def _joined(pieces: Iterable[str], at_a_time: int) -> Steps[str]:
    text: list[str] = []
    for number, piece in enumerate(pieces, 1):
        text.append(piece)
        if not number % at_a_time:
            yield
    return "".join(text)


def page(explanation: Explanation, as_json: bool, everything: bool = False) -> str:
    """Return *explanation* as text or as JSON."""
    return json.dumps(as_dict(explanation), indent=1, ensure_ascii=False) + "\n" if as_json else text(explanation, everything)


def _table_lines(tables: Tables, runtime: Runtime) -> Iterator[str]:
    """Iterate over all routes in their order, one a line."""
    if not tables:
        yield "there are no listeners"
    for listener, config in tables:
        if listener is not None:
            yield _line("listener", f"{shown(listener.name)} on {listener.address}", listener.place)
        if isinstance(config, TcpProxy):
            yield _line("tcp proxy", f"{shown(config.stat_prefix)} → {_tcp_shares(config)}")
            continue
        for host in config.virtual_hosts:
            domains = ", ".join(map(shown, host.domains))
            yield _line("virtual host", f"{shown(host.name)}: {domains}{_tls(host)}", host.place)
            for number, route in enumerate(host.routes, 1):
                what = f"{described(route.match)} → {action_words(route, runtime)}"
                yield _line(f"  {title(number, route)}", what, route.place)


def _tcp_shares(proxy: TcpProxy) -> str:
    if len(proxy.clusters) == 1:
        return shown(proxy.clusters[0].name)
    total = sum(entry.weight for entry in proxy.clusters) or 1
    return ", ".join(f"{shown(entry.name)} {percent(Fraction(entry.weight, total))}" for entry in proxy.clusters)


def _tls(host: VirtualHost) -> str:
    return "" if host.require_tls.value == "NONE" else f" (require_tls: {host.require_tls.value})"


def _tcp_dict(proxy: TcpProxy) -> dict[str, object]:
    clusters = [{"name": entry.name, "weight": entry.weight} for entry in proxy.clusters]
    return {"tcp_proxy": {"stat_prefix": proxy.stat_prefix, "clusters": clusters}}


def _host_dicts(config: RouteConfiguration, runtime: Runtime) -> Steps[list[dict[str, object]]]:
    hosts: list[dict[str, object]] = []
    for host in config.virtual_hosts:
        routes: list[dict[str, object]] = []
        for number, route in enumerate(host.routes, 1):
            routes.append({**_route(number, route), "action": action_words(route, runtime), "clusters": _clusters(route, runtime)})
            if not number % _ROUTES_A_STEP:
                yield
        hosts.append({"name": host.name, "domains": [_text(domain) for domain in host.domains], "place": host.place, "routes": routes})
    return hosts


def _clusters(route: Route, runtime: Runtime) -> list[dict[str, object]]:
    action = route.action
    if not isinstance(action, RouteAction):
        return []
    return [{"name": entry.name, "weight": weight} for entry, weight in zip(action.clusters, weights_now(action, runtime), strict=True)]
