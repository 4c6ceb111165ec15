"""What a release's canary answers otherwise than its baseline, to copies of the same requests; and what the baseline does by itself.

Rule 1. A copy of a request is answered by the baseline and by the canary. Where these answers differ, the baseline is asked once more: what
        only the canary says otherwise is a difference; what the baseline says otherwise the second time is its own noise.
Rule 2. An answer that comes out otherwise now and then is as often the canary's as it is the first of the baseline. So each time that the
        baseline's first answer is the odd one out is taken from the times that the canary's is: what remains is a difference.
Rule 3. Bodies that are JSON are compared value by value, and told by their paths without positions: ``$.items[].price``. Others are
        compared whole, by a hash and their length.
Rule 4. What somebody else's server says, names and values, is made printable where it is taken in.
Rule 5. All of it is bounded: paths, what is known of each, and how long the examples are. Comparing is work in steps.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain, islice, zip_longest
from typing import Any

from shifter.model.steps import Steps

PARSED = 65_536
"""Bytes of a body at most that is compared as JSON."""
_PATHS = 100
_ASPECTS = 60
_SHOWN_PATHS = 20
_SHOWN_EXAMPLES = 5
_LONGEST_PATH = 120
_LONGEST_VALUE = 60
_NODES_AT_A_TIME = 100
_NODES = 20_000
_OTHERS = "(other paths)"

IGNORED = frozenset((
    "date", "server", "via", "age", "connection", "keep-alive", "transfer-encoding", "content-length", "x-request-id", "traceparent",
    "tracestate", "b3",
))  # fmt: skip
"""Header fields that no two answers have in common, or that say how an answer was sent. Those of `IGNORED_PREFIXES` are, too."""
IGNORED_PREFIXES = ("x-envoy-", "x-b3-")


class CopiedAnswer:
    """The answer to a copy. ``body`` is all of it, if that was kept, of ``size`` bytes with the hash ``digest``. Without an answer the
    status is the one that a client would have got."""

    __slots__ = ("body", "digest", "fields", "size", "status")

    def __init__(
        self, status: int, fields: Iterable[tuple[str, str]] = (), size: int = 0, digest: int = 0, body: bytes | None = b""
    ) -> None:
        self.status = status
        self.fields = comparable(fields)
        self.size = size
        self.digest = digest
        self.body = body

    def same_as(self, other: "CopiedAnswer") -> bool:
        """Say whether nothing differs at all."""
        return self.status == other.status and self.has_body_of(other) and self.fields == other.fields

    def has_body_of(self, other: "CopiedAnswer") -> bool:
        """Say whether the bodies are the same, byte by byte."""
        return self.digest == other.digest and self.size == other.size


def comparable(fields: Iterable[tuple[str, str]]) -> dict[str, Sequence[str]]:
    """Return those header *fields* (names in lower case) that are compared, with their values; of cookies their names only."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        if name not in IGNORED and not name.startswith(IGNORED_PREFIXES):
            found.setdefault(name, []).append(value.partition("=")[0].strip() if name == "set-cookie" else value)
    return {name: tuple(values) for name, values in found.items()}


class Odd(Enum):
    """Which of three answers differs from the others: that of the canary, the baseline's first one; or each of them."""

    CANARY = "canary"
    BASELINE = "baseline"
    ALL = "all"


def odd_one(baseline: object, canary: object, again: object) -> Odd:
    """Return which one it is, where *baseline* and *canary* differ."""
    if _same(baseline, again):
        return Odd.CANARY
    return Odd.BASELINE if _same(canary, again) else Odd.ALL


class Finding:
    """One thing in which the answers differ: the ``status``, a field of the ``headers``, a place in the ``body``; with an example."""

    __slots__ = ("example", "kind", "name", "odd")

    def __init__(self, kind: str, name: str, odd: Odd, example: str) -> None:
        self.kind = kind
        self.name = name
        self.odd = odd
        self.example = example

    def __repr__(self) -> str:
        return f"<Finding {self.kind} {self.name} {self.odd.value} {self.example}>"


def compare(baseline: CopiedAnswer, canary: CopiedAnswer, again: CopiedAnswer) -> Steps[list[Finding]]:
    """Return in what *baseline* and *canary* differ, and what is noise of it as the baseline has answered *again*.

    Answers with different statuses differ in everything, so nothing else is said of them."""
    if baseline.status != canary.status:
        odd = odd_one(baseline.status, canary.status, again.status)
        return [Finding("status", "status", odd, f"{baseline.status} -> {canary.status}")]
    findings = []
    for name in sorted(baseline.fields.keys() | canary.fields.keys()):
        values = [answer.fields.get(name, _MISSING) for answer in (baseline, canary, again)]
        if values[0] != values[1]:
            findings.append(Finding("headers", name, odd_one(*values), f"{_listed(values[0])} -> {_listed(values[1])}"))
    yield
    if not baseline.has_body_of(canary):
        findings += yield from _compare_bodies(baseline, canary, again)
    return findings


def _listed(values: object) -> str:
    return ", ".join(map(_shown, values)) if isinstance(values, tuple) else _shown(values)


def _compare_bodies(baseline: CopiedAnswer, canary: CopiedAnswer, again: CopiedAnswer) -> Steps[list[Finding]]:
    if again.status == baseline.status:
        parsed = []
        for answer in (baseline, canary, again):
            try:
                parsed.append(_parsed(answer.body))
            except (ValueError, RecursionError):
                break
            yield
        else:
            return (yield from compare_json(*parsed))
    sizes = [(answer.size, answer.digest) for answer in (baseline, canary, again)]
    return [Finding("body", "body", odd_one(*sizes), f"{baseline.size:,} bytes -> {canary.size:,} bytes")]


def _parsed(body: bytes | None) -> Any:
    if body is None or len(body) > PARSED:
        raise ValueError
    return json.loads(body)


class _Missing:
    def __repr__(self) -> str:
        return "missing"


_MISSING = _Missing()


_Place = tuple[str, Any, Any, Any]
"""Where it is, and what the three answers have there."""


def compare_json(baseline: Any, canary: Any, again: Any) -> Steps[list[Finding]]:
    """Return in which places *baseline* and *canary* differ. A place in which the baseline has answered otherwise *again* anywhere is
    noise everywhere: lists that come in another order each time are."""
    found: dict[str, Finding] = {}
    waiting: list[Iterator[_Place]] = [iter((("$", baseline, canary, again),))]
    seen = 0
    while waiting and seen < _NODES:
        place = next(waiting[-1], None)
        if place is None:
            waiting.pop()
            continue
        seen += 1
        if seen % _NODES_AT_A_TIME == 0:
            yield
        path, one, other, more = place
        if isinstance(one, dict) and isinstance(other, dict):
            waiting.append(_in_objects(path, one, other, more if isinstance(more, dict) else {}))
        elif isinstance(one, list) and isinstance(other, list):
            waiting.append(_in_lists(_below(path, None), one, other, more if isinstance(more, list) else []))
        elif not _same(one, other):
            odd = odd_one(one, other, more)
            known = found.get(path)
            if known is None:
                if len(found) < _ASPECTS:
                    found[path] = Finding("body", path, odd, f"{_shown(one)} -> {_shown(other)}")
            elif known.odd is not odd:
                known.odd = Odd.ALL
    return list(found.values())


def _in_objects(path: str, one: dict[str, Any], other: dict[str, Any], more: dict[str, Any]) -> Iterator[_Place]:
    for name in chain(one, (name for name in other if name not in one)):
        yield _below(path, name), one.get(name, _MISSING), other.get(name, _MISSING), more.get(name, _MISSING)


def _in_lists(path: str, one: list[Any], other: list[Any], more: list[Any]) -> Iterator[_Place]:
    for first, second, third in zip_longest(one, other, islice(more, max(len(one), len(other))), fillvalue=_MISSING):
        yield path, first, second, third


def _below(path: str, name: str | None) -> str:
    if len(path) >= _LONGEST_PATH:
        return path
    return path + "[]" if name is None else _clean(f"{path}.{name}"[:_LONGEST_PATH])


def _same(one: object, other: object) -> bool:
    """JSON has ``true`` beside 1, and one kind of number."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _shown(value: object) -> str:
    if value is _MISSING:
        return "missing"
    if isinstance(value, (dict, list)):
        return f"an object of {len(value)}" if isinstance(value, dict) else f"a list of {len(value)}"
    text = value if isinstance(value, str) else json.dumps(value)
    clean = _clean(text[:_LONGEST_VALUE])
    return clean + "…" if len(text) > _LONGEST_VALUE else clean


def _clean(text: str) -> str:
    """Return *text* as people can be shown it. JSON can also say what no encoding has, half a character: nobody could write it down."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "?" for one in text)


class _Tally:
    """How often something was odd, by who was."""

    __slots__ = ("baseline", "canary", "noise")

    def __init__(self) -> None:
        self.canary = 0
        self.baseline = 0
        self.noise = 0
        """How often it was not the canary alone; ``baseline`` of these times it was its first answer alone."""

    def count(self, odds: Iterable[Odd]) -> None:
        """Count one comparison in which something was odd in these ways."""
        seen = set(odds)
        if Odd.CANARY in seen:
            self.canary += 1
        elif seen:
            self.noise += 1
            self.baseline += Odd.BASELINE in seen

    @property
    def beyond(self) -> int:
        """What remains beyond the baseline's own noise, see rule 2."""
        return max(0, self.canary - self.baseline)


class _Path:
    """What is known of one path."""

    __slots__ = ("aspects", "compared", "kinds")

    def __init__(self) -> None:
        self.compared = 0
        self.kinds = {"status": _Tally(), "headers": _Tally(), "body": _Tally()}
        self.aspects: dict[tuple[str, str], tuple[_Tally, str]] = {}

    def count(self, findings: Sequence[Finding]) -> None:
        for kind, tally in self.kinds.items():
            tally.count(finding.odd for finding in findings if finding.kind == kind)
        for finding in findings:
            key = finding.kind, finding.name
            known = self.aspects.get(key)
            if known is None:
                if len(self.aspects) >= _ASPECTS:
                    continue
                known = self.aspects[key] = _Tally(), finding.example
            known[0].count((finding.odd,))

    @property
    def beyond(self) -> int:
        return sum(tally.beyond for tally in self.kinds.values())

    def to_dict(self, path: str) -> dict[str, object]:
        worst = sorted(self.aspects.items(), key=lambda item: -item[1][0].beyond)[:_SHOWN_EXAMPLES]
        examples = [f"{name}: {example} ({tally.beyond:,} times)" for (_, name), (tally, example) in worst if tally.beyond]
        kinds = {kind: tally.beyond for kind, tally in self.kinds.items()}
        return {"path": path, "compared": self.compared, **kinds, "examples": examples}


class Differences:
    """Everything that was found so far. ``skipped`` counts copies that were not compared."""

    __slots__ = ("_all", "_paths", "compared", "skipped")

    def __init__(self) -> None:
        self.compared = 0
        self.skipped = 0
        self._all = _Tally()
        self._paths: dict[str, _Path] = {}

    def same(self, path: str) -> None:
        """The answers to a request for *path* were the same."""
        self._count(path, ())

    def judge(self, path: str, baseline: CopiedAnswer, canary: CopiedAnswer, again: CopiedAnswer) -> Steps[None]:
        """Compare the answers to a request for *path*."""
        self._count(path, (yield from compare(baseline, canary, again)))

    def _count(self, path: str, findings: Sequence[Finding]) -> None:
        self.compared += 1
        if path not in self._paths and len(self._paths) >= _PATHS:
            path = _OTHERS
        known = self._paths.get(path)
        if known is None:
            known = self._paths[path] = _Path()
        known.compared += 1
        if findings:
            self._all.count(finding.odd for finding in findings)
            known.count(findings)

    def to_dict(self) -> dict[str, object]:
        """Return plain JSON-able values, the paths that differ most first."""
        worst = sorted(self._paths.items(), key=lambda item: (-item[1].beyond, -item[1].compared))[:_SHOWN_PATHS]
        totals = {"compared": self.compared, "different": self._all.beyond, "noise": self._all.noise, "skipped": self.skipped}
        return {**totals, "paths": [known.to_dict(path) for path, known in worst]}
