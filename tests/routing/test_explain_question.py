"""Questions about routes: the request, and which listener is asked."""

from dataclasses import replace

import pytest

from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap, RuntimeLayer
from shifter.model.cluster import Cluster
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, FilterChainMatch, Listener
from shifter.model.route import RouteConfiguration
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.routing.explain_question import Asked, ExplainError, question, scene_of
from tests.support.listeners import http_listener


@pytest.mark.parametrize(
    ("request_", "headers", "text", "port"),
    [
        ("GET http://h.test/a?b", (), "GET /a?b HTTP/1.1|host: h.test", 0),
        ("http://h.test", (), "GET / HTTP/1.1|host: h.test", 0),
        ("post http://h.test:8000/a#b", (), "POST /a HTTP/1.1|host: h.test:8000", 8000),
        ("GET http://h.test?a", (), "GET /?a HTTP/1.1|host: h.test", 0),
        ("GET http://[::1]:80/", ("a: b", "c:d"), "GET / HTTP/1.1|host: [::1]:80|a: b|c: d", 80),
        ("GET http://h.test:81/", ("Host: other:82",), "GET / HTTP/1.1|host: other:82", 81),
    ],
)
def test_a_question(request_: str, headers: tuple[str, ...], text: str, port: int) -> None:
    asked = question(request_, headers)
    assert asked.text.decode().replace("\r\n", "|") == text
    assert asked.port == port


@pytest.mark.parametrize(
    ("request_", "header", "words"),
    [
        ("GET /path", "a: b", "'GET /path' is no request"),
        ("", "a: b", "'' is no request"),
        ("GET ftp://h.test/", "a: b", "is no request"),
        ("GET http://h.test/", "nothing", "'nothing' is no header"),
        ("GET http://h.test/\r\nx:y", "a: b", "line breaks"),
        ("GET http://h.test/", "a: b\r\nc: d", "line breaks"),
    ],
)
def test_what_is_no_question(request_: str, header: str, words: str) -> None:
    with pytest.raises(ExplainError, match=words):
        question(request_, [header])


def test_who_asks_has_an_address() -> None:
    assert question("http://h/", client="::1").peer == b"[::1]:0"
    assert question("http://h/", client="192.0.2.7").peer == b"192.0.2.7:0"
    with pytest.raises(ExplainError, match="'me' is no IP address"):
        question("http://h/", client="me")


def listeners(*ports: int) -> Bootstrap:
    manager = HttpConnectionManager("in", RouteConfiguration())
    found = tuple(http_listener(f"l{port}", SocketAddress("127.0.0.1", port), manager) for port in ports)
    return Bootstrap(found, (Cluster("one"),), runtime=(RuntimeLayer("base", {"k": 7}),))


def chosen(bootstrap: Bootstrap, port: int, name: str | None = None) -> str:
    listener = scene_of(bootstrap, Asked(b"", b"http", port), name).listener
    assert listener is not None
    return listener.name


def test_the_listener_is_named_or_the_only_one_or_at_the_port() -> None:
    assert chosen(listeners(80), 0) == "l80"
    assert chosen(listeners(80), 81) == "l80"
    assert chosen(listeners(80, 81), 81) == "l81"
    assert chosen(listeners(80, 81), 81, "l80") == "l80"
    where = scene_of(listeners(80))
    assert where.clusters == {"one": Cluster("one")}
    assert where.runtime.integer("k", 0) == 7


@pytest.mark.parametrize(
    ("bootstrap", "name", "words"),
    [
        (listeners(80, 81), None, "several listeners, name one: l80, l81"),
        (listeners(80), "l", "no listener is named 'l'; there are l80"),
        (Bootstrap(), None, "there are no listeners"),
    ],
)
def test_no_listener(bootstrap: Bootstrap, name: str | None, words: str) -> None:
    with pytest.raises(ExplainError, match=words):
        scene_of(bootstrap, Asked(b"", b"http", 0), name)


def chains() -> Bootstrap:
    """A listener with a chain for one name, one for what comes without TLS, and a TCP proxy for the rest."""
    shop, clear = (HttpConnectionManager(prefix, RouteConfiguration()) for prefix in ("shop", "clear"))
    listener = Listener(
        "front",
        SocketAddress("192.0.2.1", 443),
        (
            FilterChain(shop, FilterChainMatch(server_names=("shop.test",)), name="shop"),
            FilterChain(clear, FilterChainMatch(transport_protocol="raw_buffer"), name="clear"),
            FilterChain(TcpProxy("rest", (TcpCluster("one"),)), FilterChainMatch(transport_protocol="tls"), name="rest"),
        ),
    )
    return Bootstrap((listener,), (Cluster("one"),))


@pytest.mark.parametrize(
    ("url", "prefix"), [("https://Shop.test/", "shop"), ("https://shop.test:443/", "shop"), ("http://shop.test/", "clear")]
)
def test_the_filter_chain_is_the_one_that_a_client_would_come_to(url: str, prefix: str) -> None:
    where = scene_of(chains(), question(url))
    assert where.manager.stat_prefix == prefix
    assert where.chain is not None
    assert where.chain.name == prefix


def test_not_every_connection_has_requests() -> None:
    with pytest.raises(ExplainError, match="the filter chain rest of the listener front is a TCP proxy"):
        scene_of(chains(), question("https://other.test/"))
    [listener] = chains().listeners
    only_shop = Bootstrap((replace(listener, filter_chains=listener.filter_chains[:1]),))
    with pytest.raises(ExplainError, match=r"closes connections that come over TLS with the server name other\.test"):
        scene_of(only_shop, question("https://other.test/"))
    with pytest.raises(ExplainError, match="closes connections that come without TLS"):
        scene_of(only_shop, question("http://shop.test/"))
    with pytest.raises(ExplainError, match="has 2 connection managers"):
        scene_of(chains())
