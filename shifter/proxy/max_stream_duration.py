"""How long an exchange may take as a whole (``max_stream_duration`` of routes and connection managers), and what gRPC says of time.

Rule 1. A route's own limit beats the connection manager's; 0 is no limit.
Rule 2. Where a route says what ``grpc-timeout`` may be, a request that brings a good one is bound by that instead.
Rule 3. A gRPC request tells its endpoint how much time there is, where its route says so (the connection manager's is not told).
Rule 4. The older ``max_grpc_timeout`` takes the place of a route's ``timeout`` for gRPC requests, and is told in the same way; where the
        route has a ``max_stream_duration`` it means nothing.
"""

from collections.abc import Callable

from shifter.model.route import MaxStreamDuration, RouteAction
from shifter.routing.forwarded import EXPECTED_TIMEOUT, expected_timeout
from shifter.wire.events import RequestHead, first_value, without

Limit = Callable[[RequestHead], float | None]
"""Returns the seconds a request may take, ``None`` for any number of them; 0 is at once."""

_MS_PER_UNIT = {b"H": 3_600_000, b"M": 60_000, b"S": 1000, b"m": 1}
_PARTS_OF_MS = {b"u": 1000, b"n": 1_000_000}
_MOST = 99_999_999
_GRPC_TIMEOUT = b"grpc-timeout"


def parse_grpc_timeout(value: bytes) -> int | None:
    """Return a ``grpc-timeout`` in milliseconds, rounded up; ``None`` for what is none (gRPC over HTTP2: at most 8 digits and a
    unit)."""
    digits, unit = value[:-1], value[-1:]
    if not digits.isdigit() or len(digits) > 18 or int(digits) > _MOST:
        return None
    number = int(digits)
    if unit in _MS_PER_UNIT:
        return number * _MS_PER_UNIT[unit]
    return -(-number // _PARTS_OF_MS[unit]) if unit in _PARTS_OF_MS else None


def grpc_timeout(milliseconds: int) -> bytes:
    """Return *milliseconds* as a ``grpc-timeout``, in the finest unit that 8 digits have room for."""
    for unit, divisor in ((b"m", 1), (b"S", 1000), (b"M", 60_000), (b"H", 3_600_000)):
        if milliseconds // divisor <= _MOST:
            return b"%d%b" % (milliseconds // divisor, unit)
    return b"%dH" % _MOST


def compile_duration(route: MaxStreamDuration | None, manager: float) -> Limit | None:
    """Return the limit of a route whose connection manager has *manager* (0: none), ``None`` when it never has any."""
    own = route.max_stream_duration if route is not None and route.max_stream_duration is not None else manager
    usual = own or None
    if route is None or route.grpc_timeout_header_max is None:
        return None if usual is None else (lambda head: usual)
    most = route.grpc_timeout_header_max
    offset = route.grpc_timeout_header_offset

    def limit(head: RequestHead) -> float | None:
        value = first_value(head.block, _GRPC_TIMEOUT)
        asked = parse_grpc_timeout(value) if value is not None else None
        if asked is None:
            return usual
        seconds = asked / 1000
        return max((min(seconds, most) if most else seconds) - offset, 0.0)

    return limit


def compile_grpc_timeout(action: RouteAction) -> Callable[[RequestHead], float] | None:
    """Return the ``timeout`` of a route for gRPC requests, in seconds (0: none); ``None`` when it is that for all (rule 4)."""
    most, offset = action.max_grpc_timeout, action.grpc_timeout_offset
    if most is None or action.max_stream_duration is not None:
        return None

    def timeout(head: RequestHead) -> float:
        value = first_value(head.block, _GRPC_TIMEOUT)
        seconds = (parse_grpc_timeout(value) or 0) / 1000 if value is not None else 0.0
        if offset < seconds:
            seconds -= offset  # what would be left of less is none at all, which stands for any number
        return min(seconds or most, most) if most else seconds

    return timeout


def tell_endpoint(head: RequestHead, seconds: float) -> None:
    """Write what a gRPC request may take into its ``grpc-timeout``."""
    head.block = without(head.block, _GRPC_TIMEOUT) + b"\r\ngrpc-timeout: " + grpc_timeout(round(seconds * 1000))


def tell_timeout(head: RequestHead, seconds: float, envoy: bool, grpc: bool) -> None:
    """Write the time that an endpoint has (0: any number) where *envoy*'s own field, and that of *grpc*, are wanted."""
    if seconds > 0:
        if envoy:
            head.block = without(head.block, EXPECTED_TIMEOUT) + expected_timeout(seconds)
        if grpc:
            tell_endpoint(head, seconds)
