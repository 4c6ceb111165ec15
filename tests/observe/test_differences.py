"""What the canary answers otherwise, and what the baseline answers otherwise by itself."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from shifter.model.steps import at_once
from shifter.observe.differences import PARSED, CopiedAnswer, Differences, Odd, compare, compare_json

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, width=16) | st.text(max_size=3)
OBJECTS = st.sampled_from("abc")
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(OBJECTS, inner, max_size=3), max_leaves=12)
FIELDS = st.lists(st.tuples(st.sampled_from(("a", "b", "date", "set-cookie", "x-envoy-c")), st.text(max_size=3)), max_size=4)
BODIES = VALUES.map(json.dumps) | st.text(max_size=5)
ANSWERS = st.builds(lambda status, fields, body: answer(status, body, fields), st.sampled_from((200, 500)), FIELDS, BODIES)


def answer(status: int = 200, body: Any = "", fields: Any = (), kept: bool = True) -> CopiedAnswer:
    raw = (body if isinstance(body, str) else json.dumps(body)).encode()
    return CopiedAnswer(status, fields, len(raw), xxh64_intdigest(raw), raw if kept else None)


def found(baseline: CopiedAnswer, canary: CopiedAnswer, again: CopiedAnswer | None = None) -> dict[str, tuple[str, str]]:
    findings = at_once(compare(baseline, canary, again or baseline))
    return {finding.name: (finding.odd.value, finding.example) for finding in findings}


@given(ANSWERS, ANSWERS)
def test_what_is_the_same_has_no_differences_and_what_has_none_is_the_same(one: CopiedAnswer, other: CopiedAnswer) -> None:
    assert found(one, one, other) == {}
    assert one.same_as(one)
    if one.same_as(other):
        assert found(one, other) == {}


@given(ANSWERS, ANSWERS)
def test_a_baseline_that_answers_as_the_canary_the_second_time_makes_everything_noise(one: CopiedAnswer, other: CopiedAnswer) -> None:
    assert {odd for odd, _ in found(one, other, other).values()} <= {"baseline"}
    assert {odd for odd, _ in found(one, other, one).values()} <= {"canary"}


@given(VALUES, VALUES, VALUES)
def test_values_of_any_form_can_be_compared(one: Any, other: Any, more: Any) -> None:
    findings = at_once(compare_json(one, other, more))
    assert bool(findings) == (_numbers(one) != _numbers(other))
    assert all(finding.name.startswith("$") for finding in findings)
    swapped = {finding.name for finding in at_once(compare_json(other, one, more))}
    assert swapped == {finding.name for finding in findings}


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "\x1b[2J", "\udfff" * 200])
def test_names_that_nobody_could_write_down_are_told_in_others(name: str) -> None:
    differences = Differences()
    body = json.dumps({"a": {name: 2, "é": 2}})
    at_once(differences.judge("/x", answer(body='{"a": {}}'), answer(body=body), answer(body='{"a": {}}')))
    told = json.dumps(differences.to_dict(), ensure_ascii=False)
    assert told.isprintable() and told.encode()
    assert "$.a.é: missing -> 2" in told
    assert "?: missing -> 2" in told or "$.a.a?b" in told or "$.a.?[2J" in told


def _numbers(value: Any) -> Any:
    """*value* as JSON means it: in no order of names, and with one kind of number, none of which is a boolean."""
    if isinstance(value, dict):
        return frozenset((name, _numbers(one)) for name, one in value.items())
    if isinstance(value, list):
        return tuple(map(_numbers, value))
    return str(value) if isinstance(value, bool) else value


def test_values_are_found_by_their_paths() -> None:
    baseline = {"items": [{"price": 1, "sku": "a"}, {"price": 2, "sku": "b"}], "total": 3, "at": 1.0, "ok": True, "same": None}
    canary = {"items": [{"price": 1, "sku": "a"}, {"price": 2.5}], "total": [3], "at": 2.0, "ok": 1, "same": None, "more": {}}
    again = {**baseline, "at": 3.0}
    assert found(answer(body=baseline), answer(body=canary), answer(body=again)) == {
        "$.items[].price": ("canary", "2 -> 2.5"),
        "$.items[].sku": ("canary", "b -> missing"),
        "$.total": ("canary", "3 -> a list of 1"),
        "$.at": ("all", "1.0 -> 2.0"),
        "$.ok": ("canary", "true -> 1"),
        "$.more": ("canary", "missing -> an object of 0"),
    }


def test_a_place_that_is_noise_somewhere_is_noise() -> None:
    assert found(answer(body=[1, 2, 3]), answer(body=[9, 3, 3]), answer(body=[1, 3, 2])) == {"$[]": ("all", "1 -> 9")}


def test_equal_numbers_are_equal_however_they_are_written() -> None:
    assert found(answer(body='{"a": 12.5, "b": 1}'), answer(body='{"b":1.0,"a":12.50}')) == {}


@pytest.mark.parametrize("body", ["<p>", '{"a": 1', "[" * 50_000, '"' + "x" * PARSED + '"'])
def test_other_bodies_are_compared_whole(body: str) -> None:
    size = f"{len(body):,}"
    assert found(answer(body=body), answer(body='{"a": 1}')) == {"body": ("canary", f"{size} bytes -> 8 bytes")}
    assert found(answer(body=body), answer(body='{"a": 1}'), answer(body="other")) == {"body": ("all", f"{size} bytes -> 8 bytes")}


def test_a_body_that_was_not_kept_is_compared_by_its_hash() -> None:
    one, other = answer(body="a" * 5, kept=False), answer(body="b" * 5, kept=False)
    assert found(one, other) == {"body": ("canary", "5 bytes -> 5 bytes")}
    assert found(one, answer(body="a" * 5)) == {}


def test_header_fields() -> None:
    baseline = [("x-version", "1"), ("date", "now"), ("x-envoy-a", "1"), ("set-cookie", "id=1; path=/"), ("vary", "a"), ("etag", "1")]
    canary = [("x-version", "2"), ("date", "then"), ("server", "b"), ("set-cookie", "id=2"), ("set-cookie", "new=2"), ("etag", "2")]
    again = [*baseline[:-1], ("etag", "3")]
    assert found(answer(fields=baseline), answer(fields=canary), answer(fields=again)) == {
        "x-version": ("canary", "1 -> 2"),
        "set-cookie": ("canary", "id -> id, new"),
        "vary": ("canary", "a -> missing"),
        "etag": ("all", "1 -> 2"),
    }


def test_of_another_status_nothing_else_is_told() -> None:
    assert found(answer(200, "a"), answer(500, "b", [("x", "1")])) == {"status": ("canary", "200 -> 500")}
    assert found(answer(200, "a"), answer(500, "b"), answer(503)) == {"status": ("all", "200 -> 500")}


def told(differences: Differences) -> dict[str, Any]:
    said: dict[str, Any] = differences.to_dict()
    return said


def judge(differences: Differences, path: str, baseline: Any, canary: Any, again: Any) -> None:
    at_once(differences.judge(path, answer(body=baseline), answer(body=canary), answer(body=again)))


def test_what_is_counted() -> None:
    differences = Differences()
    differences.same("/a")
    judge(differences, "/a", {"at": 1, "price": 1}, {"at": 2, "price": 2}, {"at": 3, "price": 1})
    judge(differences, "/a", {"at": 1}, {"at": 2}, {"at": 3})
    at_once(differences.judge("/b", answer(200), answer(500), answer(200)))
    differences.skipped += 1
    assert told(differences) == {
        "compared": 4,
        "different": 2,
        "noise": 1,
        "skipped": 1,
        "paths": [
            {"path": "/a", "compared": 3, "status": 0, "headers": 0, "body": 1, "examples": ["$.price: 1 -> 2 (1 times)"]},
            {"path": "/b", "compared": 1, "status": 1, "headers": 0, "body": 0, "examples": ["status: 200 -> 500 (1 times)"]},
        ],
    }


@given(st.lists(st.tuples(*[st.sampled_from((200, 503))] * 3), max_size=30))
def test_chance_alone_is_as_often_the_baselines_as_the_canarys(answers: list[tuple[int, int, int]]) -> None:
    """Each history and the one in which the first two have changed places have nothing beyond noise together."""
    one, other = Differences(), Differences()
    for baseline, canary, again in answers:
        if baseline != canary:
            at_once(one.judge("/", answer(baseline), answer(canary), answer(again)))
            at_once(other.judge("/", answer(canary), answer(baseline), answer(again)))
    assert told(one)["different"] == 0 or told(other)["different"] == 0


def test_everything_is_bounded() -> None:
    differences = Differences()
    for number in range(120):
        judge(differences, f"/{number}", {f"{number}-{name}": name for name in range(100)}, {}, {})
    said = told(differences)
    assert said["compared"] == 120
    assert len(said["paths"]) == 20
    assert len(json.dumps(said)) < 50_000
    assert said["paths"][0]["path"] == "(other paths)"


def test_comparing_is_work_in_steps() -> None:
    values = [{"a": number, "b": [number]} for number in range(500)]
    steps = compare_json(values, [], values)
    assert sum(1 for _ in steps) > 3
    assert at_once(compare_json(values, [], values))[0].odd is Odd.CANARY


def test_no_example_is_long_or_unprintable() -> None:
    ((_, example),) = found(answer(body={"a": "x\n" * 500}), answer(body={"a": 1})).values()
    assert example == "x?" * 30 + "… -> 1"


def test_deep_values_have_paths_of_a_bounded_length() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = {"name": deep}
    other = json.loads(json.dumps(deep).replace("1", "2"))
    (finding,) = at_once(compare_json(deep, other, deep))
    assert len(finding.name) <= 120
