"""Envoy's command operators (``%REQ(X?Y):Z%``): which there are, and how a format is taken apart.

Rule 1. A format that is not understood is refused whole; nothing of it is guessed. What Envoy knows and shifter does not is
        said to be that.
Rule 2. The tables give Python expressions over an entry ``e`` (`logentry.LogEntry`), by the kind of what they yield; `formatcode`
        makes functions of them.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import NoReturn

from shifter.observe.errors import FormatError
from shifter.observe.tls_operands import TLS_TIMES, TLS_WORDS


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator of a format, ``%NAME(ARGUMENT):LENGTH%``; ``position`` is the offset of its first ``%``."""

    name: str
    argument: str | None
    length: int | None
    position: int
    text: str

    def refuse(self, reason: str) -> NoReturn:
        raise FormatError(reason, self.position, self.text)

    def check_known(self) -> None:
        """Raise `FormatError` if there is no such operator here."""
        if self.name in ENVOY_ONLY:
            self.refuse(f"Envoy knows %{self.name}%, shifter does not yet")
        if self.name not in OPERATORS:
            near = get_close_matches(self.name, OPERATORS, n=1)
            raise FormatError("unknown operator", self.position, self.name, near[0] if near else "")


class Kind(Enum):
    """What the expression of an operator yields."""

    NUMBER = "an int, always"
    FIGURE = "an int, or None"
    WORD = "bytes; None and empty are unknown"
    FIELD = "bytes, or None"
    DATA = "plain data, or None"


NUMBERS = {
    "BYTES_RECEIVED": "e.bytes_received",
    "BYTES_RETRANSMITTED": "0",
    "BYTES_SENT": "e.bytes_sent",
    "CONNECTION_ID": "e.connection_id",
    "DURATION": "e.duration_ms",
    "PACKETS_RETRANSMITTED": "0",
    "REQUEST_HEADERS_BYTES": "operands.request_bytes(e)",
    "RESPONSE_CODE": "e.status",
    "RESPONSE_HEADERS_BYTES": "operands.response_bytes(e)",
    "RESPONSE_TRAILERS_BYTES": "operands.block_bytes(e.trailers)",
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": "e.attempts",
}
FIGURES = {
    "DOWNSTREAM_DIRECT_LOCAL_PORT": "operands.port(e.local_address)",
    "DOWNSTREAM_DIRECT_REMOTE_PORT": "operands.port(e.direct_peer)",
    "DOWNSTREAM_LOCAL_PORT": "operands.port(e.local_address)",
    "DOWNSTREAM_REMOTE_PORT": "operands.port(e.peer)",
    "GRPC_STATUS_NUMBER": "operands.grpc_number(e)",
    "REQUEST_DURATION": "e.request_ms",
    "REQUEST_TX_DURATION": "e.request_ms if e.upstream_host else None",
    "RESPONSE_DURATION": "e.response_ms",
    "RESPONSE_TX_DURATION": "None if e.response_ms is None else e.duration_ms - e.response_ms",
    "UPSTREAM_LOCAL_PORT": "operands.port(e.upstream_local)",
    "UPSTREAM_REMOTE_PORT": "operands.port(e.upstream_host)",
}
WORDS = {
    "CONNECTION_TERMINATION_DETAILS": "e.termination.encode()",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS": "e.local_address",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": "e.direct_peer",
    "DOWNSTREAM_LOCAL_ADDRESS": "e.local_address",
    "DOWNSTREAM_REMOTE_ADDRESS": "e.peer",
    **TLS_WORDS,
    "PROTOCOL": "e.protocol",
    "RESPONSE_FLAGS": "e.flags or b'-'",
    "RESPONSE_FLAGS_LONG": "operands.long_flags(e.flags) or b'-'",
    "ROUTE_NAME": "e.route.encode()",
    "SPAN_ID": "e.trace.span_id if e.trace is not None else None",
    "STREAM_ID": "find(e.request_block, b'x-request-id')",
    "TRACE_ID": "e.trace.trace_id if e.trace is not None else None",
    "UNIQUE_ID": "operands.unique_id()",
    "UPSTREAM_CLUSTER": "e.cluster.encode()",
    "UPSTREAM_CLUSTER_RAW": "e.cluster.encode()",
    "UPSTREAM_HOST": "e.upstream_host",
    "UPSTREAM_HOST_NAME": "e.upstream_host_name or e.upstream_host",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT": "e.upstream_host_name or operands.without_port(e.upstream_host)",
    "UPSTREAM_LOCAL_ADDRESS": "e.upstream_local",
    "UPSTREAM_PROTOCOL": "e.upstream_protocol",
    "UPSTREAM_REMOTE_ADDRESS": "e.upstream_host",
    "VIRTUAL_CLUSTER_NAME": "e.virtual_cluster.encode()",
}
# Words that may be shown without their port, masked to a prefix.
ADDRESSES = {
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT": "e.local_address",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": "e.direct_peer",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": "e.local_address",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": "e.peer",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": "e.upstream_local",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": "e.upstream_host",
}
FIELDS = {
    "CUSTOM_FLAGS": "b''",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID": "b''",
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID": "b''",
    "LOCAL_REPLY_BODY": "e.body",
}
HEADERS = {
    "REQ": "request",
    "REQUEST_HEADER": "request",
    "RESP": "response",
    "RESPONSE_HEADER": "response",
    "RESPONSE_TRAILER": "trailers",
    "TRAILER": "trailers",
}
BLOCKS = {"request": "e.request_block", "response": "e.response_block", "trailers": "e.trailers"}
ATTRIBUTES = {
    "request": {
        ":authority": "e.authority or None",
        ":method": "e.method or None",
        ":path": "e.path or None",
        ":scheme": "e.scheme or None",
        "host": "e.authority or None",
        "x-envoy-original-path": "e.original_path",
    },
    "response": {
        ":status": "b'%d' % (e.status or e.reply_status) if e.status or e.reply_status else None",
        "x-envoy-upstream-service-time": "e.upstream_service_time",
    },
    "trailers": {},
}
# What is there in HTTP/3 only, or of certificates that no one reads: never, as yet.
NOTHING = (
    "DOWNSTREAM_HANDSHAKE_DURATION", "DOWNSTREAM_LOCAL_CLOSE_REASON",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN", "DOWNSTREAM_PEER_OTHERNAME_SAN", "ROUNDTRIP_DURATION",
    "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT", "UPSTREAM_LOCAL_CLOSE_REASON", "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
)  # fmt: skip
ENVOY_ONLY = (
    "CEL", "COMMON_DURATION", "DOWNSTREAM_CX_RTT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", "DOWNSTREAM_DETECTED_CLOSE_TYPE",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED", "DOWNSTREAM_HEADER_BYTES_SENT", "DOWNSTREAM_WIRE_BYTES_RECEIVED", "DOWNSTREAM_WIRE_BYTES_SENT",
    "FILE_CONTENT", "FILTER_STATE", "PER_REQUEST_STATE", "SECRET", "TYPED_CEL", "UPSTREAM_CONNECTION_ID",
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED", "UPSTREAM_CONNECTION_POOL_READY_DURATION", "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", "UPSTREAM_DETECTED_CLOSE_TYPE", "UPSTREAM_FILTER_STATE", "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT", "UPSTREAM_HOSTS_ATTEMPTED", "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", "UPSTREAM_HOST_NAMES_ATTEMPTED",
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", "UPSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_WIRE_BYTES_SENT",
)  # fmt: skip
ALIASES = {
    "CLIENT_IP": "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_ADDRESS": "DOWNSTREAM_REMOTE_ADDRESS",
}
"""What old articles about Envoy print, and what is written today."""

TIMES = ("EMIT_TIME", "EMIT_TIME_LOCAL", "START_TIME", "START_TIME_LOCAL")
TAKING = (
    *HEADERS, *TIMES, *TLS_TIMES, "ACCESS_LOG_TYPE", "CLUSTER_METADATA", "COALESCE", "DYNAMIC_METADATA", "ENVIRONMENT", "GRPC_STATUS",
    "HOSTNAME", "METADATA", "PATH", "QUERY_PARAM", "QUERY_PARAMS", "REQUESTED_SERVER_NAME", "REQ_WITHOUT_QUERY", "RESPONSE_CODE_DETAILS",
    "UPSTREAM_METADATA",
)  # fmt: skip
CUT = frozenset(
    {"CLUSTER_METADATA", "COALESCE", "DYNAMIC_METADATA", "ENVIRONMENT", "METADATA", "PATH", "QUERY_PARAM", "QUERY_PARAMS"}
    | {"REQ_WITHOUT_QUERY", "UPSTREAM_METADATA"}
)
"""Those of `TAKING` that take a length."""

OPERATORS = tuple(sorted({*NUMBERS, *FIGURES, *WORDS, *ADDRESSES, *FIELDS, *NOTHING, *TAKING}))
"""Every operator that a format may use."""

_COSTLY = frozenset(
    {
        name
        for name in (*NUMBERS, *FIGURES, *WORDS, *ADDRESSES)
        if name.startswith(("CONNECTION_ID", "DOWNSTREAM_", "UPSTREAM_HOST_N", "UPSTREAM_LOCAL_"))
    }
    | {*TLS_WORDS, *TLS_TIMES, "CONNECTION_TERMINATION_DETAILS", "REQUESTED_SERVER_NAME"}
    | {
        "CLUSTER_METADATA",
        "COALESCE",
        "DYNAMIC_METADATA",
        "GRPC_STATUS",
        "GRPC_STATUS_NUMBER",
        "LOCAL_REPLY_BODY",
        "METADATA",
        "REQUEST_DURATION",
    }
    | {"REQUEST_TX_DURATION", "RESPONSE_DURATION", "RESPONSE_TRAILER", "RESPONSE_TRAILERS_BYTES", "RESPONSE_TX_DURATION", "TRAILER"}
    | {"SPAN_ID", "TRACE_ID", "UPSTREAM_METADATA", "UPSTREAM_PROTOCOL", "VIRTUAL_CLUSTER_NAME"}
)

_OPERATOR = re.compile(r"%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::([0-9]+))?%")


def split(text: str) -> list[str | Operator]:
    """Take a format apart: texts (with ``%%`` read as ``%``) and operators, in order. Raises `FormatError`."""
    pieces: list[str | Operator] = []
    literal = ""
    at = 0
    while (found := text.find("%", at)) >= 0:
        literal += text[at:found]
        if text.startswith("%%", found):
            literal += "%"
            at = found + 2
            continue
        match = _OPERATOR.match(text, found)
        if match is None:
            raise FormatError("not an operator (a percent sign alone is written '%%')", found, text[found : found + 30])
        at = match.end()
        if literal:
            pieces.append(literal)
            literal = ""
        name = ALIASES.get(match[1], match[1])
        pieces.append(Operator(name, match[2], int(match[3][:9]) if match[3] else None, found, match[0]))
    literal += text[at:]
    if literal:
        pieces.append(literal)
    return pieces


def asks_for_more(text: str) -> bool:
    """Whether lines in the format *text* show what costs something to find out (`LogEntry`). Raises `FormatError`."""
    return any(isinstance(piece, Operator) and piece.name in _COSTLY for piece in split(text))
