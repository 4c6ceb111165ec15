"""Who listens to a release, and what each is told: see `admin.releases`, rule 3.

Rule 1. Events are read from where they were written down, in order, for each listener from behind the last that it was told: nobody
        misses one, and nobody hears of one that was not written.
Rule 2. What a release is like is made once a second for all who listen to it, and not at all when nobody does. Of the series all is told
        when somebody comes and every `WHOLE` seconds, in between only the last `POINTS` seconds.
Rule 3. One that does not keep up is told nothing until it does; one that does not read at all is left.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from shifter.admin.page import Sink, Stream
from shifter.admin.release_view import ReleasesView
from shifter.admin.releases import as_json
from shifter.model.release import Transition

INTERVAL = 1.0
"""Seconds between two looks."""
WHOLE = 30
"""After so many looks series are told whole again."""
POINTS = 3
MOST_LISTENERS = 32
"""So many may listen at a time, to all releases together."""
PATIENCE = 30
"""After so many looks a listener that does not read is left."""
AT_ONCE = 500
"""So many events are read at a time."""

_RETRY_MS = 2000

_log = Logger()


class ReleaseFeed:
    """See the module. *clock* is the reactor."""

    def __init__(self, releases: ReleasesView, clock: Any) -> None:
        self._releases = releases
        self._listeners: list[_Listener] = []
        self._ticks = 0
        self._over = False
        self._ticker = LoopingCall(self._tick)
        self._ticker.clock = clock

    def stop(self) -> None:
        """All streams end, and so does at once who comes later."""
        self._over = True
        self._rest()
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.sink.finish()

    def listen(self, name: str, after: int) -> Stream | None:
        """See `ReleasesView.listen`."""
        if len(self._listeners) >= MOST_LISTENERS:
            return None

        def begin(sink: Sink) -> Callable[[], None]:
            listener = _Listener(sink, name, after)
            sink.write(f"retry: {_RETRY_MS}\n\n".encode())
            if self._over:
                sink.finish()
                return _nothing
            self._listeners.append(listener)
            if not self._ticker.running:
                self._ticker.start(INTERVAL, now=False)
            self._catch_up(listener)
            self._tell(listener, _frame("status", self._releases.status(name)))
            return lambda: self._leave(listener)

        return Stream(begin, "text/event-stream", (("cache-control", "no-store"), ("x-accel-buffering", "no")))

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def happened(self, name: str) -> None:
        """Something was written down of the release *name*: whoever listens hears of it at once."""
        listeners = [one for one in self._listeners if one.release == name]
        if listeners:
            status = _frame("status", self._releases.status(name, POINTS))
            for listener in listeners:
                if not listener.sink.full:
                    self._catch_up(listener)
                self._tell(listener, status)

    # inside

    def _tick(self) -> None:
        self._ticks += 1
        whole = not self._ticks % WHOLE
        frames: dict[str, bytes] = {}
        for listener in tuple(self._listeners):
            name = listener.release
            if name not in frames:
                frames[name] = _frame("status", self._releases.status(name, None if whole else POINTS))
            if listener.behind and not listener.sink.full:
                self._catch_up(listener)
            self._tell(listener, frames[name])

    def _tell(self, listener: "_Listener", frame: bytes) -> None:
        if not listener.sink.full:
            listener.behind = 0
            listener.sink.write(frame)
        elif listener.behind < PATIENCE:
            listener.behind += 1
        else:
            self._leave(listener)
            listener.sink.finish()

    def _leave(self, listener: "_Listener") -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)
        if not self._listeners:
            self._rest()

    def _rest(self) -> None:
        if self._ticker.running:
            self._ticker.stop()

    def _catch_up(self, listener: "_Listener") -> None:
        """Tell *listener* the events that it has not been told."""
        if listener.asking:
            listener.again = True
            return
        listener.asking = True
        found = self._releases.events(listener.release, listener.last, AT_ONCE)
        found.addCallbacks(self._caught_up, self._failed, callbackArgs=(listener,), errbackArgs=(listener,))

    def _caught_up(self, events: Sequence[Transition], listener: "_Listener") -> None:
        listener.asking = False
        if listener not in self._listeners:
            return
        for one in events:
            listener.last = one.number
            listener.sink.write(_frame("event", one.to_dict(), str(one.number)))
        if listener.sink.full:
            listener.again = False
            listener.behind = max(1, listener.behind)  # the rest when it reads again
        elif listener.again or len(events) == AT_ONCE:
            listener.again = False
            self._catch_up(listener)

    def _failed(self, failure: Any, listener: "_Listener") -> None:
        """What cannot be read now is with the next event."""
        listener.asking = listener.again = False
        _log.error("the events of the release {name} cannot be read: {why}", name=listener.release, why=failure.getErrorMessage())


class _Listener:
    __slots__ = ("again", "asking", "behind", "last", "release", "sink")

    def __init__(self, sink: Sink, release: str, after: int) -> None:
        self.sink = sink
        self.release = release
        self.last = after
        self.behind = 0
        self.asking = self.again = False


def _frame(name: str, data: Mapping[str, object] | None, identity: str = "") -> bytes:
    if data is None:
        return b""
    return (f"id: {identity}\n" if identity else "").encode() + f"event: {name}\ndata: {as_json(data)}\n\n".encode()


def _nothing() -> None: ...
