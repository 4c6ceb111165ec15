"""Regular expressions of a route table: which engine runs them, and what is refused."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing import regex
from shifter.routing.regex import RegexError, compile_regex, compile_substitution, engine_of, regex_problem


@pytest.fixture(params=["with google-re2", "without google-re2"])
def installed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Both ways that shifter can be installed."""
    if request.param == "without google-re2":
        monkeypatch.setattr(regex, "_re2", None)
    elif regex._re2 is None:
        pytest.skip("google-re2 is not installed")
    yield regex._re2 is not None


def test_a_linear_pattern_runs_on_the_fast_engine(installed: bool) -> None:
    assert engine_of(rb"/service/[0-9]+/.*") == "re"
    fits = compile_regex(rb"/service/[0-9]+/.*")
    assert fits(b"/service/12/x")
    assert not fits(b"/service/12")


def test_any_other_pattern_runs_on_a_linear_engine(installed: bool) -> None:
    assert engine_of(rb"(a+)+b") == ("re2" if installed else "automaton")
    fits = compile_regex(rb"(a+)+b")
    assert fits(b"aaab")
    assert not fits(b"a" * 5000)


def test_the_whole_text_must_fit_byte_by_byte(installed: bool) -> None:
    for pattern in (b"v.", b"(v.|v.)*"):
        fits = compile_regex(pattern)
        assert fits(b"v\xe9")
        assert not fits("vé".encode())
        assert not fits(b"xv.")
    assert compile_regex("é+".encode())("é".encode())


@pytest.mark.parametrize(
    "pattern",
    [b"/service/(", b"a(?=b)", b"(?<!a)b", rb"(a)\1", b"(?>a)b", b"a*+", b"a**", b"*a", b"[b-a]", b"a{1001}", b"\\", b"(?P=n)", b"[z"],
)
def test_what_re2_has_not_is_refused(installed: bool, pattern: bytes) -> None:
    assert regex_problem(pattern)
    with pytest.raises(RegexError):
        compile_regex(pattern)


@pytest.mark.parametrize("pattern", [rb"\pL+", b"(?m)a", "(?i)é".encode(), rb"(a+)+\b.*", b"a{600}b{600}"])
def test_what_only_re2_can_do_needs_it(installed: bool, pattern: bytes) -> None:
    if installed:
        assert engine_of(pattern) == "re2"
    else:
        assert "google-re2" in (regex_problem(pattern) or "")


def test_a_good_pattern_has_no_problem(installed: bool) -> None:
    assert regex_problem(rb"/a/[^/]+(\.html)?") is None


@pytest.mark.parametrize(
    ("pattern", "substitution", "text", "expected"),
    [
        (rb"^/a/([^/]+)/(.*)$", rb"/\2/\1", b"/a/b/c/d", b"/c/d/b"),
        (rb"^(?P<x>a+)(?:b)(c)?", rb"<\0|\1|\2>", b"aabd", b"<aab|aa|>d"),
        (rb"v[0-9]", b"v2", b"/v1/v3", b"/v2/v2"),
        (rb"a|ab", b"-", b"abab", b"-b-b"),
        (rb"a{1,2}?", b"-", b"aaa", b"---"),
        (rb"(?U)a{1,2}", b"-", b"aaa", b"---"),
        (rb"b?", b"-", b"abc", b"-a-c-"),
    ],
)
def test_every_match_is_replaced(installed: bool, pattern: bytes, substitution: bytes, text: bytes, expected: bytes) -> None:
    assert compile_substitution(pattern, substitution)(text) == expected


def test_a_search_for_a_loop_from_every_place_needs_re2(installed: bool) -> None:
    if installed:
        assert compile_substitution(rb"/+", b"/")(b"//a///b") == b"/a/b"
    else:
        with pytest.raises(RegexError, match="google-re2"):
            compile_substitution(rb"/+", b"/")


@pytest.mark.parametrize("substitution", [rb"\1", b"\\", rb"\x"])
def test_a_substitution_without_sense_is_refused(installed: bool, substitution: bytes) -> None:
    with pytest.raises(RegexError):
        compile_substitution(b"a", substitution)


PIECES = ["a", "b", "(a)", "(b|ab)", "[ab]", "a?", "(b)?", "a??", "(?:ab){1,2}", "b{0,2}?", "^", "$", "(|a)", "x"]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join), st.text("abx", max_size=6))
def test_both_engines_replace_as_re2_does(pattern: str, text: str) -> None:
    re2 = pytest.importorskip("re2", reason="google-re2 is what the answers are compared with")
    expected = re2._re2.RE2(pattern.encode(), re2.Options())
    for engine in (None, regex._re2):
        try:
            search = regex._searched(pattern.encode(), engine)[0]
        except RegexError:
            assert engine is None
            continue
        at = 0
        while at <= len(text):
            match = search(text.encode(), at)
            spans = expected.Match(re2._Anchor.UNANCHORED, text.encode(), at, len(text))
            assert (match is not None) is (spans[0] != (-1, -1))
            assert match is None or [match.span(group) for group in range(len(spans))] == list(spans)
            at += 1
