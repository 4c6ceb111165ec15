"""Why a request goes where it goes."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import RuntimeLayer
from shifter.model.cluster import Cluster
from shifter.model.filters import HttpFilter
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.release import RouteHold, RouteReference
from shifter.model.route import (
    DirectResponseAction,
    FractionalPercent,
    HashPolicy,
    HashSource,
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    RedirectAction,
    RequestMirrorPolicy,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    RuntimeFraction,
    TlsRequirement,
    VirtualHost,
    WeightedCluster,
)
from shifter.routing.dry_run import Table
from shifter.routing.explain import Copy, Explanation, explain
from shifter.routing.explain_question import Scene, question
from shifter.routing.release_split import ReleaseSplit
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, fields
from tests.support.listeners import http_listener
from tests.support.routes import requests, route_configurations

ANY = RouteMatch(PathMatchKind.PREFIX, b"/")
SPLIT = (WeightedCluster("new", 25), WeightedCluster("old", 75))


def scene(*routes: Route, clusters: dict[str, Cluster] | None = None, runtime: Runtime | None = None, **host: object) -> Scene:
    one = VirtualHost("all", (b"*",), routes, **host)  # type: ignore[arg-type]  # a test names them
    manager = HttpConnectionManager("in", RouteConfiguration(virtual_hosts=(one,)))
    return Scene(manager, runtime or Runtime(), http_listener("front", SocketAddress("127.0.0.1", 8000), manager), clusters)


def to(*clusters: WeightedCluster, match: RouteMatch = ANY, **action: object) -> Route:
    return Route(match, RouteAction(clusters, **action))  # type: ignore[arg-type]  # a test names them


def share(numerator: int, denominator: int = 100) -> RouteMatch:
    return RouteMatch(PathMatchKind.PREFIX, b"/", runtime_fraction=RuntimeFraction(FractionalPercent(numerator, denominator)))


def ask(where: Scene, request: str = "GET http://h.test/", *headers: str, random: int | None = None) -> Explanation:
    return explain(where, question(request, headers, random=random))


def shares(told: Explanation) -> list[tuple[str, Fraction]]:
    (way,) = told.ways
    return [(candidate.cluster, candidate.share) for candidate in way.candidates]


# Where it goes


def test_each_earlier_route_has_its_reason() -> None:
    canary = RouteMatch(PathMatchKind.PREFIX, b"/a", headers=(HeaderMatcher(b"x-canary", present=True),))
    told = ask(scene(to(SPLIT[0], match=RouteMatch(PathMatchKind.PATH, b"/b")), to(SPLIT[0], match=canary), to(SPLIT[1])), "http://h/a")
    assert [(miss.number, miss.reason, miss.held) for miss in told.misses] == [
        (1, "path /a is not /b", 0),
        (2, "header x-canary is not there", 1),
    ]
    (way,) = told.ways
    assert (way.number, way.share, way.decided) == (3, 1, "")
    assert shares(told) == [("old", 1)]


def test_what_is_sent_has_been_edited_and_rewritten() -> None:
    route = Route(
        RouteMatch(PathMatchKind.PREFIX, b"/a"),
        RouteAction((WeightedCluster("new", 1),), timeout=2.5, prefix_rewrite=b"/b", host_rewrite_literal=b"inside"),
        headers=HeaderMutations((HeaderValueOption(b"x-from", b"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),), (b"x-secret",)),
    )
    told = explain(scene(route), question("GET http://h.test/a/c?d", ["x-secret: 1"], "192.0.2.7"))
    sent = told.ways[0].candidates[0].sent
    assert (sent.method, sent.path, sent.authority) == (b"GET", b"/b/c?d", b"inside")
    assert dict(sent.fields) == {
        b"x-forwarded-proto": b"http",
        b"x-request-id": b"<new id>",
        b"x-envoy-expected-rq-timeout-ms": b"2500",
        b"x-from": b"192.0.2.7",
        b"x-envoy-original-host": b"h.test",
        b"x-envoy-original-path": b"/a/c?d",
    }


def test_the_path_is_read_as_traffic_reads_it() -> None:
    told = ask(scene(to(SPLIT[0])), "GET http://h.test/a/../b")
    assert told.head is not None
    assert told.head.path == b"/b"


@pytest.mark.parametrize(
    ("request_", "headers", "status", "words"),
    [
        ("GET http://h.test/a%2Fb", (), 307, "escaped slashes"),
        ("GET http://h.test/%00", (), 400, "the request is refused: path_normalization_failed"),
        ("BREW http://h.test/", (), 400, "the request is refused: "),
        ("GET http://h.test/", ("bad name: 1",), 400, "the request is refused: "),
    ],
)
def test_what_never_comes_to_routes(request_: str, headers: tuple[str, ...], status: int, words: str) -> None:
    told = ask(scene(to(SPLIT[0])), request_, *headers)
    assert told.reply is not None
    assert told.reply.status == status
    assert words in told.reply.why
    assert told.ways == ()


def test_no_virtual_host_and_no_route() -> None:
    other = RouteConfiguration(
        virtual_hosts=(VirtualHost("a", (b"a.test",), (to(SPLIT[0], match=RouteMatch(PathMatchKind.PATH, b"/x")),)),)
    )
    where = Scene(HttpConnectionManager("in", other), Runtime())
    told = ask(where, "http://b.test/")
    assert told.found is None
    assert told.reply is not None
    assert (told.reply.status, told.reply.why) == (404, "no virtual host has the domain b.test; there are a.test")
    told = ask(where, "http://a.test:81/")
    assert told.reply is not None
    assert told.reply.why.endswith("; without its port it would have been a.test")
    told = ask(where, "http://a.test/")
    assert told.found is not None
    assert (told.found.domain, told.reply and (told.reply.status, told.reply.why)) == (b"a.test", (404, "no route fits"))


def test_tls_is_wanted_before_any_route() -> None:
    where = scene(to(SPLIT[0]), require_tls=TlsRequirement.ALL)
    told = ask(where, "http://h.test/a")
    assert told.reply is not None
    assert (told.reply.status, told.reply.fields) == (301, ((b"location", b"https://h.test/a"),))
    assert ask(where, "https://h.test/a").reply is None


def test_answers_of_the_proxy_itself() -> None:
    told = ask(scene(Route(ANY, RedirectAction(host_redirect=b"new.test", response_code=302))), "http://h.test/a")
    reply = told.ways[0].reply
    assert reply is not None
    assert (reply.status, reply.fields) == (302, ((b"location", b"http://new.test/a"),))
    told = ask(scene(Route(ANY, DirectResponseAction(418, b"short"), headers=HeaderMutations((), (), (HeaderValueOption(b"a", b"b"),)))))
    reply = told.ways[0].reply
    assert reply is not None
    assert (reply.status, reply.fields, reply.body) == (418, ((b"a", b"b"),), b"short")


# Candidates


def test_weights_are_shares() -> None:
    told = ask(scene(to(*SPLIT)))
    assert shares(told) == [("new", Fraction(1, 4)), ("old", Fraction(3, 4))]
    assert told.ways[0].decided == "weights"


def test_a_given_number_decides() -> None:
    told = ask(scene(to(*SPLIT)), random=124)
    assert shares(told) == [("new", 1), ("old", 0)] if 124 % 100 < 25 else [("new", 0), ("old", 1)]
    assert told.ways[0].decided == "the random number 124"


def test_the_request_decides_where_it_may() -> None:
    where = scene(to(*SPLIT, random_value_header=b"x-number"))
    told = ask(where, "http://h.test/", "x-number: 30")
    assert shares(told) == [("new", 0), ("old", 1)]
    assert told.ways[0].decided == "header x-number"
    assert ask(where, "http://h.test/", "x-number: many").ways[0].decided == "weights"


def test_a_hash_decides_where_it_may() -> None:
    policy = HashPolicy(HashSource.HEADER, b"x-user")
    where = scene(to(*SPLIT, use_hash_policy=True, hash_policy=(policy,)))
    told = ask(where, "http://h.test/", "x-user: ann")
    assert sorted(share for _, share in shares(told)) == [0, 1]
    assert told.ways[0].decided == "the hash policy"
    assert ask(where).ways[0].decided == "weights"


def test_a_cookie_keeps_the_choice() -> None:
    policy = HashPolicy(HashSource.COOKIE, b"user", ttl=60.0)
    where = scene(to(*SPLIT, use_hash_policy=True, hash_policy=(policy,)))
    told = ask(where)
    assert shares(told) == [("new", Fraction(1, 4)), ("old", Fraction(3, 4))]
    assert told.ways[0].decided == "weights; a new cookie keeps the choice"
    assert ask(where, "http://h.test/", "cookie: user=ann").ways[0].decided == "the hash policy"


def test_a_release_shares_out_the_route_that_it_holds() -> None:
    entries = WeightedCluster("old", 950_000), WeightedCluster("new", 50_000)
    hold = RouteHold("r", RouteReference(text="/"), "old", "new", HeaderMatcher(b"x-canary", present=True))
    chance = scene(to(*entries, hold=hold))
    told = ask(chance)
    assert (told.ways[0].decided, shares(told)) == ("the release r, by chance", [("old", Fraction(19, 20)), ("new", Fraction(1, 20))])
    told = ask(chance, "GET http://h.test/", "x-canary: 1")
    assert (told.ways[0].decided, shares(told)) == ("the release r, by its header x-canary", [("old", Fraction(0)), ("new", Fraction(1))])
    for number in range(40):
        mine = ReleaseSplit("r", 50_000).draws_canary(number)
        assert shares(ask(chance, random=number)) == [("old", Fraction(not mine)), ("new", Fraction(mine))]
    sticky = scene(to(*entries, hold=replace(hold, stick_to=HashPolicy(HashSource.COOKIE, b"seen", ttl=0.0))))
    assert ask(sticky).ways[0].decided == "the release r; a new cookie keeps the choice"
    split = ReleaseSplit("r", 50_000)
    for number in range(40):
        told = ask(sticky, "GET http://h.test/", f"cookie: seen={number}")
        mine = split.keeps_canary(xxh64_intdigest(b"%d" % number))
        assert (told.ways[0].decided, shares(told)[1][1]) == ("the release r, by who its user is", mine)


def test_weights_come_from_runtime() -> None:
    runtime = Runtime([RuntimeLayer("base", {"canary.new": 50, "canary.old": 50})])
    told = ask(scene(to(*SPLIT, runtime_key_prefix="canary"), runtime=runtime))
    assert shares(told) == [("new", Fraction(1, 2)), ("old", Fraction(1, 2))]
    assert told.ways[0].decided == "weights in runtime, under canary"
    runtime = Runtime([RuntimeLayer("base", {"canary.new": 0, "canary.old": 0})])
    told = ask(scene(to(*SPLIT, runtime_key_prefix="canary"), to(SPLIT[0]), runtime=runtime))
    assert [miss.reason for miss in told.misses] == ["its weights add up to 0"]
    assert told.ways[0].number == 2


def test_a_share_of_requests_goes_on() -> None:
    told = ask(scene(to(SPLIT[0], match=share(10)), to(SPLIT[1], match=share(0)), to(*SPLIT, match=share(100)), to(SPLIT[0])))
    assert [(way.number, way.share) for way in told.ways] == [(1, Fraction(1, 10)), (3, Fraction(9, 10))]
    assert [miss.reason for miss in told.misses] == ["not one of the 0 in 100 requests"]
    # one number decides both: who is left has one of the numbers from 10 on, of which 25 - 10 are the canary's
    assert [candidate.share for candidate in told.ways[1].candidates] == [Fraction(15, 90), Fraction(75, 90)]
    assert told.reply is None


def test_what_no_route_takes_is_left() -> None:
    told = ask(scene(to(SPLIT[0], match=share(1, 10_000)), to(SPLIT[1], match=share(1))))
    assert [way.share for way in told.ways] == [Fraction(1, 10_000), Fraction(99, 10_000)]
    assert told.reply is not None
    assert told.reply.share == Fraction(99, 100)
    told = ask(scene(to(SPLIT[0], match=share(1)), to(SPLIT[1], match=share(1))))
    assert [miss.reason for miss in told.misses] == ["the requests that it takes never come this far"]


def test_clusters_that_are_named_by_the_request_or_missing() -> None:
    where = scene(Route(ANY, RouteAction((), cluster_header=b"x-to")), clusters={"one": Cluster("one")})
    assert [(one.cluster, one.missing) for one in ask(where, "http://h.test/", "x-to: one").ways[0].candidates] == [("one", False)]
    assert [(one.cluster, one.missing) for one in ask(where, "http://h.test/", "x-to: two").ways[0].candidates] == [("two", True)]
    assert [(one.cluster, one.missing) for one in ask(where).ways[0].candidates] == [("", True)]


def test_copies() -> None:
    some = RequestMirrorPolicy("shadow", fraction=RuntimeFraction(FractionalPercent(50), "k"))
    named = RequestMirrorPolicy(cluster_header=b"x-shadow")
    where = scene(to(SPLIT[0]), mirrors=(some, named), runtime=Runtime([RuntimeLayer("base", {"k": 10})]))
    told = ask(where, "http://h.test/", "x-shadow: other")
    assert told.ways[0].copies == (Copy("shadow", Fraction(1, 10)), Copy("other", Fraction(1)))


def test_notes() -> None:
    assert ask(Scene(scene().manager, Runtime())).notes[0].startswith("there are only routes here")
    manager = HttpConnectionManager("in", scene(to(SPLIT[0])).manager.route_config, http_filters=(HttpFilter("cors", object()),))
    assert ask(Scene(manager, Runtime(), scene().listener)).notes == ("what HTTP filters would do before is left out: cors",)


@given(route_configurations(), requests(), st.booleans())
def test_the_route_is_the_one_that_is_located(config: RouteConfiguration, head: RequestHead, given_number: bool) -> None:
    headers = [f"{name.decode()}: {value.decode()}" for name, value in fields(head.block)]
    request = f"{head.method.decode()} http://{head.authority.decode()}{head.path.decode()}"
    where = Scene(HttpConnectionManager("in", config), Runtime())
    told = explain(where, question(request, headers, random=head.random if given_number else None))
    if told.head is None:
        return  # refused before routes
    table = Table(config, Runtime())
    told.head.random = head.random
    found = table.find(told.head)
    assert (told.found and told.found.host) is (found and found.host)
    if found is None:
        return
    route = table.locate(found.host, told.head)
    if given_number:
        assert [way.route for way in told.ways] == ([route] if route is not None else [])
    elif route is None:
        assert told.reply is not None
    else:
        assert any(way.route is route for way in told.ways)
    everything = sum((way.share for way in told.ways), Fraction(0)) + (told.reply.share if told.reply else 0)
    assert everything == 1
    assert all(sum(candidate.share for candidate in way.candidates) == 1 for way in told.ways if way.candidates)
    assert sorted([miss.number for miss in told.misses] + [way.number for way in told.ways]) == list(
        range(1, len(told.misses) + len(told.ways) + 1)
    )
