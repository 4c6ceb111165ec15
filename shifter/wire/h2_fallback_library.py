"""The `h2` library, made to blame streams for messages that break the rules, and not the connection (RFC 9113 section 8.1.1).

Rule 1. It checks no lengths of bodies: `h2_fallback` does.
Rule 2. What is wrong with the connection itself (HPACK, flow control, frames on streams that are over) ends it as before.
"""

from typing import Any

from h2 import events as h2_events
from h2.connection import H2Connection
from h2.exceptions import DenialOfServiceError as TooMuch
from h2.exceptions import FlowControlError, StreamClosedError, StreamIDTooLowError
from h2.exceptions import ProtocolError as Refused
from h2.stream import H2Stream, StreamState
from hpack.exceptions import HPACKError
from hyperframe.frame import DataFrame, Frame, HeadersFrame

_PROTOCOL_ERROR, _STREAM_CLOSED = 1, 5


class Library(H2Connection):
    """See the module."""

    def _begin_new_stream(self, stream_id: int, allowed_ids: Any) -> H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        stream._initialize_content_length = lambda headers: None  # type: ignore[method-assign]  # rule 1
        return stream

    def _receive_headers_frame(self, frame: HeadersFrame) -> tuple[list[Frame], list[Any]]:
        try:
            return super()._receive_headers_frame(frame)
        except (StreamClosedError, StreamIDTooLowError, TooMuch):
            raise
        except Refused as error:
            if isinstance(error.__cause__, HPACKError):
                raise
            return self._blamed(frame.stream_id, error)

    def _receive_data_frame(self, frame: DataFrame) -> tuple[list[Frame], list[Any]]:
        try:
            return super()._receive_data_frame(frame)
        except (StreamClosedError, FlowControlError):
            raise
        except Refused as error:
            if error.error_code == _STREAM_CLOSED:
                raise
            return self._blamed(frame.stream_id, error)

    def _handle_data_on_closed_stream(self, events: list[Any], exc: StreamClosedError, frame: DataFrame) -> tuple[list[Frame], list[Any]]:
        if exc._events or not self._stream_is_closed_by_reset(exc.stream_id):
            error = Refused("DATA behind the end of a stream")
            error.error_code = exc.error_code  # RFC 9113 section 5.1
            raise error
        return super()._handle_data_on_closed_stream(events, exc, frame)

    def _blamed(self, stream_id: int, error: Refused) -> tuple[list[Frame], list[Any]]:
        stream = self.streams.get(stream_id)
        if stream is None:
            raise error
        stream.state_machine.state = StreamState.OPEN  # what was refused has left it closed
        event = h2_events.StreamReset(stream_id=stream_id)
        event.error_code, event.remote_reset = _PROTOCOL_ERROR, False
        return stream.reset_stream(_PROTOCOL_ERROR), [event]
