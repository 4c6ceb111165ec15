"""Problems: collected, limited, and drawn with a caret."""

from hypothesis import given
from hypothesis import strategies as st

from shifter.config.document import TextNode
from shifter.config.report import MAX_PROBLEMS, Place, Problem, Report, render, shown


def test_in_the_order_of_the_file_each_once() -> None:
    report = Report("f")
    report.warn(TextNode("", 3, 1), "c")
    report.error(TextNode("", 2, 5), "b", "hint")
    report.error(TextNode("", 2, 1, 4), "a")
    report.error(TextNode("", 2, 1, 4), "a")
    assert [str(problem) for problem in report.problems()] == ["f:2:1: error: a", "f:2:5: error: b (hint)", "f:3:1: warning: c"]
    assert report.failed and report.errors == 2


def test_warnings_do_not_fail() -> None:
    report = Report("f")
    report.warn(TextNode("", 1, 1), "a")
    assert not report.failed


def test_what_is_too_much_is_counted() -> None:
    report = Report("f")
    for line in range(MAX_PROBLEMS + 5):
        report.warn(TextNode("", line + 1, 1), "a")
    assert report.full and not report.failed
    report.error(TextNode("", 9999, 1), "b")
    assert report.failed
    problems = report.problems()
    assert len(problems) == MAX_PROBLEMS + 1
    assert str(problems[-1]) == f"f:{MAX_PROBLEMS}:1: error: 6 more problems are not listed"


def test_nearest() -> None:
    known = ["connect_timeout", "lb_policy", "name"]
    report = Report("f")
    assert report.nearest("conect_timeout", known) == "connect_timeout"
    assert report.nearest("CONNECT_TIMEOUT", known) == "connect_timeout"
    assert report.nearest("zzz", known) is None
    assert report.nearest("connect_timeout" * 20, known) is None
    assert report.did_you_mean("nmae", known) == "did you mean `name`?"
    assert report.did_you_mean("zzz", known) == "known: connect_timeout, lb_policy, name"
    assert report.did_you_mean("zzz", []) == "none is known"
    assert report.did_you_mean("zzz", [f"a{i:02}" for i in range(50)]) == "none of the 50 that are known is like it"


def test_no_file_makes_it_compare_for_ever() -> None:
    report = Report("f")
    assert report.nearest("nmae", ["name"] + ["x"] * 100_000) is None
    for _ in range(20_000):
        report.nearest("a" * 100, ["name"])
    assert report.nearest("nmae", ["name", *map(str, range(1000))]) is None
    assert Report("f").nearest("nmae", ["name", *map(str, range(1000))]) == "name"


@given(st.text())
def test_shown_is_short_and_printable(text: str) -> None:
    quoted = shown(text)
    assert quoted.isprintable() and len(quoted) <= 100 * 10
    if text.isprintable() and len(text) <= 100:
        assert quoted == text


def test_render() -> None:
    text = "a: 1\n\tb: \N{CJK UNIFIED IDEOGRAPH-65E5}x\n"
    drawn = render([Problem("error", Place("f", 1, 1), "one"), Problem("warning", Place("f", 2, 6, 1), "two", "cure")], text)
    assert drawn == (
        "error: one\n  --> f:1:1\n    1 | a: 1\n      | ^\n"
        "warning: two\n  --> f:2:6\n    2 | \tb: \N{CJK UNIFIED IDEOGRAPH-65E5}x\n      | \t     ^  cure"
    )


def test_render_shows_a_part_of_a_long_line() -> None:
    text = "x" * 500 + "HERE" + "y" * 500
    drawn = render([Problem("error", Place("f", 1, 501, 4), "m")], text).splitlines()
    assert len(drawn[2]) < 220
    column = drawn[3].index("^")
    assert drawn[2][column : column + 4] == "HERE" and drawn[3].rstrip().endswith("^^^^")


def test_render_without_a_line() -> None:
    assert render([Problem("error", Place("f", 7, 1), "m", "h")], "a") == "error: m\n  --> f:7:1\n      = h"


@given(st.text(), st.integers(1, 30), st.integers(1, 300), st.integers(1, 300))
def test_any_place_can_be_drawn(text: str, line: int, column: int, width: int) -> None:
    drawn = render([Problem("error", Place("f", line, column, width), "message")], text)
    assert drawn.startswith("error: message\n")
    assert all(char == "\n" or char == "\t" or char.isprintable() for char in drawn)


def test_keys_are_not_shown() -> None:
    line = 'private_key: {inline_string: "-----BEGIN EC PRIVATE KEY-----\\nMIGH\\n-----END EC PRIVATE KEY-----"}'
    problem = Problem("error", Place("x.yaml", 1, 15, 10), "wrong")
    said = render([problem], line)
    assert "MIGH" not in said and "-----BEGIN EC PRIVATE KEY-----**" in said and "-----END EC" in said
    assert shown("-----BEGIN PRIVATE KEY----- MIGH") == "-----BEGIN PRIVATE KEY-----…"
    assert shown("-----BEGIN") == "-----BEGIN"
