"""How an exchange ended: response flags, and the entry that access logs and formats make of it."""

from typing import TYPE_CHECKING

from shifter.observe.logformat import LogEntry
from shifter.wire.events import RequestHead

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream

PROTOCOL_ERROR = b"DPE"
"""The response flag of requests that break the protocol."""

PROTOCOLS = {10: b"HTTP/1.0", 11: b"HTTP/1.1", 20: b"HTTP/2"}


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
        entry.direct_peer = downstream.peer
        entry.peer = runtime.forwarding.remote(head) or entry.direct_peer
        entry.local_address = downstream.local
        entry.connection_id = downstream.connection_id
        entry.metadata = head.metadata
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
