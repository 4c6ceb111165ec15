"""Route tests: requests that are led through a route table, and what must come of them (Envoy's router check tool).

Rule 1. As in Envoy's tool only the route table is asked: what connection manager and filters would do to the request before, or
        the router adds behind, is not there.
Rule 2. A ``runtime_fraction`` lets nothing through, unless the test names its key; then the random value of the test decides, by the
        default of the fraction (at least 1). So a route that is switched off can be tested.
Rule 3. A condition on header fields sees request and answer after all edits; so do virtual clusters.
Rule 4. Of a route the fields in `FORWARDED` (or `ANSWERED`) can be tested; it is covered when one of them was, and as expected.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import (
    DirectResponseAction,
    FractionalPercent,
    HeaderMatcher,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RuntimeFraction,
    VirtualHost,
    WebResourceAction,
)
from shifter.model.routetest import RouteExpectation, RouteTest, RouteTestInput, RouteTests
from shifter.routing import require_tls
from shifter.routing.dry_run import Bystander, Table
from shifter.routing.hash_policy import Newcomer
from shifter.routing.match import compile_header
from shifter.routing.match_header import header_values
from shifter.routing.match_text import shown, wanted
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, block_of

FORWARDED = ("cluster_name", "virtual_cluster_name", "virtual_host_name", "path_rewrite", "host_rewrite")
ANSWERED = ("path_redirect",)
CLIENT = b"127.0.0.1"
"""Where requests of tests come from, as in Envoy's tool."""

_NEVER = RuntimeFraction(FractionalPercent(0))
_PSEUDO = {b":authority": "authority", b":method": "method", b":path": "path", b":scheme": "scheme"}


@dataclass(frozen=True, slots=True)
class Check:
    """One field of a test: what was expected, and what came of the request."""

    field: str
    expected: str
    got: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one test."""

    test: RouteTest
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything was as expected."""
        return all(check.ok for check in self.checks)


@dataclass(frozen=True, slots=True)
class Covered:
    """A route, the *number*-th of its virtual host, or one entry of its weighted clusters (*cluster*); and which fields were tested."""

    host: VirtualHost
    number: int
    route: Route
    cluster: str
    tested: frozenset[str]

    @property
    def missing(self) -> tuple[str, ...]:
        """The fields that no test asked for, or not with success."""
        fields = FORWARDED if isinstance(self.route.action, RouteAction) else ANSWERED
        return tuple(field for field in fields if field not in self.tested)


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of all tests."""

    results: tuple[Result, ...]
    routes: tuple[Covered, ...]

    @property
    def failures(self) -> int:
        """How many tests failed."""
        return sum(not result.ok for result in self.results)

    def plus(self, other: "Summary") -> "Summary":
        """Return both, about the same routes, as one."""
        pairs = zip(self.routes, other.routes, strict=True)
        return Summary(self.results + other.results, tuple(replace(one, tested=one.tested | two.tested) for one, two in pairs))

    def coverage(self, comprehensive: bool = False) -> float:
        """Return the percentage of routes that were tested; *comprehensive*: of all that can be tested of them."""
        if not self.routes:
            return 100.0
        shares = [_share(route) if comprehensive else float(bool(route.tested)) for route in self.routes]
        return 100 * sum(shares) / len(shares)


def _share(route: Covered) -> float:
    fields = FORWARDED if isinstance(route.route.action, RouteAction) else ANSWERED
    return 1 - len(route.missing) / len(fields)


def run(config: RouteConfiguration, tests: RouteTests, layers: Sequence[RuntimeLayer] = ()) -> Summary:
    """Run *tests* against *config*, with the values of runtime *layers* beneath those of the tests.

    Raises `RoutingError` for a table that cannot be compiled.
    """
    runtime = Runtime([*layers, RuntimeLayer("tests", tests.runtime)])
    tables: dict[str, _Tested] = {}
    tested: dict[tuple[int, int, int], set[str]] = {}
    results = []
    for test in tests.tests:
        key = test.input.runtime
        table = tables.get(key)
        if table is None:
            table = tables[key] = _Tested(config, key, runtime)
        came = table.lead(test.input)
        checks = tuple(came.checks(test.expected))
        if came.unit is not None:
            fields = FORWARDED if came.forwarded else ANSWERED
            good = {check.field for check in checks if check.ok and check.field in fields}
            if good:
                tested.setdefault(came.unit, set()).update(good)
        results.append(Result(test, checks))
    return Summary(tuple(results), tuple(_covered(config, tested)))


def _covered(config: RouteConfiguration, tested: dict[tuple[int, int, int], set[str]]) -> Iterator[Covered]:
    for number, host in enumerate(config.virtual_hosts):
        for position, route in enumerate(host.routes):
            action = route.action
            entries = action.clusters if isinstance(action, RouteAction) and len(action.clusters) > 1 else ()
            for at, name in enumerate([entry.name for entry in entries] or [""]):
                yield Covered(host, position + 1, route, name, frozenset(tested.get((number, position, at), ())))


@dataclass(slots=True)
class _Outcome:
    """What came of a request. ``unit`` is what was tested by it: virtual host, route and entry by their numbers."""

    unit: tuple[int, int, int] | None = None
    forwarded: bool = False
    found: dict[str, str] | None = None
    timeout: float | None = None
    route: Route | None = None
    request: RequestHead | None = None
    response: RequestHead | None = None

    def checks(self, expected: RouteExpectation) -> Iterator[Check]:
        found = self.found or {}
        for name in (*FORWARDED, "path_redirect"):
            want = getattr(expected, name)
            if want is not None:
                got = found.get(name, "")
                yield Check(name, want, got, want == got)
        if expected.code_redirect is not None:
            code = int(found.get("code_redirect", "0"))
            yield Check("code_redirect", str(expected.code_redirect), str(code), code == expected.code_redirect)
        if expected.timeout is not None:
            got = "" if self.timeout is None else f"{self.timeout:g}s"
            yield Check("timeout", f"{expected.timeout:g}s", got, self.timeout == expected.timeout)
        for item in expected.route_metadata:
            value = (self.route.metadata if self.route is not None else {}).get(item.namespace, {}).get(item.key)
            ok = value is not None and value == item.value
            yield Check(f"route_metadata {item.namespace} {item.key}", str(item.value), "" if value is None else str(value), ok)
        for kind, matchers, head in (
            ("request_header_matches", expected.request_headers, self.request),
            ("response_header_matches", expected.response_headers, self.response),
        ):
            for matcher in matchers:
                yield _header_check(kind, matcher, head)


def _header_check(kind: str, matcher: HeaderMatcher, head: RequestHead | None) -> Check:
    ok = head is not None and compile_header(matcher)(head)
    got = ", ".join(map(shown, header_values(matcher.name)(head))) if head is not None else ""
    return Check(f"{kind} {shown(matcher.name)}", wanted(matcher), got, ok)


class _Tested:
    """A route configuration in which the fractions of one runtime key are on."""

    def __init__(self, config: RouteConfiguration, key: str, runtime: Runtime) -> None:
        config = _with_key(config, key)
        self._table = Table(config, runtime)
        self._places = {
            id(route): (number, position) for number, host in enumerate(config.virtual_hosts) for position, route in enumerate(host.routes)
        }

    def lead(self, given: RouteTestInput) -> _Outcome:
        """Return what comes of the request *given*."""
        table = self._table
        head = _head(given)
        response = RequestHead(given.method, given.path, given.authority, block_of(given.response_headers))
        outcome = _Outcome(request=head, response=response)
        found = table.find(head)
        if found is None:
            return outcome
        host = found.host
        if table.needs_tls(host, head):
            outcome.found = {
                "path_redirect": require_tls.https_location(head).decode("utf-8", "replace"),
                "code_redirect": str(require_tls.STATUS),
            }
            return outcome
        route = table.locate(host, head)
        if route is None:
            return outcome
        outcome.route = route
        subject = Bystander(head, route)
        action = route.action
        number, position = self._places[id(route)]
        if isinstance(action, RouteAction):
            entry = table.choose(action, head, CLIENT, Newcomer(lambda: given.random_value))
            name = table.cluster_name(entry, head)
            at = next((at for at, one in enumerate(action.clusters) if one is entry), 0)
            outcome.unit, outcome.forwarded, outcome.timeout = (number, position, at), True, action.timeout
            table.send(host, route, entry, head, subject)
            response.block = table.answer(host, route, entry, response.block, subject)
            outcome.found = {
                "cluster_name": name,
                "virtual_cluster_name": table.virtual_cluster(host, head),
                "virtual_host_name": host.name,
                "path_rewrite": head.path.decode("utf-8", "replace"),
                "host_rewrite": head.authority.decode("utf-8", "replace"),
            }
            return outcome
        outcome.unit = (number, position, 0)
        location = table.location(route, head).decode("utf-8", "replace")
        outcome.found = {"path_redirect": location, "code_redirect": str(_status(action))}
        if isinstance(action, DirectResponseAction) and action.body:
            response.block += b"\r\ncontent-length: %d\r\ncontent-type: text/plain" % len(action.body)
        response.block = table.answer(host, route, None, response.block, subject)
        return outcome


def _status(action: RedirectAction | DirectResponseAction | WebResourceAction) -> int:
    if isinstance(action, WebResourceAction):
        return 0  # the resource's to say
    return action.response_code if isinstance(action, RedirectAction) else action.status


def _head(given: RouteTestInput) -> RequestHead:
    scheme = b"https" if given.ssl else b"http"
    fields = [(b"x-forwarded-proto", scheme)]
    if given.internal:
        fields.append((b"x-envoy-internal", b"true"))
    fields += [(name, value) for name, value in given.request_headers if name not in _PSEUDO]
    head = RequestHead(given.method, given.path, given.authority, block_of(fields), scheme=scheme)
    for name, value in given.request_headers:
        if name in _PSEUDO:
            setattr(head, _PSEUDO[name], value)
    head.random = given.random_value
    head.metadata = {name: dict(values) for name, values in given.metadata.items()} or None
    return head


def _with_key(config: RouteConfiguration, key: str) -> RouteConfiguration:
    """Return *config* in which only the fractions of the runtime *key* let anything through."""
    hosts = tuple(replace(host, routes=tuple(_route_with_key(route, key) for route in host.routes)) for host in config.virtual_hosts)
    return replace(config, virtual_hosts=hosts)


def _route_with_key(route: Route, key: str) -> Route:
    fraction = route.match.runtime_fraction
    if fraction is None:
        return route
    chosen = _NEVER
    if key and fraction.runtime_key == key:
        chosen = RuntimeFraction(FractionalPercent(max(1, fraction.default.numerator), fraction.default.denominator))
    return replace(route, match=replace(route.match, runtime_fraction=chosen))
