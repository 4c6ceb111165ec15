"""Route tests in files of their own."""

import pytest

from shifter.config.route_tests import load_tests
from shifter.model.route import HeaderMatcher, StringMatcher, StringMatchKind
from shifter.routing.regex import regex_problem

TESTS = """\
{"tests": [{
  "test_name": "first",
  "input": {"authority": "h.test", "path": "/a", "method": "GET", "ssl": true, "random_value": 18446744073709551615,
            "additional_request_headers": [{"key": "X-Version", "value": " 2 "},],
            "dynamic_metadata": [
              {"metadata_namespace": "m", "value": {"a": {"b": 1, "c": [1]}}},
              {"metadata_namespace": "m", "value": {"a": "dropped"}},
              {"metadata_namespace": "m", "value": {"a": {"c": [2], "d": true}}, "allow_overwrite": true}]},
  "validate": {"cluster_name": "", "timeout": "1.5s", "response_header_matches": [{"name": "x", "exact_match": "1"}],}
},]}
"""


def test_route_tests_are_read_with_trailing_commas() -> None:
    loaded = load_tests(TESTS, "tests.json", regex_problem)
    assert loaded.tests is not None
    (test,) = loaded.tests.tests
    assert (test.name, test.place, test.input.ssl, test.input.random_value) == ("first", "tests.json:1:12", True, 2**64 - 1)
    assert test.input.request_headers == ((b"x-version", b"2"),)
    assert test.input.metadata == {"m": {"a": {"b": 1, "c": [1, 2], "d": True}}}
    assert (test.expected.cluster_name, test.expected.path_rewrite, test.expected.timeout) == ("", None, 1.5)
    assert test.expected.response_headers == (HeaderMatcher(b"x", StringMatcher(StringMatchKind.EXACT, b"1")),)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "t:1:1", "the file is empty"),
        ("[]", "t:1:1", "a file of route tests is a mapping"),
        ("tests: []", "t:1:1", "`tests` must not be empty"),
        (TESTS.replace('"method"', '"metod"'), "t:3:50", "unknown field `metod`"),
        (TESTS.replace('"1.5s"', '"soon"'), "t:9:47", "a duration is wanted here, not `soon`"),
        (TESTS.replace('"exact_match": "1"', '"safe_regex_match": {"regex": "("}'), "t:1:12", "a regular expression of this test"),
    ],
)
def test_problems_of_route_tests(text: str, place: str, words: str) -> None:
    loaded = load_tests(text, "t", regex_problem)
    assert loaded.tests is None
    (problem,) = [problem for problem in loaded.problems if problem.level == "error"]
    assert str(problem.place) == place
    assert problem.message.startswith(words)
