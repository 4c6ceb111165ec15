"""Reading a configuration as it will be used."""

import gc
from pathlib import Path

import pytest

from shifter.service.judging import uri_rewrite_problem, uri_template_problem
from shifter.service.sources import FileSource
from tests.support.configs import GOOD


def test_a_good_file(tmp_path: Path) -> None:
    path = tmp_path / "front.yaml"
    path.write_text(GOOD)
    candidate = FileSource(str(path)).read()
    assert candidate.bootstrap is not None
    assert candidate.bootstrap.listeners[0].name == "front"
    assert not candidate.problems
    assert gc.isenabled()


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "front.yaml"
    path.write_text(GOOD)
    source = FileSource(str(path))
    source.read()
    path.write_text(GOOD.replace("cluster: service1a", "cluster: servce1a"))
    candidate = source.read()
    assert candidate.bootstrap is None
    assert candidate.problems[0].startswith(f"{path}:28:28: error: no cluster is named `servce1a`")
    assert "did you mean `service1a`?" in candidate.text
    assert gc.isenabled()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    candidate = FileSource(str(tmp_path / "none.yaml")).read()
    assert candidate.bootstrap is None
    assert candidate.problems == (f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory",)


@pytest.mark.parametrize(
    "was, bad, message",
    [
        ("prefix: /old", 'safe_regex: {regex: "/(a"}', "this regular expression cannot be used"),
        (
            "cluster: service1a\n",
            'cluster: service1a\n                  regex_rewrite: {pattern: {regex: "^/(a)"}, substitution: "/\\\\2"}\n',
            "this rewrite cannot be used: \\2 in a substitution, but the pattern has 1 groups",
        ),
    ],
)
def test_what_other_rooms_say_of_a_text_has_its_place(tmp_path: Path, was: str, bad: str, message: str) -> None:
    path = tmp_path / "front.yaml"
    path.write_text(GOOD.replace(was, bad, 1))
    candidate = FileSource(str(path)).read()
    assert candidate.bootstrap is None
    [problem] = candidate.problems
    place, _, said = problem.partition(": ")
    assert place.startswith(f"{path}:")
    assert said.startswith(f"error: {message}")


def test_templates_of_paths_are_judged() -> None:
    assert uri_template_problem(b"/a/{b}") is None
    assert uri_template_problem(b"a") is not None
    assert uri_rewrite_problem(b"/a/{b}", b"/x/{b}") is None
    assert uri_rewrite_problem(b"/a/{b}", b"/x/{c}") is not None
    # That the first is no template is told at its own place.
    assert uri_rewrite_problem(b"a", b"/x/{c}") is None
