"""Answers that the proxy gives itself, and the exchange that does nothing else."""

from typing import TYPE_CHECKING

from shifter.filters.api import Reply
from shifter.observe.logformat import LogEntry
from shifter.observe.operands import GRPC_OF_HTTP
from shifter.proxy.local_reply_config import JSON, TEXT, BodyFormat
from shifter.proxy.outcome import PROTOCOL_ERROR, blank, local_entry
from shifter.routing.headers import Subject
from shifter.routing.match import is_grpc
from shifter.wire.events import FOR_GRPC_WEB, ProtocolError, RequestHead, without
from shifter.wire.grpc import percent_encoded

if TYPE_CHECKING:
    from shifter.proxy.connection_manager import ConnectionManager
    from shifter.proxy.downstream import ChosenLeaf, Downstream

UPGRADE_FAILED = Reply(403, details="upgrade_failed")
"""What a request gets that wants another protocol where its route has none."""


class LocalReply:
    """An exchange that the proxy answers itself: no route, a redirect, a direct response, a refusal.

    *leaf* is that of the route, which edits the answer; ``None`` where no route fits. *form* words the body
    (``DirectResponseAction.body_format``). The request's body, if any comes, is not read: the door closes the connection behind
    the answer. ``cluster`` is the one that the request would have gone to, if that is known.
    """

    __slots__ = ("cluster", "downstream", "form", "head", "leaf", "over", "reply", "request_ms", "started")

    def __init__(
        self, head: RequestHead, downstream: "Downstream", reply: Reply, leaf: "ChosenLeaf | None" = None, form: BodyFormat | None = None
    ) -> None:
        self.head = head
        self.downstream = downstream
        self.reply = reply
        self.leaf = leaf
        self.form = form
        self.cluster = ""
        self.request_ms: int | None = None
        self.started = downstream.runtime.worker.monotonic()
        self.over = False

    def begin(self, data: bytes, end: bool) -> None:
        downstream = self.downstream
        runtime = downstream.runtime
        if end:
            self.request_ms = 0
        reply = self.reply
        edit = self.leaf.edit_answer if self.leaf is not None else None
        fields = reply.fields if edit is None else edit(reply.fields, self)
        said = reply.body
        if self.form is not None:
            said = self.form.make(self._described())
            fields = b"%b\r\ncontent-type: %b" % (without(fields, b"content-type"), self.form.content_type)
        status, block, body = local_reply(runtime, self.head, reply.status, said, fields, reply.grpc_status, self)
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
        entry.reply_status = self.reply.status
        if entry.flags == PROTOCOL_ERROR:
            entry.flags = b""  # Envoy sets it behind the answer
        return entry

    def _described(self) -> LogEntry:
        """What the body's own format sees: the request alone, and the body."""
        entry = self.describe()
        entry.reply_status = 0
        entry.details = ""
        entry.body = self.reply.body
        return entry

    def _entry(self, status: int, seconds: float, known: LogEntry | None = None) -> LogEntry:
        entry = local_entry(self.downstream, self.head, status, self.reply.flags, self.reply.details, seconds, known)
        if self.leaf is not None:
            entry.route = self.leaf.config.name
            entry.route_metadata = self.leaf.config.metadata
        entry.cluster = self.cluster
        entry.request_ms = self.request_ms
        return entry

    def on_request_data(self, data: bytes, end: bool) -> None: ...

    def on_request_trailers(self, block: bytes) -> None: ...

    def on_request_broken(self, error: ProtocolError) -> None: ...

    def on_downstream_lost(self, reset: bool = False) -> None: ...

    def on_downstream_blocked(self) -> None: ...

    def on_downstream_writable(self) -> None: ...

    def answer(self, reply: Reply) -> None: ...


def local_reply(
    runtime: "ConnectionManager",
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
    grpc = is_grpc(head) and not head.flags & FOR_GRPC_WEB
    if runtime.local_replies is not None and subject is not None:
        status, body, fields, kind = runtime.local_replies.change(subject.describe(), head, status, body, fields)
    typed = fields.rfind(b"\r\ncontent-type: ") >= 0
    if typed and (not body or grpc):
        fields = without(fields, b"content-type")
    tail = runtime.with_last_fields(b"%b\r\ndate: %b" % (fields, runtime.worker.date), head)
    if grpc:
        if kind == JSON:
            body = body.removesuffix(b"\n")
        message = b"\r\ngrpc-message: " + percent_encoded(body) if body else b""
        length = b"" if head.version == 20 else b"\r\ncontent-length: 0"  # HTTP/1 has no other way to say that the answer is over
        code = GRPC_OF_HTTP.get(status, 2) if grpc_status is None else grpc_status
        block = b"%b\r\ncontent-type: application/grpc\r\ngrpc-status: %d%b%b" % (length, code, message, tail)
        return 200, block, b""
    if status == 204 or status == 304:
        return status, tail, b""
    if body and not typed:
        return status, b"\r\ncontent-length: %d\r\ncontent-type: %b%b" % (len(body), kind, tail), body
    if not body and head.version == 20:
        return status, tail, b""  # its head ends it
    return status, b"\r\ncontent-length: %d%b" % (len(body), tail), body
