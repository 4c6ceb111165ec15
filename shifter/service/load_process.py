"""Large configurations are loaded by another process, so that no request waits for it.

Rule 1. It is a new interpreter, never a copy of this process: a fork of a process with a large memory would itself keep it waiting.
Rule 2. What comes back is taken in slices (`load_parts`, `slices`).
Rule 3. A process that dies, says nothing, says too much or takes too long is a problem of what it read, and is told as one.
"""

import os
import pickle
import sys
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from shifter.service.load_child import Question
from shifter.service.load_parts import unpickled
from shifter.service.loading import Candidate, unreadable
from shifter.service.slices import Slices

PATIENCE = 120.0
"""Seconds that it may take to load a configuration: a hundred times what a thousand clusters take."""
MOST = 512 << 20
"""Bytes that an answer may have."""
_MOST_WORDS = 4096


class ProcessLoader:
    """See the module."""

    def __init__(self, reactor: Any, slices: Slices) -> None:
        self._reactor = reactor
        self._slices = slices
        self._running: set[_Child] = set()

    def load(self, path: str, good: Mapping[str, bytes]) -> Deferred[Candidate]:
        """See `sources.Loader`."""
        return self._ask(Question(path, good))

    def load_again(self, texts: Mapping[str, bytes]) -> Deferred[Candidate]:
        """Fire with what `loading.loaded_again` returns."""
        return self._ask(Question(next(iter(texts)), texts, again=True))

    def stop(self) -> None:
        """Load nothing more: what is under way comes to nothing."""
        for child in list(self._running):
            child.give_up("the proxy is ending")

    def _ask(self, question: Question) -> Deferred[Candidate]:
        try:
            child = _Child(self._reactor, question)
        except OSError as error:
            return succeed(_unloaded(question, f"no process can be started for it: {error.strerror}"))
        self._running.add(child)

        def answered(answer: bytes) -> Deferred[Candidate]:
            return self._slices.run(unpickled(answer))

        def failed(failure: Failure) -> Candidate:
            return _unloaded(question, "the proxy is ending" if failure.check(CancelledError) else failure.getErrorMessage())

        def done(candidate: Candidate) -> Candidate:
            self._running.discard(child)
            return candidate

        return child.answer.addCallback(answered).addErrback(failed).addCallback(done)


def _unloaded(question: Question, why: str) -> Candidate:
    return unreadable(question.path, f"{question.path}: cannot be loaded: {why}")


class _LoadError(Exception):
    """The process did not do what it was started for."""


class _Child(ProcessProtocol):
    """One process that loads something."""

    def __init__(self, reactor: Any, question: Question) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self._question = question
        self._said: list[bytes] = []
        self._size = 0
        self._words = b""
        self._gave_up = ""
        path = os.pathsep.join(one or os.getcwd() for one in sys.path)
        arguments = [sys.executable, "-P", "-m", "shifter.service.load_child"]
        reactor.spawnProcess(self, sys.executable, arguments, env={**os.environ, "PYTHONPATH": path})
        self._late = reactor.callLater(PATIENCE, self.give_up, f"it took longer than {PATIENCE:.0f} s")

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(pickle.dumps(self._question, pickle.HIGHEST_PROTOCOL))
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        self._said.append(data)
        self._size += len(data)
        if self._size > MOST:
            self.give_up(f"it would have more than {MOST >> 20} MiB")

    def errReceived(self, data: bytes) -> None:
        self._words = (self._words + data)[-_MOST_WORDS:]

    def inConnectionLost(self) -> None:
        pass  # it ended before it had read the question; its end tells why

    def give_up(self, why: str) -> None:
        """End it."""
        self._gave_up = self._gave_up or why
        self._said.clear()
        if self.transport is not None and self.transport.pid is not None:
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        if self._late.active():
            self._late.cancel()
        said, self._said = self._said, []
        if self._gave_up:
            self.answer.errback(_LoadError(self._gave_up))
        elif reason.check(ProcessDone):
            self.answer.callback(b"".join(said))
        else:
            last = self._words.decode("utf-8", "replace").strip().rpartition("\n")[2]
            how = reason.getErrorMessage().rstrip(".")
            self.answer.errback(_LoadError(f"the process that loads it did not finish: {how}{': ' if last else ''}{last}"))
