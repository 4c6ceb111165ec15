"""A TCP proxy in memory: its clusters over a `FakeNetwork`; clients and endpoints are what the test says."""

from typing import Any

from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.listener import FilterChain, Listener
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.observe.accesslog import AccessLogWriter
from shifter.observe.logformat import compile_format
from shifter.proxy.access_log import AccessLog
from shifter.proxy.tcp_proxy import Target, TcpProxyRuntime, targets
from shifter.proxy.worker import TICK, Worker
from shifter.routing.weights import Split
from shifter.upstream.discovery import StaticDiscovery
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.pool_tcp import TcpPool
from shifter.upstream.preconnect import make_cluster
from shifter.upstream.registry import Registry
from tests.support.proxies import WALL, Memory
from tests.support.transports import FakeNetwork, FakeTransport

LOG = "%RESPONSE_CODE% %RESPONSE_FLAGS% %PROTOCOL% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% %UPSTREAM_HOST% \
%UPSTREAM_REQUEST_ATTEMPT_COUNT% %DURATION%\n"
AT = tuple(SocketAddress(f"192.0.2.{number}", 5432) for number in range(101, 104))


def cluster(name: str, *addresses: SocketAddress, **more: Any) -> Cluster:
    return Cluster(name, endpoints=tuple(map(LbEndpoint, addresses)), connect_timeout=1.0, **more)


class Front:
    """A TCP proxy in memory; *clusters* are those there are, ``random`` is the number that decides."""

    def __init__(self, *clusters: Cluster, proxy: TcpProxy | None = None, **fields: Any) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.network.answers = True
        self.random = 0
        self.worker = Worker(self.network, random=lambda: self.random, wall=lambda: WALL)
        self.registry = Registry(self.network, {UpstreamProtocol.HTTP1: Http1Pool, UpstreamProtocol.TCP: TcpPool})
        clusters = clusters or (cluster("one", AT[0]),)
        self.clusters = {one.name: make_cluster(one, self.registry, StaticDiscovery(one)) for one in clusters}
        for one in self.clusters.values():
            one.start()
            one.activate()
        self.settings = proxy or TcpProxy("tcp", tuple(TcpCluster(one.name) for one in clusters), **fields)
        self.listener = Listener("front", SocketAddress("192.0.2.1", 80), (FilterChain(self.settings),))
        self.log = Memory()
        self.writer = AccessLogWriter("memory", lambda _: self.log)
        self.runtime = TcpProxyRuntime(self.listener, self.settings, self.worker, self.split(self.settings), [self.access_log(LOG)])
        self.stats = self.runtime.stats

    def split(self, proxy: TcpProxy) -> Split[Target]:
        return targets(proxy, self.clusters.__getitem__)

    def configure(self, proxy: TcpProxy) -> None:
        """Have *proxy* be what is served."""
        self.runtime.configure(self.listener, proxy, self.split(proxy), [])

    def access_log(self, text: str) -> AccessLog:
        return AccessLog(compile_format(text, log_type=b"TcpConnectionEnd"), self.writer)

    def connect(self, *pieces: bytes, peer: SocketAddress | None = None) -> FakeTransport:
        """Have a client connect, and say *pieces*."""
        client = self.network.accept(self.runtime.accept, peer)
        client.arrive(*pieces)
        self.network.run()
        return client

    @property
    def endpoint(self) -> FakeTransport:
        """The other end of the connection to an endpoint that was begun last."""
        return self.network.outgoing[-1]

    def cluster_stats(self, name: str = "one") -> Any:
        return self.clusters[name].state.stats

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            self.worker.tick()
            self.registry.tick(self.worker.now)
            self.network.run()
        self.runtime.sweep(self.worker.now)
        self.network.run()

    @property
    def lines(self) -> list[str]:
        self.writer.flush()
        return self.log.data.decode().splitlines()

    def settled(self) -> None:
        """Check that nothing is left, and that every connection was told of once."""
        assert not self.runtime.doors
        assert not self.worker.streams
        assert self.runtime.listener_stats.downstream_cx_destroy == self.stats.downstream_cx_total == len(self.lines)
        for one in self.clusters.values():
            stats = one.state.stats
            assert (stats.upstream_rq_active, stats.upstream_rq_pending_active, stats.upstream_cx_active) == (0, 0, 0)
            assert one.state.connections == 0
        assert self.stats.upstream_flush_active == 0
