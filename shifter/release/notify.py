"""What people and programs are told of a release: JSON for webhooks, a short message for Slack and what understands the same.

Rule 1. A notification tells of one transition that was written down, with the reason and the numbers that were written down with it.
"""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from shifter.model.release import Notification, Progress, Transition
from shifter.release.webhook import Message, body_of

Page = Callable[[str], str]
"""Returns the URL of a release's page, empty where nobody knows it."""

_SAID = {
    "started": "begins",
    "step": "goes to",
    "warmed_up": "has warmed up",
    "braked": "is braked",
    "resumed": "goes on",
    "undecided": "is undecided",
    "gate_waiting": "waits at a gate",
    "gate_approved": "has an open gate",
    "gate_rejected": "was rejected at a gate",
    "paused": "is paused",
    "baking": "bakes",
    "promoted": "was promoted to",
    "succeeded": "has succeeded",
    "rolling_back": "is being rolled back",
    "rolled_back": "was rolled back",
    "aborted": "was aborted",
    "superseded": "gave way to another release",
    "retried": "is tried again",
    "finished": "is finished",
    "undone": "was undone",
}
_WITH_WEIGHT = frozenset(("step", "promoted"))
_BAD = frozenset(("braked", "rolling_back", "rolled_back", "aborted", "gate_rejected"))
_GOOD = frozenset(("succeeded", "finished"))
_WAITS = frozenset(("undecided", "gate_waiting", "paused"))
_COLORS = ((_BAD, "danger"), (_GOOD, "good"), (_WAITS, "warning"))


def wants(notification: Notification, event: str) -> bool:
    """Say whether *notification* is to tell of *event*."""
    return not notification.on or event in notification.on


def message_of(notification: Notification, transition: Transition, page: Page) -> Message:
    """Return what is sent to tell of *transition*."""
    told = slack_text(transition, page) if notification.slack else payload(transition, page)
    key = f"{quote(transition.release)}/{transition.number}/{int(transition.at * 1000)}"
    return Message(transition.event, key, body_of(told))


def payload(transition: Transition, page: Page) -> Mapping[str, object]:
    """Return the JSON that a webhook gets."""
    actor = transition.actor
    return {
        **transition.to_dict(),
        "actor": {"by": actor.by, "why": actor.why, "origin": actor.origin},
        "counts": counts(transition.evidence),
        "page": page(transition.release) or None,
    }


def counts(evidence: Mapping[str, object]) -> dict[str, object]:
    """Return how many requests *evidence* is of."""
    requests, failed = _pair(evidence.get("requests")), _pair(evidence.get("failed"))
    baseline = {"baseline_requests": requests[0], "baseline_failed": failed[0]}
    canary = {"canary_requests": requests[1], "canary_failed": failed[1]}
    return {**baseline, **canary, "excess_failed": evidence.get("excess_failed", 0.0)}


def _pair(said: object) -> tuple[object, object]:
    if isinstance(said, (list, tuple)) and len(said) == 2:
        return said[0], said[1]
    return 0, 0


def slack_text(transition: Transition, page: Page) -> Mapping[str, object]:
    """Return the message for a Slack-compatible webhook (``text`` and ``attachments``, which Mattermost and others have, too)."""
    name, event, actor = _escaped(transition.release), transition.event, transition.actor
    link = page(transition.release)
    shown = f"<{link}|{name}>" if link else name
    weight = f"{transition.after.share / 1e4:g} %"
    text = f"Release {shown} {_SAID.get(event, event.replace('_', ' '))}{f' {_target(transition.after)}' if event in _WITH_WEIGHT else ''}"
    color = next((color for events, color in _COLORS if event in events), "#808080")
    who = f"{actor.by}: {actor.why}" if actor.why else actor.by
    fields = [("State", transition.after.state.value), ("Weight", weight), ("By", who)]
    shown_fields = [{"title": title, "value": _escaped(value), "short": True} for title, value in fields if value]
    reason = _escaped(transition.reason)
    return {"text": text, "attachments": [{"color": color, "fallback": reason, "text": reason, "fields": shown_fields}]}


def _target(after: Progress) -> str:
    """Return what the canary gets of the requests; what has no weight yet has copies, or those with the header."""
    if not after.share and after.mirror:
        return f"copies of {after.mirror / 1e4:g} % of the requests"
    if not after.share and after.forced:
        return "requests with the header"
    return f"{after.share / 1e4:g} %"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
