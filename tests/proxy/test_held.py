"""Routes that a release holds: who is served by which version, and what is told of it."""

import gc
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.filters import FilterOverride, HttpFilter
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.http_filter import Buffer
from shifter.model.release import MILLION
from shifter.model.route import (
    HashPolicy,
    HashSource,
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    RequestMirrorPolicy,
    RouteConfiguration,
    StringMatcher,
    StringMatchKind,
    VirtualHost,
)
from shifter.proxy.filterchain import FilterChain
from shifter.proxy.held import HeldResource
from shifter.proxy.tree import ListenerResource
from shifter.routing.release_split import ReleaseSplit
from shifter.upstream.host import HealthFlag
from shifter.wire.events import RequestHead
from tests.support.held import CANARY, EMPTY, ENTRIES, Held, held_route, hold, number_for
from tests.support.proxies import CLUSTERS, ONE, TWO, get
from tests.support.scripted import ScriptedFactory

BETA = HeaderMatcher(b"x-canary", StringMatcher(StringMatchKind.EXACT, b"yes"))
HOST = VirtualHost("all", (b"*",), (held_route(hold(header=BETA)),))
GIVEN = HashPolicy(HashSource.COOKIE, b"seen", ttl=60.0, path=b"/")
NAMED = HashPolicy(HashSource.HEADER, b"x-user-id")


def ask(held: Held, *lines: bytes) -> tuple[str, bytes]:
    """Return who answered a new client, and what it was told."""
    client = held.proxy.connect(get(b"/a?b", *lines, b"connection: close"))
    asked = held.asked
    held.proxy.backend.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    return asked, client.take()


def numbered(held: Held, number: int) -> None:
    held.proxy.worker.random = lambda: number  # type: ignore[method-assign]


def ailing(held: Held, name: str) -> None:
    """Have the one endpoint of the cluster *name* be unhealthy, and no other."""
    for cluster in held.proxy.clusters.values():
        for pool in cluster.pools:
            (pool.host.set if cluster.name == name else pool.host.clear)(HealthFlag.FAILED_ACTIVE_HC, 0.0)


@given(st.integers(0, 2**63 - 1))
def test_shares_are_exact_at_both_ends(number: int) -> None:
    split = ReleaseSplit("new")
    assert not split.draws_canary(number)
    assert not split.keeps_canary(number)
    split.share = MILLION
    assert split.draws_canary(number)
    assert split.keeps_canary(number)


@pytest.mark.parametrize("denominator", [100, 10_000, MILLION])
def test_what_was_drawn_by_the_number_before_does_not_say_whose_a_request_is(denominator: int) -> None:
    """A route that a tenth of the requests fit, of which the canary is to have 2 %; and one behind it that another release holds."""
    split, another = ReleaseSplit("new", 20_000), ReleaseSplit("another", 20_000)
    numbers = [number for one in range(200_000) if (number := one * 0x9E37_79B9_7F4A_7C15 % 2**63) % denominator < denominator // 10]
    mine = [number for number in numbers if split.draws_canary(number)]
    assert len(mine) == pytest.approx(0.02 * len(numbers), rel=0.3)
    assert sum(map(another.draws_canary, mine)) <= 0.06 * len(mine)


@pytest.mark.parametrize("forced", [False, True])
def test_what_filters_have_kept_until_all_was_taken_from_the_canary_is_the_baselines(forced: bool) -> None:
    held = Held(held_route(hold(header=BETA)), share=10_000 * (not forced), http_filters=(HttpFilter("buffer", Buffer(1000)),))
    held.split.forced = forced
    numbered(held, number_for(True, 10_000))
    lines = (b"x-canary: yes",) if forced else ()
    client = held.proxy.connect(get(b"/", *lines, b"content-length: 5", method=b"POST") + b"ab")
    assert held.proxy.backends == []
    held.split.share, held.split.forced = 0, False
    client.say(b"cde")
    assert held.asked == "one"
    held.proxy.backend.say(EMPTY)
    client = held.proxy.connect(get(b"/", *lines, b"content-length: 5", method=b"POST") + b"ab")
    held.split.share, held.split.forced = MILLION, True
    client.say(b"cde")
    assert held.asked == "one", "nobody comes to the canary by that"


@given(st.integers(0, 2**64 - 1), st.integers(0, MILLION), st.integers(0, MILLION))
def test_users_only_come_while_the_share_grows_and_only_go_while_it_shrinks(user: int, one: int, other: int) -> None:
    split = ReleaseSplit("new")
    split.share = min(one, other)
    before = split.keeps_canary(user)
    split.share = max(one, other)
    assert split.keeps_canary(user) >= before


def test_the_share_counts_and_not_the_weights_and_holds_from_the_next_request_on() -> None:
    held = Held(share=0)
    numbered(held, number_for(True, 50_000))
    assert ask(held)[0] == "one"
    held.split.share = 50_000
    assert ask(held)[0] == "two"
    numbered(held, number_for(False, 50_000))
    assert ask(held)[0] == "one"
    assert held.watched.told == [(False, False, 200), (True, False, 200), (False, False, 200)]
    assert [trial.share for trial in held.watched.trials] == [0.0, 0.05, 0.05]
    held.proxy.settled(c200=3)


def test_a_header_sends_to_the_canary_only_while_it_may_and_is_not_counted() -> None:
    held = Held(held_route(hold(header=BETA)), share=0)
    assert ask(held, b"x-canary: yes")[0] == "one"
    assert len(held.watched.told) == 1
    held.split.forced = True
    assert ask(held, b"x-canary: yes")[0] == "two"
    assert ask(held, b"x-canary: no")[0] == "one"
    assert held.split.by_header == 1
    assert len(held.watched.trials) == 2
    held.proxy.settled(c200=3)


def test_nothing_is_counted_while_nobody_compares() -> None:
    held = Held(compare=False)
    assert ask(held)[0] == "two"
    assert held.watched.trials == []


@pytest.mark.parametrize("share", [MILLION, 0, 500_000])
def test_the_other_version_serves_while_one_cannot(share: int) -> None:
    held = Held(share=share)
    for canary in (True, False):
        numbered(held, number_for(canary))
        ailing(held, "two")
        assert ask(held)[0] == "one"
        ailing(held, "one")
        assert ask(held)[0] == ("two" if share else "one"), "whose share is nothing gets nothing"
    assert held.watched.trials == [], "what comes of a request says nothing of who would have served it"
    assert held.split.given_away == {MILLION: [0, 2], 0: [0, 0], 500_000: [1, 1]}[share]


def test_a_user_stays_and_a_newcomer_gets_a_cookie() -> None:
    held = Held(held_route(hold(stick_to=GIVEN)), share=500_000)
    seen = set()
    for number in range(20):
        numbered(held, (number * 0x9E37_79B9_7F4A_7C15) % 2**63)
        cluster, answer = ask(held)
        cookie = answer.split(b'set-cookie: seen="')[1].split(b'"')[0]
        seen.add(cluster)
        numbered(held, 0)
        again, answer = ask(held, b"cookie: seen=" + cookie)
        assert again == cluster
        assert b"set-cookie" not in answer
        first, second = held.watched.trials[-2:]
        assert first.user == second.user is not None
    assert seen == {"one", "two"}


@pytest.mark.parametrize(
    "route",
    [
        held_route(hold(stick_to=NAMED)),
        held_route(use_hash_policy=True, hash_policy=(NAMED,)),
        held_route(random_value_header=b"x-user-id"),
        held_route(hold(stick_to=NAMED), use_hash_policy=True, hash_policy=(GIVEN,)),
    ],
)
def test_users_are_told_apart_as_the_release_says_or_the_route(route: object) -> None:
    held = Held(route, share=500_000)  # type: ignore[arg-type]
    found = {}
    for name in range(30):
        numbered(held, name * 40_000)
        found[name] = ask(held, b"x-user-id: %d" % name)[0]
    numbered(held, 0)
    assert {name: ask(held, b"x-user-id: %d" % name)[0] for name in found} == found
    assert set(found.values()) == {"one", "two"}
    assert ask(held)[0] == "two", "one whom nothing names is drawn"
    assert held.watched.trials[-1].user is None


@pytest.mark.parametrize("compare", [True, False])
@pytest.mark.parametrize(("share", "name"), [(0, b"old"), (MILLION, b"new")])
def test_what_entry_and_route_say_goes_on(compare: bool, share: int, name: bytes) -> None:
    entries = [
        replace(
            entry, headers=HeaderMutations((HeaderValueOption(b"x-version", version),), response_add=(HeaderValueOption(b"x-by", version),))
        )
        for entry, version in zip(ENTRIES, (b"old", b"new"), strict=True)
    ]
    mirrors = (RequestMirrorPolicy("copies"),)
    copies = Cluster("copies", endpoints=(LbEndpoint(TWO[1]),))
    clusters = (*CLUSTERS[:2], CANARY, copies)
    held = Held(held_route(entries=tuple(entries), mirrors=mirrors, prefix_rewrite=b"/x/"), share, compare, clusters)
    client = held.proxy.connect(get(b"/a"))
    first, second = (next(one for one in held.proxy.backends if (one.peer == TWO[1]) is copied) for copied in (False, True))
    assert first.peer == (ONE if name == b"old" else TWO[0])
    for asked in (first, second):
        sent = asked.take()
        assert sent.startswith(b"GET /x/a HTTP/1.1\r\n") and b"\r\nx-version: %b\r\n" % name in sent
    first.say(EMPTY)
    second.say(EMPTY)
    assert b"\r\nx-by: %b\r\n" % name in client.take()
    assert len(held.watched.told) == compare
    held.proxy.settled(c200=1)


def test_filters_are_told_what_the_chosen_entry_says_to_them() -> None:
    entries = tuple(replace(entry, filters={"a": FilterOverride(disabled=entry.name == "two")}) for entry in ENTRIES)
    route = held_route(entries=entries)
    config = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), (route,)),))
    held = Held(route)
    factories = [ScriptedFactory("a", held.proxy.context(), [], {})]
    chain = FilterChain([HttpFilter("a", None)], factories, config)
    door: Any = held.proxy.connect().handler
    split = held.split
    for split.comparison in (held.watched, None):
        for split.share, passed in ((0, 1), (MILLION, 0)):
            leaf = held.proxy.runtime.tree.locate(RequestHead(b"GET", b"/", b"a"))
            assert leaf is not None
            assert len(chain.plan(leaf.choose(RequestHead(b"GET", b"/", b"a"), door))) == passed


def test_a_version_without_endpoints_answers_where_the_route_wants_that() -> None:
    held = Held(held_route(health_aware_weights=False))
    ailing(held, "two")
    held.proxy.connect(get(b"/"))
    assert held.split.given_away == [0, 0]
    assert len(held.watched.trials) == 1


def test_who_has_no_place_for_a_body_is_served_all_the_same() -> None:
    held = Held()
    client = held.proxy.connect(get(b"/", b"content-length: 3", method=b"POST"))
    client.say(b"abc")
    assert held.proxy.backend.take().endswith(b"\r\n\r\nabc")
    held.proxy.backend.say(EMPTY)
    assert client.take().startswith(b"HTTP/1.1 200 OK\r\n")
    assert held.watched.told == [(True, False, 200)]


def test_a_held_route_goes_with_its_tree_without_the_garbage_collector() -> None:
    held = Held()
    manager = HttpConnectionManager("http", RouteConfiguration(virtual_hosts=(HOST,)))
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, HeldResource) for thing in gc.get_objects())
        tree = ListenerResource(manager, held.proxy.clusters.__getitem__, find_split=held.proxy.splits.of)
        assert sum(isinstance(thing, HeldResource) for thing in gc.get_objects()) == before + 1
        del tree
        assert sum(isinstance(thing, HeldResource) for thing in gc.get_objects()) == before
    finally:
        gc.enable()
