"""A release as text: the screen of ``shifter release watch``, and one line for each thing that happens.                 (pure)

Rule 1. What is shown is what ``GET /v1/releases/NAME`` says (docs/releases.md); what of it is missing is left out.
Rule 2. A line is never wider than the terminal: sentences are broken, tables leave out what matters least, then names are cut.
Rule 3. Colour only says again what words and numbers say, and nobody's words reach the terminal but printable.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import log
from typing import Any

from shifter.cli.figures import printable
from shifter.cli.top_text import BOLD, DIM, PLAIN, RED, YELLOW, milliseconds, percent

Json = Mapping[str, Any]

GREEN = "\x1b[32m"

_COLOURS = {"succeeded": GREEN, "rolled back": RED, "rolling back": RED}
_WARNINGS = ("braked", "gated", "paused", "aborted", "superseded")
_REASONS = (*_COLOURS, "braked", "aborted", "superseded")
"""States that are explained by what led to them, rather than by what is known of the canary now."""
_ANSWERS = ("approve", "reject")  # which are told of beside their gate
_INTERVAL = 25
_GAUGE = 20
_FARTHEST = 40.0
_BAR = 12
_SCREEN = 200
"""No terminal has more lines: what is longer is read on paper, or elsewhere."""
_FEW_PATHS, _ALL_PATHS, _ALL_PLACES = 3, 20, 5


def screen(told: Json, events: Sequence[Json], width: int, height: int, *, lost: str = "", colour: bool = True) -> list[str]:
    """Return the lines of a whole screen of *width* and *height*; *lost* says why nothing comes any more."""
    paint = _Paint(colour)
    lines = [*_head(told, width, paint)]
    if lost:
        lines.append(paint(YELLOW, _cut(f"reconnecting: {lost}", width)))
    lines += ["", *_sentence(told, width, paint), *_problem(told, width, paint)]
    if "evidence" in told:  # of one that has let go of its route long ago only the story is kept
        lines += ["", *_steps(told, width, paint), "", *_metrics(told, width, paint)]
        lines += ["", *_evidence(told, width, paint), *_exposure(told, width, paint)]
        lines += [*_failures(told, width, paint), *_differences(told, width, height), *_others(told, width, paint)]
    lines += ["", *(_cut(happened(one), width) for one in reversed(events))]
    verbs = [printable(verb) for verb in told.get("verbs", ()) if verb not in _ANSWERS]
    if verbs:
        words = f"shifter release {'|'.join(verbs)} {printable(told['name'])}"
        lines[height - 3 :] = ["", paint(DIM, _cut(words, width))]
    return lines[: max(height - 1, 1)]


def happened(event: Json) -> str:
    """Return one line about an event of a release (`model.release.Transition.to_dict`)."""
    moved = "" if event["weight"] == event["weight_before"] else f"  {weight(event['weight_before'])} -> {weight(event['weight'])}"
    known = event["by"] in ("", "shifter") or f"by {event['by']}" in event["reason"]
    who = "" if known else f"  by {event['by']}" + (f": {event['why']}" if event["why"] else "")
    return printable(f"{clock(event['at'])}  {event['event'].replace('_', ' '):<13}{moved}  {event['reason']}{who}")


def standing(told: Json, done: str = "") -> str:
    """Return one line about how a release stands. What is known of the canary says that, but for what was just *done*: the verdict is
    that of the last second, before it."""
    sentence = done or (told["reason"] if told["state"] in _REASONS else told.get("verdict", told["reason"]))
    where = f"{_step(told)}, {weight(told['weight'])}"
    when = f"{clock(told['now'])}  " if "now" in told else ""
    return printable(f"{when}{told['name']} is {told['state']}, {where}: {sentence}")


def weight(per_cent: float) -> str:
    """Return a weight as people write it."""
    return f"{round(per_cent, 4):g} %"


def span(seconds: float) -> str:
    """Return how long something took, to the second below an hour."""
    whole = int(max(seconds, 0))
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02} min" if whole < 3600 else f"{whole // 3600}:{whole // 60 % 60:02} h"


def clock(at: float) -> str:
    """Return a moment by the clock on the wall."""
    return f"{datetime.fromtimestamp(at):%H:%M:%S}"


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._colour and colour else text


def _tone(state: str) -> str:
    return _COLOURS.get(state, YELLOW if state in _WARNINGS else "")


def _head(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    state = printable(told["state"])
    first = f"{printable(told['name'])}  {state.upper()}"
    yield paint(BOLD + _tone(state), _cut(first, width))
    yield _cut(printable(f"{told['baseline']} -> {told['canary']}  {told['route']}"), width)
    words = [_step(told), weight(told["weight"])]
    step = next((one for one in told["steps"] if one["number"] == told["step"]), None) if "evidence" in told else None
    if "evidence" not in told:
        words.append(f"started {clock(told['started'])}")
    elif told["over"]:
        words.append(f"took {span(told['now'] - told['in_state'] - told['started'])}")
    elif step is not None:
        most = span(step["max"] if step["length"] is None else step["length"])
        words.append(f"{span(told['in_step'])} of {most}{'' if step['length'] is not None else ' at most'}")
    if told.get("mirror"):
        words.append(f"copies of {weight(told['mirror'])}")
    yield _cut("  ".join(words), width)


def _step(told: Json) -> str:
    steps = told["steps"]  # of one that ended in another process nobody knows how many there are
    of = "" if steps is None else f" of {steps if isinstance(steps, int) else len(steps)}"
    return f"step {told['step']}{of}"


def _sentence(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    own = told["state"] in _REASONS
    sentences = [told[name] for name in (("reason", "verdict") if own else ("verdict", "reason")) if told.get(name)]
    for number, sentence in enumerate(sentences):
        colour = BOLD + _tone(told["state"]) if number == 0 else DIM
        for line in textwrap.wrap(printable(sentence), max(width, 2)):
            yield paint(colour, line)


def _problem(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    for line in textwrap.wrap(printable(told.get("problem") or ""), max(width, 2)):
        yield paint(RED, line)


def _steps(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    """The steps in a row as far as they fit, the current one with how far it is."""
    words = []
    for step in told["steps"]:
        title = printable(step["title"]).replace(" %", "%")
        gate = step.get("gate")
        closed = "" if not gate else " ◆" if gate["approved"] else " ◇"
        if step["state"] == "done":
            words.append((f"✓ {title}{closed}", GREEN))
        elif step["state"] == "current":
            whole = step["max"] if step["length"] is None else step["length"]
            done = _BAR if told["state"] == "succeeded" else min(_BAR, int(told["in_step"] / max(whole, 1) * _BAR))
            words.append((f"▶ {title} {'█' * done}{'░' * (_BAR - done)}{closed}", BOLD + _tone(told["state"])))
        else:
            words.append((f"{title}{closed}", DIM))
    at = next((number for number, step in enumerate(told["steps"]) if step["state"] == "current"), 0)
    first, last = 0, len(words)
    while last - first > 1 and sum(len(text) + 3 for text, _ in words[first:last]) + 2 > width:
        if at - first >= last - 1 - at:
            first += 1
        else:
            last -= 1
    ends = "… " if first else "", " …" if last < len(words) else ""
    yield ends[0] + " ─ ".join(paint(colour, _cut(text, width - 4)) for text, colour in words[first:last]) + ends[1]
    waiting = next((step["gate"] for step in told["steps"] if step.get("gate") and step["gate"]["waiting"]), None)
    if waiting is not None and not told["over"]:
        answer = f" ({waiting['answer']})" if waiting.get("answer") else ""
        hint = f"◇ the gate {waiting['name']} waits{answer}: shifter release gate approve {waiting['name']}"
        yield paint(YELLOW, _cut(printable(hint), width))


_COLUMNS = (("DIFFERENCE", 13), ("95 % SURE", 19), ("MAY BE", 8), ("", _INTERVAL))


def _metrics(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    metrics = told["evidence"]["metrics"]
    room = max(min(16, (width - 10) // 2 - 2), 7)
    names = [_cut(printable(told[version]), room) for version in ("baseline", "canary")]
    columns = list(_COLUMNS)
    while columns and 8 + 2 * (room + 2) + sum(size + 2 for _, size in columns) > width:
        columns.pop()
    head = f"{'':8}" + "".join(f"  {name:>{room}}" for name in names)
    yield paint(DIM, (head + "".join(f"  {title:>{size}}" for title, size in columns)).rstrip()[:width])
    for metric in metrics:
        errors = metric["name"] == "errors"
        unit = " points" if errors else " %"
        digits = 2 if errors else 1
        values = [_value(metric[version], errors) for version in ("baseline", "canary")]
        low, high, margin = metric["low"], metric["high"], metric["margin"]
        known = low is not None and high is not None
        cells = {
            "DIFFERENCE": _signed(metric["difference"], digits) + (unit if metric["difference"] is not None else ""),
            "95 % SURE": f"{_signed(low, digits)} to {_signed(high, digits)}" if known else "-",
            "MAY BE": _signed(margin, digits),
            "": interval(metric["difference"], low, high, margin) if known else "",
        }
        line = f"{printable(metric['name']):8}" + "".join(f"  {value:>{room}}" for value in values)
        line += "".join(f"  {cells[title]:>{size}}" for title, size in columns)
        judged = known and margin is not None
        yield paint(RED if judged and low > margin else GREEN if judged and high <= margin else "", line.rstrip()[:width])
    if not metrics:
        yield "nothing is known yet"


def _value(value: float | None, errors: bool) -> str:
    return percent(None if value is None else value / 100) if errors else milliseconds(value)


def _signed(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:+.{digits}f}"


def interval(difference: float | None, low: float, high: float, margin: float | None, size: int = _INTERVAL) -> str:
    """Draw where the difference lies, on a line with no difference (``│``) in the middle and the *margin* as ``┊``."""
    widest = max(abs(low), abs(high))
    reach = max((margin or 0) * 1.6, min(widest * 1.1, (margin or widest) * _FARTHEST)) or 1.0

    def place(value: float) -> int:
        return round((size - 1) / 2 * (1 + min(max(value / reach, -1.0), 1.0)))

    line = ["·"] * size
    line[place(low) : place(high) + 1] = "━" * (place(high) - place(low) + 1)
    line[place(0.0)] = "│"
    if margin is not None:
        line[place(margin)] = "┊"
    if difference is not None:
        line[place(difference)] = "●"
    return "".join(line)


def gauge(value: float, threshold: float, size: int = _GAUGE) -> str:
    """Draw how far *value* is on the way from 1 to *threshold*, each step a factor."""
    part = min(max(log(max(value, 1.0)) / log(max(threshold, 1.0001)), 0.0), 1.0)
    done = int(part * size)
    return "█" * done + "░" * (size - done)


def _evidence(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    evidence = told["evidence"]
    threshold = evidence["threshold"]
    size = min(_GAUGE, max(width - 36, 4))
    for name, what in (("value", "takes it back"), ("errors", "  from errors"), ("latency", "  from latency"), ("fast", "brakes it")):
        value = evidence[name]
        words = f"{what:14}  {gauge(value, threshold, size)} {_number(value):>8}  of {_number(threshold)}"
        colour = RED if value >= threshold else YELLOW if value * value > threshold else ""
        yield paint(colour, _cut(words, width))


def _number(value: float) -> str:
    return "over 1e6" if value >= 1e6 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _exposure(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    served, endpoints = told["exposure"], told["endpoints"]
    requests, failed = served["canary_requests"], served["canary_failed"]
    share = percent(failed / requests if requests else None)
    excess = max(0.0, served["excess_failed"])
    budget = f"{_number(excess)} in excess" + (f", {told['budget']:,} may be" if told["budget"] else "")
    yield ""
    yield _cut(f"exposure  {requests:,} requests, {failed:,} failed ({share}), {budget}", width)
    healthy, words = endpoints["canary"], []
    for version in ("baseline", "canary"):
        words.append(f"{printable(told[version])} {endpoints[version][0]} of {endpoints[version][1]}")
    yield paint(RED if healthy[0] < healthy[1] or not healthy[1] else "", _cut(f"healthy   {', '.join(words)}", width))


def _failures(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    paths = [f"{one['path']} {one['canary']}" for one in told.get("paths", ()) if one["canary"]]
    if paths:
        yield _cut(printable(f"failed    {', '.join(paths[:5])}"), width)


def _differences(told: Json, width: int, height: int) -> Iterator[str]:
    """What copies of requests showed: where answers differ, on a screen only the most of it."""
    found = told.get("differences")
    if not found:
        return
    share = percent(found["different"] / found["compared"] if found["compared"] else None)
    yield _cut(f"copies    {found['compared']:,} compared, {found['different']:,} differ ({share}), noise {found['noise']:,}", width)
    kinds = ("status", "headers", "body")
    differing = [one for one in found.get("paths", ()) if any(one[kind] for kind in kinds)]
    differing.sort(key=lambda one: -max(one[kind] for kind in kinds))
    paths, places = (_ALL_PATHS, _ALL_PLACES) if height > _SCREEN else (_FEW_PATHS, 1)
    for one in differing[:paths]:
        counts = ", ".join(f"{one[kind]:,} in {kind}" for kind in kinds if one[kind])
        yield _cut(printable(f"          {one['path']}: {counts}, of {one['compared']:,}"), width)
        for example in one.get("examples", ())[:places]:
            yield _cut(printable(f"            {example}"), width)


def _others(told: Json, width: int, paint: _Paint) -> Iterator[str]:
    """Who is told, and who is asked."""
    for one in told.get("notifications", ()):
        counts = ", ".join(f"{one.get(name) or 0:,} {name}" for name in ("delivered", "waiting", "refused"))
        label, said = ("not told", f"; {one['problem']}") if one["problem"] else ("told", "")
        yield paint(YELLOW if said else "", _cut(printable(f"{label:10}{one['target']}: {counts}{said}"), width))
    for check in told.get("checks", ()):
        if check["bad"] or check["problem"]:
            said = check["problem"] or f"is {check['value']:g}, bad {check['bad']} of {check['failures']} times"
            yield paint(YELLOW, _cut(printable(f"check     {check['name']}: {said}"), width))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
