"""``/events``: what the live page and ``shifter top`` show, as server-sent events (docs/live-page.md says what is in them).

Rule 1. All listeners are told the same, made once: once a second while somebody listens, every `IDLE_INTERVAL` otherwise, so that
        who comes late sees what has been. What is kept for that is bounded in time and in bytes.
Rule 2. What a listener is sent is what differs between what it was told and what is known. One that does not keep up is sent
        nothing until it does, and then what it missed as far as that is still there; one that does not read at all is left.
Rule 3. Many clusters are looked at a few at a time, with whatever else the process does in between.
Rule 4. When the process begins to drain the streams end, so that who listens finds the process that comes after it, if one does.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Cooperator, LoopingCall, SchedulerStopped
from twisted.logger import Logger

from shifter.admin.livepage import version as page_version
from shifter.admin.moving import BOUNDS_MS, Moving
from shifter.admin.page import Command, Page, Query, Sink, Stream
from shifter.admin.view import AdminView
from shifter.model.change import AuditEntry

INTERVAL = 1.0
"""Seconds between two looks while somebody listens."""

IDLE_INTERVAL = 10
"""So many intervals pass between two looks while nobody does."""

HISTORY = 600.0
"""For so many seconds figures are kept."""

HISTORY_BYTES = 4 << 20
"""They are kept for a shorter time when they are more than this."""

MOST_LISTENERS = 32
"""So many may listen at a time."""

PATIENCE = 30
"""After so many intervals a listener that does not read is left."""

AT_ONCE = 10
"""So many clusters are looked at before something else may come in between; one takes up to 0.2 ms."""

CHANGES = 50
"""So many of the last changes are told."""

_RETRY_MS = 2000
_TOO_SOON = 0.5

_log = Logger()


class Feed:
    """See the module. *clock* is the reactor."""

    def __init__(self, view: AdminView, clock: Any) -> None:
        self._view = view
        self._clock = clock
        self._boot = f"{int(view.info().now):x}"
        self._listeners: list[_Listener] = []
        self._moving = Moving()
        self._ticks = 0
        self._looked: float | None = None
        self._looking = False
        self._number = 0
        self._frames: deque[tuple[int, float, bytes]] = deque()
        self._bytes = 0
        self._state = b""
        self._draining = False
        self._over = False
        self._version = 0
        self._shares: list[object] = []  # of releases: shares are part of the topology, and move without a new version of it
        self._drawn: tuple[int, list[object]] = (0, [])
        self._topology = b""
        self._changes: list[AuditEntry] = []
        self._changes_asked = -1
        self._cooperator = Cooperator(
            scheduler=lambda step: clock.callLater(0, step), terminationPredicateFactory=lambda: lambda: True, started=True
        )
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = clock

    def start(self) -> None:
        """Begin to look."""
        if not self._ticker.running:
            self._ticker.start(INTERVAL, now=True)

    def stop(self) -> None:
        """Look no more; all streams end, and so does at once who comes by a connection that is still there."""
        self._over = True
        if self._ticker.running:
            self._ticker.stop()
        self._cooperator.stop()
        self._end_all()

    def listen(self, after: str) -> Stream | None:
        """Return the stream of all that is to be told, but for figures up to the event with the id *after*. ``None``: too many listen."""
        if len(self._listeners) >= MOST_LISTENERS:
            return None

        def begin(sink: Sink) -> Callable[[], None]:
            listener = _Listener(sink, self._number_of(after))
            self._listeners.append(listener)
            sink.write(f"retry: {_RETRY_MS}\n\n".encode() + self._hello())
            if self._over:
                self._end_all()
                return _nothing
            self.start()
            self._look()
            return lambda: self._listeners.remove(listener) if listener in self._listeners else None

        return Stream(begin, "text/event-stream", (("cache-control", "no-store"), ("x-accel-buffering", "no")))

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._listeners)

    # looking

    def _tick(self) -> None:
        self._ticks += 1
        if self._listeners or self._ticks % IDLE_INTERVAL == 1:
            self._look()

    def _look(self) -> None:
        """Look at everything and tell the listeners, unless that is being done."""
        if self._looking:
            return
        self._looking = True
        self._cooperator.cooperate(self._pass()).whenDone().addCallbacks(lambda _: self._tell(), self._failed)

    def _failed(self, failure: Any) -> None:
        if failure.check(SchedulerStopped):
            return  # the process ends, in the middle of a look: there will be no other
        self._looking = False
        _log.failure("the live page's figures cannot be made", failure)

    def _pass(self) -> Iterator[None]:
        """Look at everything, a little at a time; at the figures only if that was not done just now."""
        self._describe()
        snapshot = self._view.snapshot()
        if self._listeners and snapshot is not None and (snapshot.version, self._shares) != self._drawn:
            drawn = snapshot.version, self._shares
            from shifter.admin.topology import topology  # it takes a lot of memory with it, and most never ask

            pieces = []
            for number, piece in enumerate(topology(snapshot, self._view.info().config_time), 1):
                pieces.append(piece)
                if number % (10 * AT_ONCE) == 0:
                    yield
            self._topology = _event("topology", "".join(pieces))
            self._version, self._drawn = snapshot.version, drawn
        if self._version != self._changes_asked:
            self._changes_asked = self._version
            self._view.audit(CHANGES).addCallbacks(self._changed, lambda failure: _log.failure("the audit log cannot be read", failure))
        yield
        now, last = self._clock.seconds(), self._looked
        if last is None or now - last >= _TOO_SOON:
            yield from self._measure()
            self._looked = now
            self._keep(self._moving.take(), None if last is None else now - last)
        self._looking = False

    def _measure(self) -> Iterator[None]:
        for number, part in enumerate(self._view.parts(), 1):
            self._moving.look(part)
            if number % AT_ONCE == 0:
                yield

    def _keep(self, moved: str, seconds: float | None) -> None:
        """Keep what *moved* in so many *seconds* as one more event, and no more of the older ones than there is room for."""
        if seconds is None:
            return  # the first look has nothing to compare with
        self._number += 1
        wall = self._view.info().now
        told = f'"t": {wall:.3f}, "seconds": {seconds:.3f}'
        frame = _event("figures", f"{{{told}{', ' if moved else ''}{moved}}}", f"{self._boot}-{self._number}")
        self._frames.append((self._number, wall, frame))
        self._bytes += len(frame)
        while self._frames and (self._bytes > HISTORY_BYTES or self._frames[0][1] < wall - HISTORY):
            self._bytes -= len(self._frames.popleft()[2])

    def _describe(self) -> None:
        state = self._view.state()
        snapshot = self._view.snapshot()
        version = 0 if snapshot is None else snapshot.version
        shown = ("name", "state", "canary", "weight")
        running = [{name: one[name] for name in shown} for one in self._view.releases().listed() if not one["over"]]
        told = {"state": state, "version": version, "problems": list(self._view.problems()), "notices": list(self._view.notices())}
        told["releases"] = running
        self._shares = [one["weight"] for one in running]
        self._state = _event("state", json.dumps(told))
        draining = state == "DRAINING"
        if draining and not self._draining:
            for listener in self._listeners:
                listener.sink.write(self._state)
            self._end_all()
        self._draining = draining

    def _changed(self, entries: list[AuditEntry]) -> None:
        self._changes = entries
        if not self._looking:
            self._tell()

    # telling

    def _hello(self) -> bytes:
        info = self._view.info()
        told = {
            "version": info.version,
            "page": page_version(),
            "boot": self._boot,
            "started": info.started,
            "now": info.now,
            "bounds": BOUNDS_MS,
        }
        return _event("hello", json.dumps(told))

    def _number_of(self, identity: str) -> int:
        """Return the number of the event *identity*; 0 when that is of another process, or of none."""
        boot, _, number = identity.partition("-")
        return int(number) if boot == self._boot and number.isascii() and number.isdigit() and len(number) < 16 else 0

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            if not listener.sink.full:
                listener.behind = 0
                listener.sink.write(b"".join(self._news(listener)))
            elif listener.behind < PATIENCE:
                listener.behind += 1
            else:
                self._listeners.remove(listener)
                listener.sink.finish()

    def _news(self, listener: "_Listener") -> Iterator[bytes]:
        """What *listener* has not been told yet."""
        if listener.state != self._state:
            listener.state = self._state
            yield self._state
        if listener.topology is not self._topology:
            listener.topology = self._topology
            yield self._topology
        if self._changes and listener.change != self._changes[0].number:
            fresh = [entry.to_dict() for entry in self._changes if entry.number > listener.change]
            listener.change = self._changes[0].number
            yield _event("changes", json.dumps({"changes": fresh}))
        first = self._frames[0][0] if self._frames else self._number + 1
        missed = listener.figures < first - 1
        for number, _, frame in self._frames:
            if number > listener.figures:
                yield frame
        listener.figures = self._number
        if missed or not listener.greeted:
            listener.greeted = True
            yield _event("clusters", f"{{{', '.join(self._moving.clusters.values())}}}")

    def _end_all(self) -> None:
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.sink.finish()


class _Listener:
    """One who listens, and what it was told: the number of the last figures and of the last change, the topology."""

    __slots__ = ("behind", "change", "figures", "greeted", "sink", "state", "topology")

    def __init__(self, sink: Sink, figures: int) -> None:
        self.sink = sink
        self.figures = figures
        self.behind = 0
        self.change = 0
        self.topology = b""
        self.state = b""
        self.greeted = False


def _event(name: str, data: str, identity: str = "") -> bytes:
    """Return one event; *data* is JSON, which has no line breaks."""
    return (f"id: {identity}\n" if identity else "").encode() + f"event: {name}\ndata: {data}\n\n".encode()


def _nothing() -> None: ...


def events(view: AdminView, query: Query) -> Deferred[Page | Stream]:
    """``/events``."""
    stream = view.listen(query.get("after", ""))
    busy = Page(f"{MOST_LISTENERS} listen already; come again later\n", status=503, headers=(("retry-after", "5"),))
    return succeed(busy if stream is None else stream)


COMMANDS = (
    Command("/events", "stream what the live page shows (server-sent events)", events, (("after", "id of the last event that was seen"),)),
)
