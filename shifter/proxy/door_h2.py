"""The HTTP/2 door: one client connection that carries many requests at a time.

Rule 1. A request is an exchange like any other; what is told of a stream reaches its exchange, and nothing of it comes after
        `Http2Downstream.finished`.
Rule 2. A body opens the windows again only when the exchange has taken it: an exchange that rests holds at most a stream's
        window.
Rule 3. What is written in one turn of the reactor leaves in one piece at its end (`Http2Door.flush`), and only while the
        client takes it. What it does not take stays in the codec, which asks the upstreams to rest.
Rule 4. Reading never pauses: what a client may make us hold is bounded by streams and windows, and it must be able to open its
        own windows. What it may make us do is bounded by the codec (`wire.h2` rule 4).
Rule 5. A connection that is to end says so twice (RFC 9113 section 6.8): requests that were on their way are served, and when the client
        has been heard to know, at the latest after ``drain_timeout``, no more are. It closes when the last one is answered.
"""

from typing import Any

from twisted.logger import Logger

from shifter.filters.api import Reply
from shifter.model.http_connection_manager import Underscores
from shifter.net.buffers import window
from shifter.net.transport import Handler, Transport
from shifter.observe.logformat import LogEntry
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.downstream import Exchange
from shifter.proxy.entry import exchange_for
from shifter.proxy.local_reply import LocalReply
from shifter.proxy.outcome import PROTOCOL_ERROR, local_entry
from shifter.wire import h1
from shifter.wire.events import HAS_UNDERSCORE, UPGRADE, ProtocolError, RequestHead, fields
from shifter.wire.h2 import Http2Options, ServerConnection
from shifter.wire.h2_events import (
    CLOSED,
    CONNECT_ERROR,
    DATA,
    DRAINED,
    INTERNAL_ERROR,
    INVALID,
    NO_ERROR,
    REQUEST,
    RESET,
    TOLD,
    TRAILERS,
    Event,
)
from shifter.wire.h2_keepalive import Keepalive

_log = Logger()
_SEND_MARK = Http2Options().send_mark

_Held = tuple[bytes, bool, bytes]  # data, whether the request ends, trailers


class _Over:
    """The exchange of a stream that is over: nothing happens. A stream and its exchange know each other; as long as they do, only the
    garbage collector can free them, which seldom looks."""

    def nothing(self, *what: object, **more: object) -> None:
        """Nothing happens."""

    on_request_data = on_request_trailers = on_request_broken = on_downstream_lost = nothing
    on_downstream_blocked = on_downstream_writable = nothing


_OVER: Any = _Over()


class Http2Downstream:
    """The client's side of one exchange on an `Http2Door`."""

    __slots__ = ("_door", "_held", "_id", "_no_body", "_paused", "exchange", "request_done", "runtime", "tunnels")

    exchange: Exchange

    def __init__(self, door: "Http2Door", number: int, no_body: bool, request_done: bool) -> None:
        self.runtime = door.runtime
        self.request_done = request_done
        self._door = door
        self._id = number
        self._no_body = no_body
        self._paused = False
        self.tunnels = False  # the request asks for another protocol, or a tunnel
        self._held: list[_Held] | None = None

    @property
    def connection_id(self) -> int:
        return self._door.connection_id

    @property
    def peer(self) -> bytes:
        return self._door.peer

    @property
    def local(self) -> bytes:
        return self._door.local

    @property
    def transport(self) -> Transport:
        return self._door.transport

    # Downstream

    def send_interim(self, status: int, block: bytes) -> None:
        self._door.codec.send_interim(self._id, status, block)
        self._door.mark()

    def send_head(self, status: int, block: bytes, length: int, data: bytes, end: bool) -> None:
        door = self._door
        codec = door.codec
        door.mark()
        if self.runtime.draining and self.runtime.closes():
            door.drain()
        if not self.request_done:
            self.runtime.stats.downstream_rq_response_before_rq_complete += 1
        if self._no_body or status == 204 or status == 304:
            self._no_body = True
            codec.send_response(self._id, status, block, True)
        elif status == 101:
            codec.send_agreement(self._id, status, block)
            if data and not codec.send_data(self._id, data, end):
                self.exchange.on_downstream_blocked()
        elif data:
            codec.send_response(self._id, status, block, False)
            if not codec.send_data(self._id, data, end):
                self.exchange.on_downstream_blocked()
        else:
            codec.send_response(self._id, status, block, end)

    def send_data(self, data: bytes, end: bool) -> None:
        if not self._no_body:
            self._door.mark()
            if not self._door.codec.send_data(self._id, data, end):
                self.exchange.on_downstream_blocked()

    def send_trailers(self, block: bytes) -> None:
        if not block:
            self.send_data(b"", True)
        elif not self._no_body:
            self._door.mark()
            self._door.codec.send_trailers(self._id, block)

    def reset(self) -> None:
        self.runtime.stats.downstream_rq_tx_reset += 1
        self._door.mark()
        self._door.codec.reset(self._id, CONNECT_ERROR if self.tunnels else INTERNAL_ERROR)

    def log(self, entry: LogEntry) -> None:
        self.runtime.log(entry)

    def finished(self) -> None:
        door = self._door
        door.left(self._id)
        self.exchange = _OVER
        if not self.request_done or self._held:
            self._held = None
            door.mark()
            door.codec.finish(self._id)

    def pause_request(self) -> None:
        if not self._paused:
            self._paused = True
            self.runtime.stats.downstream_flow_control_paused_reading_total += 1
            if self._held is None:
                self._held = []

    def resume_request(self) -> None:
        if self._paused:
            self._paused = False
            self.runtime.stats.downstream_flow_control_resumed_reading_total += 1
            self._door.resume_later(self)

    # what the door calls

    def body(self, data: bytes, end: bool, trailers: bytes = b"") -> None:
        """More of the request came."""
        if end or trailers:
            self.request_done = True
        if self._held is not None:
            self._held.append((data, end, trailers))
        else:
            self._deliver(data, end, trailers)

    def deliver_held(self) -> None:
        """Give what was held while the exchange rested, unless it rests again."""
        held = self._held
        if held is None or self._paused:
            return
        self._held = None
        for number, (data, end, trailers) in enumerate(held):
            self._deliver(data, end, trailers)
            if self._paused:
                self._held = held[number + 1 :]
                return

    def _deliver(self, data: bytes, end: bool, trailers: bytes) -> None:
        if trailers:
            self.exchange.on_request_trailers(trailers)
            return
        if data:
            self._door.codec.consumed(self._id, len(data))
        self.exchange.on_request_data(data, end)

    def __repr__(self) -> str:
        return f"<Http2Downstream {self._id} of {self._door.transport.peer}>"


class Http2Door:
    """See the module. A `Handler` for its transport."""

    __slots__ = (
        "_blocked", "_draining", "_first", "_head_since", "_host", "_id", "_keepalive", "_marked", "_noticed", "_resumed",
        "_since", "_streams", "_unsent", "born", "codec", "requests", "runtime", "transport",
    )  # fmt: skip

    def __init__(self, transport: Transport, runtime: ConnectionManager, first: bytes) -> None:
        settings = runtime.settings
        limit = runtime.listener.per_connection_buffer_limit_bytes
        self.transport = transport
        self.runtime = runtime
        self.requests = 0
        self.codec = ServerConnection(
            Http2Options(
                max_concurrent_streams=settings.http2.max_concurrent_streams,
                stream_window=window(limit, settings.http2.initial_stream_window_size),
                connection_window=settings.http2.initial_connection_window_size,
                max_fields=settings.max_headers_count,
                max_head_size=runtime.max_head,
                send_mark=window(limit, _SEND_MARK),
                limits=settings.http2,
                allow_connect=settings.http2.allow_connect,
            ),
            runtime.stats.http2,
        )
        keepalive = settings.http2.connection_keepalive
        self._keepalive = Keepalive(keepalive, runtime.worker.now, self._chance) if keepalive is not None else None
        self._host = transport.peer.host.encode("ascii")
        self._id = 0
        self._first = first  # what came before the transport knew us
        self._streams: dict[int, Http2Downstream] = {}
        self._unsent: dict[int, tuple[int, float]] = {}  # answers that the client does not take: how much is left, since when
        self._resumed: list[Http2Downstream] = []
        self._draining = 0  # 1: the client was asked to open no more streams, 2: told that none will be served
        self._marked = False
        self._blocked = False
        self._noticed = 0.0  # when the client was asked
        self.born = runtime.worker.monotonic()
        self._since = runtime.worker.now  # when it became idle
        self._head_since: float | None = None  # since when fields have been coming that are not all there
        runtime.doors.add(self)
        self.mark()

    @property
    def peer(self) -> bytes:
        form = b"[%b]:%d" if self._host.find(b":") >= 0 else b"%b:%d"
        return form % (self._host, self.transport.peer.port)

    @property
    def local(self) -> bytes:
        return str(self.transport.local).encode("ascii")

    @property
    def connection_id(self) -> int:
        if not self._id:
            self._id = self.runtime.next_connection_id()
        return self._id

    # Handler

    def connection_made(self) -> None: ...

    def data_received(self, data: bytes) -> None:
        if self._first:
            data = self._first + data
            self._first = b""
        codec = self.codec
        events = codec.receive(data)
        if events:
            self._happened(events)
        if not self._marked and codec.wants_to_send:
            self.mark()

    def connection_lost(self, reason: str) -> None:
        self.codec.lost()
        self.runtime.lost(self, self.transport, reason, bool(self._streams))
        if self._streams:
            self._lose_all()

    def write_blocked(self) -> None:
        self._blocked = True

    def write_drained(self) -> None:
        self._blocked = False
        self.mark()

    # Door

    def sweep(self, now: float) -> None:
        codec = self.codec
        settings = self.runtime.settings
        codec.tick()
        if codec.closed:
            return
        if self._keepalive is not None and codec.greeted:
            if not self._keepalive.step(codec, self.transport.bytes_received, now):
                self.runtime.stats.http2.keepalive_timeout += 1
                self.transport.abort()
                return
            self.mark()
        if not self._draining:
            if self.runtime.gone:
                self.drain()
            elif settings.max_connection_duration and now - self.born >= settings.max_connection_duration:
                self.runtime.stats.downstream_cx_max_duration_reached += 1
                self._notice()
        if self._draining == 1 and now - self._noticed >= settings.drain_timeout:
            self._take_no_more()
        elif not codec.greeted:
            if settings.request_headers_timeout and now - self._since >= settings.request_headers_timeout:
                self.runtime.stats.downstream_rq_header_timeout += 1
                self._end(NO_ERROR, "request_header_timeout")
        elif settings.request_headers_timeout and self._waits_for_head(now, settings.request_headers_timeout):
            self.runtime.stats.downstream_rq_header_timeout += 1
            self._end(NO_ERROR, "request_header_timeout")
        elif codec.active or self._streams:
            flush = settings.stream_flush_timeout
            limit = settings.stream_idle_timeout if flush is None else flush
            if limit:
                self._give_up_unsent(now, limit)
        elif settings.idle_timeout and now - self._since >= settings.idle_timeout and not self._draining:
            self.runtime.stats.downstream_cx_idle_timeout += 1
            self._notice()

    def drain(self) -> None:
        if not self._draining:
            self.runtime.stats.downstream_cx_drain_close += 1
            self._notice()

    def _notice(self) -> None:
        """Begin rule 5."""
        self._draining = 1
        self._noticed = self.runtime.worker.now
        self.codec.drain()
        self.mark()

    def _take_no_more(self) -> None:
        """End rule 5: the codec closes the connection when the last stream is gone."""
        self._draining = 2
        self.codec.goaway()
        self.mark()

    def drop(self) -> None:
        self.transport.abort()

    # for the streams

    def left(self, number: int) -> None:
        """The exchange of a stream is over."""
        self._streams.pop(number, None)
        if not self._streams:
            self._since = self.runtime.worker.now

    def resume_later(self, downstream: Http2Downstream) -> None:
        self._resumed.append(downstream)
        self.mark()

    def mark(self) -> None:
        """Have `flush` called at the end of this turn."""
        if not self._marked:
            self._marked = True
            self.runtime.worker.network.mark(self)

    def flush(self) -> None:
        """Deliver what resting exchanges have asked for again, and send what there is to send."""
        self._marked = False
        if self._first:
            self.data_received(b"")
        if self._resumed:
            resumed = self._resumed
            self._resumed = []
            for downstream in resumed:
                downstream.deliver_held()
        if not self._blocked:
            codec = self.codec
            data = codec.data_to_send()
            if data:
                self.transport.write(data)
            events = codec.events()
            if events:
                self._happened(events)

    # inside

    def _happened(self, events: list[Event]) -> None:
        at = 0
        while at < len(events):
            event = events[at]
            at += 1
            try:
                if event[0] == REQUEST:
                    data = b""
                    end = event[3]
                    if not end and at < len(events):
                        following = events[at]
                        if following[0] == DATA and following[1] == event[1]:
                            data = following[2]
                            end = following[3]
                            at += 1
                    self._begin(event[1], event[2], data, end)
                elif event[0] == CLOSED:
                    self._closed(event[1], event[2])
                else:
                    self._happened_to_stream(event)
            except Exception:
                _log.failure("a request failed inside the proxy")
                if len(event) > 1:
                    self._fail(event[1])

    def _happened_to_stream(self, event: Event) -> None:
        if event[0] == INVALID:
            self._refuse(event[1], event[2])
        elif event[0] == DATA or event[0] == TRAILERS or event[0] == DRAINED or event[0] == RESET:
            downstream = self._streams.get(event[1])
            if downstream is None:
                return
            if event[0] == DATA:
                downstream.body(event[2], event[3])
            elif event[0] == TRAILERS:
                downstream.body(b"", not event[2], event[2])
            elif event[0] == DRAINED:
                downstream.exchange.on_downstream_writable()
            elif event[4]:
                self.runtime.stats.downstream_cx_protocol_error += 1
                downstream.exchange.on_request_broken(ProtocolError(400, "http2.protocol_error"))
            else:
                downstream.exchange.on_downstream_lost(reset=True)
        elif event[0] == TOLD and self._draining == 1:
            self._take_no_more()

    def _begin(self, number: int, head: RequestHead, data: bytes, end: bool) -> None:
        runtime = self.runtime
        runtime.stats.downstream_rq_http2_total += 1
        self.requests += 1
        limit = runtime.settings.max_requests_per_connection
        if limit and self.requests == limit:
            runtime.stats.downstream_cx_max_requests_reached += 1
            if not self._draining:
                self._notice()
        if head.flags & HAS_UNDERSCORE:
            self._count_underscores(head)
        downstream = Http2Downstream(self, number, head.method == b"HEAD", end)
        self._streams[number] = downstream
        exchange = downstream.exchange = exchange_for(head, downstream, self._host)
        downstream.tunnels = bool(head.flags & UPGRADE)
        if data:
            self.codec.consumed(number, len(data))
        exchange.begin(data, end)

    def _count_underscores(self, head: RequestHead) -> None:
        """A field of *head* has a name that this listener may refuse or drop (`routing.forwarded`)."""
        stats, action = self.runtime.stats.http2, self.runtime.settings.headers_with_underscores
        if action is Underscores.REJECT_REQUEST:
            stats.requests_rejected_with_underscores_in_headers += 1
        elif action is Underscores.DROP_HEADER:
            stats.dropped_headers_with_underscores += sum(b"_" in name for name, _ in fields(head.block))

    def _fail(self, number: int) -> None:
        """A fault of ours costs its request, and no other of the connection."""
        self.codec.reset(number, INTERNAL_ERROR)
        self.mark()
        downstream = self._streams.pop(number, None)
        if downstream is not None:
            try:
                downstream.exchange.on_downstream_lost()
            except Exception:
                _log.failure("a request failed inside the proxy, and again while it was ended")

    def _lose_all(self) -> None:
        lost = list(self._streams.values())
        self._streams.clear()
        for downstream in lost:
            downstream.exchange.on_downstream_lost()

    def _closed(self, code: int, detail: str) -> None:
        """The codec has ended the connection: send its last words, and close."""
        if code != NO_ERROR:
            self.runtime.stats.downstream_cx_protocol_error += 1
            if detail == "http2.too_many_premature_resets":
                self.runtime.stats.downstream_rq_too_many_premature_resets += 1
        data = self.codec.data_to_send()
        if data:
            self.transport.write(data)
        self.transport.close(self.runtime.settings.delayed_close_timeout)
        self._lose_all()

    def _waits_for_head(self, now: float, limit: float) -> bool:
        """Whether the fields of one request have been coming for *limit* seconds, as far as sweeps can tell."""
        if not self.codec.head_unfinished:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = now
        else:
            return now - self._head_since >= limit
        return False

    def _chance(self) -> float:
        return self.runtime.worker.random() / 2**63

    def _end(self, code: int, detail: str) -> None:
        self.codec.close(code, detail)
        self.mark()

    def _refuse(self, number: int, error: ProtocolError) -> None:
        """Answer a request that is too large to be looked at, or account for one that is malformed."""
        stats = self.runtime.stats
        stats.downstream_rq_http2_total += 1
        downstream = Http2Downstream(self, number, False, False)
        head = RequestHead(b"", b"", b"", version=20)
        if not error.status:
            stats.downstream_cx_protocol_error += 1
            stats.downstream_rq_rx_reset += 1
            stats.codes[0] += 1
            if self.runtime.access_logs:
                self.runtime.log(local_entry(downstream, head, 0, PROTOCOL_ERROR, error.detail, 0.0))
            return
        stats.downstream_rq_too_large += 1
        body = h1.REASONS[error.status]
        exchange = downstream.exchange = LocalReply(head, downstream, Reply(error.status, body, flags=b"DPE", details=error.detail))
        exchange.begin(b"", False)

    def _give_up_unsent(self, now: float, limit: float) -> None:
        """Reset streams whose exchange is over and whose answer has not moved for *limit* seconds."""
        codec = self.codec
        before = self._unsent
        self._unsent = unsent = {}
        for number in codec.open_streams:
            if number not in self._streams:
                left = codec.queued(number)
                known = before.get(number)
                if known is None or known[0] != left:
                    unsent[number] = (left, now)
                elif now - known[1] < limit:
                    unsent[number] = known
                else:
                    self.runtime.stats.http2.tx_flush_timeout += 1
                    codec.reset(number, INTERNAL_ERROR)
                    self.mark()

    def __repr__(self) -> str:
        return f"<Http2Door {self.transport.peer} requests={self.requests} active={len(self._streams)}>"


def take_over(transport: Transport, runtime: ConnectionManager, data: bytes) -> Handler:
    """Return the door for an HTTP/2 connection; *data* is what an HTTP/1 door has read of it."""
    stats = runtime.stats
    stats.downstream_cx_http2_total += 1
    if data:
        stats.downstream_cx_http1_total -= 1  # it was taken for one
    return Http2Door(transport, runtime, data)
