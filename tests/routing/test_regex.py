"""Regular expressions of a route table: which engine runs them, and what is refused."""

from collections.abc import Iterator

import pytest

from shifter.routing import regex
from shifter.routing.regex import RegexError, compile_regex, engine_of, regex_problem


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
