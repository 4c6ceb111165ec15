"""Exchanges whose first try is counted for the version of a release that serves it (`observe.comparison`).

Rule 1. What is counted is the outcome of the request's first try, and not what retries make of it: the status that it was answered with,
        that it could not connect, was reset, or took too long. A hedged request's first try has taken too long.
Rule 2. Each request that is counted as sent ends exactly once, whatever happens to it. One that ends by its client's doing, or by ours, is
        dropped: nobody knows what it would have come to.
Rule 3. A latency is that of the whole answer; of a tunnel, or of an answer that is thrown away, it is that of the head.
Rule 4. A connection that dies under a request and is replaced at once (`stream`, rule 4) is no outcome: a server may close one that is
        idle at any moment, and a canary has more of those.
Rule 5. How an exchange is served does not depend on any of this.
"""

from collections.abc import Collection
from dataclasses import dataclass

from shifter.observe.comparison import Comparison, Trial
from shifter.proxy.fullstream import FullStream
from shifter.proxy.hedge import HedgingStream
from shifter.proxy.internal_redirect import Redirects
from shifter.proxy.outcome import HTTP_OF_GRPC
from shifter.proxy.retrying import RetryingStream
from shifter.proxy.stream import ProxyStream
from shifter.routing.release_split import ReleaseSplit
from shifter.upstream.interfaces import Failed, FailureKind
from shifter.wire.events import ResponseHead, first_value

_GRPC_FIELD = b"\r\ngrpc-status: "
_KINDS = {
    FailureKind.REMOTE_CONNECTION_FAILURE: "connect_failure",
    FailureKind.CONNECTION_TIMEOUT: "connect_failure",
    FailureKind.OVERFLOW: "connect_failure",  # there is no place on a connection for it
    FailureKind.CONNECTION_TERMINATION: "reset",
    FailureKind.PROTOCOL_ERROR: "reset",
    FailureKind.REMOTE_RESET: "reset",
    FailureKind.REFUSED_STREAM: "reset",
}
"""By `model.release.ERROR_KINDS`. Without any healthy endpoint no version has served the request."""

FORCED = -1
"""In the place of the share: the release's header has chosen the version."""


class Version:
    """One version of a release, as its exchanges count for it. *errors* are those `model.release.ERROR_KINDS` that are failures."""

    __slots__ = ("canary", "errors", "failing", "split", "watches_grpc")

    def __init__(self, split: ReleaseSplit, canary: bool, errors: Collection[str]) -> None:
        self.split = split
        self.canary = canary
        self.errors = frozenset(errors)
        self.failing = tuple(f"{hundreds}xx" in self.errors for hundreds in range(10))  # by the first digit of a status
        self.watches_grpc = "grpc" in self.errors

    def is_withdrawn(self, share: int) -> bool:
        """Say whether a request that it was chosen for under *share* (or by the release's header: `FORCED`) is not to go to it any more."""
        split = self.split
        return self.canary and not (split.forced if share == FORCED else split.share)

    def fails(self, status: int, block: bytes, trailers: bytes = b"") -> bool:
        """Say whether an answer with *status* and these fields is a failure."""
        if self.failing[status // 100]:
            return True
        if not self.watches_grpc or not (trailers or _GRPC_FIELD in block):
            return False
        said = first_value(trailers + block, b"grpc-status")
        return said is not None and HTTP_OF_GRPC.get(said, 500) >= 500


class _Judged(ProxyStream):
    """What all of them have in common; see the module. ``trial`` is there from `begin` on, until its outcome is known."""

    __slots__ = ()

    comparison: Comparison
    trial: Trial | None
    version: Version

    def begin(self, data: bytes, end: bool) -> None:
        self.version, share, user, _ = self.head.drawn
        version = self.version
        comparison = version.split.comparison
        if comparison is None or self.journey is not None:
            # a redirect that was followed is the same request, and was drawn with the same number
            self.trial = None
        else:
            self.comparison = comparison
            self.trial = comparison.sent(version.canary, share, self.started, user)
        super().begin(data, end)

    def _fail(self, failed: Failed) -> None:
        if self.trial is not None:
            kind = _KINDS.get(failed.kind)
            if kind is None:
                self._drop()
            else:
                self._failed(kind)
        super()._fail(failed)

    def timed_out(self, now: float) -> None:
        if self.trial is not None:
            if self.request_done or self.may_switch:
                self._failed("timeout")
            else:
                self._drop()  # it is the client that takes its time
        super().timed_out(now)

    def _end(self, status: int, details: str, seconds: float | None = None) -> None:
        if self.trial is not None:
            self._told(self.trial, status, details, seconds)
        super()._end(status, details, seconds)

    # telling it

    def _told(self, trial: Trial, status: int, details: str, seconds: float | None) -> None:
        """The exchange is over: what the client was told is what the first try came to, if that is not known by now."""
        self.trial = None
        if details != "via_upstream":
            self.comparison.dropped(trial, self.worker.monotonic())
            return
        version = self.version
        failed = version.failing[status // 100]
        if not failed and version.watches_grpc and (self.response_trailers or _GRPC_FIELD in self.response_block):
            failed = version.fails(status, self.response_block, self.response_trailers)
        self.comparison.ended(trial, self.worker.monotonic() if seconds is None else self.started + seconds, failed, status)
        if failed:
            self._note(trial)

    def _answered(self, head: ResponseHead) -> None:
        """The first try was answered with *head*, and nothing else of it matters."""
        trial = self.trial
        if trial is not None:
            self._conclude(trial, self.worker.monotonic(), head.status, self.version.fails(head.status, head.block))

    def _failed(self, kind: str) -> None:
        """The first try has no answer, or no whole one: *kind* says why."""
        trial = self.trial
        if trial is not None:
            self._conclude(trial, self.worker.monotonic(), 0, kind in self.version.errors)

    def _conclude(self, trial: Trial, now: float, status: int, failed: bool) -> None:
        self.trial = None
        self.comparison.ended(trial, now, failed, status)
        if failed:
            self._note(trial)

    def _note(self, trial: Trial) -> None:
        head = self.head
        path = (head.original_path or head.path).partition(b"?")[0]
        request_id = first_value(head.block, b"x-request-id") or b""
        self.comparison.note(trial, path.decode("utf-8", "replace"), request_id.decode("utf-8", "replace"))

    def _drop(self) -> None:
        trial, self.trial = self.trial, None
        if trial is not None:
            self.comparison.dropped(trial, self.worker.monotonic())


class _JudgedFull(_Judged, FullStream):
    __slots__ = ()

    def on_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        super().on_head(head, data, end)
        if self.may_switch:
            self._answered(head)

    def _follow(self, redirects: Redirects, answer: ResponseHead, end: bool) -> bool:
        followed = super()._follow(redirects, answer, end)
        if followed:
            self._answered(answer)
        return followed


class _JudgedRetrying(_JudgedFull, RetryingStream):
    __slots__ = ()

    def _throw_away(self, head: ResponseHead, end: bool) -> None:
        self._answered(head)
        super()._throw_away(head, end)


class JudgedStream(_Judged):
    """A judged `ProxyStream`: most of them are, so that it says at once what the others look up."""

    __slots__ = ()

    def begin(self, data: bytes, end: bool) -> None:
        self.version, share, user, _ = self.head.drawn
        comparison = self.version.split.comparison
        if comparison is None:
            self.trial = None
        else:
            self.comparison = comparison
            self.trial = comparison.sent(self.version.canary, share, self.started, user)
        ProxyStream.begin(self, data, end)

    def _end(self, status: int, details: str, seconds: float | None = None) -> None:
        if self.trial is not None:
            self._told(self.trial, status, details, seconds)
        ProxyStream._end(self, status, details, seconds)


class JudgedFullStream(_JudgedFull):
    """A judged `FullStream`."""

    __slots__ = ()


class JudgedRetryingStream(_JudgedRetrying):
    """A judged `RetryingStream`."""

    __slots__ = ()


class JudgedHedgingStream(_JudgedRetrying, HedgingStream):
    """A judged `HedgingStream`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Streams:
    """What the exchanges of a route are, by what it and its clients ask for."""

    plain: type[ProxyStream]
    full: type[FullStream]
    retrying: type[RetryingStream]
    hedging: type[HedgingStream]


ALL_STREAMS = Streams(ProxyStream, FullStream, RetryingStream, HedgingStream)
"""Those of every route."""
JUDGED_STREAMS = Streams(JudgedStream, JudgedFullStream, JudgedRetryingStream, JudgedHedgingStream)
"""Those that are counted for the version of a release."""
