"""Long lists of routes: only those are tried that can fit, so that the time for a request does not grow with the list.

Rule 1. The first route that fits wins, as in the list: every route has its number there, whatever leads to it, and what could
        fit is tried in the order of the numbers.
Rule 2. What leads to routes may name some that do not fit, but leaves none out that does.
Rule 3. Routes are found by the text their paths begin with (`match_path.PathCondition.prefix`). These texts are sorted; the last
        one that is not behind a path is either its longest one, or has that at its own beginning (all texts between a prefix of
        a path and the path begin with that prefix). So one binary search and a few steps back find all of them.
Rule 4. Where many routes have the same text, those with an exact match on one field are found by its value.
Rule 5. If one route of a list folds case, all are found by folded texts, and those that do not are looked at again.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Generic, TypeVar

from shifter.model.route import HeaderMatcher, RouteMatch, StringMatchKind
from shifter.model.steps import Steps, at_once, emptying
from shifter.routing.match_header import Matcher, header_values
from shifter.routing.match_path import ENDS, PathCondition, compared_path, path_matcher
from shifter.wire.events import RequestHead

T = TypeVar("T")

FEW = 16
"""So many routes are tried one after the other rather than looked up."""
_MERGED = 64
"""So many routes are put together beforehand, at each text."""


@dataclass(frozen=True, slots=True)
class Indexed(Generic[T]):
    """A route of the list: ``path`` and ``rest`` are its conditions, ``match`` is what they were made of."""

    match: RouteMatch
    path: PathCondition
    rest: Matcher | None
    entry: T


_Row = tuple[int, Matcher | None, T]
"""A route's number, what is still to be looked at, and where it leads."""
_Rows = tuple[_Row[T], ...]
_Source = Callable[[RequestHead], _Rows[T]]
_Finder = Callable[[RequestHead], Iterable[_Row[T]]]


class _Node(Generic[T]):
    """The routes of all paths that begin with ``text`` and with no longer text of the list. ``below`` are those for paths that
    go on behind it, ``at_end`` for the one that ends there; where they are many, ``below_of`` and ``at_end_of`` find them."""

    __slots__ = ("at_end", "at_end_of", "below", "below_of", "parent", "size", "text")

    def __init__(self, text: bytes, parent: "_Node[T] | None") -> None:
        self.text = text
        self.size = len(text)
        self.parent = parent
        self.below: _Rows[T] | None = ()
        self.at_end: _Rows[T] | None = ()
        self.below_of: _Finder[T] = _nothing
        self.at_end_of: _Finder[T] = _nothing


class RouteIndex(Generic[T]):
    """The routes of one virtual host. *ignore_parameters* as in `match_path.compile_path`."""

    __slots__ = ("_bare", "_folded", "_nodes", "_texts")

    def __init__(self, routes: Sequence[Indexed[T]], ignore_parameters: bool = False) -> None:
        at_once(self._fill(routes, ignore_parameters))

    @classmethod
    def in_steps(cls, routes: Sequence[Indexed[T]], ignore_parameters: bool = False) -> "Steps[RouteIndex[T]]":
        """Return the same, made one route a step."""
        index = cls.__new__(cls)
        yield from index._fill(routes, ignore_parameters)
        return index

    def _fill(self, routes: Sequence[Indexed[T]], ignore_parameters: bool) -> Steps[None]:
        self._bare = compared_path(True) if ignore_parameters else None
        self._folded = any(route.path.folded for route in routes)
        beginning: dict[bytes, list[tuple[_Row[T], RouteMatch]]] = {b"": []}
        ending: dict[bytes, list[tuple[_Row[T], RouteMatch]]] = {}
        for number, route in enumerate(routes):
            yield
            text, left = self._left_to_look_at(route, ignore_parameters)
            beginning.setdefault(text, [])
            (ending.setdefault(text, []) if route.path.exact else beginning[text]).append(((number, left, route.entry), route.match))
        self._texts = sorted(beginning)
        self._nodes: list[_Node[T]] = []
        sources: dict[bytes, list[_Rows[T] | _Source[T]]] = {}
        line: list[_Node[T]] = []  # the texts that the present one begins with
        for text in self._texts:
            yield
            while line and not text.startswith(line[-1].text):
                line.pop()
            node: _Node[T] = _Node(text, line[-1] if line else None)
            inherited = sources[line[-1].text] if line else []
            line.append(node)
            self._nodes.append(node)
            below = sources[text] = _together([*inherited, *(yield from _by_field(beginning[text]))])
            at_end = _together([*below, *(yield from _by_field(ending.get(text, [])))])
            node.below, node.below_of = _ready(below)
            node.at_end, node.at_end_of = _ready(at_end)
        yield from emptying(beginning, ending, sources)

    def _left_to_look_at(self, route: Indexed[T], ignore_parameters: bool) -> tuple[bytes, Matcher | None]:
        """Return the text that leads to *route*, and what that leaves to be looked at."""
        path = route.path
        if not self._folded or path.folded:
            return path.prefix, _both(path.rest, route.rest)
        prefix, on_path = path_matcher(path, ignore_parameters)
        return path.prefix.lower(), _both(lambda head: head.path.startswith(prefix), _both(on_path, route.rest))

    def locate(self, head: RequestHead) -> T | None:
        """Return the entry of the first route that *head* fits, or ``None``."""
        path = head.path
        if self._bare is not None:
            path = self._bare(path)
        if self._folded:
            path = path.lower()
        node = self._nodes[bisect_right(self._texts, path) - 1]
        while not path.startswith(node.text):
            assert node.parent is not None  # the first text is empty
            node = node.parent
        size = node.size
        rows: Iterable[_Row[T]] | None
        if len(path) == size or path[size] in ENDS:
            rows = node.at_end if node.at_end is not None else node.at_end_of(head)
        else:
            rows = node.below if node.below is not None else node.below_of(head)
        for _, condition, entry in rows:
            if condition is None or condition(head):
                return entry
        return None


def _nothing(head: RequestHead) -> Iterable[_Row[T]]:
    return ()


def _both(first: Matcher | None, second: Matcher | None) -> Matcher | None:
    if first is None or second is None:
        return first or second
    return lambda head: first(head) and second(head)


def _together(sources: list[_Rows[T] | _Source[T]]) -> list[_Rows[T] | _Source[T]]:
    """Put those of *sources* that are rows already into one, as long as that is short."""
    kept: list[_Rows[T] | _Source[T]] = []
    short: list[_Row[T]] = []
    for source in sources:
        if isinstance(source, tuple) and len(short) + len(source) <= _MERGED:
            short += source
        else:
            kept.append(source)
    if short:
        kept.append(tuple(sorted(short, key=_number)))
    return kept


def _number(row: _Row[T]) -> int:
    return row[0]


def _ready(sources: list[_Rows[T] | _Source[T]]) -> tuple[_Rows[T] | None, _Finder[T]]:
    """Return the rows of *sources* if they are known beforehand, else what finds them for a request."""
    if not sources:
        return (), _nothing
    if len(sources) == 1:
        (only,) = sources
        return (only, _nothing) if isinstance(only, tuple) else (None, only)

    fixed = [source for source in sources if isinstance(source, tuple)]
    asked = [source for source in sources if not isinstance(source, tuple)]

    if len(fixed) == len(asked) == 1:
        return None, _after(asked[0], fixed[0])

    def merged(head: RequestHead) -> Iterable[_Row[T]]:
        found = fixed + [rows for source in asked if (rows := source(head))]
        if len(found) == 1:
            return found[0]
        if sum(map(len, found)) <= _MERGED:
            return sorted([row for rows in found for row in rows], key=_number)
        return merge(*found, key=_number)

    return None, merged


def _after(ask: _Source[T], rest: _Rows[T]) -> _Finder[T]:
    """The usual case: the rows of a field's value, then *rest*, what is there for everybody."""
    first, few = rest[0][0], len(rest) <= _MERGED

    def after(head: RequestHead) -> Iterable[_Row[T]]:
        rows = ask(head)
        if not rows:
            return rest
        return rows + rest if few and rows[-1][0] < first else merge(rows, rest, key=_number)

    return after


def _by_field(routes: list[tuple[_Row[T], RouteMatch]]) -> Steps[list[_Rows[T] | _Source[T]]]:
    """Return the rows of *routes*; where they are many, divided by the value of the field that most of them ask for."""
    sources: list[_Rows[T] | _Source[T]] = []
    while len(routes) > FEW:
        asked: Counter[bytes] = Counter()
        for _, match in routes:
            yield
            asked.update({header.name.lower() for header in match.headers if _is_exact(header)})
        name, count = asked.most_common(1)[0] if asked else (b"", 0)
        if count <= FEW:
            break
        by_value: dict[bytes, list[tuple[_Row[T], RouteMatch]]] = {}
        others: list[tuple[_Row[T], RouteMatch]] = []
        for route in routes:
            yield
            value = next((_text(header) for header in route[1].headers if header.name.lower() == name and _is_exact(header)), None)
            (others if value is None else by_value.setdefault(value, [])).append(route)
        sources.append(_lookup(name, {value: tuple(row for row, _ in found) for value, found in by_value.items()}))
        routes = others
    if routes:
        sources.append(tuple(row for row, _ in routes))
    return sources


def _lookup(name: bytes, by_value: dict[bytes, _Rows[T]]) -> _Source[T]:
    values_of = header_values(name)

    def lookup(head: RequestHead) -> _Rows[T]:
        found = values_of(head)
        if len(found) == 1:
            return by_value.get(found[0], ())
        return tuple(sorted([row for value in dict.fromkeys(found) for row in by_value.get(value, ())], key=_number))

    return lookup


def _is_exact(header: HeaderMatcher) -> bool:
    """Say whether *header* can fit only when one of the field's values is its text."""
    string = header.string
    if string is None or header.invert or header.treat_missing_as_empty:
        return False
    return string.kind is StringMatchKind.EXACT and not string.ignore_case


def _text(header: HeaderMatcher) -> bytes:
    assert header.string is not None
    return header.string.text
