"""Whoever releases talk to outside: gates, notifications, Prometheus checks (`interfaces.Outreach`).

Rule 1. Nobody outside holds up a release or a request: everything is asked aside, has its own patience, and a bound.
Rule 2. It remembers nothing that is not written down elsewhere: a new process that is told of the same releases goes on with the same.
Rule 3. Two of them at one time would tell things twice, and in an order of their own: `close` one before the next begins.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from random import random as random_number
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.release import Gate, ReleaseSpec, Transition
from shifter.release.gates import WAITING, Answered, ask
from shifter.release.interfaces import GateAnswer, Http, Outreach, Store
from shifter.release.notify import Page, message_of
from shifter.release.outbox import Outbox, Target
from shifter.release.prometheus import Check
from shifter.release.webhook import NotDelivered, Sender, host_of

_log = Logger()
_CONFLICT = 409


def _no_page(release: str) -> str:
    return ""


class WebOutreach:
    """See the module. *clock* makes pauses, *wall* is the wall clock; *page* tells the URL of a release's page; *random* gives numbers
    below 1; *environment* has what ``$NAME`` in a URL or a secret stands for."""

    def __init__(
        self,
        http: Http,
        store: Store,
        clock: Any,
        wall: Callable[[], float],
        page: Page = _no_page,
        random: Callable[[], float] = random_number,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._sender = Sender(http, clock, wall, random, environment)
        self._store = store
        self._page = page
        self._outboxes: dict[str, list[Outbox]] = {}
        self._checks: dict[str, list[Check]] = {}
        self._asking: dict[Deferred[GateAnswer], str] = {}

    # interfaces.Outreach

    def ask(self, spec: ReleaseSpec, gate: Gate, question: Mapping[str, object]) -> Deferred[GateAnswer]:
        """See `Outreach`."""
        asked = Deferred.fromCoroutine(ask(self._sender, spec, gate, question))
        asked.addErrback(self._unasked, spec.name)
        if not asked.called:
            self._asking[asked] = spec.name
            asked.addCallback(self._asked, asked)
        return asked

    def told(self, transition: Transition) -> None:
        """See `Outreach`."""
        for outbox in tuple(self._outboxes.get(transition.release, ())):
            outbox.told(transition)

    def failing_checks(self, release: str) -> Sequence[str]:
        """See `Outreach`."""
        return [said for check in self._checks.get(release, ()) if (said := check.objection)]

    def watch(self, spec: ReleaseSpec) -> None:
        """See `Outreach`."""
        if spec.name not in self._outboxes:
            targets = [Target(spec.name, number, notification) for number, notification in enumerate(spec.notify, 1)]
            self._outboxes[spec.name] = [self._outbox(target) for target in targets]
        for outbox in tuple(self._outboxes[spec.name]):
            outbox.left = False
            outbox.wake()
        if spec.name not in self._checks:
            self._checks[spec.name] = [Check(check, self._sender) for check in spec.verdict.also]

    def leave(self, release: str) -> None:
        """See `Outreach`."""
        for check in self._checks.pop(release, ()):
            check.close()
        for asked in [asked for asked, of in self._asking.items() if of == release]:
            asked.cancel()
        for outbox in tuple(self._outboxes.get(release, ())):
            outbox.left = True
            outbox.wake()

    # for people

    def notifications(self, release: str) -> Sequence[Mapping[str, object]]:
        """Return how far each receiver of *release* is, as JSON has it: its ``target``; how many events were ``delivered`` to it, are
        ``waiting``, and it ``refused``; its last ``problem``."""
        return [self._shown(outbox) for outbox in self._outboxes.get(release, ())]

    def checks(self, release: str) -> Sequence[Mapping[str, object]]:
        """Return what the Prometheus checks of *release* gave, as JSON has it."""
        return [check.to_dict() for check in self._checks.get(release, ())]

    # the end

    def close(self) -> None:
        """End everything that is under way. What was not told will be, by the next process."""
        for asked in tuple(self._asking):
            asked.cancel()
        for checks in self._checks.values():
            for check in checks:
                check.close()
        for outboxes in self._outboxes.values():
            for outbox in outboxes:
                outbox.close()
        self._checks, self._outboxes = {}, {}

    # gates

    def _asked(self, answer: GateAnswer, asked: Deferred[GateAnswer]) -> GateAnswer:
        del self._asking[asked]
        return answer

    def _unasked(self, reason: Failure, release: str) -> GateAnswer:
        if reason.check(CancelledError):
            return Answered(WAITING, "the question was given up")
        _log.failure("a gate of {release} could not be asked", reason, release=release)
        return Answered(WAITING, "a fault of shifter's own, see its log")

    # notifications

    def _outbox(self, target: Target) -> Outbox:
        notification = target.notification
        url = notification.slack or notification.webhook
        secret = "" if notification.slack else notification.secret

        async def send(transition: Transition) -> None:
            message = message_of(notification, transition, self._page)
            answer = await self._sender.send(url, secret, message, notification.timeout)
            if answer.status == _CONFLICT:
                raise NotDelivered(f"HTTP {_CONFLICT}", final=True)

        return Outbox(target, self._store, send, self._sender.sleep, self._sender.random, self._ended)

    def _ended(self, outbox: Outbox) -> None:
        release = outbox.target.release
        rest = [one for one in self._outboxes.get(release, ()) if one is not outbox]
        if rest:
            self._outboxes[release] = rest
        else:
            self._outboxes.pop(release, None)

    def _shown(self, outbox: Outbox) -> Mapping[str, object]:
        notification = outbox.target.notification
        kind, url = ("slack", notification.slack) if notification.slack else ("webhook", notification.webhook)
        target = f"{kind} {host_of(url, self._sender.environment)}"
        figures = {"delivered": outbox.delivered, "waiting": outbox.waiting, "refused": outbox.refused}
        return {"target": target, **figures, "problem": outbox.problem or None}


def _proof(outreach: WebOutreach) -> Outreach:  # mypy proves that it is one
    return outreach
