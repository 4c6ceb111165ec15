"""The table of states as docs/releases.md shows it: a diagram, and what leads where.

``python -m shifter.release.diagram docs/releases.md`` writes both into the page, between its two marks.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from shifter.model.release import State
from shifter.release.states import ACTIVE, EDGES, Edge, Verb

BEGIN = "<!-- states: python -m shifter.release.diagram docs/releases.md -->"
END = "<!-- end of states -->"
_ANY = frozenset((State.SUPERSEDED,))
"""What leads there comes from everywhere: the diagram leaves it out."""


def text() -> str:
    """Return the part of the page that is made from the table."""
    return "\n".join(["```mermaid", *_diagram(), "```", "", *_edges()])


def embed(page: str) -> str:
    """Return *page* with that part as it is now. Raises `ValueError` when the page has no marks."""
    begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    return f"{page[:begin]}\n{text()}\n{page[end:]}"


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.PENDING.value}"
    yield '    state "a step" as step {'
    inside = [edge for edge in EDGES if edge.before in ACTIVE and edge.after in ACTIVE and edge.before is not edge.after]
    yield from (f"        {line}" for line in _lines(inside))
    yield "    }"
    whole = {(edge.move, edge.after) for edge in EDGES if _everywhere(edge)}
    yield from (f"    step --> {_id(after)}: {_spoken(move)}" for move, after in sorted(whole, key=lambda one: one[1].value))
    rest = [edge for edge in EDGES if not (edge.before in ACTIVE and (edge.after in ACTIVE or _everywhere(edge)))]
    yield from (f"    {line}" for line in _lines([edge for edge in rest if edge.before is not edge.after and edge.after not in _ANY]))
    yield from (f"    {_id(state)}: {state.value}" for state in State if _id(state) != state.value)


def _lines(edges: list[Edge]) -> Iterator[str]:
    moves: dict[tuple[State, State], dict[str, None]] = {}
    for edge in edges:
        moves.setdefault((edge.before, edge.after), {})[_spoken(edge.move)] = None
    for (before, after), said in moves.items():
        yield f"{_id(before)} --> {_id(after)}: {', '.join(said)}"


def _everywhere(edge: Edge) -> bool:
    """Whether the same leads there from all states of a step."""
    alike = {one.before for one in EDGES if (one.move, one.after) == (edge.move, edge.after)}
    return edge.after not in ACTIVE and edge.after not in _ANY and alike >= ACTIVE


def _edges() -> Iterator[str]:
    yield "| from | to | when | or by |"
    yield "|---|---|---|---|"
    rows: dict[tuple[str, tuple[Verb, ...]], list[Edge]] = {}
    for edge in EDGES:
        rows.setdefault((edge.when, edge.verbs), []).append(edge)
    for (when, verbs), edges in rows.items():
        befores = list(dict.fromkeys(edge.before for edge in edges))
        afters = list(dict.fromkeys(edge.after for edge in edges))
        begins = ", ".join(state.value for state in befores) if len(befores) < len(State) - 1 else "any"
        ends = "the same" if all(edge.before is edge.after for edge in edges) else " or ".join(state.value for state in afters)
        yield f"| {begins} | {ends} | {when} | {', '.join(f'`{verb.value}`' for verb in verbs)} |"


def _id(state: State) -> str:
    return state.value.replace(" ", "_")


def _spoken(move: str) -> str:
    return move.replace("_", " ")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(embed(path.read_text(encoding="utf-8")), encoding="utf-8")
