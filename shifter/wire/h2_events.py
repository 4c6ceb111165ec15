"""What an HTTP/2 codec tells its user: tuples that begin with one of the numbers here.

A request makes two or three of them, and a class instance costs four times what a tuple does.
"""

from typing import Final, Literal, TypeAlias

from shifter.wire.events import ProtocolError, RequestHead, ResponseHead

# Error codes (RFC 9113 section 7).
NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
INTERNAL_ERROR: Final = 2
REFUSED_STREAM: Final = 7
CANCEL: Final = 8
CONNECT_ERROR: Final = 10
ENHANCE_YOUR_CALM: Final = 11

DATA: Final = 0
REQUEST: Final = 1
RESPONSE: Final = 2
TRAILERS: Final = 3
RESET: Final = 4
INTERIM: Final = 5
DRAINED: Final = 6
INVALID: Final = 7
SETTINGS: Final = 8
GOAWAY: Final = 9
CLOSED: Final = 10
TOLD: Final = 11

DataEvent: TypeAlias = tuple[Literal[0], int, bytes, bool]
"""``(DATA, stream, data, end)``. *data* counts against the windows until it is `Connection.consumed`."""
RequestEvent: TypeAlias = tuple[Literal[1], int, RequestHead, bool]
"""``(REQUEST, stream, head, end)``."""
ResponseEvent: TypeAlias = tuple[Literal[2], int, ResponseHead, bool]
"""``(RESPONSE, stream, head, end)``."""
TrailersEvent: TypeAlias = tuple[Literal[3], int, bytes]
"""``(TRAILERS, stream, block)``: ends the peer's message."""
ResetEvent: TypeAlias = tuple[Literal[4], int, int, bool, bool]
"""``(RESET, stream, code, refused, ours)``: the stream is gone, windows are given back. *refused*: the peer has certainly
not processed it (REFUSED_STREAM, or above the last stream of a GOAWAY). *ours*: the peer broke the rules and we reset it."""
InterimEvent: TypeAlias = tuple[Literal[5], int, ResponseHead]
"""``(INTERIM, stream, head)``: a 1xx answer, never 101."""
DrainedEvent: TypeAlias = tuple[Literal[6], int]
"""``(DRAINED, stream)``: after `Connection.send_data` returned False, the stream takes more again."""
InvalidEvent: TypeAlias = tuple[Literal[7], int, ProtocolError]
"""``(INVALID, stream, error)``: a request that is refused with ``error.status``; answer it, then `Connection.finish`. With status 0 it
could not be read, its stream is reset, and there is nothing to be answered."""
SettingsEvent: TypeAlias = tuple[Literal[8]]
"""``(SETTINGS,)``: the peer's settings arrived or changed; see `ClientConnection.can_request`."""
GoAwayEvent: TypeAlias = tuple[Literal[9], int, int, str]
"""``(GOAWAY, last, code, detail)``: the peer takes no new streams; those above *last* come with RESET events of their own."""
ClosedEvent: TypeAlias = tuple[Literal[10], int, str]
"""``(CLOSED, code, detail)``: the last event. Send `Connection.data_to_send` and close; every open stream is lost."""
ToldEvent: TypeAlias = tuple[Literal[11]]
"""``(TOLD,)``: the client has read what `ServerConnection.drain` said, and everything that it had sent before that is here."""

Event: TypeAlias = (
    DataEvent
    | RequestEvent
    | ResponseEvent
    | TrailersEvent
    | ResetEvent
    | InterimEvent
    | DrainedEvent
    | InvalidEvent
    | SettingsEvent
    | GoAwayEvent
    | ClosedEvent
    | ToldEvent
)
