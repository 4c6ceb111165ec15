"""What several processes have seen is what one would have."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shifter.release.observed import together

PATHS = st.lists(st.tuples(st.sampled_from(["/", "/a", "/b"]), st.booleans()), max_size=8)


def seen(requests: list[tuple[str, bool]]) -> dict[str, Any]:
    """What is told of *requests*: of each its path, and whether it was the canary's."""
    counts = Counter(requests)
    paths = [{"path": path, "baseline": counts[path, False], "canary": counts[path, True]} for path in {path for path, _ in requests}]
    ids = [f"id-{number}" for number in range(len(requests))]
    return {"statuses": [], "paths": paths, "failing": ids, "forced_requests": len(requests), "mirrored": 1, "differences": None}


@given(PATHS, PATHS)
def test_numbers_are_added_up(first: list[tuple[str, bool]], second: list[tuple[str, bool]]) -> None:
    found, whole = together(seen(first), seen(second)), seen(first + second)
    assert {one["path"]: one for one in found["paths"]} == {one["path"]: one for one in whole["paths"]}
    apart = [abs(one["canary"] - one["baseline"]) for one in found["paths"]]
    assert apart == sorted(apart, reverse=True)
    assert (found["forced_requests"], found["mirrored"], len(found["failing"])) == (len(first) + len(second), 2, len(first) + len(second))


def test_who_has_nobody_before_tells_what_it_sees() -> None:
    assert together({}, {"paths": 1}) == {"paths": 1}


def test_lists_do_not_grow() -> None:
    one = seen([(f"/{number}", True) for number in range(20)])
    other = seen([(f"/{number}", True) for number in range(10, 40)])
    found = together(one, other)
    assert (len(found["paths"]), found["paths"][0], len(found["failing"])) == (20, {"path": "/10", "baseline": 0, "canary": 2}, 20)
    assert found["failing"][-1] == "id-29"


def compared(path: str, body: int, example: str) -> Mapping[str, Any]:
    told = {"path": path, "compared": 10, "status": 0, "headers": 0, "body": body, "examples": [example]}
    return {"compared": 10, "different": body, "noise": 1, "skipped": 2, "paths": [told]}


def test_differences() -> None:
    first, second = compared("/a", 3, "$.a: 1 -> 2 (3 times)"), compared("/b", 5, "$.b: 1 -> 2 (5 times)")
    found = together({"differences": first}, {"differences": second})["differences"]
    assert (found["compared"], found["different"], found["noise"], found["skipped"]) == (20, 8, 2, 4)
    assert [one["path"] for one in found["paths"]] == ["/b", "/a"]
    same = together({"differences": first}, {"differences": first})["differences"]["paths"]
    assert [(one["compared"], one["body"], one["examples"]) for one in same] == [(20, 6, ["$.a: 1 -> 2 (3 times)"] * 2)]
    assert together({"differences": first}, {"differences": None})["differences"] == first
    assert together({"differences": None}, {"differences": first})["differences"] == first
