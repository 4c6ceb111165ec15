"""What `h2_fallback` and its user say to each other, under the names of `ngh2`: roles, limits, errors, events."""

from collections.abc import Mapping
from enum import Enum

Field = tuple[bytes, bytes]


class Role(Enum):
    """Whose end it is."""

    CLIENT = "client"
    SERVER = "server"


class Configuration:
    """What `h2_connection` asks of an engine; what the library has no use for is left alone."""

    def __init__(
        self, *, max_inbound_header_list_size: int, max_inbound_header_count: int, max_send_header_block_length: int, **_others: object
    ) -> None:
        self.max_send_header_block_length = max_send_header_block_length
        self.max_inbound_header_list_size = max_inbound_header_list_size
        self.max_inbound_header_count = max_inbound_header_count


class NGH2Error(Exception):
    """The engine cannot do that."""


class DenialOfServiceError(NGH2Error):
    """The peer goes beyond a limit, and the engine has given up."""


class ConnectionProtocolError(NGH2Error):
    """The peer breaks the rules of the connection, and the engine has given up."""

    def __init__(self, error_code: int, detail: str) -> None:
        super().__init__(detail)
        self.error_code = error_code


class StreamUnavailableError(NGH2Error):
    """There is no such stream any more."""


class Event:
    """Something that has happened; attributes as in `ngh2`."""

    __slots__ = ()


class RequestReceived(Event):
    __slots__ = ("end_stream", "headers", "stream_id")

    def __init__(self, stream_id: int, headers: tuple[Field, ...], end_stream: bool) -> None:
        self.stream_id = stream_id
        self.headers = headers
        self.end_stream = end_stream


class ResponseReceived(RequestReceived):
    __slots__ = ()


class InformationalResponseReceived(Event):
    __slots__ = ("headers", "stream_id")

    def __init__(self, stream_id: int, headers: tuple[Field, ...]) -> None:
        self.stream_id = stream_id
        self.headers = headers


class TrailersReceived(InformationalResponseReceived):
    __slots__ = ()


class DataReceived(Event):
    __slots__ = ("data", "end_stream", "stream_id")

    def __init__(self, stream_id: int, data: bytes, end_stream: bool) -> None:
        self.stream_id = stream_id
        self.data = data
        self.end_stream = end_stream


class StreamReset(Event):
    __slots__ = ("error_code", "stream_id")

    def __init__(self, stream_id: int, error_code: int) -> None:
        self.stream_id = stream_id
        self.error_code = error_code


class StreamClosed(Event):
    __slots__ = ("error_code", "local_error", "stream_id")

    def __init__(self, stream_id: int, error_code: int, local_error: NGH2Error | None = None) -> None:
        self.stream_id = stream_id
        self.error_code = error_code
        self.local_error = local_error


class SettingsReceived(Event):
    __slots__ = ("settings",)

    def __init__(self, settings: Mapping[int, int]) -> None:
        self.settings = settings


class PingAcknowledged(Event):
    __slots__ = ("opaque_data",)

    def __init__(self, opaque_data: bytes) -> None:
        self.opaque_data = opaque_data


class GoAwayReceived(Event):
    __slots__ = ("debug_data", "error_code", "last_stream_id")

    def __init__(self, last_stream_id: int, error_code: int, debug_data: bytes) -> None:
        self.last_stream_id = last_stream_id
        self.error_code = error_code
        self.debug_data = debug_data


class ConnectionClosed(Event):
    __slots__ = ("debug_data", "error_code")

    def __init__(self, error_code: int, debug_data: bytes = b"") -> None:
        self.error_code = error_code
        self.debug_data = debug_data
