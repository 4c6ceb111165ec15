"""One HTTP/1.1 connection to an endpoint: an `interfaces.UpstreamStream` that serves one request after the other.

Rule 1. A connection goes back to its pool before its listener hears of the answer's end, so that the next request of the
        same client finds it there.
Rule 2. It is used again only when both messages ended cleanly, the upstream agreed, and not a byte came unasked.
Rule 3. What the upstream sent is read strictly; what cannot be read is a `FailureKind.PROTOCOL_ERROR` and the end of the
        connection.
"""

from typing import TYPE_CHECKING

from shifter.net.transport import Transport
from shifter.routing.retry import Reached
from shifter.upstream.interfaces import Failed, FailureKind, ResponseListener
from shifter.wire import h1
from shifter.wire.events import CLOSE, NO_BODY, UNTIL_END, UPGRADE, ProtocolError, RequestHead, ResponseHead, without
from shifter.wire.heads import parse_response

if TYPE_CHECKING:
    from shifter.upstream.pool_h1 import Http1Pool

MAX_HEAD = 60 * 1024
MAX_FIELDS = 100
_MAX_INTERIM_ANSWERS = 10_000
_START = b"HTTP/1."

# what the method says about the answer, and what may be written
_HEAD, _CONNECT = 1, 2
_MODES = {b"HEAD": _HEAD, b"CONNECT": _CONNECT}
_CHUNKED, _TUNNELLED = 1, 2


class Http1Connection:
    """See the module; made and owned by an `Http1Pool`."""

    __slots__ = (
        "_answer_begun", "_answer_over", "_buffer", "_decoder", "_framing", "_interims", "_keep", "_listener", "_mode", "_request_done",
        "_sent_before", "idle_since", "opened", "pool", "requests", "reused", "transport",
    )  # fmt: skip

    def __init__(self, pool: "Http1Pool") -> None:
        self.pool = pool
        self.transport: Transport  # set by the pool right after construction
        self.opened = False
        self.reused = False
        self.requests = 0
        self.idle_since = 0.0
        self._listener: ResponseListener | None = None
        self._buffer = b""
        self._decoder: h1.Decoder | None = None
        self._framing = 0
        self._request_done = True
        self._mode = 0
        self._keep = True
        self._answer_begun = False
        self._answer_over = False  # of a tunnel's directions
        self._interims = 0
        self._sent_before = 0

    protocol = b"HTTP/1.1"

    # for the pool

    @property
    def retired(self) -> bool:
        """Whether it will not be used again after the request it carries."""
        return not self._keep

    def retire(self) -> None:
        """Do not use it again after the request it carries."""
        self._keep = False

    # UpstreamStream

    def send(self, head: RequestHead, data: bytes, end: bool, listener: ResponseListener) -> None:
        self._listener = listener
        self._mode = _MODES.get(head.method, 0)
        self._request_done = end
        self._answer_begun = False
        self._keep = True
        self._sent_before = self.transport.bytes_sent
        self.requests += 1
        self.pool.begin()
        request = h1.request_bytes(head) if self._mode != _CONNECT else h1.connect_bytes(head)
        if head.length == UNTIL_END:
            self._framing = _CHUNKED
            if data:
                request += h1.chunk(data)
            if end:
                request += h1.LAST_CHUNK
        else:
            self._framing = 0
            if data:
                request += data
        self.transport.write(request)

    def send_data(self, data: bytes, end: bool) -> None:
        self._request_done = end
        if not self._framing:
            if data:
                self.transport.write(data)
        elif self._framing == _TUNNELLED:
            self._tunnel(data, end)
        elif data:
            self.transport.write(h1.chunk(data) + h1.LAST_CHUNK if end else h1.chunk(data))
        elif end:
            self.transport.write(h1.LAST_CHUNK)

    def send_trailers(self, block: bytes) -> None:
        self._request_done = True
        if self._framing == _CHUNKED:
            self.transport.write(h1.last_chunk(block if self.pool.state.config.enable_trailers else b""))

    def _tunnel(self, data: bytes, end: bool) -> None:
        """Send more through a tunnel; *end* is that of our direction."""
        if self._listener is None:
            return
        if data:
            self.transport.write(data)
        if end and self._answer_over:
            self._answered()
        elif end:
            self.transport.half_close()

    def cancel(self) -> None:
        if self._listener is not None:
            self._listener = None
            self.pool.finish()
            self.pool.remove(self, active=True)
            self.transport.abort()

    def pause(self) -> None:
        self.transport.pause()

    def resume(self) -> None:
        self.transport.resume()

    # Handler

    def connection_made(self) -> None:
        self.opened = True
        self.pool.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._listener is None:
            # nobody asked: an answer before its request could be given to the wrong client
            self.pool.stats.upstream_cx_protocol_error += 1
            self.pool.remove(self)
            self.transport.abort()
            return
        try:
            if self._decoder is not None:
                self._body_received(data)
            elif self.transport.bytes_sent == self._sent_before:
                # an answer to nothing (mostly 408, before an idle connection is closed): the request is not sent any more
                self._fail(FailureKind.CONNECTION_TERMINATION, "answered before it was asked", remote=True)
            else:
                self._head_received(data)
        except ProtocolError as error:
            self.pool.stats.upstream_cx_protocol_error += 1
            self._fail(FailureKind.PROTOCOL_ERROR, error.detail)

    def _head_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            at = data.find(b"\r\n\r\n", 0, MAX_HEAD + 4)
            if at < 0:
                if len(data) >= MAX_HEAD + 4:
                    raise ProtocolError(502, "http1.headers_too_large")
                if not data.startswith(_START[: len(data)]):
                    raise ProtocolError(502, "http1.invalid_status_line")
                self._buffer = data
                return
            head = parse_response(data, at, MAX_FIELDS)
            if head.status >= 200:
                break
            if head.status == 101 and self._listener is not None and self._listener.may_switch and self._mode != _CONNECT:
                self._switch(head, data, at)
                return
            data = data[at + 4 :]
            self._interim(head)
            if not data:
                return
        listener = self._listener
        assert listener is not None
        status = head.status
        if head.flags & CLOSE or not self._request_done:
            self._keep = False
        if self._mode == _CONNECT and status < 300:
            head.block = without(head.block, b"content-length")  # there is none behind it (RFC 9110 section 9.3.6)
            self._begin_tunnel(head, data[at + 4 :], listener)
            return
        if self._mode == _HEAD or status == 204 or status == 304:
            if status == 204:
                head.block = without(head.block, b"content-length")
            head.length = NO_BODY
            head.until_close = False
            payload = b""
            rest = len(data) > at + 4
        elif head.length > 0 and len(data) - at - 4 == head.length:
            payload = data[at + 4 :]  # by far the most common: the whole answer in one piece
            rest = False
        elif head.length == 0:
            payload = b""
            rest = len(data) > at + 4
        else:
            self._begin_body(head, data[at + 4 :], listener)
            return
        if rest:
            self._keep = False
        self._answered()
        listener.on_head(head, payload, True)

    def _switch(self, head: ResponseHead, data: bytes, at: int) -> None:
        """The endpoint speaks another protocol from here on; its head is ``data[:at]``."""
        listener = self._listener
        assert listener is not None
        if not head.flags & UPGRADE:
            raise ProtocolError(502, "http1.unexpected_interim_response")
        head.block = without(head.block, b"content-length") + h1.switching(h1.upgrade_in(data[:at]))
        self._begin_tunnel(head, data[at + 4 :], listener)

    def _begin_tunnel(self, head: ResponseHead, data: bytes, listener: ResponseListener) -> None:
        self._keep = False
        self._decoder = h1.TunnelDecoder()
        self._framing = _TUNNELLED
        self._answer_begun = True
        self._answer_over = False
        self._interims = 0
        self.transport.peer_ended = self._peer_ended
        head.length = UNTIL_END
        head.until_close = False
        listener.on_head(head, data, False)

    def _peer_ended(self) -> None:
        """The endpoint says no more through a tunnel, and may still listen."""
        listener = self._listener
        self._answer_over = True
        if listener is not None:
            if self._request_done:
                self._answered()
            listener.on_data(b"", True)

    def _begin_body(self, head: ResponseHead, data: bytes, listener: ResponseListener) -> None:
        decoder: h1.Decoder
        if head.length == UNTIL_END:
            decoder = h1.ChunkedDecoder(502, MAX_FIELDS, MAX_HEAD)
        elif head.until_close:
            decoder = h1.UntilCloseDecoder()
            head.length = UNTIL_END
            self._keep = False
        else:
            decoder = h1.LengthDecoder(head.length)
        self._decoder = decoder
        self._answer_begun = True
        if not data:
            listener.on_head(head, b"", False)
            return
        try:
            payload = decoder.feed(data)
        except ProtocolError:
            # the head was fine: it goes out, so that the client sees a cut answer and not another one
            listener.on_head(head, b"", False)
            raise
        trailers = decoder.trailers and self.pool.state.config.enable_trailers
        if decoder.done and not trailers:
            self._end_body(decoder)
            listener.on_head(head, payload, True)
            return
        listener.on_head(head, payload, False)
        if decoder.done and self._listener is listener:
            self._end_with_trailers(decoder, listener)

    def _body_received(self, data: bytes) -> None:
        decoder = self._decoder
        listener = self._listener
        assert decoder is not None and listener is not None
        payload = decoder.feed(data)
        if not decoder.done:
            if payload:
                listener.on_data(payload, False)
        elif decoder.trailers and self.pool.state.config.enable_trailers:
            if payload:
                listener.on_data(payload, False)
                if self._listener is not listener:
                    return
            self._end_with_trailers(decoder, listener)
        else:
            self._end_body(decoder)
            listener.on_data(payload, True)

    def _end_body(self, decoder: h1.Decoder) -> None:
        if decoder.rest:
            self._keep = False
        self._answered()

    def _end_with_trailers(self, decoder: h1.Decoder, listener: ResponseListener) -> None:
        self.transport.resume()  # the data before them may have made the listener pause us, who is not ours any more
        self._end_body(decoder)
        listener.on_trailers(decoder.trailers)

    def _interim(self, head: ResponseHead) -> None:
        self._interims += 1
        if head.status == 101 or self._interims > _MAX_INTERIM_ANSWERS or head.flags & UPGRADE:
            raise ProtocolError(502, "http1.unexpected_interim_response")
        assert self._listener is not None
        head.block = without(head.block, b"content-length")
        self._listener.on_interim(head)

    def _answered(self) -> None:
        """The answer is complete: give the connection back, or close it."""
        self._listener = None
        self._decoder = None
        self._interims = 0
        self.pool.finish()
        if self._keep and self._request_done:
            self.reused = True
            self.pool.release(self)
        else:
            self.pool.remove(self)
            self.transport.close()

    def connection_lost(self, reason: str) -> None:
        if not self.opened:
            self.pool.connect_failed(self, reason)
            return
        listener = self._listener
        if listener is None:
            self.pool.remove(self, remote=reason in ("closed", "reset"))
        elif isinstance(self._decoder, h1.UntilCloseDecoder) and reason == "closed" and not self._cut_off():
            self._answered()
            listener.on_data(b"", True)
        elif isinstance(self._decoder, h1.TunnelDecoder) and reason == "closed" and self._request_done and not self._answer_over:
            self._answered()  # both directions have ended
            listener.on_data(b"", True)
        elif isinstance(self._decoder, h1.TunnelDecoder):
            self._fail(FailureKind.CONNECTION_TERMINATION, "", remote=True)
        elif self._decoder is not None or self._buffer:
            self._fail(FailureKind.PROTOCOL_ERROR, f"the upstream connection was {reason} inside an answer", remote=True)
        else:
            self._fail(FailureKind.CONNECTION_TERMINATION, reason, remote=True)

    def _cut_off(self) -> bool:
        """Whether somebody else may have ended the connection: by TLS the endpoint did not (RFC 9112 section 9.8)."""
        tls = self.transport.tls
        return tls is not None and tls.truncated

    def _fail(self, kind: FailureKind, detail: str, remote: bool = False) -> None:
        listener = self._listener
        begun = self._answer_begun
        if listener is None:
            return  # it lost interest while it was told of the bytes before the broken ones
        self._listener = None
        self._decoder = None
        self.pool.finish()
        self.pool.remove(self, remote, active=True)
        self.transport.abort()
        if begun:
            reached = Reached.ANSWER_BEGUN
        elif self.transport.bytes_sent == self._sent_before:
            reached = Reached.NOTHING_SENT
        else:
            reached = Reached.REQUEST_SENT
        listener.on_failed(Failed(kind, reached, detail))

    def write_blocked(self) -> None:
        if self._listener is not None:
            self._listener.on_blocked()

    def write_drained(self) -> None:
        if self._listener is not None:
            self._listener.on_writable()

    def __repr__(self) -> str:
        state = "connecting" if not self.opened else "idle" if self._listener is None else "busy"
        return f"<Http1Connection {self.pool.address} {state} requests={self.requests}>"
