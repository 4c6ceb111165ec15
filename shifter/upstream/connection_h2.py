"""One HTTP/2 connection to an endpoint, shared by many requests; each has an `interfaces.UpstreamStream` of its own.

Rule 1. A stream leaves the connection before its listener hears of the answer's end, so that whoever waits for a place gets
        it first, and nothing is told twice.
Rule 2. Bytes of an answer open the windows again only when the listener has taken them: a listener that pauses holds at
        most a stream's window.
Rule 3. What is written in one turn of the reactor leaves in one piece at its end (`flush`), and only while the peer takes it:
        what it does not take stays in the codec, which asks the writers to rest.
Rule 4. What an endpoint breaks on one stream costs that request; what it breaks on the connection costs all of them.
"""

from random import random
from typing import TYPE_CHECKING

from twisted.logger import Logger

from shifter.model.cluster import Cluster
from shifter.net.buffers import window
from shifter.net.transport import Transport
from shifter.routing.retry import Reached
from shifter.upstream.interfaces import Failed, FailureKind, ResponseListener
from shifter.wire.events import TUNNEL, RequestHead, ResponseHead
from shifter.wire.h2 import ClientConnection, Http2Options
from shifter.wire.h2_events import (
    CANCEL,
    CLOSED,
    DATA,
    DRAINED,
    GOAWAY,
    INTERIM,
    NO_ERROR,
    PROTOCOL_ERROR,
    RESET,
    RESPONSE,
    SETTINGS,
    TRAILERS,
    Event,
)
from shifter.wire.h2_keepalive import Keepalive

if TYPE_CHECKING:
    from shifter.upstream.pool import EndpointPool
    from shifter.upstream.pool_h2 import Http2Pool

_log = Logger()

# The connection's window is wide, for a few readers that rest must not stop all others; each stream's own is what bounds.
_SEND_MARK = Http2Options().send_mark


def _options(config: Cluster) -> Http2Options:
    limit, http2 = config.per_connection_buffer_limit_bytes, config.http2
    return Http2Options(
        stream_window=window(limit, http2.initial_stream_window_size),
        connection_window=http2.initial_connection_window_size,
        send_mark=window(limit, _SEND_MARK),
        limits=http2,
    )


_Held = tuple[bytes, bool, bytes]  # data, whether the answer ends, trailers


class Http2Stream:
    """One request on an `Http2Connection`; see the module."""

    __slots__ = (
        "_answer_over", "_connection", "_held", "_held_head", "_id", "_listener", "_paused", "_sent_before", "_tunnel", "answer_begun",
        "pool", "request_done", "reused",
    )  # fmt: skip

    def __init__(self, connection: "Http2Connection") -> None:
        self._connection = connection
        self.pool: EndpointPool = connection.pool
        self.reused = connection.requests > 0
        self.request_done = False
        self.answer_begun = False
        self._id = 0
        self._tunnel: RequestHead | None = None  # what asks for one, as long as there may be one
        self._answer_over = False  # of its directions
        self._listener: ResponseListener | None = None
        self._paused = False
        self._held: list[_Held] | None = None
        self._held_head: ResponseHead | None = None
        self._sent_before = 0

    protocol = b"HTTP/2"

    @property
    def transport(self) -> Transport:
        return self._connection.transport

    # UpstreamStream

    def send(self, head: RequestHead, data: bytes, end: bool, listener: ResponseListener) -> None:
        connection = self._connection
        self._listener = listener
        self._sent_before = connection.transport.bytes_sent
        if head.flags & TUNNEL:
            self._tunnel = head
        self.request_done = end
        self._id = connection.open(self, head, end and not data)
        if data and not connection.codec.send_data(self._id, data, end):
            listener.on_blocked()

    def send_data(self, data: bytes, end: bool) -> None:
        listener = self._listener
        if listener is not None:
            self.request_done = end
            self._connection.mark()
            if not self._connection.codec.send_data(self._id, data, end):
                listener.on_blocked()
            if self._tunnel and end and self._answer_over:
                self._end()

    def send_trailers(self, block: bytes) -> None:
        if not block:
            self.send_data(b"", True)
        elif self._listener is not None:
            self.request_done = True
            self._connection.mark()
            self._connection.codec.send_trailers(self._id, block)

    def cancel(self) -> None:
        if self._listener is not None:
            self._listener = None
            self._held = None
            connection = self._connection
            self.pool.stats.upstream_rq_tx_reset += 1
            connection.codec.reset(self._id, CANCEL)
            connection.mark()
            connection.leave(self._id)

    def pause(self) -> None:
        self._paused = True
        if self._held is None:
            self._held = []

    def resume(self) -> None:
        self._paused = False
        if self._held is not None:
            self._connection.resume_later(self)

    # what the connection calls

    def interim(self, head: ResponseHead) -> None:
        if self._listener is not None:
            self._listener.on_interim(head)

    def head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        if self._held is not None:
            self._held_head = head
            self._held.append((data, end, b""))
        else:
            self._deliver_head(head, data, end)

    def data(self, data: bytes, end: bool, trailers: bytes = b"") -> None:
        if self._held is not None:
            self._held.append((data, end, trailers))
        else:
            self._deliver(data, end, trailers)

    def deliver_held(self) -> None:
        """Give what was held while the listener rested, unless it rests again."""
        held = self._held
        if held is None or self._paused:
            return
        self._held = None
        for number, (data, end, trailers) in enumerate(held):
            head = self._held_head
            if head is not None:
                self._held_head = None
                self._deliver_head(head, data, end)
            else:
                self._deliver(data, end, trailers)
            if self._paused:
                self._held = held[number + 1 :]
                return

    def failed(self, kind: FailureKind, detail: str, refused: bool = False) -> None:
        """The connection has taken the stream out already."""
        listener = self._listener
        self._listener = None
        self._held = None
        if listener is not None:
            if self.answer_begun:
                reached = Reached.ANSWER_BEGUN
            elif refused or self._connection.transport.bytes_sent == self._sent_before:
                reached = Reached.NOTHING_SENT
            else:
                reached = Reached.REQUEST_SENT
            listener.on_failed(Failed(kind, reached, detail))

    @property
    def number(self) -> int:
        """Its number on the connection; one that is not sent yet has a negative one."""
        return self._id

    def place(self, number: int) -> None:
        """Give it its number."""
        self._id = number

    def writable(self) -> None:
        if self._listener is not None:
            self._listener.on_writable()

    @property
    def answered(self) -> bool:
        """Whether the whole answer has arrived, though its listener may not have taken it yet."""
        held = self._held
        return bool(held) and (held[-1][1] or bool(held[-1][2]))  # type: ignore[index]  # bool(held) has looked

    def _deliver_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        listener = self._listener
        if listener is None:
            return
        self.answer_begun = True
        if self._tunnel is not None:
            if (data or not end) and (head.status == 101 or (head.status < 300 and self._tunnel.method == b"CONNECT")):
                listener.on_head(head, b"", False)
                if data:
                    self._deliver(data, end, b"")
                return
            self._tunnel = None  # it does not come to be
        if data:
            self._connection.codec.consumed(self._id, len(data))
        if end:
            self._end()
        listener.on_head(head, data, end)

    def _deliver(self, data: bytes, end: bool, trailers: bytes) -> None:
        listener = self._listener
        if listener is None:
            return
        if trailers:
            self._end()
            listener.on_trailers(trailers)
            return
        if data:
            self._connection.codec.consumed(self._id, len(data))
        if end:
            self._end()
        listener.on_data(data, end)

    def _end(self) -> None:
        if self._tunnel and not self.request_done:
            self._answer_over = True  # the other direction goes on
            return
        self._listener = None
        connection = self._connection
        if not self.request_done:
            connection.codec.finish(self._id)
            connection.mark()
        connection.leave(self._id)

    def __repr__(self) -> str:
        state = "free" if self._listener is None else "answering" if self.answer_begun else "waiting"
        return f"<Http2Stream {self._id} of {self.pool.address} {state}>"


class Http2Connection:
    """See the module; made and owned by an `Http2Pool`."""

    __slots__ = (
        "_asking", "_blocked", "_cap", "_keepalive", "_marked", "_resumed", "_streams", "codec", "idle_since", "opened", "pool",
        "requests", "retired", "transport",
    )  # fmt: skip

    def __init__(self, pool: "Http2Pool") -> None:
        self.pool = pool
        self.transport: Transport  # set by the pool right after construction
        self.codec = ClientConnection(_options(pool.state.config), pool.stats.http2)
        keepalive = pool.state.config.http2.connection_keepalive
        self._keepalive = Keepalive(keepalive, pool.network.now, random) if keepalive is not None else None
        self.opened = False
        self.retired = False  # takes no more requests
        self.requests = 0
        self.idle_since = pool.network.now
        self._streams: dict[int, Http2Stream] = {}
        self._resumed: list[Http2Stream] = []
        self._asking: dict[Http2Stream, RequestHead] = {}  # for tunnels, not sent yet
        self._marked = False
        self._blocked = False
        self._cap = pool.state.config.http2.max_concurrent_streams

    # for the pool

    @property
    def has_room(self) -> bool:
        """Whether one more request can begin at once."""
        return not self.retired and len(self._streams) < self._cap and self.codec.can_request

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return len(self._streams)

    def retire(self) -> None:
        """Take no more requests."""
        self.retired = True

    def tick(self, now: float) -> None:
        """About a second has passed."""
        self.codec.tick()
        if self._keepalive is not None and self.opened and not self.codec.closed:
            if not self._keepalive.step(self.codec, self.transport.bytes_received, now):
                self.pool.stats.http2.keepalive_timeout += 1
                self.transport.abort()
            else:
                self.mark()

    def close(self) -> None:
        """Say goodbye and close; nothing is under way."""
        self.retired = True
        self.codec.close(NO_ERROR)
        self._send()
        self.transport.close()

    # for the streams

    def open(self, stream: Http2Stream, head: RequestHead, end: bool) -> int:
        """Send the head of a request and return the number of its stream."""
        pool = self.pool
        if self._keepalive is not None and not self._streams and self.requests:
            self._keepalive.used_after(pool.network.now - self.idle_since, self.codec, pool.network.now)
        self.requests += 1
        pool.begin()
        limit = pool.state.config.max_requests_per_connection
        if limit and self.requests >= limit:
            pool.stats.upstream_cx_max_requests += 1
            self.retired = True
        if head.flags & TUNNEL:
            # at the end of this turn, or when the endpoint has said whether it takes extended CONNECT: it need not know what that is
            number = -self.requests
            self._asking[stream] = head
        else:
            number = self.codec.send_request(head, end)
        self._streams[number] = stream
        self.mark()
        return number

    def _ask(self) -> None:
        """Send what asks for tunnels, as soon as that may be (RFC 8441 section 3)."""
        codec = self.codec
        for stream, head in list(self._asking.items()):
            if not codec.settled and head.method != b"CONNECT":
                continue
            del self._asking[stream]
            before = stream.number
            if before not in self._streams:
                continue  # nobody waits for it any more
            if (codec.extended or head.method == b"CONNECT") and codec.can_request:
                del self._streams[before]
                number = codec.open_tunnel(head)
                stream.place(number)
                self._streams[number] = stream
                continue
            self.leave(before)
            if codec.settled and not codec.extended and head.method != b"CONNECT":
                stream.failed(FailureKind.PROTOCOL_ERROR, "", refused=True)
            else:
                stream.failed(FailureKind.REFUSED_STREAM, "", refused=True)

    def leave(self, number: int) -> None:
        """A stream is over."""
        if self._streams.pop(number, None) is not None:
            self.pool.finish()
            self.pool.freed(self)

    def resume_later(self, stream: Http2Stream) -> None:
        self._resumed.append(stream)
        self.mark()

    def mark(self) -> None:
        """Have `flush` called at the end of this turn."""
        if not self._marked:
            self._marked = True
            self.pool.network.mark(self)

    def flush(self) -> None:
        """Deliver what resting listeners have asked for again, and send what there is to send."""
        self._marked = False
        if self._resumed:
            resumed = self._resumed
            self._resumed = []
            for stream in resumed:
                stream.deliver_held()
        if self.opened and not self._blocked:
            if self._asking:
                self._ask()
            self._send()

    def _send(self) -> None:
        codec = self.codec
        data = codec.data_to_send()
        if data:
            self.transport.write(data)
        events = codec.events()
        if events:
            self._happened(events)

    # Handler

    def connection_made(self) -> None:
        self.opened = True
        self.mark()
        self.pool.connected(self)

    def data_received(self, data: bytes) -> None:
        codec = self.codec
        events = codec.receive(data)
        if events:
            self._happened(events)
        if not self._marked and codec.wants_to_send:
            self.mark()

    def connection_lost(self, reason: str) -> None:
        self.codec.lost()
        if not self.opened:
            self.pool.connect_failed(self, reason)
        else:
            self._end(FailureKind.CONNECTION_TERMINATION, reason, remote=reason in ("closed", "reset"))

    def write_blocked(self) -> None:
        self._blocked = True

    def write_drained(self) -> None:
        self._blocked = False
        self.mark()

    # inside

    def _happened(self, events: list[Event]) -> None:
        streams = self._streams
        heads: dict[int, ResponseHead] = {}  # heads that wait for their first bytes: small answers arrive whole
        for event in events:
            try:
                if event[0] == RESPONSE:
                    if not event[3]:
                        heads[event[1]] = event[2]
                    elif (stream := streams.get(event[1])) is not None:
                        stream.head(event[2], b"", True)
                elif event[0] == DATA:
                    head = heads.pop(event[1], None) if heads else None
                    stream = streams.get(event[1])
                    if stream is None:
                        continue
                    if head is not None:
                        stream.head(head, event[2], event[3])
                    else:
                        stream.data(event[2], event[3])
                else:
                    if heads:
                        self._heads_alone(heads)
                    self._happened_rarely(event)
            except Exception:
                _log.failure("a request failed inside the proxy")
                if len(event) > 1:
                    self._fail(event[1])
        if heads:
            self._heads_alone(heads)

    def _heads_alone(self, heads: dict[int, ResponseHead]) -> None:
        while heads:
            number, head = heads.popitem()
            stream = self._streams.get(number)
            try:
                if stream is not None:
                    stream.head(head, b"", False)
            except Exception:
                _log.failure("a request failed inside the proxy")
                self._fail(number)

    def _fail(self, number: int) -> None:
        """A fault of ours costs its request, and no other of the connection."""
        stream = self._streams.get(number)
        if stream is not None:
            try:
                stream.cancel()
            except Exception:
                _log.failure("a request failed inside the proxy, and again while it was ended")

    def _happened_rarely(self, event: Event) -> None:
        if event[0] == RESET:
            self._reset(event[1], event[2], event[3], event[4])
        elif event[0] == SETTINGS:
            if self._asking:
                self.mark()
            self.pool.freed(self)
        elif event[0] == GOAWAY:
            self.retired = True
            self.pool.stats.upstream_cx_close_notify += 1
            self.pool.freed(self)
        elif event[0] == CLOSED:
            self._closed(event[1], event[2])
        elif event[0] == TRAILERS or event[0] == INTERIM or event[0] == DRAINED:
            stream = self._streams.get(event[1])
            if stream is None:
                return
            if event[0] == TRAILERS:
                stream.data(b"", not event[2], event[2])
            elif event[0] == INTERIM:
                stream.interim(event[2])
            else:
                stream.writable()

    def _reset(self, number: int, code: int, refused: bool, ours: bool) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        if stream.answered:
            # the answer is whole and waits for its listener; the request will not be, and nobody minds
            stream.request_done = True
            return
        self.leave(number)
        if ours:
            self.pool.stats.upstream_cx_protocol_error += 1
            stream.failed(FailureKind.PROTOCOL_ERROR, "")
        elif code == PROTOCOL_ERROR:
            stream.failed(FailureKind.PROTOCOL_ERROR, "remote reset")  # the endpoint's opinion of what it was sent
        elif refused:
            stream.failed(FailureKind.REFUSED_STREAM, "", refused=True)
        else:
            stream.failed(FailureKind.REMOTE_RESET, "")

    def _closed(self, code: int, detail: str) -> None:
        """The codec has ended the connection: send its last words, and close."""
        data = self.codec.data_to_send()
        if data:
            self.transport.write(data)
        self.transport.close()
        if code != NO_ERROR:
            self.pool.stats.upstream_cx_protocol_error += 1
            self._end(FailureKind.PROTOCOL_ERROR, detail)
        else:
            self._end(FailureKind.CONNECTION_TERMINATION, detail)

    def _end(self, kind: FailureKind, detail: str, remote: bool = False) -> None:
        self.retired = True
        lost = [stream for stream in self._streams.values() if not stream.answered]
        for number in [number for number, stream in self._streams.items() if not stream.answered]:
            del self._streams[number]
            self.pool.finish()
        self.pool.remove(self, remote, bool(lost))
        for stream in lost:
            stream.failed(kind, detail)

    def __repr__(self) -> str:
        state = "connecting" if not self.opened else "retired" if self.retired else "open"
        return f"<Http2Connection {self.pool.address} {state} active={len(self._streams)} requests={self.requests}>"
