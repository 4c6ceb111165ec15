"""The text of a release to the model, or every problem at once.

``read_release`` is to a release what ``load`` is to a configuration: ``document`` reads nodes with places, ``schema.release`` checks
types and ranges, ``build_release`` what must hold between fields. What is said of a configuration's routes and clusters is checked
against one by ``check_release``.

Rule 1. There is one way in. What is said in short (`short_release`) becomes a text, too, and is read as any other.
Rule 2. A release is small: more than `MAX_BYTES`, or than `MAX_VALUES` values with aliases counted as often as they are used, is none.
Rule 3. What stands for a secret (``$NAME``) is kept; `resolved` says what it means when that is wanted.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from shifter.config.build_release import build_release, free_name
from shifter.config.document import ListNode, MapNode, Node, OwnReport
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.report import Place, Problem, Report, ShifterError
from shifter.config.schema.release import VARIABLE, Release, Releases
from shifter.config.standalone import root_of
from shifter.model.release import ReleaseSpec

MAX_BYTES = 256 << 10
MAX_VALUES = 10_000
STEPS = ("1", "5", "10", "50", "100")
"""The weights of a release that does not say any, in per cent."""
_PLACED = re.compile(r"([0-9]{1,9}):([0-9]{1,9}): (.*)", re.DOTALL)


class UnsetVariable(ShifterError):
    """A text stands for an environment variable that is not set."""


def read_release(
    data: bytes, name: str, judge: Judge | None = None, taken: Collection[str] = ()
) -> tuple[ReleaseSpec | None, list[Problem]]:
    """Read the release in *data*, YAML or JSON, that came from *name*. Never raises for what stands in it.

    Return the release, ``None`` when there is any error among the problems, which come in the order of their places.

    :param judge: who is asked about regular expressions and about the environment; nobody is, when there is none
    :param taken: names that a release must not have which says none; it is called after its canary then
    """
    report = OwnReport(name)
    root = _root(data, report)
    spec = _read(root, report, Judge() if judge is None else judge, partial(free_name, taken=taken)) if root is not None else None
    if spec is None or report.failed:
        return None, report.problems()
    return replace(spec, source=name, text=data.decode("utf-8")), report.problems()


def _read(root: MapNode, report: Report, judge: Judge, name: Callable[[str], str]) -> ReleaseSpec | None:
    if "releases" in root:
        several = validate(Releases, root, report)
        config = several.releases[0] if several is not None else None
    else:
        config = validate(Release, root, report)
    node = release_node(root)
    return build_release(config, node, report, judge, name) if config is not None and node is not None else None


def _root(data: bytes, report: Report) -> MapNode | None:
    if len(data) > MAX_BYTES:
        report.error(Place(report.name, 1, 1), f"a release has at most {MAX_BYTES >> 10} KiB, and this is larger")
        return None
    root = root_of(data, report, "a release", "releases")
    if root is not None and _is_large(root):
        report.error(root, f"a release has at most {MAX_VALUES} values, and this has more", "aliases count as often as they are used")
        return None
    return root


def _is_large(root: Node) -> bool:
    """Say whether *root* has too many values, without looking at more than that."""
    todo, count = [root], 0
    while todo:
        node = todo.pop()
        inner = list(node.values()) if isinstance(node, MapNode) else node if isinstance(node, ListNode) else ()
        count += len(inner)
        if count > MAX_VALUES:
            return True
        todo.extend(inner)
    return False


def release_node(root: MapNode) -> MapNode | None:
    """Return the mapping that is the release: the one item of ``releases``, or *root*."""
    if "releases" not in root:
        return root
    items = root["releases"]
    found = items[0] if isinstance(items, ListNode) and items else None
    return found if isinstance(found, MapNode) else None


def place_in(spec: ReleaseSpec, *keys: str) -> Place:
    """Return where in the text of *spec* the value stands that *keys* lead to, or what leads there as far as it goes."""
    report = Report(spec.source)
    root = root_of(spec.text, report, "a release", "releases")
    found = release_node(root) if root is not None else None
    spot: Node | None = found
    for key in keys:
        if not isinstance(found, MapNode) or key not in found:
            break
        value = found[key]
        spot = found.key(key) if isinstance(value, MapNode | ListNode) else value
        found = value if isinstance(value, MapNode) else None
    return report.place(spot) if spot is not None else Place(spec.source, 1, 1)


def short_release(
    baseline: str,
    canary: str,
    steps: Sequence[str] = STEPS,
    name: str | None = None,
    route: str | None = None,
    pace: dict[str, str] | None = None,
) -> str:
    """Return the text of a release that is said in short; nothing is checked before it is read.

    :param steps: weights in per cent
    :param route: what `shifter weight` calls it; without it, the route between the two clusters is meant
    :param pace: what ``each_step`` says: ``min``, ``max``, ``undecided``, ``warm_up``
    """
    said = {"name": name, "route": route, "baseline": baseline, "canary": canary}
    lines = [f"{key}: {_scalar(value)}\n" for key, value in said.items() if value is not None]
    lines.append(f"steps: [{', '.join(_scalar(one.strip()) for one in steps)}]\n")
    if pace:
        lines.append("each_step:\n")
        lines += [f"  {key}: {_scalar(value)}\n" for key, value in pace.items()]
    return "".join(lines)


def placed_in_short(problem: str, source: str, text: str, called: Mapping[str, str] | None = None) -> str:
    """Return *problem*, a line about a place in *text* (of `short_release`, which nobody sees), with what its author did write in the
    place's stead: the key of that line, or what that is *called*. A problem of the whole text has no place then."""
    found = _PLACED.fullmatch(problem.removeprefix(f"{source}:")) if problem.startswith(f"{source}:") else None
    lines = text.splitlines()
    if found is None or int(found[1]) > len(lines):
        return problem
    if (found[1], found[2]) == ("1", "1"):
        return found[3]
    key = lines[int(found[1]) - 1].partition(":")[0].strip()
    return f"{(called or {}).get(key, key)}: {found[3]}"


def _scalar(text: str) -> str:
    return text if text.replace(".", "", 1).isdecimal() and text.isascii() else json.dumps(text, ensure_ascii=False)


def resolved(text: str, environment: Callable[[str], str | None]) -> str:
    """Return the URL or the secret that *text* in a release means: itself, or what *environment* says of ``$NAME``.

    Raises `UnsetVariable`.
    """
    if text.startswith("$$"):
        return text[1:]
    found = VARIABLE.fullmatch(text)
    if found is None:
        return text
    value = environment(found[1])
    if not value:
        raise UnsetVariable(f"the environment variable {found[1]} is not set")
    return value
