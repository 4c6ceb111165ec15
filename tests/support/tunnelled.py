"""A tunnel through a proxy in memory, whatever its two ends speak: what each says, and what it hears of the other."""

from shifter.model.cluster import Cluster, LbEndpoint, UpstreamProtocol
from shifter.model.http2 import Http2ProtocolOptions
from shifter.model.route import ConnectConfig, PathMatchKind, Route, RouteAction, RouteMatch, UpgradeConfig, WeightedCluster
from shifter.proxy.door_h2 import take_over
from shifter.upstream.pool_tcp import TcpPool
from shifter.wire import h2_events as ev
from shifter.wire.events import UPGRADE, RequestHead
from shifter.wire.h1 import connect_bytes, request_bytes, switching
from shifter.wire.h2 import ClientConnection, Http2Options, ServerConnection
from shifter.wire.h2_connection import Connection
from tests.support.proxies import ONE, TWO, Proxy
from tests.support.transports import FakeTransport

Ends = tuple[str, str, str]

WEBSOCKET, CONNECT = "websocket", "connect"
ENDS: list[Ends] = [
    *((client, endpoint, kind) for kind in (WEBSOCKET, CONNECT) for client in ("h1", "h2") for endpoint in ("h1", "h2")),
    *((client, "tcp", CONNECT) for client in ("h1", "h2")),
]
"""What the client speaks, what the endpoint, and what is asked for."""

_CLUSTERS = {
    "h1": Cluster("h1", endpoints=(LbEndpoint(ONE),)),
    "h2": Cluster("h2", endpoints=(LbEndpoint(TWO[0]),), protocol=UpstreamProtocol.HTTP2),
    "tcp": Cluster("tcp", endpoints=(LbEndpoint(TWO[1]),)),
}
_BIG = 1 << 30


def head_for(kind: str, *fields: bytes) -> RequestHead:
    """What a client asks for."""
    block = b"".join(b"\r\n" + field for field in fields)
    if kind == CONNECT:
        return RequestHead(b"CONNECT", b"", b"a.test:443", block)
    return RequestHead(b"GET", b"/", b"a.test", block + switching(b"websocket"), flags=UPGRADE)


class Side:
    """One end. ``heard`` are the bytes it was sent through the tunnel; ``saw`` is ``"end"`` when the other end has ended its half,
    ``"cut"`` when the tunnel was cut, ``""`` as long as neither is so."""

    def __init__(self, tunnelled: "Tunnelled") -> None:
        self.all = tunnelled
        self.heard = b""
        self.status = 0
        self.head = b""

    @property
    def saw(self) -> str:
        raise NotImplementedError

    def take(self) -> None:
        """Look at what has come."""

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError

    def cut(self) -> None:
        raise NotImplementedError


class BareSide(Side):
    """An end on a connection of its own, behind the heads. *heads*: how many heads come first."""

    def __init__(self, tunnelled: "Tunnelled", transport: FakeTransport, heads: int) -> None:
        super().__init__(tunnelled)
        self.transport = transport
        self._heads = heads
        self._buffer = b""

    @property
    def saw(self) -> str:
        end = self.transport.end
        return "cut" if end == "reset" else "end" if end == "fin" or self.transport.ended else ""

    def take(self) -> None:
        self._buffer += self.transport.take()
        if self._heads and b"\r\n\r\n" in self._buffer:
            self._heads = 0
            self.head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            if self.head.startswith(b"HTTP/1.1 "):
                self.status = int(self.head[9:12])
        if not self._heads:
            self.heard += self._buffer
            self._buffer = b""

    def send(self, data: bytes) -> None:
        self.transport.say(data)

    def end(self) -> None:
        self.transport.hang_up()

    def cut(self) -> None:
        self.transport.hang_up("reset")


class StreamSide(Side):
    """An end on a stream of an HTTP/2 connection."""

    def __init__(self, tunnelled: "Tunnelled", transport: FakeTransport, codec: Connection, number: int = 0) -> None:
        super().__init__(tunnelled)
        self.transport = transport
        self.codec = codec
        self.number = number
        self.reading = True
        self._unread = 0
        self._saw = ""

    @property
    def saw(self) -> str:
        return self._saw

    def hears(self, event: ev.Event) -> None:
        if event[0] == ev.RESPONSE:
            self.status = event[2].status
            self.head = event[2].block
            self._saw = "end" if event[3] else ""
        elif event[0] == ev.REQUEST:
            self.number = event[1]
            self.head = event[2].method + event[2].block
        elif event[0] == ev.DATA:
            self.heard += event[2]
            self._unread += len(event[2])
            self.read()
            self._saw = "end" if event[3] else self._saw
        elif event[0] == ev.RESET:
            self._saw = "cut" if event[2] or self._saw != "end" else "end"

    def read(self) -> None:
        if self.reading and self._unread:
            self.codec.consumed(self.number, self._unread)
            self._unread = 0

    def send(self, data: bytes) -> None:
        self.codec.send_data(self.number, data, False)
        self.all.turn()

    def end(self) -> None:
        self.codec.send_data(self.number, b"", True)
        self.all.turn()

    def cut(self) -> None:
        self.codec.reset(self.number)
        self.all.turn()


class Tunnelled:
    """See the module. *early* goes right behind the request's head."""

    def __init__(self, ends: Ends, early: bytes = b"", fields: tuple[bytes, ...] = (), allowed: bool = True, **settings: object) -> None:
        speaks, self.endpoint_speaks, self.kind = ends
        action = {"upgrades": (self._upgrade(allowed),), **_of_route(settings)}
        match = RouteMatch(PathMatchKind.CONNECT, b"") if self.kind == CONNECT else RouteMatch(PathMatchKind.PREFIX, b"/")
        cluster = _CLUSTERS[self.endpoint_speaks]
        route = Route(match, RouteAction((WeightedCluster(cluster.name, 1),), **action))  # type: ignore[arg-type]
        self.proxy = Proxy((route,), (cluster,), take_over, http2=Http2ProtocolOptions(allow_connect=True), **settings)
        self.proxy.registry._factories[UpstreamProtocol.TCP] = TcpPool
        self.streams: dict[FakeTransport, Connection] = {}
        self.endpoint: Side = Side(self)
        head = head_for(self.kind, *fields)
        self.client: Side
        if speaks == "h1":
            asked = connect_bytes(head) if self.kind == CONNECT else request_bytes(head)
            self.client = BareSide(self, self.proxy.connect(asked + early), 1)
        else:
            self.client = self._client_stream(head, early)
        self.turn()

    def _upgrade(self, allowed: bool) -> UpgradeConfig:
        if self.kind == CONNECT:
            return UpgradeConfig(b"connect", allowed, ConnectConfig() if self.endpoint_speaks == "tcp" else None)
        return UpgradeConfig(b"websocket", allowed)

    def _client_stream(self, head: RequestHead, early: bytes) -> StreamSide:
        codec = ClientConnection(Http2Options())
        transport = self.proxy.connect(codec.data_to_send())
        self.streams[transport] = codec
        client = StreamSide(self, transport, codec)
        self.client = client
        self.turn()
        assert codec.extended
        client.number = codec.open_tunnel(head)
        if early:
            codec.send_data(client.number, early, False)
        return client

    def turn(self) -> None:
        """Let everybody talk until there is nothing more to say."""
        busy = True
        while busy:
            self._meet()
            self.proxy.network.run()
            busy = False
            for transport, codec in list(self.streams.items()):
                data = transport.take()
                events = [*codec.receive(data), *codec.events()] if data else []
                for event in events:
                    self._side(transport).hears(event)
                out = codec.data_to_send()
                transport.say(out)
                busy = busy or bool(data or out)
        for side in (self.client, self.endpoint):
            side.take()

    def _side(self, transport: FakeTransport) -> StreamSide:
        side = self.client if isinstance(self.client, StreamSide) and self.client.transport is transport else self.endpoint
        assert isinstance(side, StreamSide)
        return side

    def _meet(self) -> None:
        """Be there for the connection to the endpoint, once it is made."""
        if type(self.endpoint) is not Side or not self.proxy.backends:
            return
        transport = self.proxy.backend
        if self.endpoint_speaks == "h2":
            codec = ServerConnection(Http2Options(allow_connect=True))
            self.streams[transport] = codec
            self.endpoint = StreamSide(self, transport, codec)
        else:
            self.endpoint = BareSide(self, transport, self.endpoint_speaks == "h1")

    # what the endpoint does

    def agree(self) -> None:
        """Answer that there is a tunnel; bare endpoints have nothing to say to that."""
        self.answer(200 if self.kind == CONNECT else 101)

    def answer(self, status: int, body: bytes = b"", pieces: int = 1) -> None:
        """Answer with *status*; the *body* comes in so many *pieces*."""
        size = -(-len(body) // pieces)
        first, *rest = [body[at : at + size] for at in range(0, len(body), size)] if body else [b""]
        if isinstance(self.endpoint, StreamSide):
            codec = self.endpoint.codec
            assert isinstance(codec, ServerConnection)
            if status in (101, 200):
                codec.send_agreement(self.endpoint.number, status, b"")
            else:
                codec.send_response(self.endpoint.number, status, b"", not body)
                if body:
                    codec.send_data(self.endpoint.number, first, not rest)
        elif self.endpoint_speaks == "h1":
            fields = switching(b"websocket") if status == 101 else b"" if status == 200 else b"\r\ncontent-length: %d" % len(body)
            self.endpoint.send(b"HTTP/1.1 %d Said%b\r\n\r\n%b" % (status, fields, first))
        self.turn()
        for number, piece in enumerate(rest, 1):
            if isinstance(self.endpoint, StreamSide):
                self.endpoint.codec.send_data(self.endpoint.number, piece, number == len(rest))
            else:
                self.endpoint.send(piece)
            self.turn()

    def again(self) -> None:
        """Let the wait before the next try pass, and be there for it."""
        self.proxy.clock.advance(0)
        if self.endpoint_speaks == "h1":
            self.endpoint = Side(self)
        self.turn()

    # what either end does

    def says(self, side: Side, data: bytes) -> None:
        side.send(data)
        self.turn()

    def ends(self, side: Side) -> None:
        side.end()
        self.turn()

    def cuts(self, side: Side) -> None:
        side.cut()
        self.turn()

    @property
    def logged(self) -> list[str]:
        """Status, flags and details of each line of the access log."""
        return [" ".join(line.split(" ")[3:6]) for line in self.proxy.lines]

    def at_rest(self) -> None:
        """Check that nothing is left of it."""
        proxy = self.proxy
        assert not proxy.worker.streams
        assert proxy.stats.downstream_rq_active == proxy.stats.downstream_cx_upgrades_active == 0
        assert len(proxy.lines) == proxy.stats.downstream_rq_total == 1
        [cluster] = proxy.clusters.values()
        stats = cluster.state.stats
        assert (stats.upstream_rq_active, stats.upstream_rq_pending_active) == (0, 0)
        for pool in cluster.pools:
            for one in pool.every:
                assert one.active == 0
                assert not [connection for connection in one.connections if self.endpoint_speaks != "h2" and connection.opened]


def _of_route(settings: dict[str, object]) -> dict[str, object]:
    """Take what is for the route out of *settings*."""
    return {name: settings.pop(name) for name in ("timeout", "idle_timeout", "retry", "max_stream_duration") if name in settings}
