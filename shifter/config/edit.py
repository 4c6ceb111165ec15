"""Changes of a configuration's text that leave its comments and its layout alone.

``legacy`` changes the node tree; whoever wants the text changed as well gives it ``Edits``, which notes down what that means for
the characters between ``start`` and ``end`` of the nodes.

Rule 1. What was read is copied as it was written, comments included, and moved to its new column; what was made is written anew:
        in lines where its neighbours are in lines, in brackets where they are in brackets, in quotes where they are in quotes.
Rule 2. An edit within something that another edit moves is left for the next time: ``applied`` says what became of the text,
        and whoever wants everything done comes again.
Rule 3. Nothing here knows what the text means, and aliases and merge keys can make an edit mean more than it says: whoever
        applies it compares the meanings (``convert``).
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

from shifter.config.document import NOWHERE, ListNode, MapNode, Node, TextNode
from shifter.config.report import Spot

_PLAIN = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_./-]*")
_WORDS = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
_ANCHOR = re.compile(r"[&][^\s,\[\]{}]+\s+")
_ALIAS = re.compile(r"\s*:\s*[*][^\s,\[\]{}]+")
_COMMENT = re.compile(r"[ \t]+#[^\r\n]*")
_LINE_FEED = re.compile(r"(?<!\r)\n")
_GAP = re.compile(r"\s*:[ \t]*(#[^\r\n]*)?")


@dataclass(frozen=True, slots=True)
class Edit:
    """Write ``text`` in place of the characters from ``start`` to ``end``; ``spot`` is what it is about."""

    start: int
    end: int
    text: str
    spot: Spot


class Edits:
    """Collects what to change in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Edit] = []
        self._windows = "\r\n" in text

    def scalar(self, node: TextNode, value: str) -> None:
        """Write *value* where *node* stands, in its quotes."""
        if node.start != NOWHERE:
            start = self._behind_anchor(node)
            plain = node.plain and _PLAIN.fullmatch(value)
            self._add(start, node.end, value if plain else _scalar(value, self.text[start : start + 1]), node)

    def pair(self, owner: MapNode, key: TextNode, name: str, value: Node | None = None) -> None:
        """Call the field at *key* of *owner* *name*, and write *value* (something made) for what it has; ``None`` leaves that."""
        if owner.start == NOWHERE or key.start == NOWHERE:
            return
        quote = self.text[key.start]
        if value is None:
            self._add(key.start, key.end, _scalar(name, quote), key)
            return
        old = owner[key]
        end = self._end_of_value(key, old)
        if owner.flow:
            text = f"{_scalar(name, quote)}: {self._flow(value, quote)}"
        else:
            gap = _GAP.match(self.text, key.end)
            note = f"  {gap[1]}" if gap and gap[1] else ""
            text = f"{_scalar(name, quote)}:{note}{self._behind_colon(value, key.column - 1, quote, last=True)}"
        self._add(key.start, end, text, key)

    def insert(self, owner: MapNode, behind: TextNode | None, name: str, value: Node) -> None:
        """Write another field into *owner*: first of all, or *behind* a field that stands there."""
        if owner.start == NOWHERE or (behind is not None and behind.start == NOWHERE):
            return
        first = next((key for key in owner if isinstance(key, TextNode) and key.start != NOWHERE), None)
        # "@type" is in quotes everywhere.
        other = next((key for key in owner if isinstance(key, TextNode) and key.start != NOWHERE and key != "@type"), None)
        quote = self.text[other.start] if other is not None else '"' if self.text.lstrip().startswith("{") else ""
        if owner.flow:
            pair = f"{_scalar(name, quote)}: {self._flow(value, quote)}"
            if behind is not None:
                at = self._end_of_value(behind, owner[behind])
                self._add(at, at, f", {pair}", behind)
            else:
                at = self.text.index("{", owner.start) + 1
                self._add(at, at, pair + (", " if first is not None else ""), owner)
        elif first is not None:
            column = first.column - 1
            pair = f"{_scalar(name, quote)}:{self._behind_colon(value, column, quote, last=False)}"
            if behind is not None:
                at = self._end_of_line(self._end_of_value(behind, owner[behind]))
                self._add(at, at, f"\n{' ' * column}{pair}", behind)
            else:
                self._add(first.start, first.start, f"{pair}\n{' ' * column}", owner)

    def gather(self, owner: MapNode, keys: list[TextNode], name: str, value: MapNode) -> None:
        """Write a field *name* with *value*, which has the fields at *keys*, in the place of those; they must stand together."""
        order = [key for key in owner if isinstance(key, TextNode)]
        at = order.index(keys[0])
        if owner.start == NOWHERE or order[at : at + len(keys)] != keys or any(key.start == NOWHERE for key in keys):
            return
        quote, end = self.text[keys[0].start], self._end_of_value(keys[-1], owner[keys[-1]])
        if owner.flow:
            text = f"{_scalar(name, quote)}: {self._flow(value, quote)}"
        else:
            text = f"{_scalar(name, quote)}:{self._behind_colon(value, keys[0].column - 1, quote, last=True)}"
        self._add(keys[0].start, end, text, keys[0])

    def delete(self, owner: MapNode, key: TextNode) -> None:
        """Take a field out of *owner*, with what stands behind it on its line."""
        if owner.start == NOWHERE or key.start == NOWHERE:
            return
        keys = [name for name in owner if isinstance(name, TextNode) and name.start != NOWHERE]
        at = keys.index(key)
        end = self._end_of_value(key, owner[key])
        start_of_line = self.text.rfind("\n", 0, key.start) + 1
        if not owner.flow and not self.text[start_of_line : key.start].strip():
            end = self._end_of_line(end)
            self._add(start_of_line, end + 1, "", key)
        elif at + 1 < len(keys):
            self._add(key.start, keys[at + 1].start, "", key)
        elif at:
            before = keys[at - 1]
            self._add(self._end_of_value(before, owner[before]), end, "", key)
        elif owner.flow:
            self._add(key.start, end, "", key)

    def expand(self, owner: MapNode, key: TextNode, end: int, sources: Collection[MapNode]) -> None:
        """Write the fields of *sources* in place of the merge key at *key*, whose value goes to *end*."""
        fields: dict[str, Node] = {}
        for source in sources:
            for name, value in source.items():
                if name not in owner:
                    fields.setdefault(name, value)
        quote = self.text[key.start]
        if owner.flow:
            self._add(key.start, end, ", ".join(self._flow_pair(name, value, quote) for name, value in fields.items()), key)
        elif fields:
            self._add(key.start, end, self._pairs(fields, key.column - 1, quote, last=True), key)

    def applied(self, refused: Collection[Edit] = ()) -> tuple[str, list[Edit]]:
        """Return the text with all that can be done at once, and which edits those were."""
        taken: list[Edit] = []
        for edit in sorted(self.found, key=lambda edit: (edit.start, -edit.end)):
            if edit in refused or (taken and edit == taken[-1]):
                continue
            if taken and (edit.start < taken[-1].end or edit.start == taken[-1].start):
                continue
            taken.append(edit)
        pieces, at = [], 0
        for edit in taken:
            pieces += [self.text[at : edit.start], edit.text]
            at = edit.end
        return "".join([*pieces, self.text[at:]]), taken

    def _add(self, start: int, end: int, text: str, spot: Spot) -> None:
        self.found.append(Edit(start, end, _LINE_FEED.sub("\r\n", text) if self._windows else text, spot))

    def _behind_anchor(self, node: Node) -> int:
        anchor = _ANCHOR.match(self.text, node.start)
        return anchor.end() if anchor else node.start

    def _end_of_value(self, key: TextNode, value: Node) -> int:
        """Where the text of the value at *key* ends; it may be an alias of something that stands elsewhere."""
        if value.start > key.start:
            return self._end(value)
        alias = _ALIAS.match(self.text, key.end)
        return alias.end() if alias else key.end

    def _end(self, node: Node) -> int:
        """Where *node* ends, without the line breaks that belong to a block of text."""
        return node.start + len(self.text[node.start : node.end].rstrip())

    def _end_of_line(self, at: int) -> int:
        found = re.compile(r"\r?\n|\r|\Z").search(self.text, at)
        assert found is not None
        return found.start()

    def _copy(self, node: Node, column: int) -> str:
        """Return what was written for *node*, so that it can stand at *column*."""
        start = node.start if isinstance(node, TextNode) else self._behind_anchor(node)
        text = self.text[start : self._end(node)]
        if "\n" not in text:
            return text
        first, *others = text.split("\n")
        line = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        was = len(line) if isinstance(node, (MapNode, ListNode)) and not node.flow else len(line) - len(line.lstrip(" "))
        shift = column - was
        moved = [" " * shift + other if shift > 0 and other.strip() else other[min(-shift, _indent(other)) :] for other in others]
        return "\n".join([first, *moved]) if shift else text

    def _above(self, start: int, column: int) -> str:
        """Return the lines of comment right above what begins at *start*, moved to *column*."""
        lines: list[str] = []
        end = self.text.rfind("\n", 0, start)
        while end > 0:
            begin = self.text.rfind("\n", 0, end) + 1
            line = self.text[begin:end].strip()
            if not line.startswith("#"):
                break
            lines.insert(0, f"{' ' * column}{line}\n")
            end = begin - 1
        return "".join(lines).lstrip(" ") + (" " * column if lines else "")

    def _note(self, node: Node) -> str:
        """Return the comment behind *node* on its last line."""
        found = _COMMENT.match(self.text, self._end(node)) if node.start != NOWHERE else None
        return found[0] if found else ""

    def _behind_colon(self, value: Node, column: int, quote: str, *, last: bool) -> str:
        """Return *value* as it is written behind the colon of a key at *column*; what is *last* leaves its comment where it is."""
        in_lines = bool(value) and not isinstance(value, TextNode) and not value.flow
        if not in_lines:
            return f" {self._lines(value, column, quote, last=last)}"
        inner = column if isinstance(value, ListNode) and value.start == NOWHERE else column + 2
        above = self._above(value.start, inner) if value.start != NOWHERE else ""
        return f"\n{' ' * inner}{above}{self._lines(value, inner, quote, last=last)}"

    def _lines(self, node: Node, column: int, quote: str, *, last: bool) -> str:
        if node.start != NOWHERE:
            return self._copy(node, column) + ("" if last else self._note(node))
        if isinstance(node, TextNode):
            return _scalar(node, quote)
        if not node:
            return "{}" if isinstance(node, MapNode) else "[]"
        if isinstance(node, MapNode):
            return self._pairs(node, column, quote, last=last)
        items = []
        for number, item in enumerate(node):
            written = self._lines(item, column + 2, quote, last=last and number == len(node) - 1)
            items.append(f"- {self._above(item.start, column + 2) if item.start != NOWHERE and number else ''}{written}")
        return f"\n{' ' * column}".join(items)

    def _pairs(self, fields: dict[str, Node] | MapNode, column: int, quote: str, *, last: bool) -> str:
        pairs = []
        for number, (name, value) in enumerate(fields.items()):
            final = last and number == len(fields) - 1
            pairs.append(f"{_scalar(name, quote)}:{self._behind_colon(value, column, quote, last=final)}")
        return f"\n{' ' * column}".join(pairs)

    def _flow(self, node: Node, quote: str) -> str:
        if node.start != NOWHERE:
            return self.text[node.start : self._end(node)]
        if isinstance(node, MapNode):
            return "{" + ", ".join(self._flow_pair(name, value, quote) for name, value in node.items()) + "}"
        if isinstance(node, ListNode):
            return "[" + ", ".join(self._flow(item, quote) for item in node) + "]"
        return _scalar(node, quote)

    def _flow_pair(self, name: str, value: Node, quote: str) -> str:
        return f"{_scalar(name, quote)}: {self._flow(value, quote)}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _scalar(value: str, quote: str = "") -> str:
    """Return how *value* is written, in the kind of quotes that begins with *quote*, if it does."""
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if quote == '"' or not _PLAIN.fullmatch(value) or value.lower() in _WORDS:
        return json.dumps(value, ensure_ascii=False)
    return str(value)
