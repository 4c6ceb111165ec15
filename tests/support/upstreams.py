"""An endpoint in memory: pools over a `FakeNetwork`, and a listener that writes down what it is told."""

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster
from shifter.net.transport import Connector
from shifter.upstream.host import Host
from shifter.upstream.interfaces import Failed, LeaseFailed, ResponseListener, UpstreamStream
from shifter.upstream.pool import EndpointPool
from shifter.upstream.pool_h1 import Http1Pool
from shifter.upstream.resources import ClusterState
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.transports import FakeNetwork, FakeTransport

ADDRESS = SocketAddress("192.0.2.1", 80)
GET = RequestHead(b"GET", b"/", b"a")

P = TypeVar("P", bound=EndpointPool)


class RecordingListener:
    """A `ResponseListener`: ``told`` has each call as it came, ``saw`` a word for each; ``then`` is what it does whenever it is
    told something."""

    may_switch = False

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.saw: list[str] = []
        self.then: Callable[[], object] = lambda: None
        self.head: ResponseHead | None = None
        self.body = b""
        self.block = b""
        self.failed: Failed | None = None
        self.stream: UpstreamStream | None = None

    def on_interim(self, head: ResponseHead) -> None:
        self._hears("interim", head.status, words=[f"interim {head.status}"])

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self.head = head
        self.block = head.block
        self.body += data
        self._hears("head", head.status, data, end, words=[f"head {head.status}", *["end"] * end])

    def on_data(self, data: bytes, end: bool) -> None:
        self.body += data
        self._hears("data", data, end, words=["data"] * bool(data) + ["end"] * end)

    def on_trailers(self, block: bytes) -> None:
        self._hears("trailers", block, words=[f"trailers {block!r}"])

    def on_failed(self, failed: Failed) -> None:
        self.failed = failed
        self._hears("failed", failed.kind, failed.reached, words=[f"failed {failed.kind.name} {failed.reached.name}"])

    def on_blocked(self) -> None:
        self._hears("blocked", words=["blocked"])

    def on_writable(self) -> None:
        self._hears("writable", words=["writable"])

    def _hears(self, *what: object, words: list[str]) -> None:
        self.told.append(what)
        self.saw += words
        self.then()


_: ResponseListener = RecordingListener()


class AnyEndpoint(Generic[P]):
    """One pool, and the other ends of its connections."""

    def __init__(self, make: Callable[[ClusterState, Host, Connector], P], config: Cluster, address: SocketAddress) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.state = ClusterState(config)
        self.stats = self.state.stats
        self.pool = make(self.state, Host(address, self.clock.seconds()), self.network)

    @property
    def connections(self) -> list[FakeTransport]:
        """Every connection that was ever begun."""
        return self.network.outgoing

    def lease(self, fresh: bool = False) -> "Leased":
        return Leased(self.pool.lease(fresh))

    def wait(self, seconds: float) -> None:
        """Let time pass, and the pool look at what has taken too long."""
        self.clock.advance(seconds)
        self.network.tick()
        self.pool.expire(self.clock.seconds())
        self.network.run()


class Endpoint(AnyEndpoint[Http1Pool]):
    """One that speaks HTTP/1: what it says is up to the test, byte by byte."""

    def __init__(self, config: Cluster | None = None, address: SocketAddress = ADDRESS) -> None:
        super().__init__(Http1Pool, config or Cluster("c", enable_trailers=True), address)

    def ask(
        self, head: RequestHead = GET, data: bytes = b"", end: bool = True, listener: RecordingListener | None = None
    ) -> RecordingListener:
        """Send a request on an idle connection, or on a new one, which is accepted at once."""
        listener = listener or RecordingListener()
        stream = self.pool.take()
        if stream is None:
            leased = self.lease()
            self.connections[-1].establish()
            stream = leased.stream
        assert stream is not None
        listener.stream = stream
        stream.send(head, data, end, listener)
        self.network.run()
        return listener


class Leased:
    """What became of a lease."""

    def __init__(self, deferred: Deferred[UpstreamStream]) -> None:
        self.deferred = deferred
        self.stream: UpstreamStream | None = None
        self.failure: BaseException | None = None
        deferred.addCallbacks(self._got, self._failed)

    def _got(self, stream: UpstreamStream) -> None:
        self.stream = stream

    def _failed(self, reason: Failure) -> None:
        self.failure = reason.value

    @property
    def failed(self) -> Failed:
        assert isinstance(self.failure, LeaseFailed)
        return self.failure.failed
