"""Old spellings to today's in the text itself: ``shifter convert``.

Rule 1. What is written means what was written: after each step the rewritten tree of the new text is compared with that of the
        old one, and an edit that changed more than a spelling is taken back and told.
Rule 2. Step by step: what lies within something that was moved has its turn in the next one. A text that needs nothing is
        returned as it came.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shifter.config.check import check
from shifter.config.document import ListNode, MapNode, Node, Refused, TextNode, decode, parse
from shifter.config.edit import Edit, Edits
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.legacy import modernise, modernise_routes
from shifter.config.report import Problem, Report
from shifter.config.schema.bootstrap import Bootstrap
from shifter.config.standalone import build_routes, is_routes, root_of

_STEPS = 40
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Converted:
    """``text`` in today's spelling, how many ``changes`` that took, and the ``problems`` with what could not be done."""

    text: str
    changes: int
    problems: list[Problem]


def convert(data: bytes, name: str) -> Converted:
    """Return the configuration (or route configuration) *data*, which came from *name*, in today's spelling.

    Never raises for what stands in the text; one that cannot be read is returned as it is, with the reason.
    """
    report = Report(name)
    try:
        text = decode(data)
    except Refused as refusal:
        report.error(refusal, refusal.message, refusal.hint)
        return Converted(data.decode("utf-8", "replace"), 0, report.problems())
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    if root_of(text, report, "a configuration", "static_resources") is None or report.failed:
        return Converted(mark + text, 0, report.problems())
    changes = 0
    failed: list[Edit] = []
    for _ in range(_STEPS):
        edits = Edits(text)
        meaning = _rewritten(text, edits)
        text, done, failed = _step(edits, meaning)
        changes += done
        if not done:
            break
    text, done = _scalars(text)
    report = Report(name)
    for edit in failed:
        report.error(edit.spot, "this cannot be rewritten here without changing what it means", "write it by hand")
    return Converted(mark + text, changes + done, report.problems())


def _step(edits: Edits, meaning: object) -> tuple[str, int, list[Edit]]:
    """Apply what leaves *meaning* as it is; return the text, how many edits that were, and those that would not."""
    text, taken = edits.applied()
    if not taken or _rewritten(text) == meaning:
        return text, len(taken), []
    bad = _culprits(edits, taken, meaning)
    text, taken = edits.applied(bad)
    return (text, len(taken), bad) if _rewritten(text) == meaning else (edits.text, 0, [*bad, *taken])


def _culprits(edits: Edits, suspects: Sequence[Edit], meaning: object) -> list[Edit]:
    alone = Edits(edits.text)
    alone.found = list(suspects)
    if _rewritten(alone.applied()[0]) == meaning:
        return []
    if len(suspects) == 1:
        return list(suspects)
    half = len(suspects) // 2
    return _culprits(edits, suspects[:half], meaning) + _culprits(edits, suspects[half:], meaning)


def _rewritten(text: str, edits: Edits | None = None) -> object:
    """Return what *text* says in today's spelling, ``None`` when it cannot be read; with *edits*, note what is to be done."""
    report = Report("")
    root = parse(text, report, edits.expand if edits is not None else None)
    if not isinstance(root, MapNode) or report.failed:
        return None
    (modernise_routes if is_routes(root) else modernise)(root, report, edits)
    return _raw(root)


def _raw(node: Node) -> object:
    if isinstance(node, MapNode):
        return {str(key): _raw(value) for key, value in node.items()}
    return [_raw(item) for item in node] if isinstance(node, ListNode) else str(node)


def _scalars(text: str) -> tuple[str, int]:
    """Write the values that the schema took for something else, such as ``250ms``, as that."""
    report = Report("")
    root = parse(text, report)
    if not isinstance(root, MapNode):
        return text, 0
    report = Report("")
    if is_routes(root):
        build_routes(root, report, Judge())
    else:
        modernise(root, report)
        validate(Bootstrap, root, report)
        check(root, report, Judge())
    edits = Edits(text)
    for node, value in report.fixes:
        if isinstance(node, TextNode):
            edits.scalar(node, value)
    new, taken = edits.applied()
    return new, len(taken)
