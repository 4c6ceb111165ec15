"""Servers outside that are not there: what a release would send them, and answers that a test makes up."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from shifter.model.change import Actor
from shifter.model.release import Progress, State, Transition
from shifter.release.http import HttpAnswer
from shifter.release.interfaces import Answer, Http
from shifter.release.webhook import Sender

WALL = 1_700_000_000.0


@dataclass
class Sent:
    """One request. ``answer`` fires with what it is answered."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float
    answer: Deferred[Answer]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def reply(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        raw = body.encode() if isinstance(body, str) else body
        self.answer.callback(HttpAnswer(status, raw, {name.replace("_", "-"): value for name, value in headers.items()}))

    def fail(self, why: str = "the connection was refused") -> None:
        self.answer.errback(OSError(why))


class FakeHttp:
    """See the module. Requests wait in ``sent`` unless `answers` decides at once."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.answers: Callable[[Sent], int | HttpAnswer | OSError] | None = None
        self.cancelled = 0

    def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> Deferred[Answer]:
        sent = Sent(method, url, body, headers or {}, timeout, Deferred(self._cancel))
        self.sent.append(sent)
        if self.answers is None:
            return sent.answer
        answer = self.answers(sent)
        if isinstance(answer, OSError):
            return fail(answer)
        return succeed(HttpAnswer(answer) if isinstance(answer, int) else answer)

    def _cancel(self, _: Deferred[Answer]) -> None:
        self.cancelled += 1


_: Http = FakeHttp()  # mypy proves that it is one


def sender(http: FakeHttp, clock: Clock, environment: Mapping[str, str] | None = None) -> Sender:
    """Return one without jitter."""
    return Sender(http, clock, lambda: WALL + clock.seconds(), lambda: 0.0, environment or {})


def happened(event: str, release: str = "r-1", number: int = 0, state: State = State.OBSERVING, **changes: Any) -> Transition:
    """Return a transition."""
    after = Progress(state, 1, 50_000, version=changes.pop("version", 1), held=changes.pop("held", True))
    evidence = {"requests": [9000, 450], "failed": [9, 31], "excess_failed": 30.6, "value": 130.0, "sentence": "31 of 450 failed"}
    said = {"actor": Actor("shifter"), "reason": f"{event} <happened>", "at": WALL + number, "evidence": evidence, **changes}
    return Transition(release, event, Progress(State.OBSERVING, 1, 10_000), after, number=number, **said)
