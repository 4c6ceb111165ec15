"""Copies of requests: what they are, and that nobody waits for them."""

import pytest

from shifter.model.address import SocketAddress
from shifter.model.cluster import CircuitBreakers, Cluster, LbEndpoint, Thresholds
from shifter.model.route import (
    FractionalPercent,
    HeaderMutations,
    HeaderValueOption,
    RequestMirrorPolicy,
    RuntimeFraction,
)
from shifter.proxy.mirror import shadow_host
from tests.support.proxies import CLUSTERS, ONE, REQUEST_ID, Proxy, forward, get, passed
from tests.support.transports import LARGE, FakeTransport

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
MIRROR = SocketAddress("192.0.2.109", 80)
LIMIT = 128 * 1024
FIELDS = b"\r\nx-forwarded-proto: http\r\nx-request-id: " + REQUEST_ID + b"\r\nx-envoy-expected-rq-timeout-ms: 15000"


def mirrored(policy: RequestMirrorPolicy | None = None, **action: object) -> Proxy:
    cluster = Cluster(
        "mirror", endpoints=(LbEndpoint(MIRROR),), connect_timeout=1.0, per_connection_buffer_limit_bytes=LIMIT, enable_trailers=True
    )
    route = forward(b"/", "one", mirrors=(policy or RequestMirrorPolicy("mirror"),), **action)
    return Proxy((route,), (*CLUSTERS, cluster))


def ends(proxy: Proxy) -> tuple[FakeTransport, FakeTransport]:
    """The last connections to the endpoint and to that of copies."""
    [one] = [end for end in proxy.backends if end.peer == ONE][-1:]
    [copied] = [end for end in proxy.backends if end.peer == MIRROR][-1:]
    return one, copied


@pytest.mark.parametrize(
    ("host", "shadow"),
    [(b"a", b"a-shadow"), (b"a:80", b"a-shadow:80"), (b"[::1]:80", b"[::1]-shadow:80"), (b"[::1]", b"[::1]-shadow")],
)
def test_the_host_of_a_copy(host: bytes, shadow: bytes) -> None:
    assert shadow_host(host) == shadow


def test_a_copy_and_its_answer_that_nobody_sees() -> None:
    proxy = mirrored()
    client = proxy.connect(get(b"/a"))
    one, copied = ends(proxy)
    assert one.take() == b"GET /a HTTP/1.1\r\nhost: a" + FIELDS + b"\r\n\r\n"
    marks = b"\r\nx-envoy-internal: true\r\nx-forwarded-for: 127.0.0.1"
    assert copied.take() == b"GET /a HTTP/1.1\r\nhost: a-shadow" + FIELDS + marks + b"\r\n\r\n"
    copied.say(b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno")
    assert client.take() == b""
    one.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    proxy.settled(c200=1)
    assert proxy.clusters["mirror"].state.stats.codes == {500: 1}
    client.say(get(b"/b"))
    assert len(proxy.backends) == 2, "both connections are used again"


def test_the_chain_of_proxies_gets_one_longer() -> None:
    proxy = mirrored()
    proxy.connect(get(b"/a", b"x-forwarded-for: 1.2.3.4"))
    assert b"\r\nx-forwarded-for: 1.2.3.4,127.0.0.1\r\n" in ends(proxy)[1].take()
    assert b"\r\nx-forwarded-for: 1.2.3.4\r\n" in ends(proxy)[0].take()


def test_a_copy_can_be_edited() -> None:
    headers = HeaderMutations((HeaderValueOption(b"x-copy", b"of %REQ(:path)%"),), (b"x-secret",))
    proxy = mirrored(RequestMirrorPolicy("mirror", headers=headers, host_rewrite_literal=b"given:1"))
    proxy.connect(get(b"/a", b"x-secret: 1"))
    one, copied = ends(proxy)
    assert b"\r\nx-secret: 1\r\n" in one.take()
    sent = copied.take()
    assert b"x-secret" not in sent
    assert sent.startswith(b"GET /a HTTP/1.1\r\nhost: given:1\r\n")
    assert b"\r\nx-copy: of /a\r\n" in sent


@pytest.mark.parametrize(("share", "copies"), [(50, 0), (51, 1)])
def test_a_share_of_the_requests(share: int, copies: int) -> None:
    proxy = mirrored(RequestMirrorPolicy("mirror", fraction=RuntimeFraction(FractionalPercent(share))))
    proxy.connect(get(b"/a"))  # the random number is 50
    assert sum(end.peer == MIRROR for end in proxy.backends) == copies


@pytest.mark.parametrize(("field", "copies"), [(b"x-mirror: mirror", 1), (b"x-mirror: nobody", 0), (b"x-other: 1", 0)])
def test_a_request_can_name_the_cluster(field: bytes, copies: int) -> None:
    proxy = mirrored(RequestMirrorPolicy(cluster_header=b"x-mirror"))
    proxy.connect(get(b"/a", field))
    assert sum(end.peer == MIRROR for end in proxy.backends) == copies


def test_a_policy_without_its_cluster_copies_nothing() -> None:
    proxy = mirrored(RequestMirrorPolicy("nobody"))
    proxy.connect(get(b"/a"))
    assert [end.peer for end in proxy.backends] == [ONE]


def test_the_body_is_copied_as_it_comes() -> None:
    proxy = mirrored()
    client = proxy.connect(get(b"/a", b"content-length: 6", method=b"POST") + b"ab")
    one, copied = ends(proxy)
    client.say(b"cd", b"ef")
    assert one.take().endswith(b"\r\n\r\nabcdef")
    assert copied.take().endswith(b"\r\n\r\nabcdef")
    one.say(EMPTY)
    copied.say(EMPTY)
    proxy.settled(c200=1)


def test_trailers_are_copied() -> None:
    cluster = Cluster("mirror", endpoints=(LbEndpoint(MIRROR),), enable_trailers=True)
    proxy = Proxy((forward(b"/", "one", mirrors=(RequestMirrorPolicy("mirror"),)),), (*CLUSTERS, cluster), enable_trailers=True)
    client = proxy.connect(get(b"/a", b"transfer-encoding: chunked", method=b"POST"))
    client.say(b"2\r\nab\r\n", b"0\r\nx-sum: 1\r\n\r\n")
    one, copied = ends(proxy)
    for end in (one, copied):
        assert end.take().endswith(b"2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n")
        end.say(EMPTY)
    proxy.settled(c200=1)


def test_a_dead_cluster_costs_nothing_but_its_own_figures() -> None:
    proxy = mirrored()
    proxy.network.answers = False
    client = proxy.connect(get(b"/a", b"content-length: 4", method=b"POST") + b"ab")
    one, copied = ends(proxy)
    one.establish()
    copied.refuse()
    client.say(b"cd")
    one.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    proxy.settled(c200=1)
    assert proxy.clusters["mirror"].state.stats.codes == {503: 1}
    assert proxy.clusters["mirror"].state.stats.upstream_cx_connect_fail == 1


def test_an_empty_cluster_costs_nothing() -> None:
    proxy = mirrored(RequestMirrorPolicy("empty"))
    client = proxy.connect(get(b"/a"))
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    assert proxy.clusters["empty"].state.stats.codes == {503: 1}
    proxy.settled(c200=1)


def test_a_full_cluster_costs_nothing() -> None:
    full = Cluster("mirror", endpoints=(LbEndpoint(MIRROR),), circuit_breakers=CircuitBreakers(Thresholds(max_requests=0)))
    proxy = Proxy((forward(b"/", "one", mirrors=(RequestMirrorPolicy("mirror"),)),), (*CLUSTERS, full))
    client = proxy.connect(get(b"/a"))
    proxy.backends[0].say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    proxy.settled(c200=1)


def test_a_slow_cluster_is_given_up_before_it_holds_much() -> None:
    proxy = mirrored()
    piece = b"x" * LARGE
    client = proxy.connect(get(b"/a", b"content-length: %d" % (40 * LARGE), method=b"POST"))
    one, copied = ends(proxy)
    copied.room = 1000
    for _ in range(39):
        client.say(piece)
        assert not client.paused, "nobody waits for a copy"
        assert one.take().endswith(piece)
        assert copied.waiting <= 2 * LARGE
    assert copied.end == "reset"
    client.say(piece)
    one.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    proxy.settled(c200=1)


def test_a_cluster_that_catches_up_gets_it_all() -> None:
    proxy = mirrored()
    piece = b"x" * LARGE
    client = proxy.connect(get(b"/a", b"transfer-encoding: chunked", method=b"POST"))
    one, copied = ends(proxy)
    copied.take()
    copied.room = 1000
    client.say(b"%x\r\n%b\r\n" % (LARGE, piece))
    client.say(b"%x\r\n%b\r\n" % (LARGE, piece))
    client.say(b"0\r\n\r\n")
    copied.drain()
    sent = copied.take()
    assert sent.count(b"x") == 2 * LARGE
    assert sent.endswith(b"\r\n0\r\n\r\n")
    assert sent.count(b"0\r\n\r\n") == 1
    one.say(EMPTY)
    copied.say(EMPTY)
    proxy.settled(c200=1)


def test_a_copy_that_is_whole_outlives_its_exchange() -> None:
    proxy = mirrored(timeout=1.0)
    proxy.connect(get(b"/a"))
    one, copied = ends(proxy)
    one.say(EMPTY)
    assert len(proxy.worker.streams) == 1
    proxy.wait(1.1)
    assert copied.end == "reset"
    stats = proxy.clusters["mirror"].state.stats
    assert (stats.codes, stats.upstream_rq_timeout) == ({504: 1}, 1)
    proxy.settled(c200=1)


def test_a_copy_that_is_not_whole_ends_with_its_exchange() -> None:
    proxy = mirrored()
    client = proxy.connect(get(b"/a", b"content-length: 4", method=b"POST") + b"ab")
    _, copied = ends(proxy)
    client.hang_up("reset")
    assert copied.end == "reset"
    proxy.settled(c0=1)


def test_a_copy_that_waits_for_its_connection_ends_with_its_exchange() -> None:
    proxy = mirrored()
    proxy.network.answers = False
    client = proxy.connect(get(b"/a", b"content-length: 4", method=b"POST") + b"ab")
    client.hang_up("reset")
    proxy.settled(c0=1)


def test_a_copy_is_not_sent_twice() -> None:
    proxy = mirrored()
    client = proxy.connect(get(b"/a"))
    one, copied = ends(proxy)
    one.say(EMPTY)
    copied.say(EMPTY)
    copied.take()
    client.say(get(b"/b"))
    one.hang_up()  # the kept connection died under it: it goes on a fresh one
    ends(proxy)[0].say(EMPTY)
    assert copied.take().count(b"GET /b ") == 1
    copied.say(EMPTY)
    proxy.settled(c200=2)


def test_answers_of_every_kind_are_thrown_away() -> None:
    proxy = mirrored()
    for answer in (
        b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-t: 1\r\n\r\n",
        b"HTTP/1.1 103 Hints\r\n\r\n" + EMPTY,
        b"nonsense\r\n\r\n",
    ):
        client = proxy.connect(get(b"/a"))
        one, copied = ends(proxy)
        one.say(EMPTY)
        copied.say(answer, b"cd" if b"length: 4" in answer else b"")
        assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    proxy.settled(c200=4)
    assert proxy.clusters["mirror"].state.stats.codes == {200: 3, 502: 1}


def test_a_first_piece_that_is_too_much_is_not_even_sent() -> None:
    cluster = Cluster("mirror", endpoints=(LbEndpoint(MIRROR),), per_connection_buffer_limit_bytes=3)
    proxy = Proxy((forward(b"/", "one", mirrors=(RequestMirrorPolicy("mirror"),)),), (*CLUSTERS, cluster))
    client = proxy.connect(get(b"/a", b"content-length: 4", method=b"POST") + b"abcd")
    assert [end.peer for end in proxy.backends] == [ONE]
    proxy.backend.say(EMPTY)
    assert client.take() == passed(b"200 OK", b"\r\ncontent-length: 0")
    proxy.settled(c200=1)
