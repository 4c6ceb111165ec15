"""``envoy.filters.http.grpc_web``: browsers call gRPC services, with requests that are no gRPC yet and answers without trailers.

Rule 1. A request is gRPC-Web's by its ``content-type``; whatever else comes passes. Its endpoint sees gRPC.
Rule 2. Trailers end the body, as a frame of their own. Nothing is held back but what is needed to write the next byte.
Rule 3. What is no gRPC, an answer of the proxy's own for one, is made such: its body becomes the ``grpc-message``, its status the
        ``grpc-status``.
"""

from shifter.filters.api import FilterFactory, FilterStream, HttpFilter, Reply, WholeBody, unframe
from shifter.model.http_filter import GrpcWeb
from shifter.observe.operands import GRPC_OF_HTTP
from shifter.wire.events import FOR_GRPC_WEB, NO_BODY, RequestHead, ResponseHead, first_value, joined_value, without
from shifter.wire.grpc import TextDecoder, TextEncoder, percent_encoded, trailers_frame

_GRPC = b"application/grpc"
_BINARY = frozenset((b"application/grpc-web", b"application/grpc-web+proto"))
_TEXT = frozenset((b"application/grpc-web-text", b"application/grpc-web-text+proto"))
_LONGEST_MESSAGE = 16384
_UNKNOWN = 2
_INVALID = b"Bad gRPC-web request, invalid base64 data."


class GrpcWebFactory(FilterFactory[GrpcWeb]):
    """Makes `GrpcWebFilter` for requests of gRPC-Web."""

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        kind = first_value(stream.head.block, b"content-type")
        return GrpcWebFilter(kind in _TEXT) if kind in _BINARY or kind in _TEXT else None


class GrpcWebFilter(HttpFilter):
    """See the module. *text* says that the request is base64."""

    __slots__ = ("_decoder", "_encoder", "_head", "_untold")

    replaces_trailers = True

    def __init__(self, text: bool) -> None:
        self._decoder = TextDecoder() if text else None
        self._encoder: TextEncoder | None = None
        self._head: ResponseHead | None = None
        self._untold = False  # the answer is no gRPC, and waits for its body

    # requests

    def on_request_head(self, head: RequestHead, end: bool) -> None:
        _unframe(head, end)
        accept = joined_value(head.block, b"accept")
        if accept in _TEXT:
            self._encoder = TextEncoder()
        block = without(without(head.block, b"content-type"), b"te")
        block += b"\r\ncontent-type: application/grpc\r\nte: trailers"
        if not joined_value(block, b"grpc-accept-encoding"):
            block = without(block, b"grpc-accept-encoding") + b"\r\ngrpc-accept-encoding: identity"
        head.block = block
        head.flags |= FOR_GRPC_WEB

    def on_request_data(self, data: bytes, end: bool) -> bytes | Reply:
        if self._decoder is None:
            return data
        try:
            return self._decoder.feed(data, end)
        except ValueError:
            return Reply(400, _INVALID, details="grpc_base_64_decode_failed")

    # answers

    def on_response_head(self, head: ResponseHead, end: bool) -> WholeBody | None:
        is_grpc = _is_grpc(head, end)
        _unframe(head, end)
        text = b"-text" if self._encoder is not None else b""
        head.block = b"%b\r\ncontent-type: application/grpc-web%b+proto" % (without(head.block, b"content-type"), text)
        if end or is_grpc:
            return None
        self._head = head
        self._untold = True
        return WholeBody(_LONGEST_MESSAGE)

    def on_response_data(self, data: bytes, end: bool) -> bytes:
        head = self._head
        if head is not None:
            if self._untold:
                self._untold = False
                block = without(without(head.block, b"grpc-status"), b"grpc-message")
                message = b"\r\ngrpc-message: " + percent_encoded(data) if data else b""
                status = GRPC_OF_HTTP.get(head.status, _UNKNOWN)
                head.block = b"%b\r\ngrpc-status: %d%b\r\ncontent-length: 0" % (block, status, message)
                head.length = 0
            return b""
        return data if self._encoder is None else self._encoder.feed(data, end)

    def on_response_trailers(self, block: bytes) -> bytes:
        if self._head is not None:
            return b""
        frame = trailers_frame(block)
        return frame if self._encoder is None else self._encoder.feed(b"", True) + self._encoder.feed(frame, True)


def _unframe(head: RequestHead | ResponseHead, end: bool) -> None:
    unframe(head)
    if end:
        head.length = NO_BODY


def _is_grpc(head: ResponseHead, end: bool) -> bool:
    """Say whether an answer is gRPC's, or gRPC-Web's already."""
    if end:
        return first_value(head.block, b"grpc-status") is not None
    kind = first_value(head.block, b"content-type") or b""
    plain = kind.partition(b";")[0].strip(b" \t").lower()
    return head.status == 200 and (kind == _GRPC or kind.startswith(_GRPC + b"+") or plain in _BINARY)
