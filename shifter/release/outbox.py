"""What one receiver is to be told of a release: each event at least once, in the order in which they were written down.

Rule 1. Events are read from where they are written down, a few at a time; nothing else is remembered but how far this receiver is. That is
        written down, too, so another process goes on where this one ended: the receiver may hear of an event twice, but of none never.
Rule 2. A receiver that cannot be reached is tried again and again, ever more seldom (`webhook.LONGEST_PAUSE`), and no later event is told
        before. One that refuses an event (`NotDelivered.final`) has refused it: the next one is told.
Rule 3. It keeps up nobody: not the release, and not other receivers.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.release import Notification, Transition
from shifter.release.interfaces import Store
from shifter.release.notify import wants
from shifter.release.webhook import NotDelivered, pause_before

_log = Logger()

_T = TypeVar("_T")

BATCH = 20
"""Events that are read at a time."""


@dataclass(frozen=True, slots=True)
class Target:
    """A receiver: the *number* of its *notification* in the spec of *release*, from 1."""

    release: str
    number: int
    notification: Notification

    @property
    def key(self) -> str:
        """What is written down how far it is under."""
        return f"{self.release}/notify/{self.number}"


class Outbox:
    """See the module. *send* delivers one event or raises `NotDelivered`; *sleep* makes pauses; *ended* is called when the release will
    have nothing more to tell, and everything was told."""

    def __init__(
        self,
        target: Target,
        store: Store,
        send: Callable[[Transition], Awaitable[None]],
        sleep: Callable[[float], Deferred[None]],
        random: Callable[[], float],
        ended: Callable[["Outbox"], None],
    ) -> None:
        self.target = target
        self.delivered = 0
        """Events that were told, also by processes before this one."""
        self.refused = 0
        self.waiting = 0
        self.problem = ""
        self.left = False
        """Whether the release is over: what there still is is told, and that is it."""
        self._store = store
        self._send = send
        self._sleep = sleep
        self._random = random
        self._ended = ended
        self._at: int | None = None  # the last event that it need not hear of any more; None: not read yet
        self._last: Transition | None = None  # of those that were seen, and counted
        self._unwritten = 0  # how far it is, if that could not be written down
        self._running = False
        self._more = False
        self._work: Deferred[None] | None = None

    def told(self, transition: Transition) -> None:
        """Another event of the release was written down."""
        if self._at is not None:
            self._see(transition)
        self.wake()

    def wake(self) -> None:
        """See whether there is something to tell."""
        self._more = True
        if not self._running:
            self._running = True
            work = Deferred.fromCoroutine(self._deliver())
            work.addErrback(self._broken).addCallback(self._rest)
            if self._running:
                self._work = work

    def close(self) -> None:
        """Tell nothing more."""
        self._more = False
        if self._work is not None:
            self._work.cancel()

    def _rest(self, _: None) -> None:
        self._work = None
        self._running = False

    def _broken(self, reason: Failure) -> None:
        """Closed, or a fault of ours."""
        if not reason.check(CancelledError):
            self.problem = "a fault of shifter's own, see its log"
            _log.failure("notifications of {release} have ended", reason, release=self.target.release)

    async def _deliver(self) -> None:
        if self._at is None:
            self._at = await self._begin()
        while self._more:
            self._more = False
            while events := await self._read(self._at):
                for event in events:
                    self._see(event)
                    if wants(self.target.notification, event.event):
                        await self._tell(event)
                    self._at = event.number
            self.waiting = 0
            if self._unwritten:
                await self._patiently(lambda: self._store.deliver(self.target.key, self._unwritten))
                self._unwritten, self.problem = 0, ""
        last = self._last
        if self.left and last is not None and last.after.state.over and not last.after.held:
            self._ended(self)

    async def _begin(self) -> int:
        """Find out how far it is, and how many events wait; return the number of the last one that was told."""
        told = await self._patiently(lambda: self._store.delivered(self.target.key))
        after = 0
        while events := await self._read(after):
            after = events[-1].number
            for event in events:
                self._see(event, told)
        return told

    def _see(self, event: Transition, told: int = 0) -> None:
        if self._last is not None and event.number <= self._last.number:
            return
        self._last = event
        if wants(self.target.notification, event.event):
            if event.number <= told:
                self.delivered += 1
            else:
                self.waiting += 1

    def _read(self, after: int) -> Awaitable[list[Transition]]:
        return self._patiently(lambda: self._store.events(after, BATCH, self.target.release))

    async def _tell(self, event: Transition) -> None:
        try:
            await self._patiently(lambda: self._send(event))
            self.delivered += 1
            self.problem = ""
        except NotDelivered as error:
            self.refused += 1
            self.problem = f"{error}: event {event.number} ({event.event}) was refused"
        self.waiting = max(0, self.waiting - 1)
        try:
            await self._store.deliver(self.target.key, event.number)
            self._unwritten = 0
        except CancelledError:
            raise
        except Exception as error:
            self.problem = str(error)  # the receiver may hear of it again, from the next process
            self._unwritten = event.number

    async def _patiently(self, what: Callable[[], Awaitable[_T]]) -> _T:
        """Return what comes of *what*, which is done again until it goes well. Raises `NotDelivered` only if that is final."""
        failed = 0
        while True:
            asked_for = None
            try:
                return await what()
            except NotDelivered as error:
                if error.final:
                    raise
                self.problem = str(error)
                asked_for = error.pause
            except CancelledError:
                raise
            except Exception as error:  # of the store, whose errors are of a room above this one
                self.problem = str(error)
            failed += 1
            await self._sleep(pause_before(failed, asked_for, self._random))
