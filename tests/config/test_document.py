"""YAML to nodes with places: what it means, where it stood, and what is refused."""

import gc
import re
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shifter.config.document import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_TEXT,
    ListNode,
    MapNode,
    Node,
    Plain,
    Refused,
    TextNode,
    decode,
    is_null,
    maps,
    parse,
    plain,
    value_of,
)
from shifter.config.report import Report


def parsed(text: str) -> tuple[Node | None, list[str]]:
    report = Report("f")
    node = parse(text, report)
    return node, [str(problem) for problem in report.problems()]


def good(text: str) -> Node:
    node, problems = parsed(text)
    assert node is not None and not problems, problems
    return node


def refusal(text: str) -> str:
    node, problems = parsed(text)
    assert node is None
    [problem] = problems
    return problem


def place(node: Node) -> tuple[int, int, int]:
    return node.line, node.column, node.width


# What is quoted is the text it is, whatever it looks like; what is not is taken for what YAML 1.2 says.
WORDS = st.text(string.ascii_letters + "-_ é日", min_size=1, max_size=10).map(str.strip).filter(bool)
SCALARS = st.one_of(
    WORDS, st.integers(-(10**9), 10**9), st.booleans(), st.sampled_from(["", "no", "1", "null", "~", "a: b", "- a", "#", "*a", "\n"])
)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=25)


@given(st.dictionaries(WORDS, DOCUMENTS), st.booleans())
def test_means_what_yaml_says(document: dict[str, Plain], flow: bool) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=flow)
    assert plain(good(text)) == yaml.safe_load(text) == document


@given(st.dictionaries(WORDS, st.sampled_from(["a", "b-c", "127.0.0.1", "/service/1", "0.25s", "*.test"]), min_size=1), st.booleans())
def test_every_place_points_at_its_text(document: dict[str, str], flow: bool) -> None:
    text = yaml.safe_dump(document, allow_unicode=True, default_flow_style=flow, width=60)
    lines = text.splitlines()
    node = good(text)
    assert isinstance(node, MapNode)
    for value in node.values():
        assert isinstance(value, TextNode)
        start = value.column - 1
        written = lines[value.line - 1][start : start + value.width]
        assert yaml.safe_load(written) == value
        assert value.plain == (written == value)


@given(st.text())
def test_any_text_is_a_document_or_a_problem(text: str) -> None:
    node, problems = parsed(text)
    assert node is not None or problems or not yaml_events(text)


def yaml_events(text: str) -> bool:
    return any(isinstance(event, yaml.DocumentStartEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))


@given(st.text("ab:-[]{},*&<\"'|>?#!%@ \n\t", max_size=60))
def test_any_punctuation_is_a_document_or_a_problem(text: str) -> None:
    node, problems = parsed(text)
    assert node is not None or problems or not yaml_events(text)


@given(st.binary())
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text = decode(data)
    except Refused as refused:
        lines = re.split(rb"\r\n|[\n\r]|\xc2\x85|\xe2\x80[\xa8\xa9]", data)
        assert 1 <= refused.line <= len(lines) and refused.column >= 1
    else:
        assert text.encode() == data


def test_what_was_read_goes_without_the_garbage_collector() -> None:
    """It does not look at what a reload leaves behind."""
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(thing, Node) for thing in gc.get_objects())
        node, problems = parsed("a: [1, 2, {b: &c d}]\ne: *c\n")
        assert node is not None and not problems
        del node
        assert sum(isinstance(thing, Node) for thing in gc.get_objects()) == before
    finally:
        gc.enable()


def test_places() -> None:
    node = good("a: 1\nbb:\n  - x\n  - {c: 'd e'}\n")
    assert isinstance(node, MapNode)
    assert place(node) == (1, 1, 1)
    assert place(node.key("bb")) == (2, 1, 2)
    assert place(node["a"]) == (1, 4, 1)
    items = node["bb"]
    assert isinstance(items, ListNode) and isinstance(items[1], MapNode)
    assert place(items) == (3, 3, 1)
    assert place(items[1]["c"]) == (4, 9, 5)
    assert node.key("none") is node


def test_columns_count_characters_and_a_mark_for_the_byte_order_is_none() -> None:
    node = good("\ufeffé日: x")
    assert isinstance(node, MapNode)
    assert place(node["é日"]) == (1, 5, 1)


def test_json_is_yaml() -> None:
    assert plain(good('{"a": [1, "2", true, null, {"b": 0.5}]}\n'.replace(", null", ""))) == {"a": [1, "2", True, {"b": 0.5}]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-1", -1),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("no", "no"),
        ("1:30", "1:30"),
        ("0.25s", "0.25s"),
        ("9" * 5000, "9" * 5000),
        ('"1"', "1"),
        ('"true"', "true"),
    ],
)
def test_values(text: str, value: object) -> None:
    node = good(f"- {text}" if value is not None else f"{text}")
    item = node[0] if isinstance(node, ListNode) else node
    assert isinstance(item, TextNode)
    assert value_of(item) == value and type(value_of(item)) is type(value)
    assert is_null(item) == (value is None)


def test_merge_keys_are_expanded_with_a_warning() -> None:
    node, problems = parsed("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc:\n  <<: [*a, *b]\n  x: 5\n")
    assert node is not None and plain(node)["c"] == {"x": 5, "y": 2, "z": 4}  # type: ignore[index, call-overload]  # it is a mapping
    assert problems == ["f:4:3: warning: the merge key `<<` is expanded here, but Envoy refuses it (write the fields themselves)"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "f:3:1: error: `a` is given twice (first given at line 1; Envoy would take the last, silently)"),
        ("a:\na: 3", "f:2:1: error: `a` is given twice (first given at line 1; Envoy would take the last, silently)"),
        ("a: 1\na:", "f:2:1: error: `a` is given twice (first given at line 1; Envoy would take the last, silently)"),
        ("? [a]\n: b", "f:1:3: error: a key must be one word"),
        ("<<: a", "f:1:1: error: a merge key takes a mapping or a list of mappings"),
        ("x: &x {a: b}\ny: {<<: *x, <<: *x}", "f:2:13: error: `<<` is given twice (one `<<` takes a list: <<: [*a, *b])"),
        ("- a\n-\n- b", "f:2:2: error: this list item is empty"),
    ],
)
def test_small_mistakes_do_not_end_the_reading(text: str, problem: str) -> None:
    node, problems = parsed(text)
    assert node is not None
    assert problem in problems


def test_a_key_without_value_is_not_set() -> None:
    node, problems = parsed("a:\nb: null\nc: ''\n")
    assert node == {"c": ""}
    assert [problem.partition(" (")[0] for problem in problems] == [
        "f:1:1: warning: `a` has no value, so it is not set",
        "f:2:1: warning: `b` has no value, so it is not set",
    ]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(9))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, f"f:1:{MAX_DEPTH + 1}: error: nested deeper than {MAX_DEPTH} levels"),
        ("{a: " * 100_000, f"f:1:{4 * MAX_DEPTH + 1}: error: nested deeper than {MAX_DEPTH} levels"),
        ("- " * 100_000, f"f:1:{2 * MAX_DEPTH + 1}: error: nested deeper than {MAX_DEPTH} levels"),
        ("\n".join(["a0: &a0 []", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 200))]), "f:64:12: error: nested deeper than 64 levels"),
        (BOMB, "f:6:25: error: more than 500000 values (aliases count as often as they are used)"),
        ("- a\n" * 500_001, "f:500001:3: error: more than 500000 values (aliases count as often as they are used)"),
        ("a" * (MAX_CHARACTERS + 1), "f:1:1: error: the file is larger than 8 MiB"),
        (f"a: {'b' * (MAX_TEXT + 1)}", "f:1:4: error: this text is longer than 1 MiB"),
        (
            "a: !!python/object:os.system x",
            "f:1:4: error: tags such as tag:yaml.org,2002:python/object:os.system are not allowed in a configuration",
        ),
        ("a: !x {}", "f:1:4: error: tags such as !x are not allowed in a configuration"),
        ("a: &a [*a]", "f:1:8: error: the alias *a stands inside of what it means"),
        ("a: *b", "f:1:4: error: the alias *b has no anchor &b before it"),
        ("a: b\n---\nc: d", "f:2:1: error: a second document begins here: a configuration is one document"),
        (
            "a: b\n\x00",
            'f:2:1: error: the character U+0000 cannot stand in a configuration (write it as an escape within double quotes: "\\x00")',
        ),
        ("a: \ud800", "f:1:4: error: the character U+D800 cannot stand in a configuration"),
        (
            "a: 'b",
            "f:1:6: error: not valid YAML: found unexpected end of stream (while scanning a quoted scalar that begins at line 1, column 4)",
        ),
        (
            "a:\n\tb: c",
            "f:2:1: error: not valid YAML: found character that cannot start any token (indent with spaces: YAML allows no tab here)",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_refused(text: str, problem: str) -> None:
    assert refusal(text) == problem


def test_an_empty_text_has_no_document() -> None:
    assert parsed("") == (None, [])
    assert parsed("# nothing\n") == (None, [])


def test_not_utf_8() -> None:
    with pytest.raises(Refused) as refused:
        decode("a: b\né: ".encode() + b"\xff")
    assert (refused.value.line, refused.value.column, str(refused.value)) == (2, 4, "this is not text in UTF-8")


def test_replacing_keeps_the_order() -> None:
    node = good("a: 1\nb: 2\nc: 3")
    assert isinstance(node, MapNode)
    node.replace("b", TextNode("d", 9, 9), TextNode("e", 9, 9))
    assert list(node.items()) == [("a", "1"), ("d", "e"), ("c", "3")]


def test_maps_are_what_is_a_mapping() -> None:
    assert list(maps(good("[{a: b}, c, [d], {}]"))) == [{"a": "b"}, {}]
    assert list(maps(good("a: b"))) == []
