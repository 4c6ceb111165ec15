"""Routes to several clusters, from a client's side: who is served by which, and what its answer carries."""

from random import Random
from typing import Any

import pytest

from shifter.model.cluster import Cluster, LbEndpoint
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.route import (
    HashPolicy,
    HashSource,
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from shifter.observe.logformat import compile_format
from shifter.proxy.access_log import AccessLog
from shifter.proxy.door import Http1Door
from shifter.proxy.tree import ListenerResource, RouteResource
from shifter.upstream.host import HealthFlag
from shifter.wire.events import RequestHead
from tests.support.proxies import CLUSTERS, ONE, TWO, Proxy, get
from tests.support.transports import FakeTransport

EMPTY = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
GIVEN = HashPolicy(HashSource.COOKIE, b"seen", ttl=60.0, path=b"/")
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\n"


def route(*entries: WeightedCluster, **more: Any) -> Route:
    return Route(RouteMatch(PathMatchKind.PREFIX, b"/"), RouteAction(entries, **more), name="weighted")


def sticky(*entries: WeightedCluster) -> Route:
    return route(*entries, use_hash_policy=True, hash_policy=(GIVEN,))


def half(**more: Any) -> tuple[WeightedCluster, WeightedCluster]:
    return WeightedCluster("one", 50, **more), WeightedCluster("two", 50, **more)


def ask(proxy: Proxy, *lines: bytes) -> tuple[str, bytes]:
    """Return who answered a new client, and what it was told."""
    client = proxy.connect(get(b"/", *lines, b"connection: close"))
    asked = proxy.backend
    asked.say(EMPTY)
    return "one" if asked.peer == ONE else "two", client.take()


def cookie_in(answer: bytes) -> bytes:
    (line,) = [line for line in answer.split(b"\r\n") if line.startswith(b"set-cookie: ")]
    return line.removeprefix(b"set-cookie: ")


def test_a_first_visit_brings_a_cookie_and_the_next_goes_to_the_same_cluster() -> None:
    proxy = Proxy((sticky(*half()),))
    seen = set()
    for number in range(20):
        proxy.worker.random = lambda number=number: (number * 0x9E37_79B9_7F4A_7C15) % 2**63  # type: ignore[misc]
        cluster, answer = ask(proxy)
        cookie = cookie_in(answer)
        assert cookie.startswith(b'seen="')
        assert cookie.endswith(b'"; Max-Age=60; Path=/; HttpOnly')
        seen.add(cluster)
        for line in (b"cookie: seen=" + cookie.split(b'"')[1], b"cookie: a=b; " + cookie.partition(b"; ")[0]):
            again, answer = ask(proxy, line)
            assert again == cluster
            assert b"set-cookie" not in answer
    assert seen == {"one", "two"}


def test_users_follow_a_release_and_its_end_through_reloads() -> None:
    proxy = Proxy((sticky(WeightedCluster("one", 0), WeightedCluster("two", 100)),))
    numbers = iter(range(1, 10_000))
    proxy.worker.random = lambda: next(numbers) * 0x9E37_79B9_7F4A_7C15 % 2**63
    users = [cookie_in(ask(proxy)[1]).partition(b"; ")[0] for _ in range(40)]
    on_canary: set[bytes] = set()
    for step, total in ((0, 100), (5, 100), (250, 1000), (1, 2), (100, 100), (60, 100), (1, 10), (0, 1)):
        changed = sticky(WeightedCluster("two", total - step), WeightedCluster("one", step))
        config = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), (changed,)),))
        proxy.runtime.tree = ListenerResource(HttpConnectionManager("http", config), proxy.clusters.__getitem__)
        now = {user for user in users if ask(proxy, b"cookie: " + user)[0] == "one"}
        assert now >= on_canary or now <= on_canary
        if step in (0, total):
            assert len(now) == (0 if step == 0 else len(users))
        on_canary = now


def test_a_canary_at_nothing_is_not_visited_and_one_at_all_is() -> None:
    for canary, weights in (("two", (0, 100)), ("one", (100, 0))):
        proxy = Proxy((sticky(WeightedCluster("one", weights[0]), WeightedCluster("two", weights[1])),))
        for user in range(20):
            assert ask(proxy, b"cookie: seen=%d" % user)[0] == canary
        cluster, answer = ask(proxy)
        assert cluster == canary
        assert cookie_in(answer)


def test_the_routes_edits_see_the_cookie() -> None:
    edits = HeaderMutations(response_remove=(b"set-cookie",), response_add=(HeaderValueOption(b"x-a", b"1"),))
    proxy = Proxy((sticky(*half(headers=edits)),))
    _, answer = ask(proxy)
    assert b"set-cookie" not in answer
    assert b"\r\nx-a: 1\r\n" in answer


@pytest.mark.parametrize("entry", [WeightedCluster("empty", 1), WeightedCluster("missing", 1), WeightedCluster("", 1, cluster_header=b"x")])
def test_an_answer_in_the_upstreams_place_brings_the_cookie_too(entry: WeightedCluster) -> None:
    proxy = Proxy((sticky(entry),))
    client = proxy.connect(get(b"/"))
    answer = client.take()
    assert answer.startswith(UNAVAILABLE)
    assert cookie_in(answer)
    client.say(get(b"/", b"cookie: seen=x"))
    answer = client.take()
    assert answer.startswith(UNAVAILABLE)
    assert b"set-cookie" not in answer
    proxy.settled(c503=2)


def backend_of(proxy: Proxy, *lines: bytes) -> FakeTransport:
    proxy.connect(get(b"/", *lines))
    return proxy.backend


def test_a_field_brings_the_number() -> None:
    proxy = Proxy((route(WeightedCluster("one", 25), WeightedCluster("two", 75), random_value_header=b"x-n"),))
    assert backend_of(proxy, b"x-n: 24").peer == ONE
    assert backend_of(proxy, b"x-n: 25").peer in TWO
    assert backend_of(proxy, b"x-n: none").peer in TWO  # by the request's random number, 50


def test_an_entry_may_be_named_by_the_request() -> None:
    added = HeaderMutations(request_add=(HeaderValueOption(b"x-entry", b"named"),), response_add=(HeaderValueOption(b"x-entry", b"named"),))
    named = WeightedCluster("", 25, added, cluster_header=b"x-cluster")
    proxy = Proxy((route(named, WeightedCluster("two", 75), random_value_header=b"x-n"),))
    backend = backend_of(proxy, b"x-n: 1", b"x-cluster: one")
    assert backend.peer == ONE
    assert b"\r\nx-entry: named" in backend.take()
    assert backend_of(proxy, b"x-n: 99", b"x-cluster: one").peer in TWO
    for lines in ([b"x-n: 1"], [b"x-n: 1", b"x-cluster: none"]):
        client = proxy.connect(get(b"/", *lines))
        answer = client.take()
        assert answer.startswith(UNAVAILABLE)
        assert b"\r\nx-entry: named\r\n" in answer


def test_the_source_address_places_a_client() -> None:
    policy = HashPolicy(HashSource.SOURCE_IP)
    clusters = (*CLUSTERS, *[Cluster(f"v{at}", endpoints=(LbEndpoint(ONE),)) for at in range(8)])
    entries = [WeightedCluster(f"v{at}", 1, HeaderMutations(request_add=(HeaderValueOption(b"x-v", b"%d" % at),))) for at in range(8)]
    proxy = Proxy((route(*entries, use_hash_policy=True, hash_policy=(policy,)),), clusters)
    first = backend_of(proxy).take().partition(b"x-v: ")[2][:1]
    proxy.worker.random = lambda: 3
    assert backend_of(proxy).take().partition(b"x-v: ")[2][:1] == first


def test_who_chooses_first_starts_what_was_chosen() -> None:
    """As whoever wants to know what an entry says about filters does."""
    proxy = Proxy((sticky(*half(host_rewrite_literal=b"in.test")),))
    proxy.connect()
    (door,) = proxy.runtime.doors
    assert isinstance(door, Http1Door)
    head = RequestHead(b"GET", b"/", b"a")
    leaf = proxy.runtime.tree.locate(head)
    assert leaf is not None
    chosen = leaf.choose(head, door)
    assert isinstance(chosen, RouteResource)
    assert chosen.entry.host_rewrite_literal == b"in.test"
    assert chosen.choose(head, door) is chosen


def lots(proxy: Proxy) -> Proxy:
    """Let requests draw numbers."""
    draws = Random(1)
    proxy.worker.random = lambda: draws.getrandbits(63)
    return proxy


def ail(proxy: Proxy, name: str, ails: bool = True) -> None:
    """Let every host of a cluster fail its health checks, or be well again."""
    for pool in proxy.clusters[name].pools:
        (pool.host.set if ails else pool.host.clear)(HealthFlag.FAILED_ACTIVE_HC, 0.0)


@pytest.mark.parametrize("made", [route, sticky], ids=["random", "sticky"])
def test_an_entry_without_a_healthy_host_gives_its_share_to_the_others(made: Any) -> None:
    proxy = lots(Proxy((made(*half()),)))
    ail(proxy, "two")
    assert {ask(proxy)[0] for _ in range(20)} == {"one"}
    given = proxy.clusters["two"].state.stats.upstream_rq_redistributed
    assert 0 < given < 20
    ail(proxy, "two", False)
    assert {ask(proxy)[0] for _ in range(40)} == {"one", "two"}
    assert proxy.clusters["two"].state.stats.upstream_rq_redistributed == given


def test_a_user_whose_version_is_down_comes_back_to_it() -> None:
    proxy = lots(Proxy((sticky(*half()),)))
    while True:
        served, answer = ask(proxy)
        if served == "two":
            break
    cookie = b"cookie: " + cookie_in(answer).split(b";")[0]
    ail(proxy, "two")
    served, answer = ask(proxy, cookie)
    assert served == "one"
    assert b"set-cookie" not in answer
    ail(proxy, "two", False)
    assert ask(proxy, cookie)[0] == "two"


def test_where_that_is_not_wanted_it_is_not_done() -> None:
    proxy = lots(Proxy((route(*half(), health_aware_weights=False),)))
    ail(proxy, "two")
    assert {ask(proxy)[0] for _ in range(40)} == {"one", "two"}


def test_when_nobody_is_well_the_weights_decide() -> None:
    proxy = lots(Proxy((route(*half()),)))
    ail(proxy, "one")
    ail(proxy, "two")
    assert {ask(proxy)[0] for _ in range(40)} == {"one", "two"}
    assert proxy.clusters["two"].state.stats.upstream_rq_redistributed == 0


def test_the_access_log_can_tell_whose_share_it_was() -> None:
    proxy = Proxy((route(*half()),))
    ail(proxy, "two")
    proxy.runtime.access_logs = [AccessLog(compile_format("%DYNAMIC_METADATA(shifter:redistributed_from)%\n"), proxy.writer)]
    proxy.runtime.logs_more = True
    ask(proxy)
    ail(proxy, "two", False)
    ask(proxy)
    proxy.writer.flush()
    assert proxy.log.data == b"two\n-\n"
