"""Random route tables and requests that have something to do with each other."""

from hypothesis import strategies as st

from shifter.model.route import (
    CookieMatcher,
    DirectResponseAction,
    FractionalPercent,
    HeaderMatcher,
    MetadataMatcher,
    PathMatchKind,
    Presence,
    QueryParameterMatcher,
    RangeMatcher,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
    TlsContextMatch,
    VirtualHost,
    WeightedCluster,
)
from shifter.wire.events import RequestHead, block_of

DOMAINS = (b"*", b"a.test", b"*.test", b"*a.test", b"a.*", b"b.test:80")
AUTHORITIES = st.sampled_from([b"a.test", b"A.TEST", b"ba.test", b"a.b", b"b.test:80", b"b.test", b"other"])
PATHS = st.text("/ab", max_size=4).map(lambda text: ("/" + text).encode())
VALUES = st.sampled_from([b"", b"1", b"12", b"a", b"ab", b"A"])
NAMES = st.sampled_from([b"x", b"y"])

STRINGS = st.builds(
    StringMatcher,
    st.sampled_from([StringMatchKind.EXACT, StringMatchKind.PREFIX, StringMatchKind.SUFFIX, StringMatchKind.CONTAINS]),
    VALUES.filter(bool),
    st.booleans(),
) | st.just(StringMatcher(StringMatchKind.SAFE_REGEX, b"[a-z]+"))
HEADERS = st.one_of(
    st.builds(HeaderMatcher, NAMES, string=STRINGS, invert=st.booleans(), treat_missing_as_empty=st.booleans()),
    st.builds(HeaderMatcher, NAMES, range=st.just(RangeMatcher(1, 12)), invert=st.booleans()),
    st.builds(HeaderMatcher, NAMES, present=st.booleans(), invert=st.booleans()),
    st.just(HeaderMatcher(b":method", StringMatcher(StringMatchKind.EXACT, b"GET"))),
)
PARAMETERS = st.builds(QueryParameterMatcher, NAMES, st.none() | STRINGS)
COOKIES = st.builds(CookieMatcher, NAMES, STRINGS, st.booleans())
METADATA = st.builds(MetadataMatcher, st.just("f"), st.just(("k",)), st.just(Presence(True)), st.booleans())
FRACTIONS = st.builds(RuntimeFraction, st.builds(FractionalPercent, st.sampled_from([0, 10, 50, 100])), st.just(""))


def _few(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(strategy, max_size=1).map(tuple)


_REGEX = st.sampled_from([b"/a.*", b".*b", b"/[ab]+/?"])
_KINDS = st.sampled_from([PathMatchKind.PREFIX, PathMatchKind.PATH])
MATCHES = st.one_of(
    st.builds(RouteMatch, _KINDS, PATHS, st.booleans(), _few(HEADERS)),
    st.builds(
        RouteMatch,
        _KINDS,
        st.just(b"/"),
        headers=_few(HEADERS),
        query_parameters=_few(PARAMETERS),
        cookies=_few(COOKIES),
        dynamic_metadata=_few(METADATA),
        runtime_fraction=st.none() | FRACTIONS,
        grpc=st.booleans(),
        tls_context=st.none() | st.just(TlsContextMatch(presented=True)),
    ),
    st.builds(RouteMatch, st.just(PathMatchKind.SAFE_REGEX), _REGEX),
    st.builds(RouteMatch, st.just(PathMatchKind.PATH_SEPARATED_PREFIX), st.sampled_from([b"/a", b"/a/b"])),
    st.builds(RouteMatch, st.just(PathMatchKind.URI_TEMPLATE), st.sampled_from([b"/a/*", b"/{x}/b"])),
)
CLUSTERS = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.integers(0, 5)), min_size=1, max_size=3).filter(
    lambda pairs: any(weight for _, weight in pairs)
)
ACTIONS = st.one_of(
    CLUSTERS.map(lambda pairs: RouteAction(tuple(WeightedCluster(name, weight) for name, weight in pairs))),
    st.just(RedirectAction(host_redirect=b"new.test")),
    st.just(DirectResponseAction(200, b"hello")),
)
ROUTES = st.builds(Route, MATCHES, ACTIONS)


@st.composite
def route_configurations(draw: st.DrawFn) -> RouteConfiguration:
    """Return a route configuration with virtual hosts of distinct domains."""
    domains = draw(st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=4, unique=True))
    hosts = [VirtualHost(domain.decode(), (domain,), tuple(draw(st.lists(ROUTES, max_size=6)))) for domain in domains]
    return RouteConfiguration(virtual_hosts=tuple(hosts), ignore_port_in_host_matching=draw(st.booleans()))


@st.composite
def requests(draw: st.DrawFn) -> RequestHead:
    """Return a request as routes see it."""
    target = draw(PATHS) + draw(st.sampled_from([b"", b"?x=1", b"?y=ab&x"]))
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=3))
    fields += draw(st.sampled_from([[], [(b"content-type", b"application/grpc")], [(b"cookie", b"x=1; y=ab")]]))
    head = RequestHead(draw(st.sampled_from([b"GET", b"POST"])), target, draw(AUTHORITIES), block_of(fields))
    head.random = draw(st.integers(0, 2**63 - 1))
    head.metadata = draw(st.none() | st.just({"f": {"k": 1}}))
    return head
