"""One direction of a filtered exchange: the filters one after the other, and what waits before each.

Rule 1. What came first goes on first. A filter that waits has a queue; what comes for it stands there, and what has passed it
        goes on meanwhile.
Rule 2. Nothing of a filter's gets out of here but through `Owner`: not its exceptions, and not those of its Deferreds.
Rule 3. Nobody gets the whole body of what asks for another protocol, or a tunnel: there is none.
Rule 4. After `Way.stop` nothing goes on any more, and what was waited for is cancelled.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.filters.api import HttpFilter, Reply, WholeBody
from shifter.wire.events import UPGRADE, RequestHead, ResponseHead

_log = Logger()

HEAD, DATA, TRAILERS, _WHOLE, _OVER, _INSTEAD = range(6)

Event = tuple[int, bytes, bool]
"""Kind, data (or a block of trailers), and whether it ends the message. Trailers end theirs. ``_OVER`` goes before them: it tells
filters that the body is over, and carries what they still have of it. ``_INSTEAD`` are trailers that become the last of the body."""

TOO_LARGE = Reply(413, b"Payload Too Large", details="request_payload_too_large")


class Owner(Protocol):
    """Who has a way in each direction, and is told what becomes of things on them."""

    def request_passed(self, event: Event) -> None:
        """Something of the request has passed all filters."""

    def request_held(self) -> None:
        """Something of the request waits for a filter."""

    def request_went_on(self) -> None:
        """A filter waits no more, and what stood before it has gone on."""

    def wants_body(self, limit: int) -> None:
        """A filter wants the whole body of the request, which may have *limit* bytes."""

    def body_resized(self, length: int) -> None:
        """The whole body, whose head is still here, goes on with *length* bytes."""

    def answer(self, reply: Reply) -> None:
        """A filter answers."""

    def response_passed(self, event: Event) -> None:
        """Something of the answer has passed all filters."""

    def response_held(self) -> None:
        """Something of the answer waits for a filter."""

    def response_went_on(self) -> None:
        """A filter waits no more, and what stood before it has gone on."""

    def fault(self, failure: Failure, culprit: HttpFilter) -> None:
        """A filter has failed."""


class Stage:
    """A filter and what stands before it: ``held`` is ``None`` while that is nothing, ``collected`` is the body so far for one that
    wants it whole."""

    __slots__ = ("collected", "draining", "filter", "held", "limit", "over", "size", "waiting")

    def __init__(self, one: HttpFilter) -> None:
        self.filter = one
        self.held: deque[Event] | None = None
        self.waiting: Deferred[Any] | None = None
        self.draining = False
        self.over = False  # it has seen the body whole: it is not told again that it is over
        self.collected: list[bytes] | None = None
        self.size = 0
        self.limit = 0


class Way:
    """See the module. `RequestWay` and `ResponseWay` know what filters are asked."""

    __slots__ = ("_endless", "_owner", "_stages", "_stopped")

    def __init__(self, filters: Sequence[HttpFilter], owner: Owner, head: RequestHead) -> None:
        self._endless = bool(head.flags & UPGRADE)  # what follows is no body, and never whole
        self._stages = [Stage(one) for one in filters]
        self._owner = owner
        self._stopped = False

    @property
    def holds(self) -> bool:
        """Whether a filter waits."""
        return any(stage.held is not None for stage in self._stages)

    def push(self, event: Event, at: int = 0) -> None:
        """Have *event* pass the filters from *at* on."""
        stages = self._stages
        while at < len(stages):
            if self._stopped:
                return
            stage = stages[at]
            if stage.held is not None:
                stage.held.append(event)
                self._held_back()
                return
            passed = self._visit(at, stage, event)
            if passed is None:
                return
            event = passed
            at += 1
        if self._stopped:
            return
        if event[0] != _OVER:
            self._deliver(event)
        elif event[1]:
            self._deliver((DATA, event[1], False))

    def push_trailers(self, block: bytes) -> None:
        """Have the message's trailers pass, behind the end of its body."""
        self.push((_OVER, b"", False))
        self.push((TRAILERS, block, True))

    def stop(self) -> None:
        """Forget what is held back, and cancel what is waited for."""
        self._stopped = True
        for stage in self._stages:
            waiting = stage.waiting
            stage.waiting = stage.held = stage.collected = None
            if waiting is not None:
                try:
                    waiting.cancel()
                except Exception:
                    _log.failure("the filter {culprit} cannot be cancelled", culprit=type(stage.filter).__name__)

    def _visit(self, at: int, stage: Stage, event: Event) -> Event | None:
        """Return what goes on in the place of *event*, if anything does now."""
        if stage.collected is not None:
            self._collect(at, stage, event)
            return None
        if stage.over and event[0] == _OVER:
            return event
        try:
            said = self._ask(stage.filter, event)
        except Exception:
            self._owner.fault(Failure(), stage.filter)
            return None
        if isinstance(said, Deferred):
            self._wait(at, stage, event, said)
            return None
        return self._said(at, stage, event, said)

    def _ask(self, one: HttpFilter, event: Event) -> object:
        raise NotImplementedError

    def _deliver(self, event: Event) -> None:
        raise NotImplementedError

    def _held_back(self) -> None:
        raise NotImplementedError

    def _went_on(self) -> None:
        raise NotImplementedError

    def _begin_whole(self, limit: int) -> None:
        """A filter wants the whole body, at most *limit* bytes of it."""

    def _whole_passed(self, length: int) -> None:
        """It has seen that, and what goes on has *length* bytes."""

    def _too_large(self, stage: Stage, data: bytes) -> bytes:
        """There is more than it wants, *data* included; return what is kept of that."""
        raise NotImplementedError

    def _said(self, at: int, stage: Stage, event: Event, said: Any) -> Event | None:
        kind, _, end = event
        if isinstance(said, Reply):
            self._owner.answer(said)
            return None
        if kind == HEAD:
            if isinstance(said, WholeBody) and not end and not self._endless:
                stage.collected = []
                stage.limit = said.max_bytes
                self._begin_whole(said.max_bytes)
                return None
            if said is None or isinstance(said, WholeBody):
                return event
            self._misled(stage, said)
            return None
        if not isinstance(said, bytes):
            self._misled(stage, said)
            return None
        if kind == _WHOLE:
            self._whole_passed(len(said))
            self.push((HEAD, b"", end and not said), at + 1)
            return (DATA, said, end) if said else None
        if kind == DATA and not said and not end:
            return None
        return (DATA if kind == _INSTEAD else kind, said, end)

    def _misled(self, stage: Stage, said: object) -> None:
        self._owner.fault(Failure(TypeError(f"a filter cannot return {said!r} there")), stage.filter)

    # one that wants the body whole

    def _collect(self, at: int, stage: Stage, event: Event) -> None:
        assert stage.collected is not None
        kind, data, end = event
        stage.size += len(data)
        if stage.size > stage.limit:
            data = self._too_large(stage, data)
            if self._stopped:
                return
        stage.collected.append(data)
        if not end and kind == DATA:
            return
        body = b"".join(stage.collected)
        stage.collected = None
        stage.over = True
        self._pass_on(at, self._visit(at, stage, (_WHOLE, body, end)))
        if kind == _OVER:
            self.push((_OVER, b"", False), at)

    # one that waits

    def _wait(self, at: int, stage: Stage, event: Event, deferred: Deferred[Any]) -> None:
        if stage.held is None:
            stage.held = deque()
        stage.waiting = deferred
        deferred.addCallbacks(self._came, self._failed, (at, stage, event), {}, (stage,))
        deferred.addErrback(self._failed, stage)

    def _came(self, said: object, at: int, stage: Stage, event: Event) -> None:
        stage.waiting = None
        if self._stopped:
            return
        self._pass_on(at, self._said(at, stage, event, said))
        if stage.draining:
            return  # it did not have to be waited for: who drains goes on with the next
        stage.draining = True
        while stage.held and stage.waiting is None and not self._stopped:
            self._pass_on(at, self._visit(at, stage, stage.held.popleft()))
        stage.draining = False
        if stage.waiting is None:
            stage.held = None
            if not self._stopped:
                self._went_on()

    def _failed(self, failure: Failure, stage: Stage) -> None:
        stage.waiting = None
        if not self._stopped:
            self._owner.fault(failure, stage.filter)

    def _pass_on(self, at: int, passed: Event | None) -> None:
        if passed is not None:
            self.push(passed, at + 1)


class RequestWay(Way):
    """From the client to the route, in the order of the configuration."""

    __slots__ = ("_head",)

    def __init__(self, filters: Sequence[HttpFilter], owner: Owner, head: RequestHead) -> None:
        super().__init__(filters, owner, head)
        self._head = head

    def _ask(self, one: HttpFilter, event: Event) -> object:
        kind, data, end = event
        if kind == HEAD:
            return one.on_request_head(self._head, end)
        if kind == TRAILERS:
            return one.on_request_trailers(data)
        return one.on_request_data(data, end or kind != DATA)

    def _begin_whole(self, limit: int) -> None:
        self._owner.wants_body(limit)

    def _whole_passed(self, length: int) -> None:
        self._owner.body_resized(length)

    def _too_large(self, stage: Stage, data: bytes) -> bytes:
        self._owner.answer(TOO_LARGE)
        return b""

    def _deliver(self, event: Event) -> None:
        self._owner.request_passed(event)

    def _held_back(self) -> None:
        self._owner.request_held()

    def _went_on(self) -> None:
        self._owner.request_went_on()


class ResponseWay(Way):
    """From whoever answers to the client, in the opposite order. ``head`` is set before the head is pushed."""

    __slots__ = ("head",)

    def __init__(self, filters: Sequence[HttpFilter], owner: Owner, head: RequestHead) -> None:
        super().__init__(filters[::-1], owner, head)
        self.head: ResponseHead

    def _visit(self, at: int, stage: Stage, event: Event) -> Event | None:
        if stage.filter.replaces_trailers and stage.collected is None:
            if event[0] == _OVER:
                return None
            if event[0] == TRAILERS:
                event = (_INSTEAD, event[1], True)
        most = stage.filter.response_piece
        while event[0] == DATA and 0 < most < len(event[1]) and not self._stopped:
            _, data, end = event
            self._pass_on(at, super()._visit(at, stage, (DATA, data[:most], False)))
            event = (DATA, data[most:], end)
            if stage.waiting is not None and stage.held is not None:
                stage.held.appendleft(event)
                return None
        return None if self._stopped else super()._visit(at, stage, event)

    def _ask(self, one: HttpFilter, event: Event) -> object:
        kind, data, end = event
        if kind == HEAD:
            return one.on_response_head(self.head, end)
        if kind in (TRAILERS, _INSTEAD):
            return one.on_response_trailers(data)
        return one.on_response_data(data, end or kind != DATA)

    def _too_large(self, stage: Stage, data: bytes) -> bytes:
        room = stage.limit - sum(map(len, stage.collected or ()))
        return data[:room]

    def _deliver(self, event: Event) -> None:
        self._owner.response_passed(event)

    def _held_back(self) -> None:
        self._owner.response_held()

    def _went_on(self) -> None:
        self._owner.response_went_on()
