"""Releases as ``GET /v1/releases/NAME`` shows them, in the states that people see: for whoever draws one.

Rule 1. A scene is made of numbers that are drawn once and for all: the same scene is the same tomorrow, at whatever time it says it is.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

Json = dict[str, Any]

STARTED = 1_795_400_000.0
THRESHOLD = 100.0
WEIGHTS = (1.0, 5.0, 10.0, 50.0, 100.0)
KINDS = ("observing", "warming", "gated", "braked", "paused", "baking", "rolling back", "rolled back", "succeeded", "aborted", "pending")
OVER = ("rolled back", "succeeded", "aborted", "superseded")

_CHECK = {
    "name": "queue length",
    "server": "prometheus.example",
    "min": None,
    "max": 200.0,
    "every": 60.0,
    "failures": 3,
    "value": 212.5,
    "at": STARTED,
    "bad": 1,
    "problem": "",
}
_VERBS: Mapping[str, Sequence[str]] = {
    "pending": ("abort",),
    "warming": ("promote", "pause", "brake", "abort"),
    "observing": ("promote", "pause", "brake", "abort"),
    "gated": ("promote", "pause", "brake", "abort", "approve", "reject"),
    "braked": ("resume", "pause", "abort"),
    "paused": ("resume", "promote", "abort"),
    "baking": ("promote", "pause", "brake", "abort"),
    "rolling back": (),
    "rolled back": ("retry", "finish"),
    "aborted": ("retry", "finish"),
    "succeeded": ("undo", "finish"),
}
_AT = {"pending": 0, "warming": 1, "observing": 3, "gated": 3, "braked": 3, "paused": 2, "baking": 5, "succeeded": 5, "aborted": 2}
_VERDICTS = {
    "pending": "nothing was seen yet",
    "warming": "the canary is warming up for another 41 s; of 312 requests 1 failed, of the baseline's 30,912 requests 21",
    "observing": "no difference seen; about 430 more canary requests until this step can be called (70 s)",
    "gated": "proven not worse: 0.05 points fewer errors, at most 0.19 more (0.25 may be), p99 2 % slower, at most 7 % (10 % may be)",
    "paused": "no difference seen; about 2,100 more canary requests until this step can be called",
    "braked": "errors grew by 4.1 points (2.2 to 6.3): 31 of 604 canary requests failed, the baseline would have failed 6",
    "rolling back": "errors grew by 4.1 points (2.2 to 6.3): 44 of 710 canary requests failed, the baseline would have failed 7",
    "rolled back": "errors grew by 4.1 points (2.2 to 6.3): 44 of 710 canary requests failed, the baseline would have failed 7",
    "aborted": "no difference seen; about 2,100 more canary requests until this step can be called",
    "baking": "no difference seen: 0.02 points more errors, at most 0.09 (0.25 may be), p99 as fast as before, at most 4 % slower",
    "succeeded": "proven not worse: 0.02 points more errors, at most 0.09 (0.25 may be), p99 as fast as before, at most 4 % slower",
}
_REASONS = {
    "pending": "the release was begun by ann",
    "warming": "the canary gets 1 % of the requests and is cold for 60 s",
    "observing": "5 % is over: proven not worse after 2,114 canary requests",
    "gated": "10 % is over: proven not worse after 4,806 canary requests; the gate second-look waits for approval",
    "paused": "paused by ann: lunch",
    "braked": "strong evidence (e = 132) that the canary fails more: 31 of 604 requests; weight 10 % -> 0.7 %",
    "rolling back": "rolled back at e = 118 (100 is enough): the canary failed 6.2 % of 710 requests, the baseline 1.0 %",
    "rolled back": "rolled back at e = 118 (100 is enough): the canary failed 6.2 % of 710 requests, the baseline 1.0 %",
    "aborted": "aborted by ben: wrong image",
    "baking": "100 % begins, 1 % stays on service1 for 30 min",
    "succeeded": "30 min at 100 % are over: proven not worse after 96,211 canary requests",
}


def release(state: str = "observing", *, now: float | None = None, seconds: int = 420, name: str = "checkout-2026-11") -> Json:
    """Return a release in *state*, one of `KINDS`, that has been going on for so many *seconds*."""
    bad = state in ("braked", "rolling back", "rolled back")
    at = _AT.get(state, 3)
    weight = {"pending": 0.0, "braked": 0.7, "rolling back": 0.0, "rolled back": 0.0, "aborted": 0.0, "baking": 99.0, "succeeded": 100.0}
    served = weight.get(state, WEIGHTS[at - 1])
    ends = STARTED + seconds if now is None else now
    evidence = _evidence(state, bad)
    return {
        "name": name,
        "source": "POST /v1/releases from 127.0.0.1:50123",
        "spec": "name: checkout-2026-11\nroute: {virtual_host: backend, prefix: /service/1}\nbaseline: service1\ncanary: service1a\n",
        "route": "backend/prefix /service/1",
        "baseline": "service1",
        "canary": "service1a",
        "unit": "request",
        "started": ends - seconds,
        "now": ends,
        "state": state,
        "over": state in OVER,
        "held": True,
        "version": 7,
        "reason": _REASONS[state],
        "verdict": _VERDICTS[state],
        "step": at,
        "steps": [_step(number, at, state) for number in range(1, len(WEIGHTS) + 1)],
        "weight": served,
        "forced": True,
        "header": "x-canary-version: service1a",
        "mirror": 0.0,
        "in_step": 134.0,
        "in_state": 12.0 if state in ("braked", "gated", "paused") else 121.0,
        "evidence": evidence,
        "budget": 500,
        "exposure": {
            "canary_requests": 710 if bad else 4806,
            "canary_failed": 44 if bad else 31,
            "baseline_requests": 61_204,
            "baseline_failed": 412,
            "excess_failed": 36.9 if bad else 0.4,
            "forced_requests": 212,
            "mirrored": 0,
        },
        "statuses": [
            {"status": 500, "baseline": 120, "canary": 38 if bad else 9},
            {"status": 503, "baseline": 292, "canary": 6 if bad else 22},
            {"status": 200, "baseline": 60_792, "canary": 666 if bad else 4775},
        ],
        "paths": [{"path": "/service/1/pay", "baseline": 12, "canary": 33}, {"path": "/service/1/cart", "baseline": 21, "canary": 4}],
        "failing": ["4fd1c6a2-0d9c-4b4c-9a61-0f9d8e0b4a11", "a7c2e1f0-9d11-4a0e-8c11-77d0c2b4e5aa"],
        "differences": None,
        "endpoints": {"baseline": [4, 4], "canary": [2, 2]},
        "series": _series(ends, seconds, at, served, bad),
        "verbs": list(_VERBS[state]),
        "checks": [_CHECK],
        "problem": "",
        "rate": 97.4,
        "attempt": 1,
        "notifications": [
            {"target": "slack hooks.slack.com", "delivered": 6, "waiting": 0, "refused": 0, "problem": None},
            {"target": "webhook ci.example", "delivered": 4, "waiting": 2, "refused": 0, "problem": "no answer in 10 s"},
        ],
    }


def differing(told: Json) -> Json:
    """Return the release with what copies of requests showed."""
    path = {"path": "/service/1/cart", "compared": 412, "status": 3, "headers": 1, "body": 48}
    examples = ["$.total: 12.5 -> 12.50 (31 times)", "$.items[].sku: missing (17 times)"]
    other = {"path": "/service/1/pay", "compared": 99, "status": 0, "headers": 0, "body": 0, "examples": []}
    found = {"compared": 511, "different": 52, "noise": 7, "skipped": 12, "paths": [{**path, "examples": examples}, other]}
    return {**told, "mirror": 5.0, "differences": found}


def forgotten(told: Json) -> Json:
    """Return what is told of the release when it has let go of its route long ago."""
    kept = ("name", "source", "route", "baseline", "canary", "started", "state", "over", "held", "version", "step", "weight", "reason")
    return {**{name: told[name] for name in kept}, "held": False, "steps": None}


def hostile(told: Json) -> Json:
    """Return the release with names and sentences of somebody who means harm."""
    evil = "<img src=x onerror=alert(1)>\x1b[31m"
    paths = [{"path": evil, "baseline": 1, "canary": 2}]
    return {**told, "canary": evil, "route": evil, "verdict": evil, "reason": evil, "paths": paths, "failing": [evil]}


def event(number: int, told: Json, kind: str = "step", by: str = "shifter", why: str = "", before: float = 5.0) -> Json:
    """Return an event of the release *told*, as `model.release.Transition.to_dict` does."""
    states = {"state_before": "observing", "state": told["state"], "step": told["step"], "version": number}
    shares = {"weight_before": before, "weight": told["weight"]}
    when = told["now"] - 60.0 * (8 - number)
    what = {"number": number, "at": when, "release": told["name"], "event": kind, "reason": told["reason"]}
    return {**what, **states, **shares, "by": by, "why": why, "origin": "", "evidence": {}}


def story(told: Json) -> list[Json]:
    """Return what has happened to the release *told* so far."""
    last = {"gated": "gate_waiting", "rolled back": "rolled_back", "rolling back": "rolling_back", "pending": "started"}
    begun = {**event(1, told, "started", "ann", "the new cart"), "reason": "started with 5 steps", "weight": 0.0, "weight_before": 0.0}
    first = {**event(2, told), "reason": "all is well before the first step", "weight_before": 0.0, "weight": 1.0}
    second = {**event(4, told), "reason": "1 % is over: proven not worse after 1,204 canary requests", "weight_before": 1.0, "weight": 5.0}
    kind = last.get(told["state"], told["state"] if told["state"] in ("braked", "paused", "succeeded", "aborted", "baking") else "step")
    who = {"paused": ("ann", "lunch"), "aborted": ("ben", "wrong image")}.get(told["state"], ("shifter", ""))
    return [begun, first, second, event(7, told, kind, *who)]


def _step(number: int, at: int, state: str) -> Json:
    gate: Json | None = None
    if number == 3:
        waiting = state == "gated"
        approved = number < at
        answer = "looks good" if approved else ""
        gate = {
            "name": "second-look",
            "kind": "manual",
            "state": "waiting" if waiting else "approved" if approved else "",
            "waiting": waiting,
            "approved": approved,
            "rejected": False,
            "asked": None,
            "answer": answer,
        }
    over = state == "succeeded"
    last = number == len(WEIGHTS)
    return {
        "number": number,
        "title": f"{WEIGHTS[number - 1]:g} %",
        "kind": "weight",
        "weight": WEIGHTS[number - 1],
        "state": "done" if number < at or over else "current" if number == at else "next",
        "min": 60.0,
        "max": 600.0,
        "length": 1800.0 if last else None,
        "warm_up": 60.0 if number == 1 else 0.0,
        "hold_back": 1.0 if last else 0.0,
        "undecided": "hold",
        "gate": gate,
        "seconds": 142.0 if number < at else 134.0 if number == at else 0.0,
        "needs": {
            "healthy": 190.0,
            "differences": [{"name": "errors 1 % -> 2 %", "requests": 1900, "seconds": 195.0, "seen": True}],
        },
    }


def _evidence(state: str, bad: bool) -> Json:
    errors = {"rolled back": 230.0, "rolling back": 230.0, "braked": 61.0}.get(state, 2.4)
    value = {"rolled back": 118.0, "rolling back": 118.0, "braked": 31.0}.get(state, 1.6)
    nothing = state == "pending"
    metrics = [
        ("errors", "%", 0.67, 4.8 if bad else 0.64, 4.13 if bad else -0.03, 2.2 if bad else -0.21, 6.3 if bad else 0.19, 0.25),
        ("p50", "ms", 21.4, 21.9, 2.3, -1.1, 5.6, 10.0),
        ("p90", "ms", 58.2, 57.0, -2.1, -6.0, 2.4, 10.0),
        ("p99", "ms", 143.0, 148.0, 3.5, -6.2, 14.9, 10.0),
    ]
    names = ("name", "unit", "baseline", "canary", "difference", "low", "high", "margin")
    return {
        "value": value,
        "errors": errors,
        "latency": 0.8,
        "fast": 132.0 if bad else 2.0,
        "threshold": THRESHOLD,
        "proven": state in ("gated", "succeeded"),
        "needed": 430 if state == "observing" else None,
        "warming": state == "warming",
        "requests": [61_204, 710 if bad else 4806],
        "failed": [412, 44 if bad else 31],
        "in_flight": [6, 1],
        "excess_failed": 36.9 if bad else 0.4,
        "recent_requests": 14,
        "recent_excess": 0.04,
        "canary_success_rate": 0.95 if bad else 0.993,
        "metrics": [] if nothing else [dict(zip(names, one, strict=True)) for one in metrics],
        "unit": "request",
        "sentence": _VERDICTS[state],
    }


def _series(ends: float, seconds: int, step: int, served: float, bad: bool) -> Json:
    chance = Random(7)
    weights = [0.0, *WEIGHTS[:step]]
    at = [round(ends - seconds + number + 1, 3) for number in range(seconds)]
    each = seconds / max(len(weights) + 1, 2)
    weight = [weights[min(int(number / each), len(weights) - 1)] for number in range(seconds)]
    late = seconds - 20
    if served not in weights[-1:]:
        weight = [served if number > late else one for number, one in enumerate(weight)]

    def line(middle: float, spread: float, canary: bool) -> list[float | None]:
        worse = 8.0 if bad and canary and middle < 2 else 1.0
        values: list[float | None] = []
        for number in range(seconds):
            known = not canary or (weight[number] > 0 and (weight[number] >= 1 or chance.random() < 0.4))
            value = max(0.0, middle * (1 + chance.gauss(0, spread * (2 if canary else 1)))) * (worse if number > late - 60 else 1.0)
            values.append(round(value, 3) if known else None)
        return values

    grown = [max(0, number - late + 60) ** 1.17 if bad else chance.random() * 0.6 for number in range(seconds)]
    evidence = [round(1 + one, 3) for one in grown]
    pairs = {"errors": (0.66, 0.35), "p50": (21.4, 0.06), "p90": (57.8, 0.08), "p99": (143.0, 0.15)}
    both = {name: [line(middle, spread, False), line(middle, spread, True)] for name, (middle, spread) in pairs.items()}
    return {"at": at, "weight": weight, **both, "evidence": evidence}
