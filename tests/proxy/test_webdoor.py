"""The tree as a resource of twisted.web: the same routes, behind a stock ``Site``."""

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.server import Site

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.route import (
    DirectResponseAction,
    HeaderMatcher,
    PathMatchKind,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    StringMatchKind,
    VirtualHost,
    WeightedCluster,
)
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.tree import ListenerResource
from shifter.proxy.webdoor import TreeResource
from shifter.proxy.worker import Worker
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.registry import Registry
from tests.support.listeners import http_listener
from tests.support.transports import FakeNetwork

CANARY = HeaderMatcher(b"x-canary-version", StringMatcher(StringMatchKind.EXACT, b"service1a"))
ROUTES = RouteConfiguration(
    virtual_hosts=(
        VirtualHost(
            "all",
            (b"*",),
            (
                Route(RouteMatch(PathMatchKind.PREFIX, b"/service/1", headers=(CANARY,)), DirectResponseAction(200, b"canary\n")),
                Route(RouteMatch(PathMatchKind.PREFIX, b"/service/1"), RouteAction((WeightedCluster("service1", 1),))),
            ),
        ),
    )
)


class Stack:
    """A site over one listener's tree, with one upstream in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        worker = Worker(self.network, lambda: 0.0, self.clock.seconds)
        registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool})
        config = Cluster("service1", endpoints=(LbEndpoint(SocketAddress("192.0.2.1", 80)),))
        self.cluster = LiveCluster(config, registry, StaticDiscovery(config))
        self.cluster.start()
        manager = HttpConnectionManager("web", ROUTES)
        listener = http_listener("web", SocketAddress("127.0.0.1", 1), manager)
        tree = ListenerResource(manager, {"service1": self.cluster}.__getitem__)
        self.runtime = ConnectionManager(
            listener, manager, worker, tree, (), lambda transport, runtime: pytest.fail("the fast door was used")
        )
        site = Site(TreeResource(self.runtime))
        self.channel = site.buildProtocol(None)
        self.channel.callLater = self.clock.callLater
        self.wire = StringTransport()
        self.channel.makeConnection(self.wire)

    def ask(self, text: bytes) -> bytes:
        self.wire.clear()
        self.channel.dataReceived(text)
        self.network.run()
        return bytes(self.wire.value())

    def end(self) -> None:
        """The client closes its connection."""
        self.channel.connectionLost(Failure(ConnectionDone()))
        self.network.run()


@pytest.fixture
def stack() -> Stack:
    return Stack()


def test_a_route_by_header(stack: Stack) -> None:
    answer = stack.ask(b"GET /service/10 HTTP/1.1\r\nHost: a\r\nX-Canary-Version: service1a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\ncanary\n")
    assert stack.runtime.stats.downstream_rq_active == 0
    stack.end()


def test_no_route(stack: Stack) -> None:
    answer = stack.ask(b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert dict(stack.runtime.stats.codes) == {404: 1}
    stack.end()


def test_what_has_no_canonical_path_is_refused(stack: Stack) -> None:
    assert stack.ask(b"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    stack.end()


def test_forwarded_with_its_body_and_answered(stack: Stack) -> None:
    assert stack.ask(b"POST /service/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello") == b""
    [upstream] = stack.network.transports
    upstream.establish()
    asked = upstream.take()
    assert asked.startswith(b"POST /service/1 HTTP/1.1\r\nhost: a\r\n")
    assert asked.endswith(b"\r\n\r\nhello")
    upstream.say(b"HTTP/1.1 201 Created\r\nX-Made: yes\r\nContent-Length: 4\r\n\r\nmade")
    answer = bytes(stack.wire.value())
    assert answer.startswith(b"HTTP/1.1 201 Created\r\n")
    assert b"\r\nX-Made: yes\r\n" in answer
    assert answer.endswith(b"\r\n\r\nmade")
    assert stack.runtime.stats.downstream_rq_active == 0
    stack.end()


def test_the_client_goes_away(stack: Stack) -> None:
    stack.ask(b"GET /service/1 HTTP/1.1\r\nHost: a\r\n\r\n")
    [upstream] = stack.network.transports
    upstream.establish()
    stack.end()
    assert upstream.end == "reset"
    assert dict(stack.runtime.stats.codes) == {0: 1}
    assert stack.cluster.state.stats.upstream_rq_active == 0


def test_routes_are_not_added_by_hand(stack: Stack) -> None:
    with pytest.raises(TypeError):
        TreeResource(stack.runtime).putChild(b"x", TreeResource(stack.runtime))
    stack.end()
