"""HTTP/2 framing in pure Python (the `h2` library), where `ngh2` has no wheel: an engine like it, forty times slower.

Rule 1. It has the names and the behaviour of `ngh2` that `h2_connection` uses, and no others: nothing else knows which engine is in use.
Rule 2. The library is given one frame at a time, for what it has understood is lost when it refuses what comes next.
Rule 3. It knows no graceful end: to it, GOAWAY closes a connection at once, in either direction. So GOAWAY is read and written here.
Rule 4. It checks no fields (`h2_heads` does) and no lengths (this module does): a message that breaks the rules costs its stream and
        not the connection (`h2_fallback_library`).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from h2 import events as h2_events
from h2.config import H2Configuration
from h2.exceptions import DenialOfServiceError as TooMuch
from h2.exceptions import H2Error
from h2.exceptions import ProtocolError as Refused
from h2.settings import SettingCodes, Settings
from hpack.exceptions import HPACKError

from shifter.wire.h2_fallback_events import (
    Configuration,
    ConnectionClosed,
    ConnectionProtocolError,
    DataReceived,
    DenialOfServiceError,
    Event,
    Field,
    GoAwayReceived,
    InformationalResponseReceived,
    NGH2Error,
    PingAcknowledged,
    RequestReceived,
    ResponseReceived,
    Role,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    StreamUnavailableError,
    TrailersReceived,
)
from shifter.wire.h2_fallback_library import Library

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADER = 9
_RST_STREAM, _SETTINGS, _GOAWAY = 3, 4, 7
_MOST_SETTINGS = 32
_LONGEST = 16384
_LARGEST_TABLE = 4096
_ANY_STREAM = 2**31 - 1
_PROTOCOL_ERROR, _INTERNAL_ERROR = 1, 2
_FRAME_SIZE_ERROR, _REFUSED_STREAM, _COMPRESSION_ERROR = 6, 7, 9


class _Stream:
    """What the library does not remember of a stream. ``length`` is what is still to come of a body whose length was said."""

    __slots__ = ("body", "ended", "heard_end", "length", "said_end", "size", "to_head", "trailers")

    def __init__(self) -> None:
        self.body: deque[bytes] = deque()
        self.size = 0
        self.ended = False  # our side was told all it is to say
        self.trailers: list[Field] | None = None
        self.said_end = False
        self.heard_end = False
        self.length: int | None = None
        self.to_head = False


class Connection:
    """See the module."""

    def __init__(self, role: Role, config: Configuration) -> None:
        self._role = role
        self._config = config
        self._h2 = Library(
            H2Configuration(
                client_side=role is Role.CLIENT,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        self._events: list[Event] = []
        self._streams: dict[int, _Stream] = {}
        self._queued = 0
        self._out = b""
        self._preface_due = role is Role.SERVER
        self._last_taken = 0
        self._most_to_take = _ANY_STREAM
        self._most_streams = _ANY_STREAM
        self._acknowledged = False  # the peer knows our settings
        self._peer_left = False
        self._ending: tuple[int, bytes] | None = None  # the code of the GOAWAY that ends it
        self._closed = False

    # begin

    def initiate_connection(self, settings: Mapping[int, int]) -> None:
        client = self._role is Role.CLIENT
        known = {SettingCodes(key): value for key, value in settings.items()}
        self._extended = bool(known.get(SettingCodes.ENABLE_CONNECT_PROTOCOL))
        if SettingCodes.MAX_CONCURRENT_STREAMS in known and not client:
            self._most_streams = known[SettingCodes.MAX_CONCURRENT_STREAMS]
            known[SettingCodes.MAX_CONCURRENT_STREAMS] = _ANY_STREAM  # one too many would end the connection
        self._h2.local_settings = Settings(client=client, initial_values=known)
        self._h2.initiate_connection()
        self._h2.clear_outbound_data_buffer()  # it says more than it was told to
        payload = b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in settings.items())
        self._say(_SETTINGS, 0, payload)
        if client:
            self._out = PREFACE + self._out
        self._limit_heads()

    def set_local_window_size(self, window_size: int) -> None:
        more = window_size - self._h2.inbound_flow_control_window
        if more > 0:
            self._h2.increment_flow_control_window(more)

    # receiving

    def receive_data(self, data: bytes) -> None:
        """*data* is whole frames, or what the library refuses by its beginning."""
        at = 0
        if self._preface_due:
            self._preface_due = False
            at = len(PREFACE)
            self._feed(data[:at])
        while at < len(data) and self._ending is None:
            end = at + _HEADER + int.from_bytes(data[at : at + 3], "big")
            if end - at > _HEADER + _LONGEST:
                raise ConnectionProtocolError(_FRAME_SIZE_ERROR, "too large frame size")
            if data[at + 3] == _SETTINGS and end - at > _HEADER + 6 * _MOST_SETTINGS:
                raise DenialOfServiceError("too many settings")
            if data[at + 3] == _GOAWAY and end - at >= _HEADER + 8 and not any(data[at + 5 : at + 9]):
                self._goaway_received(data[at + _HEADER : end])
            else:
                self._feed(data[at:end])
            at = end
        self._end_if_idle()

    def events(self) -> list[Event]:
        events = self._events
        self._events = []
        return events

    def acknowledge_received_data(self, amount: int, stream_id: int) -> None:
        try:
            self._h2.acknowledge_received_data(amount, stream_id)
        except (H2Error, KeyError, ValueError) as error:
            raise StreamUnavailableError(str(error)) from error

    # sending

    def data_to_send(self) -> bytes:
        if self._closed:
            return b""
        if self._ending is None:
            while self._send_round():
                pass
        out = self._out + self._h2.data_to_send()
        self._out = b""
        if self._ending is not None:
            self._close(*self._ending)
        else:
            self._end_if_idle()
        return out

    def send_request(self, headers: Iterable[Field], *, end_stream: bool) -> int:
        stream_id = self._h2.get_next_available_stream_id()
        stream = self._streams[stream_id] = _Stream()
        fields = list(headers)
        stream.to_head = (b":method", b"HEAD") in fields
        self._send_head(stream_id, fields, end_stream)
        return stream_id

    def send_response(self, stream_id: int, headers: Iterable[Field], *, end_stream: bool) -> None:
        self._send_head(stream_id, headers, end_stream)

    def send_informational_response(self, stream_id: int, headers: Iterable[Field]) -> None:
        self._send_head(stream_id, headers, False)

    def send_data(self, stream_id: int, data: bytes, *, end_stream: bool) -> None:
        stream = self._known(stream_id)
        if data:
            stream.body.append(data)
            stream.size += len(data)
            self._queued += len(data)
        stream.ended = end_stream

    def send_trailers(self, stream_id: int, headers: Iterable[Field]) -> None:
        stream = self._known(stream_id)
        stream.trailers = list(headers)
        stream.ended = True

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        self._reset(stream_id, error_code)
        self._over(stream_id, error_code)

    def ping(self, opaque_data: bytes = bytes(8)) -> None:
        self._h2.ping(opaque_data)

    def send_shutdown_notice(self) -> None:
        self._say_goaway(_ANY_STREAM, 0)

    def send_goaway(self) -> None:
        self._most_to_take = self._last_taken
        self._say_goaway(self._last_taken, 0)

    def terminate_connection(self, error_code: int) -> None:
        self._ending = (error_code, b"")
        self._streams.clear()
        self._queued = 0
        self._say_goaway(self._last_taken, error_code)

    # state

    @property
    def want_write(self) -> bool:
        if self._closed:
            return False
        # the library has no way to ask: its buffer is a bytearray that grows
        waiting: bytearray = self._h2._data_to_send
        return bool(waiting or self._out or self._ending) or any(self._sendable(number) for number in self._streams)

    @property
    def can_send_request(self) -> bool:
        return self._ending is None and not self._peer_left and not self._closed and self._h2.highest_outbound_stream_id < _ANY_STREAM - 1

    def queued_body_size(self, stream_id: int | None = None) -> int:
        if stream_id is None:
            return self._queued
        stream = self._streams.get(stream_id)
        return stream.size if stream is not None else 0

    @property
    def remote_window_size(self) -> int:
        size: int = self._h2.outbound_flow_control_window
        return size

    def stream_remote_window_size(self, stream_id: int) -> int:
        try:
            return self._h2.local_flow_control_window(stream_id)
        except H2Error as error:
            raise StreamUnavailableError(str(error)) from error

    # inside

    def _feed(self, frame: bytes) -> None:
        try:
            happened = self._h2.receive_data(frame)
        except TooMuch as error:
            raise DenialOfServiceError("received header list exceeds configured size") from error
        except Refused as error:
            code = _COMPRESSION_ERROR if isinstance(error.__cause__, HPACKError) else int(error.error_code)
            raise ConnectionProtocolError(code, str(error)) from error
        except H2Error as error:
            raise NGH2Error(str(error)) from error
        for event in happened:
            self._happened(event)

    def _happened(self, event: Any) -> None:
        if isinstance(event, h2_events.RequestReceived):
            self._last_taken = event.stream_id
            if len(self._streams) >= self._most_streams and self._acknowledged:
                raise ConnectionProtocolError(_PROTOCOL_ERROR, "too many streams")
            if event.stream_id > self._most_to_take or len(self._streams) >= self._most_streams:
                self._h2.reset_stream(event.stream_id, _REFUSED_STREAM)
                return
            self._streams[event.stream_id] = _Stream()
            if not self._extended and any(name == b":protocol" for name, _ in event.headers):
                self.reset_stream(event.stream_id, _PROTOCOL_ERROR)  # RFC 8441 section 4
                return
            self._events.append(RequestReceived(event.stream_id, self._fields(event), self._heard_head(event)))
        elif isinstance(event, h2_events.ResponseReceived):
            if event.stream_id in self._streams:
                self._events.append(ResponseReceived(event.stream_id, self._fields(event), self._heard_head(event)))
        elif isinstance(event, h2_events.InformationalResponseReceived):
            if event.headers[0][1] == b"101":
                self.reset_stream(event.stream_id, _PROTOCOL_ERROR)  # RFC 9113 section 8.6
            else:
                self._events.append(InformationalResponseReceived(event.stream_id, self._fields(event)))
        elif isinstance(event, h2_events.TrailersReceived):
            if event.stream_id in self._streams and self._length_fits(event.stream_id, 0, True):
                self._events.append(TrailersReceived(event.stream_id, self._fields(event)))
        elif isinstance(event, h2_events.DataReceived):
            self._data_received(event)
        elif isinstance(event, h2_events.StreamEnded):
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.heard_end = True
                self._ended(event.stream_id, stream)
        elif isinstance(event, h2_events.StreamReset):
            code = int(event.error_code or 0)
            if event.remote_reset:
                self._events.append(StreamReset(event.stream_id, code))
            self._over(event.stream_id, code)
        elif isinstance(event, h2_events.PingAckReceived):
            self._events.append(PingAcknowledged(event.ping_data))
        elif isinstance(event, h2_events.RemoteSettingsChanged):
            if self._h2.encoder.header_table_size > _LARGEST_TABLE:
                self._h2.encoder.header_table_size = _LARGEST_TABLE  # what a peer allows is memory of ours
            self._events.append(SettingsReceived({int(key): one.new_value for key, one in event.changed_settings.items()}))
        elif isinstance(event, h2_events.SettingsAcknowledged):
            self._acknowledged = True
            self._limit_heads()

    def _heard_head(self, event: Any) -> bool:
        """A message begins: its length is watched here. Says whether it ends too."""
        stream = self._streams[event.stream_id]
        found = [one[1] for one in event.headers if one[0] == b"content-length"]
        if stream.to_head or any(one[0] == b":status" and one[1] in (b"204", b"304") for one in event.headers[:1]):
            stream.length = 0
        elif len(found) == 1 and found[0].isdigit() and len(found[0]) <= 18:  # others are refused by what is asked next
            stream.length = int(found[0])
        return event.stream_ended is not None

    def _fields(self, event: Any) -> tuple[Field, ...]:
        if len(event.headers) > self._config.max_inbound_header_count:
            raise DenialOfServiceError("received header list exceeds configured count")
        # who asks that a field is never indexed gets one that is not a plain tuple
        return tuple((one[0], one[1]) if one.indexable else one for one in event.headers)

    def _data_received(self, event: Any) -> None:
        stream_id, data = event.stream_id, event.data
        padding = event.flow_controlled_length - len(data)
        if padding:
            self._h2.acknowledge_received_data(padding, stream_id)
        if stream_id not in self._streams or not self._length_fits(stream_id, len(data), event.stream_ended is not None):
            if data:
                self._h2.acknowledge_received_data(len(data), stream_id)
            return
        self._events.append(DataReceived(stream_id, data, event.stream_ended is not None))

    def _length_fits(self, stream_id: int, size: int, end: bool) -> bool:
        stream = self._streams[stream_id]
        if stream.length is None:
            return True
        stream.length -= size
        if stream.length < 0 or (end and stream.length):
            self._reset(stream_id, _PROTOCOL_ERROR)
            self._over(stream_id, _PROTOCOL_ERROR)
            return False
        return True

    def _goaway_received(self, payload: bytes) -> None:
        last = int.from_bytes(payload[:4], "big") & _ANY_STREAM
        self._peer_left = True
        self._events.append(GoAwayReceived(last, int.from_bytes(payload[4:8], "big"), payload[8:]))
        if self._role is Role.CLIENT:
            for stream_id in [number for number in self._streams if number > last]:
                self._over(stream_id, _REFUSED_STREAM)

    def _say_goaway(self, last: int, code: int) -> None:
        self._say(_GOAWAY, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))

    def _reset(self, stream_id: int, code: int) -> None:
        try:
            self._h2.reset_stream(stream_id, code)
        except H2Error:
            # to the library the stream has ended well, but its last message was not to be believed
            self._say(_RST_STREAM, stream_id, code.to_bytes(4, "big"))

    def _say(self, kind: int, stream_id: int, payload: bytes) -> None:
        """Send a frame behind what the library has to send."""
        frame = len(payload).to_bytes(3, "big") + bytes((kind, 0)) + stream_id.to_bytes(4, "big") + payload
        self._out += self._h2.data_to_send() + frame

    def _send_head(self, stream_id: int, headers: Iterable[Field], end: bool) -> None:
        stream = self._known(stream_id)
        fields = list(headers)
        if sum(len(name) + len(value) for name, value in fields) > self._config.max_send_header_block_length:
            if self._role is Role.SERVER:
                self._reset(stream_id, _INTERNAL_ERROR)
            self._over(stream_id, _INTERNAL_ERROR, NGH2Error("too many fields to send"))
            return
        try:
            self._h2.send_headers(stream_id, fields, end_stream=end)
        except H2Error as error:
            raise StreamUnavailableError(str(error)) from error
        if end:
            stream.said_end = True
            self._ended(stream_id, stream)

    def _send_round(self) -> bool:
        """Send one frame of every stream that has one to send; False when none had."""
        sendable = [number for number in self._streams if self._sendable(number)]
        for stream_id in sendable:
            self._send_frame(stream_id, self._streams[stream_id])
        return bool(sendable)

    def _sendable(self, stream_id: int) -> bool:
        stream = self._streams[stream_id]
        if stream.said_end or not (stream.size or stream.ended):
            return False
        return not stream.size or self._h2.local_flow_control_window(stream_id) > 0

    def _send_frame(self, stream_id: int, stream: _Stream) -> None:
        room = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
        piece = b""
        if stream.size:
            if room <= 0:
                return  # another stream has taken the last of the connection's window
            piece = stream.body.popleft()
            if len(piece) > room:
                stream.body.appendleft(piece[room:])
                piece = piece[:room]
            stream.size -= len(piece)
            self._queued -= len(piece)
        end = stream.ended and not stream.size
        if piece or (end and stream.trailers is None):
            self._h2.send_data(stream_id, piece, end_stream=end and stream.trailers is None)
        if end and stream.trailers is not None:
            self._h2.send_headers(stream_id, stream.trailers, end_stream=True)
        if end:
            stream.said_end = True
            self._ended(stream_id, stream)

    def _known(self, stream_id: int) -> _Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            raise StreamUnavailableError("stream does not exist")
        return stream

    def _ended(self, stream_id: int, stream: _Stream) -> None:
        if stream.heard_end and stream.said_end:
            self._over(stream_id, 0)

    def _over(self, stream_id: int, code: int, local_error: NGH2Error | None = None) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self._queued -= stream.size
            self._events.append(StreamClosed(stream_id, code, local_error))

    def _limit_heads(self) -> None:
        # What peers are told is less: a little more is answered (431).
        self._h2.decoder.max_header_list_size = self._config.max_inbound_header_list_size

    def _end_if_idle(self) -> None:
        """A connection that takes no more requests ends with the last."""
        if (self._most_to_take != _ANY_STREAM or self._peer_left) and not self._streams and not self._out and not self._closed:
            self._close(0, b"")

    def _close(self, code: int, why: bytes) -> None:
        if not self._closed:
            self._closed = True
            self._events.append(ConnectionClosed(code, why))
