"""HTTP/2 connections of either role (RFC 9113) over libnghttp2 (`ngh2`): bytes in, events out; calls in, bytes out.

Rule 1. How bytes were cut does not matter, and the engine is only ever fed whole frames. It would otherwise never give
        back the connection window that a half-received DATA frame took when its stream is reset meanwhile.
Rule 2. No exception leaves `Connection.receive` or `Connection.data_to_send`, whatever the peer does. A stream that breaks
        the rules is reset, a connection that does ends with a ``CLOSED`` event and a GOAWAY among the bytes to send.
Rule 3. Receive windows open again only when the user says that bytes were used (`Connection.consumed`), so what a peer
        can make us hold is at most the window it was given.
Rule 4. Whatever makes work without progress is paid for: each frame costs a little credit, a reset or a malformed message
        more; messages, bodies and time (`Connection.tick`) give credit. Who runs out is told to calm down. This one rule
        covers floods of SETTINGS, PING, PRIORITY, WINDOW_UPDATE, empty and unknown frames, and rapid reset. The engine has
        limits of its own behind it (it reads a clock for them), and for CONTINUATION and header lists.
Rule 5. Sending to a stream that has ended meanwhile does nothing: the event that says so is on its way.
"""

from typing import Final

from shifter.observe.http2_stats import Http2Stats
from shifter.wire import h2_engine
from shifter.wire.events import ProtocolError, RequestHead
from shifter.wire.field_lists import request_fields, request_head, response_fields, response_head
from shifter.wire.h2_connection import (
    BEHIND_NOTICE,
    COST_OF_EMPTY,
    COST_OF_MALFORMED,
    GIVEN_BY_HEAD,
    GIVEN_PER_BYTES,
    MOST_CREDIT,
    PREFACE,
    Connection,
    Http2Options,
    could_be_preface,
    words,
)
from shifter.wire.h2_engine import (
    DataReceived,
    GoAwayReceived,
    InformationalResponseReceived,
    RequestReceived,
    ResponseReceived,
    Role,
    SettingsReceived,
    StreamClosed,
)
from shifter.wire.h2_events import DATA, GOAWAY, INTERIM, INVALID, NO_ERROR, PROTOCOL_ERROR, REQUEST, RESET, RESPONSE, SETTINGS, Event
from shifter.wire.h2_tunnels import agreement, agreement_fields, tunnel_fields

__all__ = ["PREFACE", "ClientConnection", "Connection", "Http2Options", "ServerConnection", "could_be_preface"]

_UNLIMITED = 2**31 - 1
_STREAMS_BEFORE_SETTINGS = 1
_ENABLE_CONNECT_PROTOCOL: Final = 8  # RFC 8441 section 3


_RESET: Final = ProtocolError(0, "http2.invalid.header.field")


class ServerConnection(Connection):
    """The downstream side: requests come in, answers go out."""

    __slots__ = ()

    def __init__(self, options: Http2Options, stats: Http2Stats | None = None) -> None:
        settings = {3: options.max_concurrent_streams}
        if options.allow_connect:
            settings[_ENABLE_CONNECT_PROTOCOL] = 1  # the engine refuses what uses it without
        super().__init__(Role.SERVER, options, settings, stats)

    def send_response(self, stream_id: int, status: int, block: bytes, end: bool) -> None:
        """Answer; *end* when there is no body and no trailers."""
        if stream_id in self._live:
            self._engine.send_response(stream_id, response_fields(status, block), end_stream=end)

    def send_agreement(self, stream_id: int, status: int, block: bytes) -> None:
        """Answer what asked for a tunnel, or for another protocol: there is one from here on."""
        if stream_id in self._live:
            self._engine.send_response(stream_id, agreement_fields(status, block), end_stream=False)

    def send_interim(self, stream_id: int, status: int, block: bytes = b"") -> None:
        """Send a 1xx answer, before the final one."""
        if stream_id in self._live:
            self._engine.send_informational_response(stream_id, response_fields(status, block))

    def finish(self, stream_id: int) -> None:
        """Our answer has been given to the last byte and what more of the request comes is of no interest: nothing more is
        told of the stream, and a client that has not ended its request is asked to stop (RST_STREAM with NO_ERROR, RFC 9113
        section 8.1) once the answer is out."""
        if stream_id in self._live:
            self._live.discard(stream_id)
            self._full.discard(stream_id)
            self._over.add(stream_id)
            self._finishing.add(stream_id)
        self._release(stream_id)

    def drain(self) -> None:
        """Ask the client to open no new streams; TOLD says when it knows. `goaway` makes it final then (RFC 9113 section 6.8)."""
        if not self._deaf:
            self._stats.goaway_sent += 1
            self._engine.send_shutdown_notice()
            self._out += self._pull(self._pending)  # the engine would send PING first
            self._engine.ping(BEHIND_NOTICE)

    def _translate(self, happened: list[h2_engine.Event], out: list[Event], frames: int) -> int:
        live = self._live
        options = self._options
        credit = self._credit - frames
        for event in happened:
            if type(event) is RequestReceived:
                stream_id = event.stream_id
                end = event.end_stream
                self._last = stream_id
                try:
                    head = request_head(event.headers, end, options.max_fields, options.max_head_size)
                except ProtocolError as error:
                    credit -= self._refuse(stream_id, error, out)
                else:
                    live.add(stream_id)
                    credit += GIVEN_BY_HEAD
                    out.append((REQUEST, stream_id, head, end))
            elif type(event) is DataReceived:
                data = event.data
                stream_id = event.stream_id
                if data:
                    size = len(data)
                    self._held[stream_id] = self._held.get(stream_id, 0) + size
                    credit += 1 + (size >> GIVEN_PER_BYTES)
                elif not event.end_stream:
                    credit -= COST_OF_EMPTY
                    continue
                if stream_id in live:
                    out.append((DATA, stream_id, data, event.end_stream))
            elif type(event) is StreamClosed and not event.error_code and event.stream_id in live:
                live.remove(event.stream_id)
            else:
                credit -= self._translate_other(event, out)
        self._credit = credit if credit < MOST_CREDIT else MOST_CREDIT
        return credit

    def _stream_closed(self, stream_id: int, code: int, locally: bool, out: list[Event]) -> int:
        if code == PROTOCOL_ERROR and not locally and stream_id > self._last:
            self._last = stream_id  # a request that the engine has refused by itself: nobody has heard of it
            out.append((INVALID, stream_id, _RESET))
        return super()._stream_closed(stream_id, code, locally, out)

    def _refuse(self, stream_id: int, error: ProtocolError, out: list[Event]) -> int:
        if error.status != 431:
            out.append((INVALID, stream_id, _RESET))
            return self._malformed(stream_id)
        self._stats.header_overflow += 1
        self._live.add(stream_id)
        out.append((INVALID, stream_id, error))
        return COST_OF_MALFORMED


class ClientConnection(Connection):
    """The upstream side: requests go out, answers come in.

    ``going_away`` once the peer takes no more requests; ``settled`` once it has said how many it takes at a time (before
    that it is sent one only: what it refuses for being too many would have to be sent again), and ``extended`` if it takes extended
    CONNECT (RFC 8441).
    """

    __slots__ = ("_head_requests", "_peer_max_streams", "_tunnels", "extended", "going_away", "settled")

    def __init__(self, options: Http2Options, stats: Http2Stats | None = None) -> None:
        super().__init__(Role.CLIENT, options, {2: 0, 3: 0}, stats)
        self._head_requests: set[int] = set()
        self._tunnels: dict[int, RequestHead] = {}  # what asked for one and is not answered
        self._peer_max_streams = _STREAMS_BEFORE_SETTINGS
        self.extended = False
        self.going_away = False
        self.settled = False

    @property
    def can_request(self) -> bool:
        """Whether `send_request` would open a stream now."""
        # asked last, the engine also knows when it is about to end the connection, and when numbers run out
        return len(self._live) < self._peer_max_streams and not self.going_away and not self._deaf and self._engine.can_send_request

    def send_request(self, head: RequestHead, end: bool) -> int:
        """Open a stream and return its number; *end* when there is no body. Only when `can_request`."""
        stream_id = self._engine.send_request(request_fields(head), end_stream=end)
        self._live.add(stream_id)
        if head.method == b"HEAD":
            self._head_requests.add(stream_id)
        return stream_id

    def open_tunnel(self, head: RequestHead) -> int:
        """`send_request` for a tunnel, or for another protocol, which only who is ``extended`` knows. An answer that agrees is told as
        HTTP/1.1 would have it, and what follows it is no body."""
        stream_id = self._engine.send_request(tunnel_fields(head), end_stream=False)
        self._live.add(stream_id)
        self._tunnels[stream_id] = head
        return stream_id

    def finish(self, stream_id: int) -> None:
        """The answer has been taken to the last byte: nothing more is told of the stream, and what is unsent of the request
        is given up."""
        if stream_id in self._live:
            self.reset(stream_id, NO_ERROR)
        else:
            self._release(stream_id)

    def _translate(self, happened: list[h2_engine.Event], out: list[Event], frames: int) -> int:
        live = self._live
        credit = self._credit - frames
        for event in happened:
            if type(event) is DataReceived:
                data = event.data
                stream_id = event.stream_id
                if data:
                    size = len(data)
                    self._held[stream_id] = self._held.get(stream_id, 0) + size
                    credit += 1 + (size >> GIVEN_PER_BYTES)
                elif not event.end_stream:
                    credit -= COST_OF_EMPTY
                    continue
                if stream_id in live:
                    out.append((DATA, stream_id, data, event.end_stream))
            elif type(event) is ResponseReceived:
                credit += self._response_received(event, out)
            elif type(event) is StreamClosed and not event.error_code and event.stream_id in live:
                live.remove(event.stream_id)
                if self._head_requests:
                    self._head_requests.discard(event.stream_id)
            elif type(event) is InformationalResponseReceived:
                self._interim_received(event, out)
            else:
                credit -= self._translate_other(event, out)
        self._credit = credit if credit < MOST_CREDIT else MOST_CREDIT
        return credit

    def _response_received(self, event: ResponseReceived, out: list[Event]) -> int:
        stream_id = event.stream_id
        if stream_id not in self._live:
            return 0
        end = event.end_stream
        options = self._options
        to_head = bool(self._head_requests) and stream_id in self._head_requests
        try:
            head = response_head(event.headers, end, options.max_fields, options.max_head_size, to_head)
        except ProtocolError:
            out.append((RESET, stream_id, PROTOCOL_ERROR, False, True))
            return -self._malformed(stream_id)
        if self._tunnels and (asked := self._tunnels.pop(stream_id, None)) is not None and not end:
            head = agreement(head, asked)
        out.append((RESPONSE, stream_id, head, end))
        return GIVEN_BY_HEAD

    def _interim_received(self, event: InformationalResponseReceived, out: list[Event]) -> None:
        stream_id = event.stream_id
        if stream_id in self._live:
            try:
                head = response_head(event.headers, False, self._options.max_fields, self._options.max_head_size)
            except ProtocolError:
                out.append((RESET, stream_id, PROTOCOL_ERROR, False, True))
                self._malformed(stream_id)
            else:
                out.append((INTERIM, stream_id, head))

    def _stream_closed(self, stream_id: int, code: int, locally: bool, out: list[Event]) -> int:
        if self._head_requests:
            self._head_requests.discard(stream_id)
        if self._tunnels:
            self._tunnels.pop(stream_id, None)
        return super()._stream_closed(stream_id, code, locally, out)

    def _settings_received(self, event: SettingsReceived, out: list[Event]) -> None:
        settings = event.settings
        if 3 in settings:
            self._peer_max_streams = settings[3]
        elif not self.settled:
            self._peer_max_streams = _UNLIMITED
        if _ENABLE_CONNECT_PROTOCOL in settings:
            self.extended = settings[_ENABLE_CONNECT_PROTOCOL] == 1
        self.settled = True
        out.append((SETTINGS,))

    def _goaway_received(self, event: GoAwayReceived, out: list[Event]) -> None:
        self.going_away = True
        out.append((GOAWAY, event.last_stream_id, event.error_code, words(event.debug_data)))
