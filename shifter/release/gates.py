"""Gates that a webhook opens: what is asked, and what the answers mean.

Rule 1. 2xx opens the gate, 409 rejects the release, 202 is "not yet". So is everything else, no answer included: it will be asked again.
Rule 2. Whoever answers may say why: the ``reason`` of a JSON object, or the first line of text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from shifter.model.release import Gate, ReleaseSpec
from shifter.release.interfaces import Answer, GateAnswer
from shifter.release.webhook import Message, NotDelivered, Sender, body_of, first_line

APPROVED, REJECTED, WAITING = "approved", "rejected", "waiting"
_NOT_YET, _CONFLICT = 202, 409


@dataclass(frozen=True, slots=True)
class Answered:
    """See `interfaces.GateAnswer`."""

    verdict: str
    reason: str = ""


def question_of(spec: ReleaseSpec, gate: Gate, question: Mapping[str, object]) -> Message:
    """Return what is sent to ask whether *gate* is to be opened."""
    key = f"{quote(spec.name)}/gate/{quote(gate.name)}/{question.get('question', 1)}"
    who = {"event": "gate", "release": spec.name, "gate": gate.name}
    versions = {"baseline": spec.baseline, "canary": spec.canary}
    return Message("gate", key, body_of({**who, **versions, **question}))


async def ask(sender: Sender, spec: ReleaseSpec, gate: Gate, question: Mapping[str, object]) -> GateAnswer:
    """Ask whether *gate* is to be opened, with up to its ``retries`` further tries."""
    try:
        answer = await sender.send_with_tries(gate.url, gate.secret, question_of(spec, gate, question), gate.timeout, gate.retries)
    except NotDelivered as error:
        return Answered(WAITING, str(error))
    reason = reason_of(answer.body)
    if answer.status == _NOT_YET:
        return Answered(WAITING, reason)
    return Answered(REJECTED if answer.status == _CONFLICT else APPROVED, reason)


def reason_of(body: bytes) -> str:
    """Return the reason that the *body* of an answer gives; empty if it gives none."""
    text = body.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith(("<", "{", "[")) else first_line(text)
    if isinstance(said, dict):
        said = said.get("reason", "")
    return first_line(said) if isinstance(said, str) else ""


def _proof(answer: Answer, answered: Answered) -> GateAnswer:  # mypy proves that it is one
    return answered
