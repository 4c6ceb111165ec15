"""How an exchange ends: local replies, response flags, and the epilogue that counts and logs it exactly once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shifter.filters.api import Reply
from shifter.observe.logformat import LogEntry
from shifter.observe.operands import GRPC_OF_HTTP
from shifter.proxy.localreply import JSON, TEXT, BodyFormat
from shifter.routing.headers import Edit, Subject
from shifter.routing.match import is_grpc
from shifter.wire.events import EXPECT_CONTINUE, NO_BODY, ProtocolError, RequestHead, without

if TYPE_CHECKING:
    from shifter.proxy.downstream import Downstream
    from shifter.proxy.listener import ListenerRuntime

PROTOCOL_ERROR = b"DPE"
"""The response flag of requests that break the protocol."""

PROTOCOLS = {10: b"HTTP/1.0", 11: b"HTTP/1.1", 20: b"HTTP/2"}


def _percent_encoded(message: bytes) -> bytes:
    """Encode a ``grpc-message`` (gRPC over HTTP2, "Percent-Byte-Unencoded")."""
    return b"".join(b"%c" % byte if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in message)


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


class LocalReply:
    """An exchange that the proxy answers itself: no route, a redirect, a direct response, a refusal.

    *fields* are further response fields as a field block, *edit* what the route table does to them. The request's body, if
    any comes, is not read: the door closes the connection behind the answer. *route* is the name of the route and *metadata* its
    own, *form* words the body (``DirectResponseAction.body_format``).
    """

    __slots__ = (
        "body", "details", "downstream", "edit", "fields", "flags", "form", "grpc_status", "head", "metadata", "over", "request_ms",
        "route", "started", "status",
    )  # fmt: skip

    def __init__(
        self,
        head: RequestHead,
        downstream: "Downstream",
        status: int,
        body: bytes = b"",
        fields: bytes = b"",
        flags: bytes = b"",
        details: str = "",
        route: str = "",
        edit: Edit | None = None,
        grpc_status: int | None = None,
        metadata: Mapping[str, Mapping[str, object]] | None = None,
        form: BodyFormat | None = None,
    ) -> None:
        self.head = head
        self.downstream = downstream
        self.status = status
        self.body = body
        self.fields = fields
        self.flags = flags
        self.details = details
        self.route = route
        self.edit = edit
        self.grpc_status = grpc_status
        self.metadata = metadata
        self.form = form
        self.request_ms: int | None = None
        self.started = downstream.runtime.worker.monotonic()
        self.over = False

    def begin(self, data: bytes, end: bool) -> None:
        downstream = self.downstream
        runtime = downstream.runtime
        if end:
            self.request_ms = 0
        fields = self.fields if self.edit is None else self.edit(self.fields, self)
        said = self.body
        if self.form is not None:
            said = self.form.make(self._described())
            fields = b"%b\r\ncontent-type: %b" % (without(fields, b"content-type"), self.form.content_type)
        status, block, body = local_reply(runtime, self.head, self.status, said, fields, self.grpc_status, self)
        downstream.send_head(status, block, len(body), body, True)
        self._epilogue(status, block, len(data), len(body))
        downstream.finished()

    def _epilogue(self, status: int, block: bytes, received: int, sent: int) -> None:
        self.over = True
        runtime = self.downstream.runtime
        seconds = runtime.worker.monotonic() - self.started
        runtime.stats.codes[status] += 1
        runtime.stats.downstream_rq_time.record(seconds * 1000)
        if runtime.access_logs:
            entry = self._entry(status, seconds)
            entry.response_block = block
            entry.bytes_received = received
            entry.bytes_sent = 0 if self.head.method == b"HEAD" else sent
            self.downstream.log(entry)

    def describe(self) -> LogEntry:
        """What is known by now, for formats. There is no status yet, though ``:status`` is there, as in Envoy."""
        entry = self._entry(0, self.downstream.runtime.worker.monotonic() - self.started, blank())
        entry.reply_status = self.status
        if entry.flags == PROTOCOL_ERROR:
            entry.flags = b""  # Envoy sets it behind the answer
        return entry

    def _described(self) -> LogEntry:
        """What the body's own format sees: the request alone, and the body."""
        entry = self.describe()
        entry.reply_status = 0
        entry.details = ""
        entry.body = self.body
        return entry

    def _entry(self, status: int, seconds: float, known: LogEntry | None = None) -> LogEntry:
        entry = local_entry(self.downstream, self.head, status, self.flags, self.details, seconds, known)
        entry.route = self.route
        entry.route_metadata = self.metadata
        entry.request_ms = self.request_ms
        return entry

    def on_request_data(self, data: bytes, end: bool) -> None: ...

    def on_request_trailers(self, block: bytes) -> None: ...

    def on_request_broken(self, error: ProtocolError) -> None: ...

    def on_downstream_lost(self) -> None: ...

    def on_downstream_blocked(self) -> None: ...

    def on_downstream_writable(self) -> None: ...

    def answer(self, reply: Reply) -> None: ...


def ended(runtime: "ListenerRuntime", block: bytes, head: RequestHead) -> bytes:
    """Return the fields of an answer to *head* with the last ones, whatever edits have made of these."""
    if runtime.ending is not None:
        return runtime.ending(block, head)
    return without(block, b"server") + runtime.server_line


def local_reply(
    runtime: "ListenerRuntime",
    head: RequestHead,
    status: int,
    body: bytes,
    fields: bytes = b"",
    grpc_status: int | None = None,
    subject: Subject | None = None,
) -> tuple[int, bytes, bytes]:
    """Return (status, field block, body) of an answer that the proxy makes itself, as Envoy words it; gRPC clients
    get trailers only, with status 200.

    *grpc_status* is for gRPC clients, where it does not follow from *status*. *subject* is what mappers of local replies are told
    about; they are not asked without it.
    """
    kind = TEXT
    if runtime.local_replies is not None and subject is not None:
        status, body, fields, kind = runtime.local_replies.change(subject.describe(), head, status, body, fields)
    typed = fields.rfind(b"\r\ncontent-type: ") >= 0
    if typed and (not body or is_grpc(head)):
        fields = without(fields, b"content-type")
    tail = ended(runtime, b"%b\r\ndate: %b" % (fields, runtime.worker.date), head)
    if is_grpc(head):
        if kind == JSON:
            body = body.removesuffix(b"\n")
        message = b"\r\ngrpc-message: " + _percent_encoded(body) if body else b""
        length = b"" if head.version == 20 else b"\r\ncontent-length: 0"  # HTTP/1 has no other way to say that the answer is over
        code = GRPC_OF_HTTP.get(status, 2) if grpc_status is None else grpc_status
        block = b"%b\r\ncontent-type: application/grpc\r\ngrpc-status: %d%b%b" % (length, code, message, tail)
        return 200, block, b""
    if status == 204 or status == 304:
        return status, tail, b""
    if body and not typed:
        return status, b"\r\ncontent-length: %d\r\ncontent-type: %b%b" % (len(body), kind, tail), body
    return status, b"\r\ncontent-length: %d%b" % (len(body), tail), body


def expects_continue(head: RequestHead) -> bool:
    """Whether the client waits for ``100 Continue`` before it sends its body."""
    return bool(head.flags & EXPECT_CONTINUE) and head.length != NO_BODY and head.version != 10
