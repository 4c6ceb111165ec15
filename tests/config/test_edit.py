"""Changes of the text of a configuration: what they leave alone."""

import pytest

from shifter.config.document import MapNode, TextNode, parse
from shifter.config.edit import Edits
from shifter.config.legacy_base import new_list, new_map, text
from shifter.config.report import Report


def read(source: str) -> tuple[MapNode, Edits]:
    report = Report("x")
    root = parse(source, report)
    assert isinstance(root, MapNode) and not report.failed
    return root, Edits(source)


def key(node: MapNode, name: str) -> TextNode:
    found = node.key(name)
    assert isinstance(found, TextNode)
    return found


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a: 1  # one\nb: 2\n", "new: 1  # one\nb: 2\n"),
        ("{a: 1, b: 2}", "{new: 1, b: 2}"),
        ('{"a": 1}', '{"new": 1}'),
        ("'a': 1\n", "'new': 1\n"),
        ("a:\n- x  # first\n- y\n", "new:\n- x  # first\n- y\n"),
    ],
)
def test_a_key_is_renamed(source: str, result: str) -> None:
    root, edits = read(source)
    edits.pair(root, key(root, "a"), "new")
    assert edits.applied()[0] == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a: 1  # one\nb: 2\n", "new:\n  in: 1  # one\nb: 2\n"),
        ("{a: 1, b: 2}", "{new: {in: 1}, b: 2}"),
        ('{\n  "a": 1\n}', '{\n  "new": {"in": 1}\n}'),
        ("a: &x 1\nb: *x\n", "new:\n  in: &x 1\nb: *x\n"),
        (
            "a:  # why\n- x  # first\n# then\n- y  # last\nb: 2\n",
            "new:  # why\n  in:\n    - x  # first\n    # then\n    - y  # last\nb: 2\n",
        ),
        ("a:\n  # above\n  x: |\n    text\n     more\n  y: 1\n", "new:\n  in:\n    # above\n    x: |\n      text\n       more\n    y: 1\n"),
        ("a: {x: 1,\n  y: 2}\n", "new:\n  in: {x: 1,\n    y: 2}\n"),
        ("z:\n- a: 'it''s'\n  b: 2\n", "z:\n- new:\n    in: 'it''s'\n  b: 2\n"),
    ],
)
def test_a_value_is_wrapped(source: str, result: str) -> None:
    root, edits = read(source)
    owner = root if "a" in root else root["z"][0]  # type: ignore[index]
    assert isinstance(owner, MapNode)
    value = owner["a"]
    edits.pair(owner, key(owner, "a"), "new", new_map(value, {"in": value}))
    assert edits.applied()[0] == result


def test_the_items_of_a_list_are_wrapped() -> None:
    root, edits = read("x:\n  a:  # these\n  # one\n  - p: 1  # here\n    q: 2  # there\n\n  # two\n  - p: 3  # end\n  b: 4\n")
    owner = root["x"]
    assert isinstance(owner, MapNode)
    value = owner["a"]
    assert isinstance(value, list)
    edits.pair(owner, key(owner, "a"), "new", new_list(value, [new_map(item, {"in": item}) for item in value]))
    assert edits.applied()[0] == (
        "x:\n  new:  # these\n  - in:\n      # one\n      p: 1  # here\n      q: 2  # there\n"
        "  - in:\n      # two\n      p: 3  # end\n  b: 4\n"
    )


@pytest.mark.parametrize(
    ("source", "behind", "result"),
    [
        ("a: 1  # one\nb: 2\n", "a", "a: 1  # one\nnew: it\nb: 2\n"),
        ("a: 1\nb: 2", "b", "a: 1\nb: 2\nnew: it"),
        ("a: 1\n", None, "new: it\na: 1\n"),
        ("{a: 1}", "a", "{a: 1, new: it}"),
        ("{a: 1}", None, "{new: it, a: 1}"),
        ("{}", None, '{"new": "it"}'),
        ('{"a": [1, 2]}', "a", '{"a": [1, 2], "new": "it"}'),
    ],
)
def test_a_field_is_inserted(source: str, behind: str | None, result: str) -> None:
    root, edits = read(source)
    edits.insert(root, None if behind is None else key(root, behind), "new", text("it", root))
    assert edits.applied()[0] == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a: 1  # one\nb: 2\n", "b: 2\n"),
        ("b: 2\na: 1", "b: 2\n"),
        ("b: 2\na:\n  x: 1\n# rest\n", "b: 2\n# rest\n"),
        ("{a: 1, b: 2}", "{b: 2}"),
        ("{b: 2, a: 1}", "{b: 2}"),
        ("{a: 1}", "{}"),
        ("z:\n- a: 1\n  b: 2\n", "z:\n- b: 2\n"),
    ],
)
def test_a_field_is_deleted(source: str, result: str) -> None:
    root, edits = read(source)
    owner = root["z"][0] if "z" in root else root  # type: ignore[index]
    assert isinstance(owner, MapNode)
    edits.delete(owner, key(owner, "a"))
    assert edits.applied()[0] == result


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a: old # x\n", "a: new.word # x\n"),
        ("a: 'old'\n", "a: 'new.word'\n"),
        ('{"a": "old"}', '{"a": "new.word"}'),
        ("a: &x old\n", "a: &x new.word\n"),
    ],
)
def test_a_text_is_rewritten_in_its_quotes(source: str, result: str) -> None:
    root, edits = read(source)
    value = root["a"]
    assert isinstance(value, TextNode)
    edits.scalar(value, "new.word")
    assert edits.applied()[0] == result


def test_what_lies_within_an_edit_waits() -> None:
    root, edits = read("a:\n  b: 1\n")
    inner = root["a"]
    assert isinstance(inner, MapNode)
    edits.pair(inner, key(inner, "b"), "c")
    edits.pair(root, key(root, "a"), "new", new_map(inner, {"in": inner}))
    text_now, taken = edits.applied()
    assert (text_now, len(taken)) == ("new:\n  in:\n    b: 1\n", 1)


def test_made_nodes_are_left_alone() -> None:
    root, edits = read("a: 1\n")
    made = new_map(root, {"b": text("x", root)})
    edits.pair(made, key(made, "b"), "c")
    edits.insert(made, None, "d", text("x", root))
    edits.delete(made, key(made, "b"))
    edits.scalar(text("x", root), "y")
    assert edits.applied() == ("a: 1\n", [])
