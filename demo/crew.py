"""A handful of programs that live and die together.

Rule 1. Each is started on a leash (``leash.py``): none survives us, however we end.
Rule 2. They are stopped in the reverse of the order they were started in, each asked first and killed only if deaf.
Rule 3. One that ends unasked ends the crew, and its last words are printed.
"""

import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ProcessExitedAlready, ProcessTerminated
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from demo.addresses import Address

LAST_WORDS = 200  # lines of output remembered for each program
PATIENCE = 10.0  # seconds that a program may take to end when asked to
LOOK_AGAIN = 0.05  # seconds between two looks whether something is there yet
ROOT = Path(__file__).resolve().parent.parent


class CannotStart(Exception):
    """The crew cannot be had: the text says why and what to do about it."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: ``command[0]`` is a path; ``environment`` comes on top of our own. ``directory``: where, if not in the crew's."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


def say(text: str, stream: TextIO | None = None) -> None:
    """Print *text* at once, to standard output unless told otherwise. A terminal that was closed must not keep us from stopping."""
    with suppress(OSError):
        print(text, file=stream or sys.stdout, flush=True)


def python(name: str, script: str, *arguments: str, **environment: str) -> Program:
    """One of the demo's own programs."""
    return Program(name, (sys.executable, str(ROOT / "demo" / script), *arguments), environment)


def proxy(twistd: Path, name: str, config: Path, *arguments: str) -> Program:
    """shifter, as anyone would start it."""
    return Program(name, (str(twistd), "-n", "--pidfile=", "shifter", "--config", str(config), *arguments))


class Member(ProcessProtocol):
    """A running program.

    ``words`` are the last lines it wrote. ``show`` is given each further line as it comes. ``gone`` fires when it has
    ended. ``asked``: its end is no surprise.
    """

    def __init__(self, name: str, lost: Callable[["Member"], None]) -> None:
        self.name = name
        self.words: deque[str] = deque(maxlen=LAST_WORDS)
        self.show: Callable[[str], None] | None = None
        self.gone: Deferred[None] = Deferred()
        self.asked = False
        self._lost = lost
        self._unfinished = {1: b"", 2: b""}

    def __repr__(self) -> str:
        return f"<Member {self.name} pid={self.pid}>"

    @property
    def pid(self) -> int | None:
        """``None`` before it was started and after it ended."""
        return self.transport.pid if self.transport is not None else None

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        *lines, self._unfinished[childFD] = (self._unfinished[childFD] + data).split(b"\n")
        for line in lines:
            self._heard(line)

    def processEnded(self, reason: Failure) -> None:
        for rest in filter(None, self._unfinished.values()):
            self._heard(rest)
        self.words.append(self._cause(reason.value))
        self.gone.callback(None)
        if not self.asked:
            self._lost(self)

    def last_words(self) -> str:
        """Its name and, indented, the end of its output."""
        return "\n    ".join([f"{self.name}:", *self.words])

    def signal(self, name: str) -> None:
        """Send ``TERM``, ``KILL`` or ``HUP``; to one that has ended, nothing."""
        if self.transport is not None and not self.gone.called:
            try:
                self.transport.signalProcess(name)
            except ProcessExitedAlready:
                return  # processEnded is on its way

    def _heard(self, line: bytes) -> None:
        text = line.decode(errors="replace")
        self.words.append(text)
        if self.show is not None:
            self.show(text)

    @staticmethod
    def _cause(error: BaseException | None) -> str:
        if isinstance(error, ProcessTerminated) and error.signal is not None:
            return f"(ended by signal {error.signal})"
        return f"(ended with exit code {getattr(error, 'exitCode', 0)})"


class Visitor(Protocol):
    """Knocks and leaves."""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.loseConnection()


class Crew:
    """Starts programs and stops them. ``lost`` fires with the first that ended although nobody had asked it to."""

    def __init__(self, reactor: PosixReactorBase, directory: Path) -> None:
        self.lost: Deferred[Member] = Deferred()
        self._reactor = reactor
        self._directory = directory
        self._stages: list[list[Member]] = []

    def start(self, *programs: Program) -> list[Member]:
        """Start programs that need not wait for one another; they are also stopped together."""
        stage = [self._spawn(program) for program in programs]
        self._stages.append(stage)
        return stage

    @property
    def started(self) -> bool:
        """Whether there is anyone to stop."""
        return bool(self._stages)

    async def stop(self) -> None:
        """End every program, those started last first. Returns when none is left."""
        for member in self._everyone():
            member.asked = True
        for stage in reversed(self._stages):
            for member in stage:
                member.signal("TERM")
            deaf = self._reactor.callLater(PATIENCE, self._kill, stage)
            for member in stage:
                await member.gone
            if deaf.active():
                deaf.cancel()

    def last_words(self) -> str:
        """What every program said last, for the one who has to find out why it does not work."""
        return "\n".join(member.last_words() for member in self._everyone())

    def kill(self) -> None:
        """End every program now."""
        self._kill(self._everyone())

    async def accepts(self, address: Address) -> None:
        """Return once *address* takes TCP connections."""
        endpoint = TCP4ClientEndpoint(self._reactor, address.host, address.port, timeout=1)
        while True:
            try:
                await endpoint.connect(Factory.forProtocol(Visitor))
            except ConnectError:
                await deferLater(self._reactor, LOOK_AGAIN, lambda: None)
            else:
                return

    def _spawn(self, program: Program) -> Member:
        member = Member(program.name, self._on_lost)
        arguments = [sys.executable, "-I", "-S", str(ROOT / "demo/leash.py"), str(os.getpid()), *program.command]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **program.environment}
        self._reactor.spawnProcess(member, sys.executable, arguments, environment, str(program.directory or self._directory))
        return member

    def _on_lost(self, member: Member) -> None:
        if not self.lost.called:
            self.lost.callback(member)

    def _everyone(self) -> list[Member]:
        return [member for stage in self._stages for member in stage]

    @staticmethod
    def _kill(members: list[Member]) -> None:
        for member in members:
            member.signal("KILL")


class Run:
    """A crew's life under the reactor: begun, until Ctrl-C, SIGTERM or a failure; then stopped."""

    def __init__(self, reactor: PosixReactorBase, crew: Crew) -> None:
        self._reactor = reactor
        self._crew = crew
        self._beginning: Deferred[None] = Deferred()
        self._stopping = False
        self._failed = False

    def main(self, begin: Callable[[], Coroutine[Any, Any, None]], on_hangup: Callable[[], None]) -> int:
        """Run *begin* and stay until the end. Return the exit status: 1 after a failure, which was printed.

        *on_hangup* is called on SIGHUP. A second Ctrl-C kills those who take their time.
        """

        def start() -> None:
            self._beginning = Deferred.fromCoroutine(begin()).addErrback(self._could_not_begin)

        self._crew.lost.addCallback(self._lost)
        self._on_signal(signal.SIGHUP, on_hangup)
        self._reactor.callWhenRunning(start)
        self._reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        self._reactor.run()
        return 1 if self._failed else 0

    def _stop(self) -> Deferred[None]:
        self._stopping = True
        if self._crew.started:
            say("Stopping …")
        self._on_signal(signal.SIGINT, self._crew.kill)
        self._beginning.cancel()
        return Deferred.fromCoroutine(self._crew.stop())

    def _lost(self, member: Member) -> None:
        self._give_up(f"{member.name} has ended, so everything stops. What it said last:\n\n{member.last_words()}\n")

    def _could_not_begin(self, failure: Failure) -> None:
        if isinstance(failure.value, CannotStart):
            self._give_up(str(failure.value))
        else:
            self._give_up("".join(traceback.format_exception(failure.value)))

    def _give_up(self, why: str) -> None:
        if not self._stopping and not self._failed:
            self._failed = True
            say(why, sys.stderr)
            self._reactor.stop()

    def _on_signal(self, number: signal.Signals, action: Callable[[], None]) -> None:
        def handle(number: int, frame: FrameType | None) -> None:
            self._reactor.callFromThread(action)

        signal.signal(number, handle)
