"""How an exchange ended: response flags, and the entry that access logs and formats make of it."""

from typing import TYPE_CHECKING

from shifter.model.route import Route, RouteAction, WeightedCluster
from shifter.observe.logformat import LogEntry
from shifter.routing.match import is_grpc
from shifter.upstream.interfaces import Failed, FailureKind
from shifter.wire.events import RequestHead, ResponseHead, first_value

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream

PROTOCOL_ERROR = b"DPE"
"""The response flag of requests that break the protocol."""

CLIENT_GONE = (b"DC", "downstream_remote_disconnect")
"""The response flag and the details of requests whose client has gone."""

TAKEN_BACK = (b"DR", "http2.remote_reset")
"""Those of requests whose client goes on with others."""

HTTP_OF_GRPC = {
    b"0": 200, b"1": 499, b"3": 400, b"4": 504, b"5": 404, b"6": 409, b"7": 403, b"8": 429, b"9": 400, b"10": 409, b"11": 400,
    b"12": 501, b"14": 503, b"16": 401,
}  # fmt: skip
"""HTTP status for a ``grpc-status`` (Envoy's ``Grpc::Utility::grpcToHttpStatus``); anything else is 500."""

PROTOCOLS = {10: b"HTTP/1.0", 11: b"HTTP/1.1", 20: b"HTTP/2"}


_CONNECT_ERRORS = {"refused": "Connection refused", "reset": "Connection reset by peer"}
_CONNECT_FAILED = "{remote_connection_failure|"


def reset_details(failed: Failed, responding: bool) -> str:
    """Return the ``%RESPONSE_CODE_DETAILS%`` of an exchange that *failed* at the upstream's end; *responding*: behind the answer's head."""
    kind, detail = failed.kind, failed.detail
    if kind is FailureKind.CONNECTION_TIMEOUT or (kind is FailureKind.REMOTE_CONNECTION_FAILURE and detail == "closed"):
        detail = ""
    elif kind is FailureKind.REMOTE_CONNECTION_FAILURE and detail and not detail.startswith("TLS"):
        detail = f"delayed connect error: {_CONNECT_ERRORS.get(detail, detail.capitalize())}"
    what = f"{kind.details}|{detail.replace(' ', '_')}" if detail else kind.details
    return f"upstream_reset_{'after' if responding else 'before'}_response_started{{{what}}}"


def transport_failure(details: str) -> str:
    """Return why no connection could be made, if `reset_details` says so."""
    return details.partition(_CONNECT_FAILED)[2][:-1]


def answered_status(head: RequestHead, answer: ResponseHead) -> int:
    """Return the status of *answer* to *head* as outlier detection counts it: for gRPC, that which its ``grpc-status`` stands for."""
    said = first_value(answer.block, b"grpc-status")
    if said is None or not is_grpc(head):
        return answer.status
    return HTTP_OF_GRPC.get(said, 500)


def log_entry(
    downstream: "Downstream", head: RequestHead, status: int, flags: bytes, details: str, seconds: float, known: LogEntry | None = None
) -> LogEntry:
    """Return the access log entry of an exchange that ended *seconds* after it began, but for what its kind alone knows.

    It is the listener's one entry, filled in anew: a line is made of it at once, and nobody keeps it. Or it is *known*, with all
    that can be found out, for formats elsewhere.
    """
    runtime = downstream.runtime
    entry = known or runtime.entry
    entry.start = runtime.worker.wall() - seconds
    entry.method = head.method
    entry.path = head.path
    entry.authority = head.authority
    entry.scheme = head.scheme
    entry.original_path = head.original_path
    entry.protocol = PROTOCOLS[head.version]
    entry.status = status
    entry.flags = flags
    entry.details = details
    entry.duration_ms = int(seconds * 1000)
    entry.request_block = head.block
    if runtime.logs_more or known is not None:
        entry.forget()
        entry.peer = runtime.forwarding.remote(head) or downstream.peer
        transport = downstream.transport
        if transport is None:
            entry.direct_peer = downstream.peer
        else:
            entry.direct_peer = downstream.peer if transport.direct_peer is transport.peer else str(transport.direct_peer).encode("ascii")
            entry.tls = transport.tls
            entry.server_name = transport.server_name
        entry.filter_chain = runtime.chain_name
        entry.local_address = downstream.local
        entry.connection_id = downstream.connection_id
        entry.metadata = head.metadata
        entry.trace = head.trace
    return entry


def blank() -> LogEntry:
    """Return an entry to be filled in (`log_entry`)."""
    return LogEntry(0.0, b"", b"", b"")


def local_entry(
    downstream: "Downstream", head: RequestHead, status: int, flags: bytes, details: str, seconds: float, known: LogEntry | None = None
) -> LogEntry:
    """`log_entry` of an exchange that no upstream had to do with."""
    entry = log_entry(downstream, head, status, flags, details, seconds, known)
    entry.bytes_received = entry.bytes_sent = entry.attempts = 0
    entry.response_block = b""
    entry.cluster = entry.route = ""
    entry.upstream_host = entry.upstream_service_time = None
    return entry


def cluster_of(route: Route, entry: WeightedCluster | None = None) -> str:
    """Return the cluster that *route*, or its *entry*, forwards to, if it is known by now."""
    if entry is not None:
        return entry.name
    action = route.action
    return action.clusters[0].name if isinstance(action, RouteAction) and len(action.clusters) == 1 else ""
