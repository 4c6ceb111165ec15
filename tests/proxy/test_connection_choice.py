"""Which connections a request may use, where that depends on the request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, LbEndpoint, RoutingPriority, UpstreamProtocol
from shifter.model.retry import RetryPolicy
from shifter.model.route import RequestMirrorPolicy
from shifter.proxy.connection_choice import ConnectionChoice
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.pool_key import HIGH, PoolKey
from shifter.wire.events import RequestHead
from tests.support.proxies import ONE, Proxy, forward, get

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
AUTO_SNI = Cluster("c", auto_sni=True, auto_san_validation=True)


class Client:
    """The two ends of a client's connection."""

    peer = b"203.0.113.7:4711"
    local = b"[2001:db8::1]:443"


def key(cluster: Cluster, authority: bytes = b"a.example", block: bytes = b"", version: int = 11, copied: bool = False) -> PoolKey:
    head = RequestHead(b"GET", b"/", authority, block, version=version)
    return ConnectionChoice(cluster).key(head, Client(), HIGH, copied)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("authority", "server_name", "san"),
    [
        (b"a.example", "a.example", "a.example"),
        (b"A.Example:8443", "a.example", "a.example"),
        (b"a.example:", "a.example", "a.example"),
        (b"192.0.2.1", "", "192.0.2.1"),
        (b"192.0.2.1:80", "", "192.0.2.1"),
        (b"[2001:db8::1]:80", "", "2001:db8::1"),
        (b"[2001:db8::1]", "", "2001:db8::1"),
        (b"a:b", "a:b", "a:b"),
        (b"", "", ""),
        (b"x" * 256, "", ""),
        (b"\xe4.example", "", ""),
        (b"a\x7f", "", ""),
    ],
)
def test_the_host_is_the_server_name_if_it_is_a_name(authority: bytes, server_name: str, san: str) -> None:
    assert key(AUTO_SNI, authority) == PoolKey(RoutingPriority.HIGH, server_name=server_name, san=san)


def test_each_is_asked_for_by_itself() -> None:
    assert key(Cluster("c", auto_sni=True)) == PoolKey(RoutingPriority.HIGH, server_name="a.example")
    assert key(Cluster("c", auto_san_validation=True)) == PoolKey(RoutingPriority.HIGH, san="a.example")
    assert not ConnectionChoice(Cluster("c")).asks


def test_another_header_may_have_the_name() -> None:
    cluster = Cluster("c", auto_sni=True, override_auto_sni_header=b"x-name")
    assert key(cluster, block=b"\r\nx-name: b.example:99").server_name == "b.example"
    assert key(cluster, block=b"\r\nx-name: ").server_name == "a.example"
    assert key(cluster).server_name == "a.example"


def test_the_client_s_protocol_is_that_of_the_endpoint() -> None:
    cluster = Cluster("c", protocol=UpstreamProtocol.DOWNSTREAM)
    assert key(cluster, version=20).protocol is UpstreamProtocol.HTTP2
    assert key(cluster, version=11).protocol is key(cluster, version=10).protocol is None
    assert key(cluster, version=20, copied=True).protocol is None  # as in Envoy


def test_what_the_route_says_of_the_protocol_stands() -> None:
    cluster = Cluster("c", protocol=UpstreamProtocol.DOWNSTREAM, proxy_protocol=1)
    head = RequestHead(b"CONNECT", b"", b"a.example:443", version=20)
    made = ConnectionChoice(cluster).key(head, Client(), PoolKey(protocol=UpstreamProtocol.TCP))  # type: ignore[arg-type]
    assert made.protocol is UpstreamProtocol.TCP and made.client is not None


def test_a_proxy_header_names_both_ends_of_the_client_s_connection() -> None:
    cluster = Cluster("c", proxy_protocol=1)
    client = SocketAddress("203.0.113.7", 4711), SocketAddress("2001:db8::1", 443)
    assert key(cluster, block=b"\r\nx-forwarded-for: 192.0.2.99").client == client


@given(st.binary(max_size=40))
def test_whatever_the_host_is_it_is_a_key(authority: bytes) -> None:
    made = key(AUTO_SNI, authority)
    assert made == key(AUTO_SNI, authority) and hash(made) == hash(key(AUTO_SNI, authority))
    assert made.server_name in ("", made.san) and len(made.san) <= 255 and made.san.isascii()
    assert repr(made)


def lab(cluster: Cluster, **action: object) -> Proxy:
    proxy = Proxy((forward(b"/", "one", **action),), (cluster,))
    proxy.registry._factories = {
        UpstreamProtocol.HTTP1: Http1Pool, UpstreamProtocol.HTTP2: Http2Pool, UpstreamProtocol.DOWNSTREAM: Http1Pool
    }  # fmt: skip
    return proxy


def keys(proxy: Proxy) -> list[PoolKey]:
    return [one.key for pool in proxy.clusters["one"].pools for one in pool.every if one.connections]


@pytest.mark.parametrize(
    ("action", "name"),
    [({}, "a"), ({"host_rewrite_literal": b"b.example"}, "b.example"), ({"host_rewrite_header": b"x-host"}, "c.example")],
)
def test_the_host_is_what_the_route_makes_of_it(action: dict[str, object], name: str) -> None:
    cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), auto_sni=True)
    proxy = lab(cluster, **action)
    client = proxy.connect(get(b"/", b"x-host: c.example"))
    assert [one.server_name for one in keys(proxy)] == [name]
    proxy.backend.say(EMPTY)
    client.say(get(b"/", b"x-host: c.example"))
    proxy.backend.say(EMPTY)
    assert len(proxy.backends) == 1
    proxy.settled(c200=2)


def test_a_retry_has_the_same_connections_to_choose_from() -> None:
    cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), auto_sni=True)
    proxy = lab(cluster, retry=RetryPolicy(frozenset({"5xx"})))
    proxy.connect(get(b"/"))
    proxy.backend.say(EMPTY.replace(b"200 OK", b"503 No"))
    proxy.wait(0.5)
    proxy.backend.say(EMPTY)
    assert {one.server_name for one in keys(proxy)} == {"a"}
    proxy.settled(c200=1)


def test_a_copy_has_connections_of_its_own_host() -> None:
    cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), auto_sni=True)
    proxy = lab(cluster, mirrors=(RequestMirrorPolicy("one"),))
    proxy.connect(get(b"/"))
    assert {one.server_name for one in keys(proxy)} == {"a", "a-shadow"}


def test_clients_tell_endpoints_who_they_are() -> None:
    cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), proxy_protocol=1)
    proxy = lab(cluster)
    client = proxy.connect(get(b"/"))
    header = f"PROXY TCP4 {client.peer.host} 192.0.2.1 {client.peer.port} 80\r\n".encode()
    assert proxy.backend.take().startswith(header + b"GET / HTTP/1.1\r\n")
    proxy.backend.say(EMPTY)
    client.say(get(b"/"))
    assert proxy.backend.take().startswith(b"GET / HTTP/1.1\r\n")
    proxy.backend.say(EMPTY)
    proxy.settled(c200=2)


def test_many_names_leave_nothing_behind() -> None:
    cluster = Cluster("one", endpoints=(LbEndpoint(ONE),), auto_sni=True, idle_timeout=1.0)
    proxy = lab(cluster)
    for number in range(50):
        client = proxy.connect(get(b"/").replace(b"host: a", b"host: a%d" % number))
        proxy.backend.say(EMPTY)
        client.hang_up()
    (pool,) = proxy.clusters["one"].pools
    assert len(pool.every) == 51
    proxy.wait(1.2)
    assert pool.every == (pool,)
    proxy.settled(c200=50)
