"""Texts of releases as the service reads them: new ones with every problem, old ones again, and patches for the files."""

import pytest

from shifter.admin.release_view import Refused
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import MILLION, Progress, State
from shifter.service.release_reading import check_new, patch_for, read_again, says
from tests.support.steering import candidate, config, listener

FILE = config(listener("{match: {prefix: /plain}, route: {cluster: service1}}"))
AFTER = config(listener("{match: {prefix: /plain}, route: {cluster: service1a}}"))
TEXT = "baseline: service1\ncanary: service1a\nsteps: [1, 100]\n"
SUCCEEDED = Progress(State.SUCCEEDED, 2, MILLION, held=True)


def bootstrap(text: bytes = FILE) -> Bootstrap:
    found = candidate(text).bootstrap
    assert found is not None
    return found


def test_a_good_one_has_a_name_and_a_route_for_good() -> None:
    read = check_new(TEXT, "x.yaml", bootstrap(), ["service1a"])
    assert read.spec is not None and read.problems == []
    assert read.spec.name not in ("", "service1a")
    assert read.spec.route.text == "all/prefix /plain" and (read.spec.text, read.spec.source) == (TEXT, "x.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("canary: [", "x.yaml:1"), (TEXT.replace("service1a", "nobody"), "no cluster is called `nobody`"), (TEXT + "stps: 1", "stps")],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    read = check_new(text, "x.yaml", bootstrap(), [])
    assert read.spec is None
    assert all(one.startswith("x.yaml:") for one in read.problems) and any(problem in one for one in read.problems)


def test_one_that_was_good_is_read_again_or_it_is_said_why_not() -> None:
    assert [step.share for step in read_again(TEXT, "x.yaml").steps] == [10_000, MILLION]
    with pytest.raises(ValueError, match=r"x\.yaml:4:1: error: unknown field"):
        read_again(TEXT + "stps: 1", "x.yaml")


def test_files_say_what_became_of_it_or_how_they_would() -> None:
    spec = check_new(TEXT, "x.yaml", bootstrap(), []).spec
    assert spec is not None
    assert not says(bootstrap(), spec, SUCCEEDED) and says(bootstrap(AFTER), spec, SUCCEEDED)
    assert says(bootstrap(), spec, Progress(State.ABORTED))
    assert not says(bootstrap(), spec, Progress(State.SUCCEEDED, 1, 500_000)), "no file can say that it has succeeded with a half"
    found = patch_for(candidate(FILE).texts, spec, Progress(State.OBSERVING, 1, 10_000))
    assert isinstance(found, Refused) and found.status == 409 and "is observing" in found.detail
