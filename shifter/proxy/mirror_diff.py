"""Copies of requests for a release's canary, and what becomes of them where their answers are compared (a ``mirror`` step).

Rule 1. Copies are as those of `mirror`, with all its rules; this module adds whose requests are copied, and that answers can be kept.
Rule 2. To compare, the baseline gets a copy, too; so what is compared was asked in the same way. Where the two answers differ, the baseline
        gets a second copy: see `observe.differences` for what that says.
Rule 3. What waits to be compared is bounded in number and in bytes, and so is the time that comparing takes (`WORK` of each tick). A copy
        that there is no room for goes to the canary and is not compared; it is counted as skipped.
Rule 4. Copies that are compared ask for answers that are not compressed.
"""

from collections import deque
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING

from xxhash import xxh64

from shifter.model.release import MILLION, MirrorStep, RouteHold
from shifter.model.route import RequestMirrorPolicy
from shifter.model.steps import Steps
from shifter.observe.differences import CopiedAnswer, Differences
from shifter.proxy.mirror import Copied, Mirror, MirrorStream
from shifter.proxy.worker import Worker
from shifter.routing.release_split import ReleaseSplit
from shifter.routing.runtime import Runtime
from shifter.upstream.cluster import LiveCluster
from shifter.upstream.interfaces import Failed
from shifter.upstream.leasing import Leasing
from shifter.wire.events import NO_BODY, UPGRADE, RequestHead, ResponseHead, fields, without

if TYPE_CHECKING:
    from shifter.proxy.fullstream import FullStream

LARGEST_REQUEST = 65_536
"""Bytes that the body of a request that is copied may have."""
AT_ONCE = 32
"""Comparisons that may be under way, unless their bodies are large:"""
MEMORY = 16 << 20
"""Bytes of answers that are kept at most."""
WORK = 0.001
"""Seconds of each tick of the worker that comparing may take, and one step."""
_NEVER = float("inf")
_LONGEST_PATH = 200
_TIMED_OUT = 504


class ReleaseMirror:
    """Copies requests of the route that a release holds, while its `ReleaseSplit.mirror` says so."""

    __slots__ = ("_at_once", "_baseline", "_canary", "_comparing", "_methods", "_split", "_step", "_under_way")

    def __init__(
        self, hold: RouteHold, step: MirrorStep, split: ReleaseSplit, find_cluster: Callable[[str], LiveCluster], runtime: Runtime
    ) -> None:
        self._step = step
        self._split = split
        self._methods = frozenset(step.methods)
        self._canary = Mirror(RequestMirrorPolicy(hold.canary), find_cluster, runtime)
        self._baseline = Mirror(RequestMirrorPolicy(hold.baseline), find_cluster, runtime)
        self._comparing = _Comparing()
        self._under_way = 0
        self._at_once = max(1, min(AT_ONCE, MEMORY // (3 * max(1, step.max_body))))

    def wanted(self, head: RequestHead) -> bool:
        """Say whether *head* is to be copied. That is drawn with other digits of its number than its version is."""
        drawn = head.random // MILLION % MILLION < self._split.mirror
        return drawn and head.method in self._methods and NO_BODY <= head.length <= LARGEST_REQUEST and not head.flags & UPGRADE

    def copied(self, exchange: "FullStream") -> Copied | None:
        """Return the copies of *exchange*, which `wanted` has said yes to; ``None`` where the canary's cluster is not there."""
        canary = self._canary.place_of(exchange)
        if canary is None:
            return None
        self._split.mirrored += 1
        worker = exchange.worker
        if not self._step.diff:
            return MirrorStream(*canary, worker, *_patience(exchange))
        differences = self._split.differences
        if differences is None:
            differences = self._split.differences = Differences()
        baseline = self._baseline.place_of(exchange)
        if baseline is None or self._under_way >= self._at_once:
            differences.skipped += 1
            return MirrorStream(*canary, worker, *_patience(exchange))
        self._under_way += 1
        return ComparedCopies(self, differences, exchange, baseline, canary, self._step.max_body)

    # for comparisons

    def later(self, worker: Worker, steps: Steps[None]) -> None:
        """Do *steps* when there is time."""
        self._comparing.add(worker, steps)

    def ended(self) -> None:
        """A comparison is over."""
        self._under_way -= 1


_Place = tuple[Leasing, RequestHead]


def _patience(exchange: "FullStream") -> tuple[float, float]:
    return exchange.leaf.timeout, exchange.idle_timeout


class ComparedCopies:
    """The copies of one request, which was for *path*: for the baseline, for the canary and, where they differ, for the baseline again."""

    __slots__ = (
        "_again",
        "_baseline",
        "_body",
        "_canary",
        "_differences",
        "_mirror",
        "_once_more",
        "_over",
        "_path",
        "_trailers",
        "_whole",
        "_worker",
    )

    def __init__(
        self, mirror: ReleaseMirror, differences: Differences, exchange: "FullStream", baseline: _Place, canary: _Place, limit: int
    ) -> None:
        self._mirror = mirror
        self._differences = differences
        self._worker = exchange.worker
        asked = exchange.head
        self._path = (asked.original_path or asked.path).partition(b"?")[0][:_LONGEST_PATH].decode("utf-8", "replace")
        self._body: list[bytes] = []
        self._trailers: bytes | None = None
        self._whole = False
        for _, head in (baseline, canary):
            head.block = without(head.block, b"accept-encoding")
        patience = _patience(exchange)
        self._baseline, self._canary, self._again = (
            CollectedCopy(self, cluster, head, self._worker, *patience, limit)
            for cluster, head in (baseline, canary, (baseline[0], copy(baseline[1])))
        )
        self._over = False

    # Copied

    def begin(self, data: bytes, end: bool) -> None:
        self._keep(data, end)
        self._baseline.begin(data, end)
        self._canary.begin(data, end)

    def send_data(self, data: bytes, end: bool) -> None:
        self._keep(data, end)
        self._baseline.send_data(data, end)
        self._canary.send_data(data, end)

    def send_trailers(self, block: bytes) -> None:
        self._trailers = block
        self._whole = True
        self._baseline.send_trailers(block)
        self._canary.send_trailers(block)

    def abandon(self) -> None:
        self._baseline.abandon()
        self._canary.abandon()

    def _keep(self, data: bytes, end: bool) -> None:
        self._whole = end
        if data:
            self._body.append(data)

    # answers

    def told(self, which: "CollectedCopy") -> None:
        """One of the copies is over."""
        baseline, canary = self._baseline, self._canary
        if which is self._again:
            self._mirror.later(self._worker, self._judge())
        elif baseline.over and canary.over and not self._over:
            self._over = True
            if baseline.answer is None or canary.answer is None or not self._whole:
                self._skip()  # half a request cannot be asked again: the next one on its connection would be read as the other half
            elif baseline.answer.same_as(canary.answer):
                self._differences.same(self._path)
                self._mirror.ended()
            else:
                self._mirror.later(self._worker, self._ask_again())  # not from inside a connection that is just ending a request

    def _ask_again(self) -> Steps[None]:
        self._again.begin(b"".join(self._body), self._trailers is None)
        if self._trailers is not None:
            self._again.send_trailers(self._trailers)
        yield

    def _judge(self) -> Steps[None]:
        baseline, canary, again = self._baseline.answer, self._canary.answer, self._again.answer
        if baseline is None or canary is None or again is None:
            self._skip()
            return
        try:
            yield from self._differences.judge(self._path, baseline, canary, again)
        finally:
            self._mirror.ended()

    def _skip(self) -> None:
        self._differences.skipped += 1
        self._mirror.ended()

    def __repr__(self) -> str:
        return f"<ComparedCopies {self._path} {self._baseline!r} {self._canary!r}>"


class CollectedCopy(MirrorStream):
    """A copy whose answer is kept, up to *limit* bytes of its body. ``answer`` is ``None`` until it is over, and if it was given up."""

    __slots__ = ("_block", "_body", "_hash", "_late", "_limit", "_of", "_received", "answer")

    def __init__(
        self,
        of: ComparedCopies,
        cluster: Leasing,
        head: RequestHead,
        worker: Worker,
        timeout: float,
        idle_timeout: float,
        limit: int,
    ) -> None:
        super().__init__(cluster, head, worker, timeout, idle_timeout)
        self._of = of
        self._limit = limit
        self._block = b""
        self._body: list[bytes] | None = []
        self._received = 0
        self._hash = xxh64()
        self._late = False
        self.answer: CopiedAnswer | None = None

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        self._block = head.block
        self._take(data)
        super().on_head(head, data, end)

    def on_data(self, data: bytes, end: bool) -> None:
        self._take(data)
        super().on_data(data, end)

    def on_failed(self, failed: Failed) -> None:
        self._status = 0  # what there was of the answer is not one
        self._block, self._body, self._received, self._hash = b"", [], 0, xxh64()
        super().on_failed(failed)

    def timed_out(self, now: float) -> None:
        self._late = True
        super().timed_out(now)

    def _take(self, data: bytes) -> None:
        if data:
            self._received += len(data)
            self._hash.update(data)
            if self._body is not None:
                if self._received > self._limit:
                    self._body = None
                else:
                    self._body.append(data)

    def _end(self, status: int) -> None:
        super()._end(status)
        named = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in fields(self._block)]
        body = b"".join(self._body) if self._body is not None else None
        self.answer = CopiedAnswer(status, named, self._received, self._hash.intdigest(), body)
        self._of.told(self)

    def _give_up(self) -> None:
        over = self.over
        super()._give_up()
        if not over:
            if self._late:
                self.answer = CopiedAnswer(_TIMED_OUT)
            self._of.told(self)


class _Comparing:
    """What there is to compare. The worker's tick finds that its time is over, again and again, while there is something."""

    __slots__ = ("_waiting", "_worker", "deadline", "idle_timeout", "touched")

    def __init__(self) -> None:
        self._waiting: deque[Steps[None]] = deque()
        self._worker: Worker | None = None
        self.deadline = -_NEVER
        self.idle_timeout = _NEVER
        self.touched = 0.0

    def add(self, worker: Worker, steps: Steps[None]) -> None:
        """Do *steps*, when what was added before is done."""
        self._worker = worker
        self._waiting.append(steps)
        worker.streams.add(self)

    def timed_out(self, now: float) -> None:
        """A tick: go on for a while."""
        worker = self._worker
        assert worker is not None
        until = worker.monotonic() + WORK
        while self._waiting:
            if next(self._waiting[0], self) is self:
                self._waiting.popleft()
            if worker.monotonic() >= until:
                return
        worker.streams.discard(self)

    def __repr__(self) -> str:
        return f"<_Comparing waiting={len(self._waiting)}>"
