"""One request that passes filters: an exchange for the door, and the client's side for the exchange that serves it.

Rule 1. The exchange that serves the request begins when the head has passed the last filter, and knows nothing of filters.
Rule 2. An answer passes the filters on its way back, whoever gave it; only that of a fault does not.
Rule 3. What is counted and logged is what went to the client. ``finished`` reaches the door, once, when both the exchange is over
        and the answer's end has gone out, or the client is gone; before that each filter hears ``on_done``.
Rule 4. A fault of a filter's is told in the log of the process, and to the client as 500, or by a cut where the answer has begun.
"""

from collections.abc import Callable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.filters.api import FilterFactory, HttpFilter, Reply
from shifter.net.transport import Transport
from shifter.observe.logformat import LogEntry
from shifter.proxy.downstream import ChosenLeaf, Downstream, Exchange
from shifter.proxy.entry import not_found
from shifter.proxy.filterway import DATA, HEAD, TOO_LARGE, TRAILERS, Event, RequestWay, ResponseWay
from shifter.proxy.local_reply import LocalReply, local_reply
from shifter.proxy.outcome import CLIENT_GONE, TAKEN_BACK, blank, cluster_of, local_entry
from shifter.wire.events import EXPECT_CONTINUE, NO_BODY, ProtocolError, RequestHead, ResponseHead, expects_continue, without
from shifter.wire.h1 import REASONS

if TYPE_CHECKING:
    from shifter.proxy.connection_manager import ConnectionManager
    from shifter.proxy.worker import Timed

_log = Logger()
_NEVER = float("inf")
_BODILESS = (204, 304)
_NOTHING: Mapping[str, Mapping[str, object]] = {}

# why the client, or the exchange, is asked to rest; any of them is enough
_BY_OTHER, _BY_FILTER = 1, 2

FAULT = "filter_failed"
"""``%RESPONSE_CODE_DETAILS%`` of a request that a filter's fault has ended."""


class FilteredExchange:
    """See the module. *leaf* is the one that was chosen, ``None`` when no route fits."""

    __slots__ = (
        "_answered", "_bytes_received", "_bytes_sent", "_cleared", "_details", "_done", "_door", "_ended", "_entry", "_faulty",
        "_filters", "_flags", "_gone", "_inner", "_inner_over", "_inner_status", "_leaf", "_on_start", "_open", "_paused", "_refusal",
        "_request", "_request_done", "_reset", "_response", "_rested", "_sent", "_started", "_state", "_told", "deadline", "head",
        "idle_timeout", "runtime", "touched",
    )  # fmt: skip

    runtime: "ConnectionManager"

    def __init__(self, head: RequestHead, downstream: Downstream, leaf: ChosenLeaf | None) -> None:
        self.runtime = runtime = downstream.runtime
        self.head = head
        self._door = downstream
        self._leaf = leaf
        self._inner: Exchange | None = None
        self._refusal: Reply | None = None
        self._on_start: Callable[[Exchange], None] | None = None
        self._filters: list[HttpFilter] = []
        self._cleared = False  # the route is to be looked for again
        self._open = False  # the head has passed the filters, and the exchange has not begun
        self._answered = False  # in the upstream's place: nothing of the request goes on any more
        self._faulty = False  # what comes back goes out without asking the filters
        self._inner_over = False
        self._inner_status = 0
        self._gone = self._reset = False
        self._ended = False
        self._done = False
        self._told = False  # the answer's head has passed the filters
        self._sent: ResponseHead | None = None  # what went to the client
        self._bytes_sent = self._bytes_received = 0
        self._flags: list[bytes] = []
        self._state: dict[str, object] | None = None
        self._details = ""
        self._entry: LogEntry | None = None
        self._request_done = False
        self._paused = self._rested = 0
        self._started = runtime.worker.monotonic()
        self.touched = runtime.worker.now
        self.deadline = self.idle_timeout = _NEVER

    def pass_through(self, plan: "tuple[tuple[FilterFactory[Any], object | None], ...]") -> bool:
        """Make the filters of *plan*; return whether there is anything to pass."""
        filters = self._filters
        try:
            for factory, override in plan:
                one = factory.filter_for(self, override)
                if one is not None:
                    filters.append(one)
        except Exception:
            _log.failure("the factory of the filter {name} failed", name=factory.context.name)
            self._faulty = True
        self._request = RequestWay(filters, self, self.head)
        self._response = ResponseWay(filters, self, self.head)
        return bool(filters) or self._faulty

    def refuse(self, reply: Reply) -> None:
        """Begin with *reply*, whatever the filters would make of the request."""
        self._refusal = reply

    def begin_again(self, head: RequestHead, leaf: ChosenLeaf, body: bytes, started: Callable[[Exchange], None]) -> None:
        """Begin anew with *head*, which *leaf* is to serve: a redirect of the upstream's is followed. What the filters have made of
        the first request is over, and its answer is not seen by them (as in Envoy). *started* is told the exchange."""
        self._request.stop()
        self._response.stop()
        self._finish_filters()
        self.head = head
        self._leaf = leaf
        self._inner = None
        self._told = False
        self._filters = []
        self._flags = []
        self._state = None
        self._on_start = started
        filters = self.runtime.filters
        self.pass_through(filters.plan(leaf) if filters is not None else ())
        if self._faulty:
            self._fail()
            return
        self._request.push((HEAD, b"", not body))
        if body:
            self._request.push((DATA, body, True))
        if self._inner is None and not self._done:
            self._watch()

    # FilterStream

    @property
    def peer(self) -> bytes:
        return self._door.peer

    @property
    def route_metadata(self) -> Mapping[str, Mapping[str, object]]:
        return self._leaf.config.metadata if self._leaf is not None else _NOTHING

    @property
    def filter_state(self) -> dict[str, object]:
        if self._state is None:
            self._state = {}
        return self._state

    def clear_route_cache(self) -> None:
        self._cleared = True

    def add_flag(self, flag: bytes) -> None:
        self._flags.append(flag)

    def describe(self) -> LogEntry:
        if self._inner is not None:
            entry = self._inner.describe()
        else:
            entry = local_entry(self._door, self.head, 0, b"", "", self.runtime.worker.monotonic() - self._started, blank())
            if self._leaf is not None:
                entry.route = self._leaf.config.name
                entry.cluster = cluster_of(self._leaf.config, self._leaf.entry)
        if self._inner_status:
            head = self._sent or self._response.head
            entry.status = entry.reply_status or head.status
            entry.response_block = head.block
        entry.bytes_received = self._bytes_received
        entry.bytes_sent = self._bytes_sent
        return entry

    # Exchange: what the door calls

    def begin(self, data: bytes, end: bool) -> None:
        self._bytes_received = len(data)
        self._request_done = end
        if self._faulty:
            self._fail()
            return
        if self._refusal is not None:
            self._answered = True
            self._inner = LocalReply(self.head, self, self._refusal)
            self._inner.begin(data, end)
            return
        if not end and self.runtime.settings.request_timeout:
            self.deadline = self._started + self.runtime.settings.request_timeout
        self._request.push((HEAD, b"", end and not data))
        if data:
            self._request.push((DATA, data, end))
        self._flush_request()
        if self._inner is None and not self._done:
            self._watch()

    def on_request_data(self, data: bytes, end: bool) -> None:
        self.touched = self.runtime.worker.now
        self._bytes_received += len(data)
        if end:
            self._request_ended()
        self._request.push((DATA, data, end))
        self._flush_request()

    def on_request_trailers(self, block: bytes) -> None:
        self._request_ended()
        self._request.push_trailers(block)
        self._flush_request()

    def _request_ended(self) -> None:
        self._request_done = True
        self.deadline = _NEVER

    def on_request_broken(self, error: ProtocolError) -> None:
        self._request_done = True
        if self._inner is None:
            self.answer(Reply(error.status, REASONS[error.status], b"", b"DPE", error.detail))
        elif not self._inner_over:
            self._request.stop()
            self._inner.on_request_broken(error)

    def on_downstream_lost(self, reset: bool = False) -> None:
        if self._done:
            return
        self._gone = True
        self._reset = reset
        self._request.stop()
        self._response.stop()
        if self._inner is None:
            self.runtime.stats.downstream_rq_rx_reset += 1
            self._account(0)
            self._complete()
        elif self._inner_over:
            self._complete()
        else:
            self._inner.on_downstream_lost(reset)

    def on_downstream_blocked(self) -> None:
        self._rest(_BY_OTHER)

    def on_downstream_writable(self) -> None:
        self.touched = self.runtime.worker.now
        self._rise(_BY_OTHER)

    # Owner: what the ways call

    def request_passed(self, event: Event) -> None:
        kind, data, end = event
        if kind == HEAD:
            if self._cleared:
                self._locate()
            self._open = True
            if end:
                self._start(b"", True)
        elif self._open:
            if kind == DATA:
                self._start(data, end)
            else:
                self._start(b"", False)
                self._pass_trailers(data)
        elif kind == TRAILERS:
            self._pass_trailers(data)
        elif self._inner is not None and not self._inner_over:
            self._inner.on_request_data(data, end)

    def request_held(self) -> None:
        if not self._request_done:
            self._pause(_BY_FILTER)

    def request_went_on(self) -> None:
        self.touched = self.runtime.worker.now
        self._flush_request()
        if not self._request.holds:
            self._resume(_BY_FILTER)

    def wants_body(self, limit: int) -> None:
        head = self.head
        if head.length > limit:
            self.answer(TOO_LARGE)  # nothing of it need be read
        elif expects_continue(head):
            head.flags &= ~EXPECT_CONTINUE
            if not self._bytes_received:
                self._door.send_interim(100, b"")

    def body_resized(self, length: int) -> None:
        head = self.head
        if head.length >= 0 and head.length != length:
            head.length = length
            head.block = b"%b\r\ncontent-length: %d" % (without(head.block, b"content-length"), length)

    def answer(self, reply: Reply) -> None:
        """Answer in the upstream's place, unless there is an answer."""
        if self._answered or self._done:
            return
        self._answered = True
        self._open = False
        self.deadline = _NEVER
        self._request.stop()
        self.runtime.worker.streams.discard(self)
        inner = self._inner
        if inner is None:
            inner = self._inner = LocalReply(self.head, self, reply, self._leaf)
            inner.cluster = cluster_of(self._leaf.config, self._leaf.entry) if self._leaf is not None else ""
            inner.begin(b"", self._request_done)
        elif not self._inner_over:
            inner.answer(reply)

    def response_passed(self, event: Event) -> None:
        kind, data, end = event
        worker = self.runtime.worker
        self.touched = worker.now
        inner = cast("Timed", self._inner)
        if inner in worker.streams:
            inner.touched = worker.now  # it rests while this moves slowly, and is not idle
        if kind == HEAD:
            self._told = True
            if end:
                self._send_head(b"", True)
        elif kind == TRAILERS:
            self._flush_response()
            self._door.send_trailers(data)
        elif self._sent is None:
            self._send_head(data, end)
        elif self._sent.status not in _BODILESS:  # as a filter may have made it
            self._bytes_sent += len(data)
            self._door.send_data(data, end)
        elif end:
            self._door.send_data(b"", True)
        if end:
            self._ended = True
            if self._inner_over:
                self._complete()

    def response_held(self) -> None:
        self._rest(_BY_FILTER)

    def response_went_on(self) -> None:
        self.touched = self.runtime.worker.now
        if not self._response.holds:
            self._rise(_BY_FILTER)

    def fault(self, failure: Failure, culprit: HttpFilter) -> None:
        _log.failure("the filter {culprit} failed", failure, culprit=type(culprit).__name__)
        if not self._done:
            self._fail()

    # towards the upstream

    def _locate(self) -> None:
        self._cleared = False
        if hasattr(self.head, "drawn"):
            del self.head.drawn
        leaf = self.runtime.tree.locate(self.head)
        self._leaf = leaf.choose(self.head, self._door) if leaf is not None else None

    def _flush_request(self) -> None:
        """Begin the exchange, if its head is there and nothing else was."""
        if self._open:
            self._start(b"", False)

    def _start(self, data: bytes, end: bool) -> None:
        self._open = False
        self.deadline = _NEVER
        self.runtime.worker.streams.discard(self)
        leaf = self._leaf
        drawn = getattr(self.head, "drawn", None)
        if drawn is not None and drawn[0].is_withdrawn(drawn[1]):
            leaf = drawn[3].choose(self.head, self._door)
        self.runtime.stats.rq_total += 1
        inner = self._inner = leaf.start(self.head, self) if leaf is not None else not_found(self.head, self)
        if self._on_start is not None:
            self._on_start(inner)
        inner.begin(data, end)

    def _pass_trailers(self, block: bytes) -> None:
        if self._inner is not None and not self._inner_over:
            self._inner.on_request_trailers(block)

    def _pause(self, why: int) -> None:
        if not self._paused:
            self._door.pause_request()
        self._paused |= why

    def _resume(self, why: int) -> None:
        if self._paused:
            self._paused &= ~why
            if not self._paused:
                self._door.resume_request()

    def _rest(self, why: int) -> None:
        if not self._rested and not self._inner_over and self._inner is not None:
            self._inner.on_downstream_blocked()
        self._rested |= why

    def _rise(self, why: int) -> None:
        if self._rested:
            self._rested &= ~why
            if not self._rested and not self._inner_over and self._inner is not None:
                self._inner.on_downstream_writable()

    # Downstream: what the exchange calls

    @property
    def local(self) -> bytes:
        return self._door.local

    @property
    def connection_id(self) -> int:
        return self._door.connection_id

    @property
    def transport(self) -> Transport | None:
        return self._door.transport

    def send_interim(self, status: int, block: bytes) -> None:
        self._door.send_interim(status, block)

    def send_head(self, status: int, block: bytes, length: int, data: bytes, end: bool) -> None:
        self._inner_status = status
        if self._ended:
            return  # by a fault
        self._response.head = ResponseHead(status, block, length)
        if self.head.method == b"HEAD" or status in _BODILESS:
            # over with its head, even where an HTTP/2 endpoint says so behind it only: a filter must not add a body then
            data, end = b"", True
        self._response.push((HEAD, b"", end and not data))
        if data:
            self._response.push((DATA, data, end))
        self._flush_response()

    def send_data(self, data: bytes, end: bool) -> None:
        if not self._ended:
            self._response.push((DATA, data, end))

    def send_trailers(self, block: bytes) -> None:
        if not self._ended:
            self._response.push_trailers(block)

    def reset(self) -> None:
        if not self._ended:
            self._ended = True
            self._response.stop()
            self._door.reset()

    def finished(self) -> None:
        self._inner_over = True
        if self._ended or self._gone:
            self._complete()
        else:
            self._watch()

    def log(self, entry: LogEntry) -> None:
        # the entry is the listener's, who fills it in anew for the next line
        self._entry = entry if self._ended or self._gone else copy(entry)

    def pause_request(self) -> None:
        self._pause(_BY_OTHER)

    def resume_request(self) -> None:
        self._resume(_BY_OTHER)

    # towards the client

    def _flush_response(self) -> None:
        """Send the head, if it has passed the filters and nothing of the body has."""
        if self._told and self._sent is None and not self._ended:
            self._send_head(b"", False)

    def _send_head(self, data: bytes, end: bool) -> None:
        self._sent = head = self._response.head
        if head.status in _BODILESS:
            data = b""
        elif head.length == NO_BODY and self._inner_status in _BODILESS:
            head.block = without(head.block, b"content-length")  # it told of a body that is not here
        self._bytes_sent = len(data)
        self._door.send_head(head.status, head.block, head.length, data, end)

    # ends

    def timed_out(self, now: float) -> None:
        """The tick found the deadline passed, or nothing moving for too long, or a fault whose exchange goes on."""
        stats = self.runtime.stats
        if self._faulty:
            self._end_inner()
        elif self._inner is not None:
            stats.downstream_rq_idle_timeout += 1
            self.reset()
            self._details = "stream_idle_timeout"
            self._flags.append(b"SI")
            self._complete()
        elif self.deadline > now:
            stats.downstream_rq_idle_timeout += 1
            self.answer(Reply(504 if self._request_done else 408, b"stream timeout", b"", b"SI", "stream_idle_timeout"))
        else:
            stats.downstream_rq_timeout += 1
            self.answer(Reply(408, b"request timeout", details="request_overall_timeout"))

    def _watch(self) -> None:
        """Have the tick look at this exchange, while there is none behind the filters that it looks at."""
        self.idle_timeout = self.runtime.settings.stream_idle_timeout or _NEVER
        self.touched = self.runtime.worker.now
        self.runtime.worker.streams.add(self)

    def _fail(self) -> None:
        """Answer with 500 past the filters, or cut the answer that has begun."""
        self._faulty = self._answered = True
        self._open = False
        self._details = FAULT
        self._request.stop()
        if self._sent is not None:
            self.reset()
        else:
            self._response.stop()
            status, block, body = local_reply(self.runtime, self.head, 500, b"internal error")
            self._response.head = ResponseHead(status, block, len(body))
            self._send_head(b"" if self.head.method == b"HEAD" else body, True)
            self._ended = True
        if self._inner is None:
            self._account(500)
            self._complete()
        elif self._inner_over:
            self._complete()
        else:
            self.deadline = 0.0  # it may be in the midst of what it told us: the tick ends it
            self.runtime.worker.streams.add(self)

    def _end_inner(self) -> None:
        self.runtime.worker.streams.discard(self)
        if self._inner is not None and not self._inner_over:
            self._inner.answer(Reply(500, details=FAULT))

    def _account(self, status: int) -> None:
        """Count and log a request that no exchange was begun for."""
        stats = self.runtime.stats
        self._inner_status = status
        stats.codes[status] += 1
        stats.downstream_rq_time.record((self.runtime.worker.monotonic() - self._started) * 1000)
        if self.runtime.access_logs:
            self._entry = self.describe()

    def _complete(self) -> None:
        if self._done:
            return
        self._done = True
        self.runtime.worker.streams.discard(self)
        self._request.stop()
        self._response.stop()
        sent = self._sent
        if sent is not None and sent.status != self._inner_status:
            codes = self.runtime.stats.codes
            codes[self._inner_status] -= 1
            codes[sent.status] += 1
        entry = self._entry
        if entry is not None:
            self._correct(entry, sent)
            self._door.log(entry)
        self._finish_filters()
        self._door.finished()

    def _finish_filters(self) -> None:
        for one in self._filters:
            try:
                one.on_done()
            except Exception:
                _log.failure("the filter {culprit} failed at the end", culprit=type(one).__name__)

    def _correct(self, entry: LogEntry, sent: ResponseHead | None) -> None:
        """Have *entry* say what the client has seen."""
        seconds = self.runtime.worker.monotonic() - self._started
        entry.start = self.runtime.worker.wall() - seconds
        entry.duration_ms = int(seconds * 1000)
        if sent is not None:
            entry.response_block = sent.block
            if sent.status != self._inner_status:
                entry.status = sent.status
        entry.bytes_received = self._bytes_received
        entry.bytes_sent = self._bytes_sent
        if self._gone:
            entry.flags, entry.details = TAKEN_BACK if self._reset else CLIENT_GONE
        elif self._details:
            entry.flags, entry.details = b"", self._details
        if self._flags:
            entry.flags = b",".join([*([entry.flags] if entry.flags else ()), *self._flags])

    def __repr__(self) -> str:
        state = "over" if self._done else "held" if self._inner is None else repr(self._inner)
        return f"<FilteredExchange {self.head.method!r} {self.head.path!r} {state}>"
