"""What was seen of a release's requests by several processes, one after the other.

Rule 1. Numbers are added up. Of paths there are as many as one process tells (`_PATHS`), those that differ most; of ids the last ones.
Rule 2. All of it comes from `DataPath.observed`, or was written down from there; what is not there is nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_PATHS = 20
_IDS = 20
_EXAMPLES = 5
_VERSIONS = ("baseline", "canary")
_NUMBERS = ("forced_requests", "mirrored")
_OF_DIFFERENCES = ("compared", "different", "noise", "skipped")
_OF_PATHS = ("compared", "status", "headers", "body")

KEPT = ("statuses", "paths", "failing", *_NUMBERS, "differences")
"""What is written down of it."""


def together(before: Mapping[str, Any], now: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was seen *before* and what is seen *now* in one."""
    if not before:
        return now
    statuses = sorted(_added("status", _VERSIONS, before, now, "statuses"), key=lambda one: one["status"])
    paths = sorted(_added("path", _VERSIONS, before, now, "paths"), key=lambda one: (-abs(one["canary"] - one["baseline"]), one["path"]))
    failing = [*before.get("failing", ()), *now.get("failing", ())][-_IDS:]
    numbers = {name: before.get(name, 0) + now.get(name, 0) for name in _NUMBERS}
    differences = _differences(before.get("differences"), now.get("differences"))
    return {**now, "statuses": statuses, "paths": paths[:_PATHS], "failing": failing, **numbers, "differences": differences}


def _added(key: str, numbers: Sequence[str], before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> Iterable[dict[str, Any]]:
    """Return the entries of both lists called *name*, those with the same *key* added up in *numbers*."""
    found: dict[object, dict[str, Any]] = {}
    for entry in (*before.get(name, ()), *now.get(name, ())):
        known = found.setdefault(entry[key], {key: entry[key], **dict.fromkeys(numbers, 0)})
        known.update({number: known[number] + entry.get(number, 0) for number in numbers})
    return found.values()


def _differences(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if before is None or now is None:
        return now if before is None else before
    paths = list(_added("path", _OF_PATHS, before, now, "paths"))
    for path in paths:
        told = [example for one in (*now["paths"], *before["paths"]) if one["path"] == path["path"] for example in one["examples"]]
        path["examples"] = told[:_EXAMPLES]
    paths.sort(key=lambda one: (-sum(one[number] for number in _OF_PATHS[1:]), -one["compared"]))
    return {**{name: before[name] + now[name] for name in _OF_DIFFERENCES}, "paths": paths[:_PATHS]}
