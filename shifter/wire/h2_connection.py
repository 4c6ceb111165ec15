"""What both roles of an HTTP/2 connection share; the rules stand in `h2`, where the roles are.

Rule 4 in figures: the constants below are frames; who runs out of credit is told to calm down.
"""

from dataclasses import dataclass
from typing import Final

from shifter.model.http2 import DOWNSTREAM_HTTP2, Http2ProtocolOptions
from shifter.observe.http2_stats import Http2Stats
from shifter.wire import h2_engine
from shifter.wire.events import ProtocolError
from shifter.wire.field_lists import block_fields, trailer_block
from shifter.wire.h2_engine import (
    Configuration,
    ConnectionClosed,
    DenialOfServiceError,
    GoAwayReceived,
    NGH2Error,
    PingAcknowledged,
    Role,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
)
from shifter.wire.h2_events import (
    CANCEL,
    CLOSED,
    DRAINED,
    ENHANCE_YOUR_CALM,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    RESET,
    TOLD,
    TRAILERS,
    Event,
)
from shifter.wire.h2_guard import FrameGuard

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What an HTTP/2 client says first (RFC 9113 section 3.4)."""

_SEND_MARK_OF_ALL = 1 << 20
_SEND_MARK_IF_MANY = 8 * 1024

_CREDIT = 1000
MOST_CREDIT = 10_000
_CREDIT_PER_TICK = 100
GIVEN_BY_HEAD = 8
_GIVEN_BY_WRITE = 2
GIVEN_PER_BYTES = 9  # as a shift: one for each 512 bytes of body
_COST_OF_RESET = 10
COST_OF_MALFORMED = 20
COST_OF_EMPTY = 4

BEHIND_NOTICE: Final = b"draining"
"""What the PING holds that goes out behind the notice of a drain."""


@dataclass(frozen=True, slots=True)
class Http2Options:
    """``config.core.v3.Http2ProtocolOptions``, and the limits that a codec needs besides. Sizes are bytes.

    ``stream_window`` and ``connection_window`` are what a peer may send before we have used it. ``max_fields`` and
    ``max_head_size`` bound a message's head as HTTP/1.1 would write it; a list of more than twice the size ends the
    connection. ``send_mark``: above it `Connection.send_data` asks for a pause (earlier when all streams of the connection
    together wait with more than a mebibyte); DRAINED comes at half of it. ``allow_connect``: clients may send extended CONNECT
    (RFC 8441), and are told so. ``limits`` are those of `FrameGuard`.
    """

    max_concurrent_streams: int = 100
    stream_window: int = 256 * 1024
    connection_window: int = 1 << 20
    max_fields: int = 100
    max_head_size: int = 60 * 1024
    send_mark: int = 64 * 1024
    allow_connect: bool = False
    limits: Http2ProtocolOptions = DOWNSTREAM_HTTP2


def could_be_preface(data: bytes) -> bool | None:
    """Say whether *data*, the first bytes of a connection, begins HTTP/2; ``None`` when more is needed to tell."""
    if data[:24] == PREFACE:
        return True
    return None if len(data) < 24 and PREFACE.startswith(data) else False


class Connection:
    """What both roles share; see the module for the rules and `Event` for what `receive` and `events` return."""

    __slots__ = (
        "_awaits_preface", "_closing", "_credit", "_deaf", "_engine", "_finishing", "_full", "_guard", "_held", "_last", "_left", "_live",
        "_options", "_out", "_over", "_pending", "_resets", "_send_mark", "_stats", "_unfed", "closed",
    )  # fmt: skip

    def __init__(self, role: Role, options: Http2Options, settings: dict[int, int], stats: Http2Stats | None) -> None:
        self._options = options
        self._guard = FrameGuard(options.limits)
        self._stats = stats or Http2Stats()
        self._stats.opened(self)
        self._engine = h2_engine.Connection(
            role,
            Configuration(
                auto_window_update=False,
                max_send_header_block_length=1 << 20,
                stream_reset_rate_limit=(5000, 1000),
                glitch_rate_limit=(10_000, 1000),
                max_inbound_header_list_size=2 * options.max_head_size + 64 * options.max_fields,
                max_inbound_header_count=8 * options.max_fields,
            ),
        )
        settings[4] = options.stream_window
        settings[6] = options.max_head_size
        self._engine.initiate_connection(settings)
        self._engine.set_local_window_size(options.connection_window)
        # Taken at once: a connection that fails early must still begin with SETTINGS.
        self._out = self._engine.data_to_send()
        self._unfed = b""
        self._pending: list[Event] = []
        self._live: set[int] = set()  # streams whose events the user is told
        self._over: set[int] = set()  # streams whose end needs no telling: StreamClosed is still to come
        self._held: dict[int, int] = {}  # bytes that count against the windows
        self._full: set[int] = set()  # streams whose writers were asked to pause
        self._finishing: set[int] = set()  # to be reset once everything is sent
        self._credit = _CREDIT
        self._last = 0
        self._send_mark = options.send_mark
        self._awaits_preface = role is Role.SERVER
        self._deaf = False
        self._resets = 0  # that the peer has sent
        self._left = False  # the peer has said GOAWAY
        self._closing = ""  # why we have ended the connection: the engine still has to send its GOAWAY
        self.closed = False

    # receiving

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes from the peer and return what they mean, with the events that waited in `events`."""
        if self._deaf:
            return self.events()
        if self._unfed:
            data = self._unfed + data
        at = 0
        size = len(data)
        guard = self._guard
        if self._awaits_preface:
            known = could_be_preface(data)
            if known is None:
                self._unfed = data
                return []
            self._awaits_preface = False
            at = 24 if known else size  # a wrong one goes to the engine, which refuses it
        at = guard.admit(data, at)
        frames = guard.count
        if at == size:
            self._unfed = b""
        else:
            self._unfed = data[at:]
            if not at and not guard.flood:
                return self.events()
            data = data[:at]
        out = self._pending
        self._pending = []
        engine = self._engine
        try:
            engine.receive_data(data)
        except NGH2Error as error:
            self._translate(engine.events(), out, frames)
            self._engine_failed(error, out)
            return out
        if self._translate(engine.events(), out, frames) < 0 and not guard.flood:
            guard.flood = "too_many_premature_resets" if self._resets else "inbound_empty_frames_flood"
        if guard.flood:
            self._flooded()
            return self.events()  # nothing is begun for who does this: CLOSED speaks for all streams
        return out

    def events(self) -> list[Event]:
        """Return the events that sending has caused."""
        out = self._pending
        if out:
            self._pending = []
        return out

    def consumed(self, stream_id: int, amount: int) -> None:
        """*amount* bytes of the stream's DATA have been used: open the windows for as many."""
        held = self._held.get(stream_id, 0)
        if not held or not amount:
            return
        if amount >= held:
            del self._held[stream_id]
            amount = held
        else:
            self._held[stream_id] = held - amount
        try:
            self._engine.acknowledge_received_data(amount, stream_id)
        except NGH2Error:
            return  # the engine has ended; CLOSED is the next event, or was the last

    def tick(self) -> None:
        """About a second has passed: whoever does little may do that little for ever."""
        if self._credit < _CREDIT:
            self._credit += _CREDIT_PER_TICK

    # sending

    def data_to_send(self) -> bytes:
        """Return what should go out now, as far as the peer's windows let it. Call `events` afterwards."""
        if self._guard.flood and not self._deaf:
            self._flooded()
        if self._out or self.closed:
            out = self._out
            self._out = b""
            if not self.closed:
                out += self._pull(self._pending)
                self._guard.wrote(len(out))
            return out
        out = self._pull(self._pending)
        if self._finishing and self._finish():
            out += self._pull(self._pending)
        if out:
            self._guard.wrote(len(out))
        else:
            self._guard.unsent = 0  # what was given up before it was sent needs no words
        if self._full:
            self._find_drained()
        return out

    def send_data(self, stream_id: int, data: bytes, end: bool) -> bool:
        """Queue body bytes. Returns False when the stream should rest until its DRAINED event."""
        if stream_id not in self._live:
            return True
        self._credit += _GIVEN_BY_WRITE + (len(data) >> GIVEN_PER_BYTES)
        engine = self._engine
        engine.send_data(stream_id, data, end_stream=end)
        queued = engine.queued_body_size()
        if queued <= self._send_mark or end:
            return True
        if engine.queued_body_size(stream_id) <= (self._send_mark if queued <= _SEND_MARK_OF_ALL else _SEND_MARK_IF_MANY):
            return True
        self._full.add(stream_id)
        return False

    def send_trailers(self, stream_id: int, block: bytes) -> None:
        """End our message with trailers."""
        if stream_id in self._live:
            self._engine.send_trailers(stream_id, block_fields(block))

    def queued(self, stream_id: int) -> int:
        """Return how many body bytes of the stream still wait for the peer's windows (or for `data_to_send`)."""
        return self._engine.queued_body_size(stream_id)

    def reset(self, stream_id: int, code: int = CANCEL) -> None:
        """End the stream in both directions; no further event will speak of it."""
        if stream_id in self._live or stream_id in self._finishing:
            self._finishing.discard(stream_id)
            self._leave(stream_id)
            self._engine_reset(stream_id, code)

    def goaway(self) -> None:
        """Take no new streams. What is open goes on; when the last has ended, CLOSED follows."""
        if not self._deaf:
            self._stats.goaway_sent += 1
            self._engine.send_goaway()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        if not self._deaf:
            self._engine.ping()

    def close(self, code: int = NO_ERROR, detail: str = "closed locally") -> None:
        """End the connection now: GOAWAY, then CLOSED."""
        if not self._deaf:
            self._closing = detail
            self._deaf = True
            self._stats.goaway_sent += 1
            self._forget_streams()
            try:
                self._engine.terminate_connection(code)
            except NGH2Error as error:
                self._engine_failed(error, self._pending)
            else:
                self._out += self._pull(self._pending)

    @property
    def wants_to_send(self) -> bool:
        """Whether `data_to_send` would return anything."""
        return bool(self._out) or (not self.closed and self._engine.want_write)

    @property
    def active(self) -> int:
        """How many streams are open, without those that the user has left."""
        return len(self._live)

    @property
    def pending_bytes(self) -> int:
        """How many body bytes wait for the peer's windows, all streams together."""
        return 0 if self.closed else self._engine.queued_body_size()

    @property
    def pending_control_frames(self) -> int:
        """How many answers to frames wait to be sent."""
        return self._guard.unsent

    def lost(self) -> None:
        """The transport is gone: nothing more will be heard or said."""
        self._stats.connections.discard(self)

    @property
    def open_streams(self) -> list[int]:
        """The streams that are open, with those whose answer still goes out after `finish`."""
        return [*self._live, *self._finishing]

    @property
    def greeted(self) -> bool:
        """Whether the peer has begun to speak HTTP/2."""
        return not self._awaits_preface

    @property
    def head_unfinished(self) -> bool:
        """Whether the fields of a message have begun to come and are not all there."""
        return self._guard.head_open or (len(self._unfed) > 3 and self._unfed[3] == 1)

    # inside

    def _translate(self, happened: list[h2_engine.Event], out: list[Event], frames: int) -> int:
        """Say what *happened* in our words, charge *frames* for it and return the credit that is left."""
        raise NotImplementedError

    def _translate_other(self, event: h2_engine.Event, out: list[Event]) -> int:
        """What `_translate` does about the less frequent events; returns the cost."""
        if isinstance(event, StreamClosed):
            return self._stream_closed(event.stream_id, event.error_code, event.local_error is not None, out)
        if isinstance(event, TrailersReceived):
            return self._trailers_received(event, out)
        if isinstance(event, StreamReset):
            stream_id = event.stream_id
            self._stats.rx_reset += 1
            self._resets += 1
            if stream_id in self._live:
                code = event.error_code
                self._leave(stream_id)
                out.append((RESET, stream_id, code, code == REFUSED_STREAM, False))
                return _COST_OF_RESET
        elif isinstance(event, SettingsReceived):
            self._settings_received(event, out)
        elif isinstance(event, PingAcknowledged):
            if event.opaque_data == BEHIND_NOTICE:
                out.append((TOLD,))
        elif isinstance(event, GoAwayReceived):
            self._left = True
            self._goaway_received(event, out)
        elif isinstance(event, ConnectionClosed):
            if event.error_code and not self._closing and not self._left:
                self._stats.goaway_sent += 1  # the engine found fault
            self._close_now(event.error_code, self._closing or words(event.debug_data) or "closed", out)
        return 0

    def _stream_closed(self, stream_id: int, code: int, locally: bool, out: list[Event]) -> int:
        """A stream ended badly, or one that the user has left; returns the cost."""
        cost = 0
        if stream_id in self._live:
            # With REFUSED_STREAM a GOAWAY left the stream out; otherwise it was the engine that found fault.
            refused = code == REFUSED_STREAM
            if refused:
                self._stats.stream_refused_errors += 1
            elif not locally:
                cost = self._found_fault()
            self._leave(stream_id)
            out.append((RESET, stream_id, code, refused, not refused))
        elif code and stream_id not in self._over:
            cost = self._found_fault()
        self._over.discard(stream_id)
        self._finishing.discard(stream_id)
        self._release(stream_id)
        return cost

    def _found_fault(self) -> int:
        """The engine has reset a stream by itself; returns the cost."""
        self._stats.rx_messaging_error += 1
        self._stats.tx_reset += 1
        self._guard.reset()
        return COST_OF_MALFORMED

    def _flooded(self) -> None:
        """The peer does what only costs: it is told to calm down."""
        limit = self._guard.flood
        self._stats.count(limit)
        self.close(ENHANCE_YOUR_CALM, f"http2.{limit}")

    def _leave(self, stream_id: int) -> None:
        """The user hears no more of the stream."""
        self._live.discard(stream_id)
        self._full.discard(stream_id)
        self._over.add(stream_id)
        self._release(stream_id)

    def _release(self, stream_id: int) -> None:
        held = self._held.pop(stream_id, 0)
        if held:
            self._give_back(stream_id, held)

    def _give_back(self, stream_id: int, amount: int) -> None:
        try:
            self._engine.acknowledge_received_data(amount, stream_id)
        except NGH2Error:
            return  # the engine has ended; CLOSED is the next event, or was the last

    def _malformed(self, stream_id: int) -> int:
        """Reset a stream whose message breaks the rules; returns the cost."""
        self._stats.rx_messaging_error += 1
        self._live.discard(stream_id)
        self._full.discard(stream_id)
        self._release(stream_id)
        self._over.add(stream_id)
        self._engine_reset(stream_id, PROTOCOL_ERROR)
        return COST_OF_MALFORMED

    def _engine_reset(self, stream_id: int, code: int) -> None:
        if code:
            self._stats.tx_reset += 1
        self._guard.reset()
        try:
            self._engine.reset_stream(stream_id, code)
        except NGH2Error:
            return  # as above

    def _trailers_received(self, event: TrailersReceived, out: list[Event]) -> int:
        stream_id = event.stream_id
        if stream_id not in self._live:
            return 0
        self._stats.trailers += 1
        try:
            block = trailer_block(event.headers, self._options.max_fields, self._options.max_head_size, 400)
        except ProtocolError:
            out.append((RESET, stream_id, PROTOCOL_ERROR, False, True))
            return self._malformed(stream_id)
        out.append((TRAILERS, stream_id, block))
        return 0

    def _settings_received(self, event: SettingsReceived, out: list[Event]) -> None:
        pass

    def _goaway_received(self, event: GoAwayReceived, out: list[Event]) -> None:
        pass

    def _find_drained(self) -> None:
        low = self._send_mark // 2 if self._engine.queued_body_size() <= _SEND_MARK_OF_ALL else 0
        for stream_id in [stream_id for stream_id in self._full if self._engine.queued_body_size(stream_id) <= low]:
            self._full.discard(stream_id)
            if stream_id in self._live:
                self._pending.append((DRAINED, stream_id))

    def _pull(self, events: list[Event]) -> bytes:
        """Return what the engine has to send; what sending does goes to *events*."""
        engine = self._engine
        try:
            out = engine.data_to_send()
        except NGH2Error as error:
            self._translate(engine.events(), events, 0)
            self._engine_failed(error, events)
            return b""
        happened = engine.events()
        if happened:
            self._translate(happened, events, 0)
        return out

    def _finish(self) -> bool:
        """Reset the streams whose answer is out while their request goes on. Before that the engine would drop the answer."""
        ready = [stream_id for stream_id in self._finishing if self._all_sent(stream_id)]
        for stream_id in ready:
            self._finishing.discard(stream_id)
            self._engine_reset(stream_id, NO_ERROR)
        return bool(ready)

    def _all_sent(self, stream_id: int) -> bool:
        """Say whether the stream's END_STREAM is out too: the engine sends not even an empty frame into a closed window."""
        engine = self._engine
        try:
            return not engine.queued_body_size(stream_id) and engine.remote_window_size > 0 < engine.stream_remote_window_size(stream_id)
        except NGH2Error:
            return True  # the stream has ended by itself

    def _engine_failed(self, error: NGH2Error, out: list[Event]) -> None:
        """The engine gave up and took its output with it: say goodbye ourselves (RFC 9113 section 6.8)."""
        if self.closed:
            return
        code = ENHANCE_YOUR_CALM if isinstance(error, DenialOfServiceError) else getattr(error, "error_code", PROTOCOL_ERROR)
        detail = self._closing or str(error)
        if not self._closing:
            self._stats.goaway_sent += 1
        if detail.startswith("received header list"):
            self._stats.header_overflow += 1
        text = detail.encode("ascii", "replace")[:128]
        head = (8 + len(text)).to_bytes(3, "big") + b"\x07\x00\x00\x00\x00\x00"
        self._out += head + self._last.to_bytes(4, "big") + code.to_bytes(4, "big") + text
        self._close_now(code, detail, out)

    def _close_now(self, code: int, detail: str, out: list[Event]) -> None:
        if not self.closed:
            self.closed = self._deaf = True
            self.lost()
            self._forget_streams()
            out.append((CLOSED, code, detail))

    def _forget_streams(self) -> None:
        self._unfed = b""
        self._live.clear()
        self._over.clear()
        self._held.clear()
        self._full.clear()
        self._finishing.clear()


def words(debug_data: bytes) -> str:
    """Return what a GOAWAY says about itself, fit for a log."""
    return debug_data[:128].decode("ascii", "backslashreplace")
