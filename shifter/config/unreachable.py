"""Routes that no request can reach, since an earlier one takes all that they would match.

Rule 1. What is called unreachable is: an earlier route covers another only when every condition it has beside its path is one of the
        other's, too, word for word.
Rule 2. Not all is found: of a pattern or a template, what it begins with is looked at, and whether it is the same one.
Rule 3. n routes take n log n steps; of a route with many conditions not every choice of them is looked for.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from shifter.config.document import ListNode, MapNode, Node, TextNode, is_false, map_in, plain, text_in, value_of
from shifter.config.report import Report, Spot, shown

PATHS = ("prefix", "path", "safe_regex", "path_separated_prefix", "path_match_policy", "connect_matcher")
_LISTS = ("headers", "query_parameters", "cookies", "dynamic_metadata", "filter_state")
_KNOWN = frozenset((*PATHS, *_LISTS, "case_sensitive", "runtime_fraction", "grpc", "tls_context"))
_DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}
_MANY = 5
_LITERAL = re.compile(r"(?:\\[./\-_]|[A-Za-z0-9/_\-~%])*")
_REPEATED = re.compile(r"(\\?.)$")
_EVERYTHING = re.compile(r"\^?\(?/?\.\*\)?\$?")

Conditions = frozenset[str]


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A route that was met: where it stands and what it is called."""

    spot: Spot
    says: str


@dataclass(slots=True)
class _Prefixes:
    """Prefixes of which none begins with another: so only the last that is not greater than a text can be a prefix of it."""

    texts: list[str] = field(default_factory=list)
    found: dict[str, _Earlier] = field(default_factory=dict)

    def find(self, text: str) -> _Earlier | None:
        at = bisect_right(self.texts, text)
        return self.found[self.texts[at - 1]] if at and text.startswith(self.texts[at - 1]) else None

    def add(self, text: str, earlier: _Earlier) -> None:
        if self.find(text) is not None:
            return
        at = end = bisect_right(self.texts, text)
        while end < len(self.texts) and self.texts[end].startswith(text):
            end += 1
        self.texts[at:end] = [text]
        self.found[text] = earlier


@dataclass(frozen=True, slots=True)
class _Paths:
    """Which paths a route matches.

    Each is one of: all that begin with ``head`` (``whole`` is False), just ``head`` (True), ``head`` and all below it (``None``). For
    patterns and templates, ``exact`` is False: they match some of it. ``sensitive`` is about letters. ``identity`` is the same for
    what is written the same.
    """

    identity: tuple[str, str, bool]
    head: str
    whole: bool | None
    exact: bool
    sensitive: bool


class _Taken:
    """The paths that routes with the same conditions have taken."""

    def __init__(self) -> None:
        self._same: dict[tuple[str, str, bool], _Earlier] = {}
        self._prefixes = (_Prefixes(), _Prefixes())
        self._separated = (_Prefixes(), _Prefixes())
        self._whole: tuple[dict[str, _Earlier], dict[str, _Earlier]] = ({}, {})

    def find(self, paths: _Paths) -> _Earlier | None:
        """Return the route that has taken all of *paths*."""
        found = self._same.get(paths.identity)
        if found is not None or paths.identity[0] == "connect_matcher":
            return found
        # Who compares with small letters takes all spellings; who does not takes those of one that does not, either.
        for folded in (True, False) if paths.sensitive else (True,):
            head = paths.head.lower() if folded else paths.head
            found = self._prefixes[folded].find(head)
            if found is None:
                found = self._separated[folded].find(head if paths.whole is False else f"{head}/")
            if found is None and paths.whole is True and paths.exact:
                found = self._whole[folded].get(head)
            if found is not None:
                return found
        return None

    def add(self, paths: _Paths, earlier: _Earlier) -> None:
        self._same.setdefault(paths.identity, earlier)
        if not paths.exact or paths.identity[0] == "connect_matcher":
            return
        lower, upper = paths.head.lower(), paths.head.upper()
        for folded in {not paths.sensitive, lower == upper}:
            head = lower if folded else paths.head
            if paths.whole is None:
                self._separated[folded].add(f"{head}/", earlier)
            elif paths.whole:
                self._whole[folded].setdefault(head, earlier)
            else:
                self._prefixes[folded].add(head, earlier)


class Reach:
    """Finds routes of one virtual host that earlier ones leave nothing for; ``add`` them in their order."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._taken: dict[Conditions, _Taken] = {}

    def add(self, route: MapNode) -> None:
        """Report *route* when no request can reach it."""
        match = map_in(route, "match")
        if match is None or not match.keys() <= _KNOWN:
            return
        kinds = [key for key in match if key in PATHS]
        paths = _paths(match, kinds[0]) if len(kinds) == 1 else None
        share = _share(match)
        if paths is None or share is None:
            return
        spot = _spot(match, kinds[0])
        if share == 0:
            return  # it hides nothing, and ``check`` tells of it
        conditions = Conditions(_conditions(match))
        for fewer in _subsets(conditions):
            earlier = self._taken[fewer].find(paths) if fewer in self._taken else None
            if earlier is not None:
                hint = f"{self._report.line(earlier.spot, spot)} ({earlier.says}) matches all of it before"
                self._report.warn(spot, "this route is never reached", hint)
                return
        name = text_in(route, "name")
        says = f"{kinds[0]} {shown(paths.identity[1])}".rstrip()
        earlier = _Earlier(spot, f"route {shown(name)}, {says}" if name else says)
        self._taken.setdefault(conditions, _Taken()).add(paths, earlier)


def _subsets(conditions: Conditions) -> Iterator[Conditions]:
    """Yield the subsets of *conditions*, fewest first; of many only some."""
    sizes = range(len(conditions) + 1) if len(conditions) <= _MANY else (0, 1, len(conditions))
    for size in sizes:
        yield from map(frozenset, combinations(conditions, size))


def _spot(match: MapNode, kind: str) -> Spot:
    text = _text(match, kind)
    return text if text is not None else match.key(kind)


def _text(match: MapNode, kind: str) -> TextNode | None:
    """Return what says which paths."""
    if kind == "safe_regex":
        regex = map_in(match, kind)
        return text_in(regex, "regex") if regex is not None else None
    if kind == "path_match_policy":
        policy = map_in(match, kind)
        config = map_in(policy, "typed_config") if policy is not None else None
        return text_in(config, "path_template") if config is not None else None
    return text_in(match, kind)


def _paths(match: MapNode, kind: str) -> _Paths | None:
    if kind == "connect_matcher":
        return _Paths((kind, "", True), "", False, exact=False, sensitive=True)
    text = _text(match, kind)
    if text is None or not (text or kind in ("prefix", "path")):
        return None
    sensitive = not is_false(match, "case_sensitive")
    head, whole, exact = str(text), {"prefix": False, "path": True}.get(kind), True
    if kind == "safe_regex":
        head, exact, sensitive = *_of_regex(text), True
        whole = False
    elif kind == "path_match_policy":
        head, whole, exact, sensitive = re.split(r"[{*]", text, maxsplit=1)[0], False, False, True
    return _Paths((kind, str(text), sensitive), head, whole, exact, sensitive)


def _of_regex(text: str) -> tuple[str, bool]:
    """Return what the paths that *text* matches begin with, and whether those are all that do."""
    if _EVERYTHING.fullmatch(text):
        return "/", True
    if "|" in text or "(?" in text or "\\Q" in text:
        return "/", False
    found = _LITERAL.match(text)
    assert found is not None
    literal, rest = found[0], text[found.end() :]
    if rest[:1] in ("*", "?", "+", "{") and rest:
        literal = _REPEATED.sub("", literal)
    # All paths begin with a slash, even where the pattern does not say so.
    return literal.replace("\\", "") or "/", rest == ".*"


def _share(match: MapNode) -> float | None:
    """Return which share of the requests may match: 0.0, 1.0, or something between; ``None`` when that is not understood."""
    if "runtime_fraction" not in match:
        return 1.0
    fraction = map_in(match, "runtime_fraction")
    percent = map_in(fraction, "default_value") if fraction is not None else None
    if fraction is None or percent is None:
        return None
    numerator = text_in(percent, "numerator")
    number = value_of(TextNode(numerator, 0, 0, plain=True)) if numerator is not None else 0
    whole = _DENOMINATORS.get((text_in(percent, "denominator") or "HUNDRED").upper())
    if whole is None or isinstance(number, (str, bool)) or number is None:
        return None
    if text_in(fraction, "runtime_key"):
        return 0.5
    return min(number / whole, 1.0)


def _conditions(match: MapNode) -> Iterator[str]:
    """Yield the conditions beside the path, the same text for the same one."""
    for name in _LISTS:
        items: Node | None = match.get(name)
        for item in items if isinstance(items, ListNode) else ():
            yield f"{name} {_canonical(item)}"
    if _share(match) != 1.0:
        yield f"runtime_fraction {_canonical(match['runtime_fraction'])}"
    if "grpc" in match:
        yield "grpc"
    if match.get("tls_context"):
        yield f"tls_context {_canonical(match['tls_context'])}"


def _canonical(node: Node) -> str:
    value = plain(node)
    return repr(sorted(value.items(), key=lambda item: item[0]) if isinstance(value, dict) else value)
