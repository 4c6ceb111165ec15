"""Checks by the gRPC health checking protocol (``HealthCheck.GrpcHealthCheck``, ``grpc.health.v1.Health/Check``).

Rule 1. A host is well when it answers ``SERVING`` with ``grpc-status`` 0. Any other answer fails it at once; so does what is no gRPC.
Rule 2. The two messages have one field each, and are read and written here.
"""

from enum import IntEnum

from shifter.model.health_check import GrpcHealthCheck
from shifter.net.transport import Connector
from shifter.upstream.health_check.events import FailureType
from shifter.upstream.health_check.http import Fields
from shifter.upstream.health_check.http2 import StreamProbe
from shifter.upstream.health_check.probe import USER_AGENT, HowToConnect, Verdict
from shifter.upstream.host import Host
from shifter.wire.events import UNTIL_END, RequestHead, ResponseHead, first_value

_PATH = b"/grpc.health.v1.Health/Check"
_MOST = 64 * 1024
"""Bytes of an answer, which has a few."""
_LONGEST_TIMEOUT = 99_999_999


class ServingStatus(IntEnum):
    """``grpc.health.v1.HealthCheckResponse.ServingStatus``."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3


class GrpcMessageError(Exception):
    """The message is no ``HealthCheckResponse``."""


def varint(number: int) -> bytes:
    """Write *number* as Protocol Buffers do, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def request_message(service: str) -> bytes:
    """Return a ``HealthCheckRequest`` for *service* in a gRPC frame."""
    name = service.encode()
    message = b"\n" + varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def response_status(message: bytes) -> int:
    """Return the status that a ``HealthCheckResponse`` holds; fields that are not known are passed over. Raises `GrpcMessageError`."""
    status = at = 0
    while at < len(message):
        key, at = _varint_at(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint_at(message, at)
            if key == 8:
                status = value
        elif kind == 2:
            size, at = _varint_at(message, at)
            at += size
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise GrpcMessageError
        if not key >> 3 or at > len(message):
            raise GrpcMessageError
    return status


def _varint_at(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise GrpcMessageError


class GrpcQuestion:
    """What all hosts of a cluster are asked by one health check. *timeout* is in seconds; the host is told of it."""

    __slots__ = ("_authority", "_fields", "message", "reuse")

    def __init__(self, config: GrpcHealthCheck, cluster: str, reuse: bool, timeout: float) -> None:
        self.reuse = reuse
        self.message = request_message(config.service_name)
        self._authority = config.authority or cluster.encode()
        wait = min(round(timeout * 1000), _LONGEST_TIMEOUT)
        plain = b"\r\ncontent-type: application/grpc\r\nte: trailers\r\nuser-agent: %b\r\ngrpc-timeout: %dm" % (USER_AGENT, wait)
        self._fields = Fields(plain, config.initial_metadata)

    def head(self, host: Host) -> RequestHead:
        """Return the head of a request to *host*."""
        authority = host.endpoint.health_check_hostname.encode() or self._authority
        return RequestHead(b"POST", _PATH, authority, self._fields.block(), UNTIL_END)


class GrpcProbe(StreamProbe):
    """See the module."""

    __slots__ = ("_data", "_question", "_status")

    def __init__(
        self, question: GrpcQuestion, host: Host, verdict: Verdict, network: Connector, options: HowToConnect | None = None
    ) -> None:
        super().__init__(host, verdict, network, question.reuse, options)
        self._question = question
        self._data = b""
        self._status: int | None = None

    def give_up(self) -> None:
        self.cancel()

    def request(self) -> tuple[RequestHead, bytes]:
        self._data = b""
        self._status = None
        return self._question.head(self.host), self._question.message

    def on_head(self, head: ResponseHead, end: bool) -> None:
        if head.status != 200 or end or not _is_grpc(head):
            # an answer that is nothing but trailers has no message, so its grpc-status cannot make it good
            self._complete(end, well=False)

    def on_data(self, data: bytes, end: bool) -> None:
        self._data += data
        if end or not self._readable():
            self._complete(end, well=False)

    def on_trailers(self, block: bytes) -> None:
        self._complete(True, well=first_value(block, b"grpc-status") == b"0" and self._status == ServingStatus.SERVING)

    def _readable(self) -> bool:
        """Read the message, if it is there; say whether what has come may be an answer."""
        while len(self._data) >= 5:
            size = int.from_bytes(self._data[1:5], "big")
            if self._data[0] or size > _MOST:
                return False
            message = self._data[5 : 5 + size]
            if len(message) < size:
                return True
            self._data = self._data[5 + size :]
            if size:
                if self._status is not None:
                    return False  # one question, one answer
                try:
                    self._status = response_status(message)
                except GrpcMessageError:
                    return False
        return True

    def _complete(self, end: bool, well: bool) -> None:
        self.answered(end)
        if well:
            self.verdict.succeeded()
        else:
            self.verdict.failed(FailureType.ACTIVE)


def _is_grpc(head: ResponseHead) -> bool:
    kind = first_value(head.block, b"content-type") or b""
    return kind == b"application/grpc" or kind.startswith(b"application/grpc+")
