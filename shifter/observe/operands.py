"""What operators of formats compute, where an attribute of the entry is not enough. Unknown is ``None``; nothing raises."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from urllib.parse import unquote_to_bytes

from shifter.observe.logentry import LogEntry

LONG_FLAGS = {
    b"DC": b"DownstreamConnectionTermination",
    b"DF": b"DnsResolutionFailed",
    b"DI": b"DelayInjected",
    b"DO": b"DropOverload",
    b"DPE": b"DownstreamProtocolError",
    b"DR": b"DownstreamRemoteReset",
    b"DT": b"DurationTimeout",
    b"FI": b"FaultInjected",
    b"IH": b"InvalidEnvoyRequestHeaders",
    b"LH": b"FailedLocalHealthCheck",
    b"LR": b"LocalReset",
    b"NC": b"NoClusterFound",
    b"NFCF": b"NoFilterConfigFound",
    b"NR": b"NoRouteFound",
    b"OM": b"OverloadManagerTerminated",
    b"RFCF": b"ResponseFromCacheFilter",
    b"RL": b"RateLimited",
    b"RLSE": b"RateLimitServiceError",
    b"SI": b"StreamIdleTimeout",
    b"UAEX": b"UnauthorizedExternalService",
    b"UC": b"UpstreamConnectionTermination",
    b"UDO": b"UnconditionalDropOverload",
    b"UF": b"UpstreamConnectionFailure",
    b"UH": b"NoHealthyUpstream",
    b"UMSDR": b"UpstreamMaxStreamDurationReached",
    b"UO": b"UpstreamOverflow",
    b"UPE": b"UpstreamProtocolError",
    b"UR": b"UpstreamRemoteReset",
    b"URX": b"UpstreamRetryLimitExceeded",
    b"UT": b"UpstreamRequestTimeout",
}
"""Envoy's response flags (``%RESPONSE_FLAGS%``) and their long names."""

_GRPC_NAMES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    "UNAUTHENTICATED",
)  # fmt: skip
GRPC_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
"""gRPC status for an HTTP status (gRPC's http-grpc-status-mapping); anything else is 2, UNKNOWN."""


def block_bytes(block: bytes) -> int:
    """Return how long the names and values of a field block are."""
    return len(block) - 4 * block.count(b"\r\n")


def request_bytes(entry: LogEntry) -> int:
    """Return how long the fields of the request are, pseudo fields included."""
    pseudo = (b":method", entry.method, b":path", entry.path, b":authority", entry.authority, b":scheme", entry.scheme)
    return block_bytes(entry.request_block) + len(b"".join(pseudo))


def response_bytes(entry: LogEntry) -> int:
    """Return how long the fields of the answer are, its status included; 0 when there is none."""
    return block_bytes(entry.response_block) + 10 if entry.status else 0


def without_port(address: bytes | None) -> bytes | None:
    """Return the host of ``host:port`` (``[::1]:80`` gives ``::1``)."""
    return address.rpartition(b":")[0].strip(b"[]") if address else None


def port(address: bytes | None) -> int | None:
    """Return the port of ``host:port``."""
    number = address.rpartition(b":")[2] if address else b""
    return int(number) if number.isdigit() else None


def masked(address: bytes | None, bits: int) -> bytes | None:
    """Return the network of *bits* bits that the host of ``host:port`` is in (``10.1.0.0/16``)."""
    host = without_port(address)
    if not host:
        return None
    try:
        bits = bits if b":" in host else min(bits, 32)
        return str(ip_network((host.decode("ascii"), bits), strict=False)).encode()
    except ValueError:
        return None


def long_flags(flags: bytes) -> bytes:
    """Return response flags by their long names."""
    return b",".join([LONG_FLAGS.get(flag, flag) for flag in flags.split(b",")])


def unique_id() -> bytes:
    """Return a new UUID."""
    return str(uuid.uuid4()).encode()


def _parameters(path: bytes) -> Iterable[tuple[bytes, bytes]]:
    for pair in path.partition(b"?")[2].partition(b"#")[0].split(b"&"):
        name, _, value = pair.partition(b"=")
        yield name, value


def query_parameter(path: bytes, name: bytes) -> bytes | None:
    """Return the value of the first query parameter called *name*, percent-decoded."""
    return next((unquote_to_bytes(value) for key, value in _parameters(path) if unquote_to_bytes(key) == name), None)


def query(path: bytes, decoded: bool) -> bytes | None:
    """Return the query of *path*, percent-decoded or as it came."""
    _, mark, text = path.partition(b"?")
    if not mark:
        return None
    return unquote_to_bytes(text) if decoded else text


def without_query(path: bytes | None) -> bytes | None:
    """Return *path* up to its query."""
    return path.partition(b"?")[0] if path is not None else None


def _value(block: bytes, name: bytes) -> bytes | None:
    _, found, rest = block.partition(b"\r\n" + name + b": ")
    return rest.partition(b"\r\n")[0] if found else None


def grpc_number(entry: LogEntry) -> int | None:
    """Return the gRPC status of the answer to a gRPC request: what its trailers or fields say, else what its status means."""
    kind = _value(entry.request_block, b"content-type") or b""
    if not (kind == b"application/grpc" or kind.startswith(b"application/grpc+")):
        return None
    return grpc_status(entry)


def grpc_status(entry: LogEntry) -> int | None:
    """Return `grpc_number` of any answer, whatever the request asks for."""
    said = _value(entry.trailers, b"grpc-status") or _value(entry.response_block, b"grpc-status")
    if said is not None:
        return int(said) if said.isdigit() and len(said) < 10 else None
    if not entry.status:
        return None
    return GRPC_OF_HTTP.get(entry.status, 2)


def grpc_name(entry: LogEntry, camel: bool) -> bytes | None:
    """Return the name of `grpc_number`: ``InvalidArgument``, or ``INVALID_ARGUMENT``."""
    number = grpc_number(entry)
    if number is None:
        return None
    if number >= len(_GRPC_NAMES):
        return b"%d" % number
    name = _GRPC_NAMES[number]
    if camel:
        name = {0: "OK", 1: "Canceled"}.get(number, name.title().replace("_", ""))
    return name.encode()


def data_at(metadata: Mapping[str, Mapping[str, object]] | None, path: tuple[str, ...], length: int | None) -> object:
    """Return what stands under *path*, with at least one key; a text is cut to *length* characters."""
    found: object = metadata if len(path) > 0 else None
    for key in path:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found[:length] if isinstance(found, str) else found


def text(value: object, length: int | None = None) -> bytes | None:
    """Return any operator's value as text, cut to *length* bytes."""
    if value is None or isinstance(value, bytes):
        made = value
    elif isinstance(value, str):
        made = value.encode("utf-8", "replace")
    elif isinstance(value, float) and value.is_integer():
        made = b"%d" % value
    else:
        made = json.dumps(value, separators=(",", ":"), default=str, ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")
    return made[:length] if made is not None else None


def first(entry: LogEntry, choices: tuple[Callable[[LogEntry], bytes | None], ...]) -> bytes | None:
    """Return the first of the values that is known."""
    for choice in choices:
        value = choice(entry)
        if value is not None:
            return value
    return None
