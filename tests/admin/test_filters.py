"""Filters find what a regular expression would find anywhere in a name, on every engine."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shifter.admin.filters import FilterError, _has_alternatives, compile_filter
from shifter.routing import regex

NAMES = ["cluster.service1.upstream_rq_200", "cluster.service1a.upstream_rq_total", "http.ingress_http.downstream_rq_2xx", "server.live"]
PATTERNS = [
    "service1",
    "service1\\.",
    "^cluster",
    "total$",
    "^server\\.live$",
    "rq_(200|total)",
    "cluster.*rq",
    ".",
    "[0-9]xx",
    "cost\\$",
    "(?i)SERVER",
    "^cluster\\.service(1|1a)\\.upstream_rq_(200|total)$",
    "^http[.|]",
    "service1a|xx",
    "a]|[]|]live",
]


@pytest.fixture(params=["re2", "own"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "own":
        monkeypatch.setattr(regex, "_re2", None)
    elif regex._re2 is None:
        pytest.skip("google-re2 is not installed")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_filters_search(pattern: str) -> None:
    keep = compile_filter(pattern)
    assert [keep(name) for name in NAMES] == [re.search(pattern, name) is not None for name in NAMES]


@pytest.mark.parametrize("pattern", ["(", ")|(", "a)|(b", "[", "*", "a**", "(?=a)", "\\1", "x" * 1001])
def test_what_is_no_regular_expression_is_refused(pattern: str) -> None:
    with pytest.raises(FilterError):
        compile_filter(pattern)


@pytest.mark.parametrize(
    ("pattern", "whether"),
    [
        ("a|b", True),
        ("(a|b)|c", True),
        ("[(]a|b", True),
        ("\\(a|b", True),
        ("[[:alpha:]]|b", True),
        ("\\Q(|\\E", True),
        ("^a(b|c)$", False),
        ("((a|b)c)", False),
        ("^a[|]b$", False),
        ("a\\|b", False),
        ("[]|]", False),
        ("[^]|]", False),
        ("[[:alpha:]|]", False),
    ],
)
def test_alternatives_are_told_from_bars_that_are_none(pattern: str, whether: bool) -> None:
    assert _has_alternatives(pattern) is whether


@given(st.text(alphabet="ab|()^$[]\\", min_size=1, max_size=8), st.text(alphabet="ab|()[]", max_size=6))
def test_filters_that_are_understood_find_what_python_finds(pattern: str, name: str) -> None:
    try:
        found = re.search(pattern, name) is not None
        keep = compile_filter(pattern)
    except (re.error, FutureWarning, FilterError):  # Python warns of sets that it may read otherwise one day
        assume(False)
    assert keep(name) is found


@given(st.text(alphabet="ab_-/ 09", min_size=1), st.text(alphabet="ab_-/ 09."))
def test_plain_words_are_found_as_they_stand(word: str, name: str) -> None:
    assert compile_filter(word)(name) is (word in name)
    assert compile_filter(f"^{word}")(name) is name.startswith(word)
    assert compile_filter(f"{word}$")(name) is name.endswith(word)
