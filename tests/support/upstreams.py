"""An endpoint in memory: pools over a `FakeNetwork`, and a listener that writes down what it is told."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.address import SocketAddress
from shifter.model.cluster import Cluster
from shifter.upstream.interfaces import Failed, LeaseFailed, ResponseListener, UpstreamStream
from shifter.upstream.pool import ClusterState, Http1Pool
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.transports import FakeNetwork, FakeTransport

ADDRESS = SocketAddress("192.0.2.1", 80)
GET = RequestHead(b"GET", b"/", b"a")


class RecordingListener:
    """A `ResponseListener`: ``saw`` has a word for each call, ``body`` and ``block`` what came with them."""

    def __init__(self) -> None:
        self.saw: list[str] = []
        self.head: ResponseHead | None = None
        self.body = b""
        self.block = b""
        self.failed: Failed | None = None
        self.stream: UpstreamStream | None = None

    def on_interim(self, head: ResponseHead) -> None:
        self.saw.append(f"interim {head.status}")

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self.head = head
        self.block = head.block
        self.body += data
        self.saw.append(f"head {head.status}")
        if end:
            self.saw.append("end")

    def on_data(self, data: bytes, end: bool) -> None:
        self.body += data
        if data:
            self.saw.append("data")
        if end:
            self.saw.append("end")

    def on_trailers(self, block: bytes) -> None:
        self.saw.append(f"trailers {block!r}")

    def on_failed(self, failed: Failed) -> None:
        self.failed = failed
        self.saw.append(f"failed {failed.kind.name} {failed.reached.name}")

    def on_blocked(self) -> None:
        self.saw.append("blocked")

    def on_writable(self) -> None:
        self.saw.append("writable")


_: ResponseListener = RecordingListener()


class Endpoint:
    """One pool, and the other ends of its connections."""

    def __init__(self, config: Cluster | None = None, address: SocketAddress = ADDRESS) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.state = ClusterState(config or Cluster("c"))
        self.stats = self.state.stats
        self.pool = Http1Pool(self.state, address, self.network)

    @property
    def connections(self) -> list[FakeTransport]:
        """Every connection that was ever begun."""
        return self.network.outgoing

    def lease(self, fresh: bool = False) -> "Leased":
        return Leased(self.pool.lease(fresh))

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

    def wait(self, seconds: float) -> None:
        """Let time pass, and the pool look at what has taken too long."""
        self.clock.advance(seconds)
        self.network.tick()
        self.pool.expire(self.clock.seconds())
        self.network.run()


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
