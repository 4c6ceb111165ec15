"""The HTTP/1.1 door: one client connection.

Rule 1. Requests are answered in the order in which they came; the next one is not looked at before the last is told
        (RFC 9112 section 9.3.2). What comes ahead is kept up to `_AHEAD` bytes, then reading pauses.
Rule 2. What cannot be read as exactly one request is refused and the connection closed; nothing of it goes upstream.
Rule 3. A connection that we close is given time to read our last bytes (``delayed_close_timeout``).
Rule 4. A connection that is to end does so behind an answer that says so. One that nothing is asked of ends when it has been idle for
        ``drain_timeout``, and never while bytes wait to be read: what a client sends meanwhile is answered, not lost.
Rule 5. A connection that begins with the HTTP/2 preface is handed over whole (``codec_type: AUTO``).
"""

from collections.abc import Callable

from shifter.model.http_connection_manager import CodecType
from shifter.net.transport import Handler, Transport
from shifter.proxy.connection_manager import ConnectionManager
from shifter.proxy.downstream import Exchange
from shifter.proxy.entry import exchange_for
from shifter.proxy.local_reply import local_reply
from shifter.proxy.local_reply_config import Known
from shifter.proxy.outcome import blank, local_entry
from shifter.routing.path import is_connect_target
from shifter.wire import h1
from shifter.wire.events import (
    CLOSE,
    KEEP_ALIVE,
    NO_BODY,
    ODD_PATH,
    UNTIL_END,
    UPGRADE,
    ProtocolError,
    RequestHead,
    without,
)
from shifter.wire.heads import parse_request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_AHEAD = 64 * 1024

# why reading is paused; any of them is enough
_BY_UPSTREAM, _BY_PIPELINE, _BY_OUTPUT = 1, 2, 4

# how what is sent behind an answer's head is framed, but by a length
_CHUNKED, _TUNNELLED = 1, 2

TakeOver = Callable[[Transport, ConnectionManager, bytes], Handler]


class Http1Door:
    """See the module. A `Handler` for its transport, a `Downstream` for the exchange under way."""

    __slots__ = (
        "_aged", "_blocked", "_buffer", "_close", "_connecting", "_decoder", "_framing", "_host", "_id", "_keep_alive_10",
        "_no_body", "_paused", "_peer_over", "_running", "_since", "_take_over", "_version", "born", "exchange", "log", "requests",
        "runtime", "transport",
    )  # fmt: skip

    def __init__(self, transport: Transport, runtime: ConnectionManager, take_over: TakeOver | None) -> None:
        self.transport = transport
        self.runtime = runtime
        self._take_over = take_over
        self.log = runtime.log
        self.exchange: Exchange | None = None
        self.requests = 0
        self._host = transport.peer.host.encode("ascii")
        self._id = 0
        self._buffer = b""
        self._decoder: h1.ChunkedDecoder | h1.LengthDecoder | h1.TunnelDecoder | None = None
        self._paused = 0
        self._blocked = False  # the client does not take what we send
        self._running = False
        self._close = False  # after the answer under way; nothing more is read as a request
        self._framing = 0
        self._connecting = False  # a 2xx answer begins a tunnel
        self._peer_over = False  # the client has ended its direction of a tunnel
        self._no_body = False
        self._version = 11
        self._keep_alive_10 = False
        self.born = runtime.worker.monotonic()
        self._since = runtime.worker.now  # when it became idle, or its half head began
        self._aged = False  # it has been there for ``max_connection_duration``: the next answer is the last
        runtime.doors.add(self)

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
        if self.exchange is not None:
            if self._decoder is not None:
                self._body_received(data)
            else:
                self._buffer += data
                if len(self._buffer) > _AHEAD:
                    self._pause(_BY_PIPELINE)
        elif not self._close:
            self._run(self._buffer + data if self._buffer else data)

    def connection_lost(self, reason: str) -> None:
        exchange = self.exchange
        self.runtime.lost(self, self.transport, reason, exchange is not None)
        self._close = True
        if exchange is None:
            return
        if self._framing == _TUNNELLED and reason == "closed" and not self._peer_over:
            self._client_ended()  # both directions have
        else:
            exchange.on_downstream_lost()

    def write_blocked(self) -> None:
        self._blocked = True
        if self._decoder is None:  # a body under way, or a tunnel, has nothing to do with the other direction
            self._pause(_BY_OUTPUT)
        if self.exchange is not None:
            self.exchange.on_downstream_blocked()

    def write_drained(self) -> None:
        self._blocked = False
        self._resume(_BY_OUTPUT)
        if self.exchange is not None:
            self.exchange.on_downstream_writable()
        elif self._buffer and not self._close:
            self._run(self._buffer)

    # Door

    def sweep(self, now: float) -> None:
        settings = self.runtime.settings
        if settings.max_connection_duration and not self._aged and now - self.born >= settings.max_connection_duration:
            self._aged = True
            self.runtime.stats.downstream_cx_max_duration_reached += 1
        if self.exchange is not None or self._close:
            return
        if self._buffer:
            limit = settings.request_headers_timeout
            if limit and now - self._since >= limit:
                self.runtime.stats.downstream_rq_header_timeout += 1
                self._refuse(ProtocolError(408, "request_header_timeout"))
        elif settings.idle_timeout and now - self._since >= settings.idle_timeout:
            if self._leave():
                self.runtime.stats.downstream_cx_idle_timeout += 1
        elif self.runtime.gone:
            self.drain()
        elif self._aged and now - self._since >= settings.drain_timeout:
            self._leave()

    def drain(self) -> None:
        # A client that was busy just now is likely to have its next request on the way: that one's answer tells it.
        if self.exchange is None and not self._buffer and not self._close:
            runtime = self.runtime
            if runtime.worker.now - self._since >= runtime.settings.drain_timeout and self._leave():
                runtime.stats.downstream_cx_drain_close += 1

    def _leave(self) -> bool:
        """Close an idle connection; False when its next request is there after all."""
        if self.transport.unread():
            return False
        self._close = True
        self.transport.close(self.runtime.settings.delayed_close_timeout)
        return True

    def drop(self) -> None:
        self._close = True
        self.transport.abort()

    # requests

    def _run(self, data: bytes) -> None:
        """Serve what stands at the head of *data*, and what is behind it while answers are immediate."""
        self._running = True
        try:
            while data:
                if data[:2] == b"\r\n" and data[:4] != b"\r\n\r\n":
                    data = data[2:]  # an empty line before a request (RFC 9112 section 2.2)
                end = data.find(b"\r\n\r\n", 0, self.runtime.max_head + 4)
                if end < 0:
                    self._incomplete(data)
                    return
                self._buffer = b""
                try:
                    head = parse_request(data, end, self.runtime.settings.max_headers_count)
                    self._keep_alive_10 = False
                    if head.version == 10:
                        self._check_version(head)
                    if head.flags & (UPGRADE | ODD_PATH):
                        self._check_unusual(head, data[:end])
                except ProtocolError as error:
                    if self.requests or not self._handed_over(data):
                        self._refuse(error)
                    return
                self._serve(head, data[end + 4 :] if len(data) > end + 4 else b"")
                if self.exchange is not None or self._close or self._blocked:
                    return
                data = self._buffer
        finally:
            self._running = False

    def _incomplete(self, data: bytes) -> None:
        if data and not self._buffer:
            self._since = self.runtime.worker.now
        self._resume(_BY_PIPELINE)
        if len(data) >= self.runtime.max_head + 4:
            self._refuse(ProtocolError(431, "http1.headers_too_large"))
        elif not self.requests and PREFACE.startswith(data[: len(PREFACE)]) and self._take_over is not None:
            self._buffer = data
        elif _has_bare_lf(data):
            self._refuse(ProtocolError(400, "http1.bare_lf"))
        elif data and not 0x20 < data[0] < 0x7F and data[0] != 0x0D:
            self._refuse(ProtocolError(400, "http1.invalid_method"))  # TLS, say: nothing makes a method of it
        else:
            self._buffer = data

    def _handed_over(self, data: bytes) -> bool:
        """Hand an HTTP/2 connection over; return whether it was one (or may become one)."""
        if self._take_over is None or not data.startswith(PREFACE[:18]):
            return False
        if len(data) < len(PREFACE) and PREFACE.startswith(data):
            self._buffer = data
            return True
        self.runtime.doors.discard(self)
        handler = self._take_over(self.transport, self.runtime, data)
        self.transport.handler = handler
        return True

    def _check_version(self, head: RequestHead) -> None:
        """Decide about HTTP/1.0 (Envoy ``accept_http_10``). Raises `ProtocolError`."""
        settings = self.runtime.settings
        if not settings.accept_http_10:
            raise ProtocolError(426, "low_version")
        self._keep_alive_10 = bool(head.flags & KEEP_ALIVE)
        self._close = not self._keep_alive_10
        head.authority = head.authority or settings.default_host_for_http_10
        if not head.authority:
            raise ProtocolError(400, "missing_host_header")

    def _check_unusual(self, head: RequestHead, raw: bytes) -> None:
        """Look at what may be for another protocol, or a tunnel. Raises `ProtocolError`."""
        self._connecting = head.method == b"CONNECT"
        if self._connecting:
            head.flags = head.flags & ~UPGRADE | CLOSE
            if head.length == UNTIL_END:
                raise ProtocolError(501, "http1.invalid_transfer_encoding")
            if head.length > 0:
                raise ProtocolError(400, "http1.body_disallowed")
            if not is_connect_target(head.path):
                raise ProtocolError(400, "http1.invalid_url")
            head.length = NO_BODY
            head.block = without(head.block, b"content-length")
        elif head.flags & UPGRADE:
            self._check_upgrade(head, raw)

    def _check_upgrade(self, head: RequestHead, raw: bytes) -> None:
        """Keep what a request for another protocol names, for its route to decide (`tree.FullRouteResource`). Whatever that is, the
        connection carries no other request. Raises `ProtocolError`: a body in front of another protocol could be read as it."""
        if head.version == 10:
            head.flags &= ~UPGRADE  # RFC 9110 section 7.8
            return
        head.flags |= CLOSE
        if self.runtime.tree.upgradable:
            if head.length != NO_BODY and head.length != 0:
                raise ProtocolError(400, "upgrade_with_body")
            head.block += h1.switching(h1.upgrade_in(raw))

    def _serve(self, head: RequestHead, rest: bytes) -> None:
        """Start the exchange for *head*; *rest* is what came behind it."""
        runtime = self.runtime
        self.requests += 1
        runtime.stats.downstream_rq_http1_total += 1
        self._version = head.version
        self._no_body = head.method == b"HEAD"
        limit = runtime.settings.max_requests_per_connection
        if limit and self.requests >= limit:
            runtime.stats.downstream_cx_max_requests_reached += 1
            self._close = True
        length = head.length
        end = True
        payload = b""
        trailers = b""
        self._decoder = None
        if length > 0 or length == UNTIL_END:
            settings = runtime.settings
            decoder: h1.ChunkedDecoder | h1.LengthDecoder
            limits = (400, settings.max_headers_count, runtime.max_head)
            decoder = h1.LengthDecoder(length) if length > 0 else h1.ChunkedDecoder(*limits)
            if rest:
                try:
                    payload = decoder.feed(rest)
                except ProtocolError as error:
                    self._refuse(error, head)
                    return
            if decoder.done:
                self._buffer = decoder.rest
                trailers = decoder.trailers if settings.enable_trailers else b""
            else:
                self._decoder = decoder
                end = False
        else:
            self._buffer = rest
        exchange = self.exchange = exchange_for(head, self, self._host)
        if head.flags & CLOSE:
            self._close = True
            if head.flags & UPGRADE and runtime.tree.upgradable:
                # whether it is let through is known when filters have seen it: until then all that comes may be another protocol
                self._decoder = h1.TunnelDecoder()
                self._buffer = b""
                payload = rest
                end = False
        exchange.begin(payload, end and not trailers)
        if trailers and self.exchange is exchange:
            exchange.on_request_trailers(trailers)

    def _body_received(self, data: bytes) -> None:
        decoder = self._decoder
        exchange = self.exchange
        assert decoder is not None and exchange is not None
        try:
            payload = decoder.feed(data)
        except ProtocolError as error:
            # the request can never be whole: it is taken back from the upstream
            self.runtime.stats.downstream_cx_protocol_error += 1
            self._decoder = None
            self._close = True
            exchange.on_request_broken(error)
            return
        if not decoder.done:
            if payload:
                exchange.on_request_data(payload, False)
            return
        self._decoder = None
        self._buffer = decoder.rest
        if decoder.trailers and self.runtime.settings.enable_trailers:
            if payload:
                exchange.on_request_data(payload, False)
            if self.exchange is exchange:
                exchange.on_request_trailers(decoder.trailers)
        else:
            exchange.on_request_data(payload, True)

    def _refuse(self, error: ProtocolError, head: RequestHead | None = None) -> None:
        """Answer what is not a request, and close."""
        runtime = self.runtime
        stats = runtime.stats
        if error.status in (400, 501, 426):
            stats.downstream_cx_protocol_error += 1
        elif error.status == 431:
            stats.downstream_rq_too_large += 1
        if head is None:
            self.requests += 1
            stats.downstream_rq_http1_total += 1
        self._close = True
        self._buffer = b""
        self._decoder = None
        head = head or RequestHead(b"", b"", b"")
        flags = b"" if error.status == 408 else b"DPE"
        known = local_entry(self, head, 0, b"", error.detail, 0.0, blank())
        body = b"" if error.detail == "missing_host_header" else h1.REASONS[error.status]
        status, block, body = local_reply(runtime, head, error.status, body, subject=Known(known))
        stats.codes[status] += 1
        if runtime.access_logs:
            entry = local_entry(self, head, status, flags, error.detail, 0.0)
            entry.response_block = block
            entry.bytes_sent = len(body)
            runtime.log(entry)
        self.transport.write(b"".join((h1.STATUS_LINES[status], block, b"\r\nconnection: close\r\n\r\n", body)))
        self.transport.close(runtime.settings.delayed_close_timeout)

    # Downstream

    def send_interim(self, status: int, block: bytes) -> None:
        if self._version != 10:
            self.transport.write(b"".join((h1.STATUS_LINES[status], block, b"\r\n\r\n")))

    def send_head(self, status: int, block: bytes, length: int, data: bytes, end: bool) -> None:
        self._framing = 0
        if self._decoder is not None:
            if not end and (status == 101 or (self._connecting and status < 300)):
                self._framing = _TUNNELLED
                self._no_body = False
                self.transport.peer_ended = self._client_ended
                self.transport.write(b"".join((h1.STATUS_LINES[status], block, b"\r\n\r\n", data)))
                return
            # answered before the request was whole: what is left of it is not worth reading as the next request
            self._close = True
            self.runtime.stats.downstream_rq_response_before_rq_complete += 1
        elif self._aged:
            self._close = True
        elif self.runtime.draining and self.runtime.closes():
            self._close = True
            self.runtime.stats.downstream_cx_drain_close += 1
        tail = b"\r\n\r\n"
        if self._no_body or status == 204 or status == 304:
            data = b""
            if status != 204 and status != 304 and self._version != 10 and block.find(b"\r\ncontent-length: ") < 0:
                tail = b"\r\ntransfer-encoding: chunked\r\n\r\n"  # as in Envoy: what a GET would be answered with
        elif length == UNTIL_END:
            if self._version == 10:
                self._close = True
            else:
                self._framing = _CHUNKED
                tail = b"\r\ntransfer-encoding: chunked\r\n\r\n"
                if data:
                    data = h1.chunk(data)
                if end:
                    data += h1.LAST_CHUNK
        elif length == NO_BODY:
            tail = b"\r\ncontent-length: 0\r\n\r\n"
        if self._close:
            tail = b"\r\nconnection: close" + tail
        elif self._keep_alive_10:
            tail = b"\r\nconnection: keep-alive" + tail
        self.transport.write(b"".join((h1.STATUS_LINES[status], block, tail, data)))

    def send_data(self, data: bytes, end: bool) -> None:
        if self._no_body:
            return
        if self._framing:
            if self._framing == _TUNNELLED:
                self._tunnel(data, end)
                return
            if data:
                data = h1.chunk(data)
            if end:
                data += h1.LAST_CHUNK
        if data:
            self.transport.write(data)

    def _tunnel(self, data: bytes, end: bool) -> None:
        if data:
            self.transport.write(data)
        if end:
            self.transport.half_close()

    def _client_ended(self) -> None:
        """The client says no more through a tunnel, and may still listen."""
        self._peer_over = True
        if self.exchange is not None:
            self.exchange.on_request_data(b"", True)

    def send_trailers(self, block: bytes) -> None:
        if self._framing == _CHUNKED and not self._no_body:
            self.transport.write(h1.last_chunk(block if self.runtime.settings.enable_trailers else b""))

    def reset(self) -> None:
        self._close = True
        self._decoder = None
        linger = self.runtime.settings.delayed_close_timeout
        if self._version == 10 or not linger or self._framing == _TUNNELLED:
            self.transport.abort()  # where a body may end with its connection only a reset tells that it is not whole
        else:
            self.transport.close(linger)  # its framing tells, and what there is of it arrives

    def finished(self) -> None:
        self.exchange = None
        self._decoder = None
        if self._close:
            self._buffer = b""
            self.transport.close(0.0 if self._peer_over else self.runtime.settings.delayed_close_timeout)
            return
        self._since = self.runtime.worker.now
        if self._blocked:
            self._pause(_BY_OUTPUT)
        if self._paused:
            # one request fewer may leave too many still: more is read when what is there has been served
            self._resume(_BY_UPSTREAM | _BY_PIPELINE if len(self._buffer) <= _AHEAD else _BY_UPSTREAM)
        if self._buffer and not self._running and not self._blocked:
            self._run(self._buffer)

    def pause_request(self) -> None:
        self._pause(_BY_UPSTREAM)

    def resume_request(self) -> None:
        self._resume(_BY_UPSTREAM)

    def _pause(self, why: int) -> None:
        if not self._paused:
            self.runtime.stats.downstream_flow_control_paused_reading_total += 1
            self.transport.pause()
        self._paused |= why

    def _resume(self, why: int) -> None:
        if self._paused:
            self._paused &= ~why
            if not self._paused:
                self.runtime.stats.downstream_flow_control_resumed_reading_total += 1
                self.transport.resume()

    def __repr__(self) -> str:
        return f"<Http1Door {self.transport.peer} requests={self.requests} {self.exchange!r}>"


def _has_bare_lf(data: bytes) -> bool:
    """Whether a line of *data* ends in LF alone: no further byte can make a head of it."""
    return data.count(b"\n") != data.count(b"\r\n")


def make_door(take_over: TakeOver) -> Callable[[Transport, ConnectionManager], Handler]:
    """Return the function that makes the door for an accepted connection, by its listener's ``codec_type``: with ``AUTO`` what TLS has
    agreed on (ALPN), else what the client says first."""

    def door(transport: Transport, runtime: ConnectionManager) -> Handler:
        codec = runtime.settings.codec_type
        if codec is CodecType.AUTO and transport.tls is not None and transport.tls.alpn:
            codec = CodecType.HTTP2 if transport.tls.alpn == b"h2" else CodecType.HTTP1
        if codec is CodecType.HTTP2:
            return take_over(transport, runtime, b"")
        runtime.stats.downstream_cx_http1_total += 1
        return Http1Door(transport, runtime, take_over if codec is CodecType.AUTO else None)

    return door
