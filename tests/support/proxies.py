"""A proxy in memory: one listener and its clusters over a `FakeNetwork`; clients and backends are what the test says."""

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock

from shifter.filters.api import FactoryContext
from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.route import (
    DirectResponseAction,
    PathMatchKind,
    RedirectAction,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from shifter.net.transport import Handler, Transport
from shifter.observe.accesslog import AccessLogWriter
from shifter.observe.logformat import compile_format
from shifter.observe.stats import ListenerStats, counter
from shifter.proxy.access_log import AccessLog
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.door import Http1Door, TakeOver
from shifter.proxy.filterchain import make_chain
from shifter.proxy.listener import ListenerRuntime, keyed_chains
from shifter.proxy.tree import ListenerResource
from shifter.proxy.worker import TICK, Worker
from shifter.routing.release_split import Splits
from shifter.routing.runtime import Runtime
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_h2 import Http2Pool
from shifter.upstream.registry import Registry
from tests.support.listeners import http_listener
from tests.support.transports import FakeNetwork, FakeTransport

WALL = 1_700_000_000.0
DATE = b"Tue, 14 Nov 2023 22:13:20 GMT"
SERVED = b"\r\ndate: " + DATE + b"\r\nserver: shifter"
LOG_FORMAT = (
    "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT% "
    "%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%\n"
)
REQUEST_ID = b"01234567-89ab-4def-8123-456789abcdef"


class Memory:
    """Where access log lines go."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes, /) -> int:
        self.data += data
        return len(data)

    def close(self) -> None: ...


def forward(prefix: bytes, cluster: str, **action: Any) -> Route:
    """A route by prefix to one cluster."""
    return Route(RouteMatch(PathMatchKind.PREFIX, prefix), RouteAction((WeightedCluster(cluster, 1),), **action))


ROUTES = (
    Route(RouteMatch(PathMatchKind.PREFIX, b"/direct"), DirectResponseAction(403, b"no entry")),
    Route(RouteMatch(PathMatchKind.PREFIX, b"/nothing"), DirectResponseAction(204)),
    Route(RouteMatch(PathMatchKind.PREFIX, b"/elsewhere"), RedirectAction(path_redirect=b"/there")),
    forward(b"/empty", "empty"),
    forward(b"/timeout", "one", timeout=0.3),
    forward(b"/forever", "one", timeout=0.0),
    forward(b"/two", "two"),
    forward(b"/one", "one"),
)
ONE = SocketAddress("192.0.2.101", 80)
TWO = (SocketAddress("192.0.2.102", 80), SocketAddress("192.0.2.103", 80))
CLUSTERS = (
    Cluster("empty"),
    Cluster("one", endpoints=(LbEndpoint(ONE),), connect_timeout=1.0, enable_trailers=True),
    Cluster("two", endpoints=tuple(map(LbEndpoint, TWO)), connect_timeout=1.0, enable_trailers=True),
)


class Proxy:
    """See the module. *settings* are fields of the connection manager, *host* further ones of the virtual host; connections to
    backends are accepted unless ``network.answers`` says otherwise."""

    def __init__(
        self,
        routes: tuple[Route, ...] = ROUTES,
        clusters: tuple[Cluster, ...] = CLUSTERS,
        take_over: TakeOver | None = None,
        host: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.network.answers = True
        self.worker = Worker(self.network, random=lambda: 50, wall=lambda: WALL)
        self.worker._ids = [REQUEST_ID] * 5000
        self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool, UpstreamProtocol.HTTP2: Http2Pool})
        self.clusters = {one.name: LiveCluster(one, self.registry, StaticDiscovery(one)) for one in clusters}
        for cluster in self.clusters.values():
            cluster.start()
        self.splits = Splits()
        config = RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), routes, **(host or {})),))
        manager = HttpConnectionManager("http", config, **settings)
        self.log = Memory()
        self.writer = AccessLogWriter("memory", lambda _: self.log)
        listener = http_listener("front", SocketAddress("192.0.2.1", 80), manager)
        listener_stats = ListenerStats()
        self.runtime = ConnectionManager(
            listener,
            manager,
            self.worker,
            ListenerResource(manager, self.clusters.__getitem__, find_split=self.splits.of),
            [AccessLog(compile_format(LOG_FORMAT), self.writer)],
            door(take_over),
            listener_stats=listener_stats,
        )
        if manager.http_filters:
            self.runtime.filters = make_chain(manager, self.context())
        [(key, _)] = keyed_chains(listener)
        self.listener = ListenerRuntime(listener, {key: self.runtime}, self.worker, listener_stats)
        self.worker.listeners.append(self.listener)
        self.stats = self.runtime.stats

    def context(self) -> FactoryContext:
        """What factories of filters get."""
        stats = self.runtime.stats
        count = counter(stats.filters)
        return FactoryContext(
            "", "http", self.clock.seconds, lambda: WALL, self.clock.callLater, self.worker.random, Runtime(), count, count
        )

    def connect(self, *pieces: bytes) -> FakeTransport:
        """Have a client connect, and say *pieces*."""
        client = self.network.accept(self.listener.accept)
        client.say(*pieces)
        return client

    @property
    def backends(self) -> list[FakeTransport]:
        """Every connection to a backend that was ever begun, from the backend's end."""
        return self.network.outgoing

    @property
    def backend(self) -> FakeTransport:
        """The connection to a backend that was begun last."""
        return self.network.outgoing[-1]

    def wait(self, seconds: float) -> None:
        """Let time pass, tick by tick."""
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            self.worker.tick()
            self.registry.tick(self.worker.now)
            self.network.run()

    @property
    def lines(self) -> list[str]:
        """The access log so far."""
        self.writer.flush()
        return self.log.data.decode().splitlines()

    def settled(self, **codes: int) -> None:
        """Check that nothing is under way any more, that every request was counted once, as *codes* say (``c200=1``), and
        logged once."""
        expected = {int(code[1:]): count for code, count in codes.items()}
        assert {code: count for code, count in self.stats.codes.items() if count} == expected
        assert self.stats.downstream_rq_active == 0
        assert self.stats.downstream_rq_total == sum(expected.values()) == len(self.lines)
        assert not self.worker.streams
        for cluster in self.clusters.values():
            stats = cluster.state.stats
            assert (stats.upstream_rq_active, stats.upstream_rq_pending_active) == (0, 0)
            assert (
                stats.upstream_cx_active
                == cluster.state.connections
                == sum(len(one.connections) for pool in cluster.pools for one in pool.every)
            )
            for pool in cluster.pools:
                assert (pool.active, len(pool.waiting)) == (0, 0)
        assert self.stats.downstream_cx_active == len(self.runtime.doors) == self.runtime.listener_stats.downstream_cx_active


def door(take_over: TakeOver | None) -> Callable[[Transport, ConnectionManager], Handler]:
    return lambda transport, runtime: Http1Door(transport, runtime, take_over)


def get(path: bytes, *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """A request without a body."""
    return b"\r\n".join((method + b" " + path + b" " + version, b"host: a", *lines)) + b"\r\n\r\n"


def local(status: bytes, body: bytes = b"", fields: bytes = b"", close: bool = False) -> bytes:
    """A local reply as the proxy writes it."""
    kind = b"\r\ncontent-type: text/plain" if body else b""
    end = b"\r\nconnection: close" if close else b""
    return b"HTTP/1.1 %b\r\ncontent-length: %d%b%b%b%b\r\n\r\n%b" % (status, len(body), kind, fields, SERVED, end, body)


def passed(status: bytes, block: bytes = b"", body: bytes = b"", took: int = 0) -> bytes:
    """An answer of a backend as the proxy passes it on."""
    rest = b"\r\nx-envoy-upstream-service-time: %d\r\nserver: shifter\r\ndate: %b" % (took, DATE)
    return b"HTTP/1.1 " + status + block + rest + b"\r\n\r\n" + body
