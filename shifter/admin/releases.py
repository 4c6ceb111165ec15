"""The pages of releases: ``/v1/releases`` and what is under it, and ``/v1/history``. docs/releases.md says what is in them.

Rule 1. Everything is JSON, but for the patch, which is a unified diff. What is refused is ``application/problem+json`` (RFC 9457): 400
        for what cannot be read or cannot be a release, 404 for what is not there, 409 with ``state`` and ``verbs`` for what does not fit
        in that state, 412 when the release is not at the version of ``if-match`` any more, 503 when it cannot be written down.
Rule 2. A number that JSON has not (evidence without bound) is told as the largest that it has.
Rule 3. ``events`` is a stream of two kinds of events: ``event``, with the number as its id, is one line of ``/v1/history``; ``status``,
        once a second and after each ``event``, is ``/v1/releases/NAME``. Its ``series`` are whole in the first one, and now and then;
        otherwise they have the last few seconds: who listens adds them, by ``at``, to those that are known.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from sys import float_info

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import BY, JSON, WHY, BadQuery, Command, Page, Query, Stream, is_on
from shifter.admin.release_view import VERBS, Json, Order, Refused
from shifter.admin.view import AdminView
from shifter.model.release import Transition

PROBLEM = "application/problem+json"
DIFF = "text/x-diff; charset=UTF-8"
ROOT = "/v1/"
"""All paths of this module begin so."""
COUNT = 50
"""Events that ``/v1/history`` tells when nobody says how many."""
MOST = 10_000

_RELEASES = f"{ROOT}releases"
_LONGEST = 40
"""Characters of a word that are told back."""
_VERDICT = (
    *("name", "state", "step", "weight", "verdict", "reason", "unit", "evidence", "exposure", "budget"),
    *("statuses", "paths", "failing", "checks"),
)


def as_json(value: object) -> str:
    """Return *value* as JSON, in one line, that every reader of JSON can read (rule 2)."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def told(value: object, status: int = 200, content_type: str = JSON) -> Page:
    """Return *value* as a page."""
    return Page(as_json(value) + "\n", content_type, status)


def refused(why: Refused) -> Page:
    """Return the page that says why something is not done."""
    return told(why.to_dict(), why.status, PROBLEM)


def no_release(name: str) -> Refused:
    """There is none of this name."""
    return Refused(404, "no such release", f"there is no release `{name}`")


def nothing_at(path: str) -> Page:
    """Return what is said of a *path* under `ROOT` at which there is nothing."""
    parts = path.split("/")
    if len(parts) == 5 and path.startswith(f"{_RELEASES}/"):
        there = f"nothing called `{parts[-1][:_LONGEST]}` can be done to a release; what can be: {', '.join(VERBS)}"
    else:
        there = "there is nothing at this path"
    return refused(Refused(404, "no such path", there))


def _answered(answer: Json | Refused) -> Page:
    return refused(answer) if isinstance(answer, Refused) else told(answer)


def _finite(value: object) -> object:
    if isinstance(value, float) and not isfinite(value):
        return None if value != value else float_info.max if value > 0 else -float_info.max
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


# what there is


def releases(view: AdminView, query: Query) -> Deferred[Page]:
    """``GET /v1/releases``: ``{"releases": [...]}``, the newest first."""
    return succeed(told({"releases": list(view.releases().listed())}))


def release(view: AdminView, query: Query) -> Deferred[Page]:
    """``GET /v1/releases/NAME``."""
    return succeed(_of(view, query, lambda status: status))


def verdict(view: AdminView, query: Query) -> Deferred[Page]:
    """``GET /v1/releases/NAME/verdict``: what the verdict is, and everything that it is based on."""
    return succeed(_of(view, query, lambda status: {name: status[name] for name in _VERDICT if name in status}))


def _of(view: AdminView, query: Query, wanted: Callable[[Json], Json]) -> Page:
    name = query.path["name"]
    status = view.releases().status(name)
    return refused(no_release(name)) if status is None else told(wanted(status))


def plan(view: AdminView, query: Query) -> Deferred[Page]:
    """``GET /v1/releases/NAME/plan``."""
    return view.releases().plan(query.path["name"]).addCallback(_answered)


def patch(view: AdminView, query: Query) -> Deferred[Page]:
    """``GET /v1/releases/NAME/patch``: a unified diff, empty when the file says so already."""

    def made(found: str | Refused) -> Page:
        return refused(found) if isinstance(found, Refused) else Page(found, DIFF)

    return view.releases().patch(query.path["name"]).addCallback(made)


def history(view: AdminView, query: Query) -> Deferred[Page]:
    """``GET /v1/history``: ``{"events": [...]}``, the newest first."""
    count, before = _number(query, "count", COUNT), _number(query, "before", 0)
    if count is None or before is None:
        return succeed(refused(_not_understood("`count` and `before` are numbers")))

    def made(found: Sequence[Transition]) -> Page:
        return told({"events": [one.to_dict() for one in found]})

    return view.releases().history(min(count, MOST), before or None, query.get("release") or None).addCallback(made)


def events(view: AdminView, query: Query) -> Deferred[Page | Stream]:
    """``GET /v1/releases/NAME/events``: see rule 3."""
    name, after = query.path["name"], _digits(query.fields.get("last-event-id", "") or query.get("after", ""))
    if view.releases().status(name, 0) is None:
        return succeed(refused(no_release(name)))
    stream = view.releases().listen(name, after or 0)
    if stream is None:
        return succeed(refused(Refused(503, "too many listen", "as many listen already as may; come again later")))
    return succeed(stream)


# what may be done


def start(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /v1/releases``: the body is the release, or parameters say it in short."""
    unknown = _unknown(query, _START) or _not_said(query, "dry_run")
    if unknown is not None:
        return succeed(refused(unknown))
    try:
        text = query.body.decode()
    except UnicodeDecodeError:
        return succeed(refused(_not_understood("the body is not UTF-8")))
    twice = [f"`{name}`" for name in _SHORT if name in query]
    if text.strip() and twice:
        them = "it" if len(twice) == 1 else "them"
        said = f"{', '.join(twice)} in the URL would be ignored: the body is the release, and says {them}"
        return succeed(refused(_not_understood(said)))
    source, told = query.get("source") or "the body", _answered
    if not text.strip():
        text = short_form(query)
        source = query.get("source") or "the parameters"
        told = partial(_answered_in_short, source, text)
    if not text:
        usage = "send the release as YAML or JSON, or ?baseline=CLUSTER&canary=CLUSTER[&steps=1,5,10,50,100][&name=NAME][&route=ROUTE]"
        return succeed(refused(_not_understood(usage)))
    return view.releases().start(text, source, query.actor, is_on(query, "dry_run")).addCallback(told)


def _answered_in_short(source: str, text: str, answer: Json | Refused) -> Page:
    """Return what is told of *text*, which was made of parameters: nobody can see its lines, so their names stand for those."""
    from shifter.config.releases import placed_in_short

    more: Json = answer.more if isinstance(answer, Refused) else answer
    lists = {key: value for key in ("problems", "warnings") if isinstance(value := more.get(key), list | tuple)}
    placed = {key: [placed_in_short(str(one), source, text) for one in lines] for key, lines in lists.items()}
    if not isinstance(answer, Refused):
        return told({**answer, **placed})
    detail = "\n".join(placed["problems"]) if placed.get("problems") else answer.detail
    return refused(replace(answer, detail=detail, more={**more, **placed}))


def short_form(query: Query) -> str:
    """Return the text of the release that parameters describe; empty when they describe none."""
    baseline, canary, steps = query.get("baseline"), query.get("canary"), query.get("steps")
    if not baseline or not canary:
        return ""
    from shifter.config import releases  # it brings the schema with it, and most never begin one

    weights = steps.split(",") if steps else releases.STEPS
    return releases.short_release(baseline, canary, weights, query.get("name") or None, query.get("route") or None)


def order(verb: str, view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /v1/releases/NAME/VERB``, ``POST /v1/releases/NAME/gates/GATE/VERB``."""
    if verb == "promote":  # who takes something back is not kept from it by a word too much
        unknown = _unknown(query, _parameters(verb)) or _not_said(query, "full")
        if query.body.strip():
            unknown = _not_understood("what is wanted stands in the URL (?to=50), and not in the body")
        elif unknown is None and query.get("to") and is_on(query, "full"):
            unknown = _not_understood("give `to` or `full`, not both: `full` is the last step")
        if unknown is not None:
            return succeed(refused(unknown))
    version = None
    wanted = query.fields.get("if-match", "").strip().removeprefix("W/").strip('"')
    if wanted not in ("", "*"):
        version = _digits(wanted)
        if version is None:
            return succeed(refused(_not_understood("`if-match` is the version of the release, a number")))
    gate = query.path.get("gate", "")
    none = _no_gate(view, query.path["name"], gate) if gate else None
    if none is not None:
        return succeed(refused(none))
    full = verb == "promote" and is_on(query, "full")
    wish = Order(verb, query.actor, gate, query.get("to", ""), full, version)
    return view.releases().order(query.path["name"], wish).addCallback(_answered)


def _no_gate(view: AdminView, name: str, gate: str) -> Refused | None:
    """Refuse a gate that the release *name* does not have at all: to wait for it would be to wait for ever."""
    status = view.releases().status(name, 0) or {}
    steps = status.get("steps")
    if not isinstance(steps, list | tuple):
        return None
    gates = [str(step["gate"]["name"]) for step in steps if step.get("gate")]
    if gate in gates:
        return None
    known = f"its gates: {', '.join(f'`{one}`' for one in gates)}" if gates else "it has none"
    return Refused(404, "no such gate", f"`{name}` has no gate `{gate[:_LONGEST]}`; {known}", {"state": status.get("state")})


def _unknown(query: Query, known: Sequence[tuple[str, str]]) -> Refused | None:
    """Refuse what has a parameter that is none: a release that begins for want of a `dry_run` is no small thing."""
    names = [name for name, _ in known]
    strange = [f"`{name}`" for name in query if name not in names]
    if not strange:
        return None
    there = f"there is no parameter {strange[0]}" if len(strange) == 1 else f"there are no parameters {', '.join(strange)}"
    return _not_understood(f"{there}; what there is: {', '.join(names)}")


def _not_said(query: Query, name: str) -> Refused | None:
    """Refuse what says neither yes nor no: a release that goes to its end for want of a word is no small thing, either."""
    try:
        is_on(query, name)
    except BadQuery as error:
        return _not_understood(str(error).strip())
    return None


def _not_understood(said: str) -> Refused:
    return Refused(400, "not understood", said)


def _parameters(verb: str) -> tuple[tuple[str, str], ...]:
    return (*(_PROMOTE if verb == "promote" else ()), BY, WHY)


def _number(query: Query, name: str, default: int) -> int | None:
    return _digits(query[name]) if query.get(name) else default


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


_ONE = f"{_RELEASES}/{{name}}"
_SUMMARIES = {
    "promote": "go on with the next step, or with one that is given",
    "pause": "stay in the step; the verdict keeps running",
    "resume": "go on after a pause, or a brake",
    "brake": "give the canary about one request a second until it is seen what is the matter",
    "abort": "end the release: all requests go to the baseline",
    "retry": "begin anew with a release that was rolled back or aborted",
    "undo": "go back to the step before",
    "finish": "let go of the route of a release that is over: the configuration's file says again what is served",
}
_START = (
    ("dry_run", "With POST: only say what the release would do"),
    ("baseline", "With POST and without a body: the cluster with the old version"),
    ("canary", "With POST and without a body: the cluster with the new version"),
    ("steps", "With POST and without a body: weights in per cent, with commas between them"),
    ("route", "With POST and without a body: the route, by its name or the path that it matches"),
    ("name", "With POST and without a body: what the release is called"),
    ("source", "With POST: where the release was read from"),
    BY,
    WHY,
)
_SHORT = ("baseline", "canary", "steps", "route", "name")
_PROMOTE = (("to", "Per cent: the step with this weight"), ("full", "The last step at once"))
_AFTER = ("after", "Number of the last event that was seen, where no last-event-id says so")
_HISTORY = (
    ("count", "How many events to tell, the newest first"),
    ("before", "Only those with a lower number"),
    ("release", "Only those of this release"),
)

_VERSION = (("if-match", "The version that the release has to be at: a number"),)
_LAST = (("last-event-id", "Number of the last event that was seen"),)
_BODY = ("application/yaml", JSON)

COMMANDS = (
    Command(_RELEASES, "print releases, or begin one", releases, _START, changing=start, body=_BODY),
    Command(_ONE, "print everything about a release", release),
    *(
        Command(
            f"{_ONE}/{verb}",
            _SUMMARIES[verb],
            partial(order, verb),
            _parameters(verb),
            "POST",
            fields=_VERSION,
        )
        for verb in VERBS
    ),
    *(
        Command(
            f"{_ONE}/gates/{{gate}}/{verb}",
            f"{verb} what a gate asks for",
            partial(order, verb),
            _parameters(verb),
            "POST",
            fields=_VERSION,
        )
        for verb in ("approve", "reject")
    ),
    Command(f"{_ONE}/events", "stream what happens to a release (server-sent events)", events, (_AFTER,), fields=_LAST),
    Command(f"{_ONE}/verdict", "print the verdict of a release and what it is based on", verdict),
    Command(f"{_ONE}/patch", "print what to change in the configuration's file when a release is over", patch),
    Command(f"{_ONE}/plan", "print how long each step of a release needs", plan),
    Command(f"{ROOT}history", "print what happened to releases", history, _HISTORY),
)
