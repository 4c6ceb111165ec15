"""YAML (and JSON, which is YAML) to plain containers and texts that remember where they stood.

Rule 1. Built from PyYAML's events, iteratively: no input can exhaust the stack, and nothing is ever constructed but
        ``MapNode``, ``ListNode`` and ``TextNode``. Tags are refused.
Rule 2. Bounded: characters, nodes (with aliases counted as often as they are used), depth, length of one text.
Rule 3. A scalar stays the text it was written as; the schema decides what it means. ``exact: no`` is the text "no".
Rule 4. A key is given once. Merge keys (``<<``) are expanded, with a warning, since Envoy refuses them.
Rule 5. A key without a value (``null``) is not set, as in Envoy, and a warning says so.
Rule 6. A node also knows its extent in the text (``start``, ``end``: characters, without a byte order mark), for who edits it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import yaml

from shifter.config.report import FILE_LINES, Report, ShifterError, shown

MAX_CHARACTERS = 8 << 20
MAX_NODES = 500_000
MAX_DEPTH = 64
MAX_TEXT = 1 << 20
NOWHERE = -1
"""The ``start`` of a node that was not read, but made."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_NO_VALUE = "give it a value, or take it out"
_EMPTY = "write {} for an empty mapping, [] for an empty list, quotes for a text"
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"


class TextNode(str):
    """A scalar: its text, and whether it was ``plain``, that is, written without quotes. Made later, it has no ``start``."""

    __slots__ = ("column", "end", "line", "plain", "start", "width")

    line: int
    column: int
    width: int
    plain: bool
    start: int
    end: int

    def __new__(
        cls, value: str, line: int, column: int, width: int = 1, plain: bool = False, start: int = NOWHERE, end: int = NOWHERE
    ) -> "TextNode":
        self = str.__new__(cls, value)
        self.start = start
        self.end = end
        self.line = line
        self.column = column
        self.width = width
        self.plain = plain
        return self


class MapNode(dict[str, "Node"]):
    """A mapping. Its place is that of its first key, or of its brace. Keys are ``TextNode`` (typed ``str`` for look-ups).

    ``flow`` tells one in braces. The ``end`` of one without is that of its last value.
    """

    __slots__ = ("column", "end", "flow", "line", "start", "width")

    def __init__(self, line: int, column: int, width: int = 1, start: int = NOWHERE, flow: bool = False) -> None:
        self.start = start
        self.end = start
        self.flow = flow
        self.line = line
        self.column = column
        self.width = width

    def key(self, name: str) -> "TextNode | MapNode":
        """Return the key called *name*, for its place; the mapping itself when there is none."""
        return next((key for key in self if key == name and isinstance(key, TextNode)), self)

    def replace(self, old: str, key: TextNode, value: "Node") -> None:
        """Put *key* and *value* where *old* stood."""
        items = [(key, value) if name == old else (name, node) for name, node in self.items()]
        self.clear()
        self.update(items)


class ListNode(list["Node"]):
    """A sequence. Its place is that of its first dash or of its bracket. ``flow`` and ``end`` are as those of a mapping."""

    __slots__ = ("column", "end", "flow", "line", "start", "width")

    def __init__(self, line: int, column: int, width: int = 1, start: int = NOWHERE, flow: bool = False) -> None:
        self.start = start
        self.end = start
        self.flow = flow
        self.line = line
        self.column = column
        self.width = width


Node: TypeAlias = MapNode | ListNode | TextNode


class Refused(ShifterError):
    """The text is not one YAML document within the limits."""

    def __init__(self, message: str, line: int, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.line = line
        self.column = column
        self.width = 1


def decode(data: bytes) -> str:
    """Return the text of a file.

    :raises Refused: it is not UTF-8
    """
    if len(data) > 4 * MAX_CHARACTERS:
        raise Refused(f"the file is larger than {MAX_CHARACTERS >> 20} MiB", 1, 1)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("this is not text in UTF-8", *_place(data[: error.start].decode("utf-8"))) from None


Merged: TypeAlias = Callable[[MapNode, TextNode, int, list[MapNode]], None]
"""Told of a merge key: its owner before it is expanded, the key, where its value ends, and whose fields it brings."""


def parse(text: str, report: Report, merged: Merged | None = None) -> Node | None:
    """Return the one document in *text*, or ``None`` after an error that ends all reading. Smaller errors are reported."""
    try:
        return _parse(text, report, merged)
    except Refused as refusal:
        refusal.line = refusal.line % FILE_LINES + report.base
        report.error(refusal, refusal.message, refusal.hint)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = TextNode("", mark.line + 1, mark.column + 1) if mark is not None else TextNode("", 1, 1)
        last = len(_LINE_BREAK.findall(text)) + 1
        if spot.line > last:  # libyaml counts a line behind the last when it misses something there
            spot = TextNode("", last, 1)
        spot.line += report.base
        hint = ""
        if mark is not None and text[mark.index : mark.index + 1] == "\t":
            hint = "indent with spaces: YAML allows no tab here"
        elif error.context and error.context_mark is not None:
            hint = f"{error.context} that begins at line {error.context_mark.line + 1}, column {error.context_mark.column + 1}"
        report.error(spot, f"not valid YAML: {error.problem or error.context}", hint)
    return None


def plain(node: Node) -> Plain:
    """Return *node* as YAML 1.2 (core schema) means it: numbers, booleans and null where they are unquoted."""
    if isinstance(node, MapNode):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node]
    return value_of(node)


def value_of(node: TextNode) -> str | int | float | bool | None:
    """Return what a scalar means in YAML 1.2."""
    text = str(node)
    if not node.plain:
        return text
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    # int() of thousands of digits takes quadratic time; nothing in a configuration is that long.
    if len(text) > 40:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def is_null(node: Node) -> bool:
    """Is this YAML's null?"""
    return isinstance(node, TextNode) and node.plain and node in _NULLS


def maps(node: object) -> Iterator[MapNode]:
    """Iterate over the mappings in a list; over none when *node* is not one."""
    if isinstance(node, ListNode):
        yield from (item for item in node if isinstance(item, MapNode))


def text_in(node: MapNode, key: str) -> TextNode | None:
    """Return the text at *key*, if there is one."""
    value = node.get(key)
    return value if isinstance(value, TextNode) else None


def map_in(node: MapNode, key: str) -> MapNode | None:
    """Return the mapping at *key*, if there is one."""
    value = node.get(key)
    return value if isinstance(value, MapNode) else None


def routes_in(manager: MapNode) -> MapNode | None:
    """Return the route configuration that stands in a connection manager itself."""
    return map_in(manager, "route_config")


def is_false(node: MapNode, key: str) -> bool:
    """Is something that the schema takes for false given at *key*?"""
    text = text_in(node, key)
    return text is not None and text.lower() in ("false", "no", "off", "n")


def is_true(node: MapNode, key: str) -> bool:
    """Is something that the schema takes for true given at *key*?"""
    text = text_in(node, key)
    return text is not None and text.lower() in ("true", "yes", "on", "y")


class OwnReport(Report):
    """The report of a text that no other proxy reads: what Envoy makes of it is not said."""

    __slots__ = ()


@dataclass(slots=True)
class _Frame:
    """A container that is still open. ``size`` counts nodes, ``height`` levels, aliases expanded."""

    node: MapNode | ListNode
    anchor: str | None
    size: int = 1
    height: int = 1
    end: int = 0
    key: TextNode | None = None
    odd_key: bool = False
    merged: tuple[TextNode, Node, int] | None = None
    keys: dict[str, TextNode] | None = None


def _parse(text: str, report: Report, merged: Merged | None) -> Node | None:
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"the file is larger than {MAX_CHARACTERS >> 20} MiB", 1, 1)
    text = text.removeprefix("\ufeff")
    bad = _FORBIDDEN.search(text)
    if bad is not None:
        raise Refused(
            f"the character U+{ord(bad[0]):04X} cannot stand in a configuration",
            *_place(text[: bad.start()]),
            'write it as an escape within double quotes: "\\x00"' if ord(bad[0]) < 128 else "",
        )
    builder = _Builder(report, merged)
    loader = _LOADER(text)
    try:
        while builder.feed(loader.get_event()):
            pass
    finally:
        loader.dispose()
    return builder.root


def _place(before: str) -> tuple[int, int]:
    """Return line and column of what stands behind *before*; lines end as YAML says."""
    line, start = 1, 0
    for found in _LINE_BREAK.finditer(before):
        line, start = line + 1, found.end()
    return line, len(before.removeprefix("\ufeff")) - start + 1 if line == 1 else len(before) - start + 1


class _Builder:
    """Turns events into nodes."""

    def __init__(self, report: Report, merged: Merged | None) -> None:
        self.report = report
        self._own = isinstance(report, OwnReport)
        self._merged = merged
        self._first = report.base + 1
        self.root: Node | None = None
        self._documents = 0
        self._count = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}

    def feed(self, event: yaml.Event) -> bool:
        """Take one event; return False after the last."""
        take = self._TAKERS.get(type(event))
        if take is not None:
            take(self, event)
        return not isinstance(event, yaml.StreamEndEvent)

    def _begin(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            raise Refused("a second document begins here: a configuration is one document", *self._start(event))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        start, end = event.start_mark, event.end_mark
        assert start is not None and end is not None
        line, column = start.line + self._first, start.column + 1
        if event.tag is not None:
            raise Refused(f"tags such as {shown(event.tag)} are not allowed in a configuration", line, column)
        if len(event.value) > MAX_TEXT:
            raise Refused(f"this text is longer than {MAX_TEXT >> 20} MiB", line, column)
        width = max(1, end.column - start.column) if end.line == start.line else 1
        # The C parser says style "" for a plain scalar, the Python one None.
        node = TextNode(event.value, line, column, width, not event.style, start.index, end.index)
        if event.anchor:
            self._anchors[event.anchor] = (node, 1, 1)
        self._add(node, 1, 1, end.index)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        line, column = self._start(event)
        if event.tag is not None:
            raise Refused(f"tags such as {shown(event.tag)} are not allowed in a configuration", line, column)
        if len(self._stack) >= MAX_DEPTH:
            raise Refused(f"nested deeper than {MAX_DEPTH} levels", line, column)
        make = MapNode if isinstance(event, yaml.MappingStartEvent) else ListNode
        mark = event.start_mark
        assert mark is not None
        node = make(line, column, 1, mark.index, bool(event.flow_style))
        if event.anchor:
            # Known, but not usable before it is complete: it would contain itself.
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(node, event.anchor))

    def _close(self, event: yaml.Event) -> None:
        frame = self._stack.pop()
        mark = event.end_mark
        assert mark is not None
        # Without brackets the parser's own end is wherever the next thing begins.
        frame.node.end = mark.index if frame.node.flow else frame.end
        if frame.merged is not None and isinstance(frame.node, MapNode):
            self._merge(frame.node, *frame.merged)
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.node, frame.size, frame.height)
        self._add(frame.node, frame.size, frame.height, frame.node.end)

    def _alias(self, event: yaml.AliasEvent) -> None:
        line, column = self._start(event)
        name = event.anchor or ""
        if name not in self._anchors:
            raise Refused(f"the alias *{shown(name)} has no anchor &{shown(name)} before it", line, column)
        anchored = self._anchors[name]
        if anchored is None:
            raise Refused(f"the alias *{shown(name)} stands inside of what it means", line, column)
        node, size, height = anchored
        if len(self._stack) + height > MAX_DEPTH:
            raise Refused(f"nested deeper than {MAX_DEPTH} levels", line, column)
        self._count += size - 1
        mark = event.end_mark
        assert mark is not None
        self._add(node, size, height, mark.index, TextNode("", line, column))

    def _add(self, node: Node, size: int, height: int, end: int, at: TextNode | None = None) -> None:
        """Put *node*, whose text goes to *end*, where it belongs; *at* is the alias that it came by."""
        self._count += 1
        if self._count > MAX_NODES:
            spot = node if at is None else at
            raise Refused(f"more than {MAX_NODES} values (aliases count as often as they are used)", spot.line, spot.column)
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.size += size
        frame.end = end
        if height >= frame.height:
            frame.height = height + 1
        if isinstance(frame.node, ListNode):
            if is_null(node):
                self.report.error(node, "this list item is empty")
            else:
                frame.node.append(node)
        elif frame.odd_key:
            frame.odd_key = False
        elif frame.key is None:
            if isinstance(node, TextNode):
                frame.key = node
            else:
                self.report.error(node if at is None else at, "a key must be one word")
                frame.odd_key = True
        else:
            key, frame.key = frame.key, None
            self._set(frame, frame.node, key, node, end)

    def _set(self, frame: _Frame, owner: MapNode, key: TextNode, node: Node, end: int) -> None:
        if not owner and frame.keys is None and key.line == owner.line and key.column == owner.column:
            # A block mapping begins where its first key does: let the caret cover the key.
            owner.width = key.width
        if key == "<<" and key.plain:
            if frame.merged is not None:
                self.report.error(key, "`<<` is given twice", "one `<<` takes a list: <<: [*a, *b]")
            frame.merged = (key, node, end)
        elif key in owner or (frame.keys is not None and key in frame.keys):
            if frame.keys is None:
                frame.keys = {name: name for name in owner if isinstance(name, TextNode)}
            first = f"first given at {self.report.line(frame.keys[key], key)}"
            self.report.error(
                key, f"`{shown(key)}` is given twice", first if self._own else f"{first}; Envoy would take the last, silently"
            )
        elif is_null(node):
            frame.keys = {name: name for name in owner if isinstance(name, TextNode)} if frame.keys is None else frame.keys
            frame.keys[key] = key
            self.report.warn(key, f"`{shown(key)}` has no value, so it is not set", _NO_VALUE if self._own else _EMPTY)
        else:
            owner[key] = node
            if frame.keys is not None:
                frame.keys[key] = key

    def _merge(self, owner: MapNode, key: TextNode, node: Node, end: int) -> None:
        """Expand a merge key: what is given explicitly wins, then the earlier of several sources."""
        if not self._own:
            self.report.alias(key, "the merge key `<<` is expanded here, but Envoy refuses it", "write the fields themselves")
        sources = [source for source in (node if isinstance(node, ListNode) else [node]) if isinstance(source, MapNode)]
        if len(sources) < (len(node) if isinstance(node, ListNode) else 1):
            self.report.error(key, "a merge key takes a mapping or a list of mappings")
            return
        if self._merged is not None:
            self._merged(owner, key, end, sources)
        for source in sources:
            for name, value in source.items():
                owner.setdefault(name, value)

    def _start(self, event: yaml.Event) -> tuple[int, int]:
        mark = event.start_mark
        assert mark is not None
        return mark.line + self._first, mark.column + 1

    # of the class: what a reader holds of itself would keep all that it has read from being let go
    _TAKERS: ClassVar[dict[type[yaml.Event], Callable[["_Builder", Any], None]]] = {
        yaml.ScalarEvent: _scalar,
        yaml.MappingStartEvent: _open,
        yaml.SequenceStartEvent: _open,
        yaml.MappingEndEvent: _close,
        yaml.SequenceEndEvent: _close,
        yaml.AliasEvent: _alias,
        yaml.DocumentStartEvent: _begin,
    }
