"""What a release has done to its route: held, steered, counted."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from shifter.model.release import MILLION, Progress, ReleaseSpec, RouteReference, State, Step
from shifter.observe.comparison import Comparison
from shifter.observe.differences import Differences
from shifter.routing.release_split import Splits
from shifter.service.release_path import ReleasePath
from tests.support.steering import Steered, config, listener, weighted

FILE = config(listener(weighted("/service/1", service1a=10, service1=90)))
SPEC = ReleaseSpec("new", RouteReference(text="/service/1"), "service1", "service1a", (Step(1, 10_000),))
OBSERVING = Progress(State.OBSERVING, 1, 10_000, held=True)


class Path:
    def __init__(self) -> None:
        self.lab = Steered(FILE)
        plane: Any = self.lab.plane
        plane.splits = self.splits = Splits()
        plane.monotonic = lambda: 5.0
        plane.healthy_endpoints = lambda cluster: (1, 2)
        self.path = ReleasePath(self.lab.controller, plane)

    def hold(self) -> Any:
        return self.lab.wait(self.path.hold(SPEC))


def test_it_holds_and_lets_go_or_says_why_not() -> None:
    path = Path()
    assert path.hold() == ()
    assert path.lab.controller.inputs is not None
    assert set(path.lab.controller.inputs.overrides.holds) == {"new"}
    assert path.lab.history()[0].startswith("1 release ")
    assert path.lab.wait(path.path.let_go("new")) == ()
    assert path.splits.find("new") is None
    assert path.lab.reload(config(listener(weighted("/other", service1a=10, service1=90)))).taken
    (why,) = path.hold()
    assert "no route to a cluster is called `/service/1`" in why


def test_it_can_be_steered_before_anything_is_served() -> None:
    path = Path()
    path.path.steer("new", Progress(State.OBSERVING, 1, 50_000, True, 10_000))
    split = path.splits.of("new")
    assert (split.share, split.forced, split.mirror) == (50_000, True, 10_000)


def test_before_anything_is_served_nobody_knows_what_is_counted() -> None:
    path = Path()
    starting: Any = SimpleNamespace(inputs=None)
    plane: Any = path.lab.plane
    ReleasePath(starting, plane).steer("new", OBSERVING)
    split = path.splits.of("new")
    assert split.share == 10_000 and split.comparison is None
    split.sticky = True  # as the configuration says that is served then
    path.path.steer("new", OBSERVING)
    assert split.comparison is not None and split.comparison.sticky


def test_seconds_are_there_while_the_route_is_held_and_somebody_judges() -> None:
    path = Path()
    assert path.path.take("new") is None
    path.path.steer("new", OBSERVING)
    assert path.path.take("new") is None, "nothing holds yet"
    path.hold()
    second = path.path.take("new")
    assert second is not None and second.sent == [0, 0]
    comparison = path.splits.of("new").comparison
    path.path.steer("new", Progress(State.BRAKED, 1, 5_000, held=True))
    assert path.splits.of("new").comparison is comparison
    path.path.steer("new", Progress(State.ROLLED_BACK, 1, 0, held=True))
    assert path.path.take("new") is None


@pytest.mark.parametrize(("attempt", "again"), [(1, {}), (2, {0.01: [1, 0]})])
def test_who_was_counted_before_is_not_counted_in_the_same_attempt(attempt: int, again: dict[float, list[int]]) -> None:
    path = Path()
    path.hold()
    path.splits.of("new").sticky = True
    path.path.know("new", 1, [(0, 7, 0.01, 1.0)])
    path.path.steer("new", replace(OBSERVING, attempt=attempt))
    comparison = path.splits.of("new").comparison
    assert comparison is not None
    comparison.ended(comparison.sent(False, 10_000, 1.0, 7), 1.001, True, 500)
    assert comparison.take(2.0).failures == again
    assert list(path.path.counted("new")) == ([] if attempt == 1 else [(0, 7, 0.01, 1.0)])
    assert list(path.path.counted("another")) == []


@pytest.mark.parametrize("state", [State.PENDING, State.PREFLIGHT, State.SUCCEEDED, State.ABORTED])
def test_nothing_is_compared_in_states_without_a_verdict(state: State) -> None:
    path = Path()
    path.path.steer("new", Progress(state, held=True))
    assert path.splits.of("new").comparison is None


def test_what_latencies_are_measured_by_outlives_a_comparison() -> None:
    path = Path()
    path.path.steer("new", OBSERVING)
    path.path.judge_with("new", ((1.0,), (2.0,)))
    first = path.splits.of("new").comparison
    assert first is not None and first.edges == ((1.0,), (2.0,))
    path.path.steer("new", Progress(State.ABORTED))
    path.path.steer("new", Progress(State.OBSERVING, 1, 10_000, held=True, attempt=2))
    again = path.splits.of("new").comparison
    assert again is not None and again is not first and again.edges == first.edges


def test_another_attempt_has_nothing_of_the_one_before() -> None:
    path = Path()
    path.hold()
    split = path.splits.of("new")
    split.sticky = True
    path.path.steer("new", OBSERVING)
    old = split.comparison
    assert old is not None
    old.ended(old.sent(False, 10_000, 1.0, 6), 1.1, True, 503)
    trial = old.sent(True, 10_000, 1.0, 7)
    split.by_header, split.mirrored, split.given_away, split.differences = 3, 4, [1, 2], Differences()
    path.path.steer("new", Progress(State.ABORTED, 1, 0, held=True))
    assert path.path.observed("new")["mirrored"] == 4
    path.path.steer("new", Progress(State.PREFLIGHT, held=True, attempt=2))
    shown = path.path.observed("new")
    assert (shown["mirrored"], shown["given_away"], shown["differences"]) == (0, [0, 0], None)
    old.ended(trial, 1.5, True, 500)  # it was in flight
    split.mirrored, split.differences = 1, Differences()  # so was its copy
    assert list(path.path.counted("new")) == []
    path.path.steer("new", replace(OBSERVING, attempt=2))
    told = path.path.observed("new")
    assert (told["statuses"], told["differences"], told["given_away"]) == ([], None, [0, 0])
    assert (told["forced_requests"], told["mirrored"]) == (0, 0)
    assert split.comparison is not old and list(path.path.counted("new")) == []


def test_one_that_has_let_go_and_begins_anew_shows_nothing_of_the_attempt_before() -> None:
    path = Path()
    path.hold()
    path.path.steer("new", OBSERVING)
    old = path.splits.of("new").comparison
    assert old is not None
    old.ended(old.sent(True, 10_000, 1.0), 1.1, True, 503)
    path.lab.wait(path.path.let_go("new"))
    assert path.path.observed("new")["statuses"] == [{"status": 503, "baseline": 0, "canary": 1}]
    path.hold()
    assert path.path.observed("new")["statuses"] == []


def test_one_that_goes_back_from_its_end_counts_nobody_twice() -> None:
    path = Path()
    path.path.steer("new", OBSERVING)
    first = path.splits.of("new").comparison
    path.path.steer("new", Progress(State.SUCCEEDED, 1, MILLION, held=True))
    path.path.steer("new", Progress(State.PAUSED, 1, 10_000, held=True))
    assert path.splits.of("new").comparison is first


def test_of_those_that_have_let_go_little_is_kept_and_of_few_of_them() -> None:
    path = Path()
    for number in range(30):
        name = f"r{number}"
        path.path.steer(name, OBSERVING)
        path.path.judge_with(name, ((1.0,), (2.0,)))
        comparison = path.splits.of(name).comparison
        assert comparison is not None
        comparison.ended(comparison.sent(True, 10_000, 1.0, user=7), 1.1, True, 503)
        path.lab.wait(path.path.let_go(name))
    assert len(path.path._comparisons) == 20 and not path.path._edges
    assert path.path.observed("r0")["statuses"] == []
    assert path.path.observed("r29")["statuses"] == [{"status": 503, "baseline": 0, "canary": 1}]
    assert path.path._comparisons["r29"][1] is not comparison, "it has the users"


def test_little_is_kept_of_one_whose_route_was_taken() -> None:
    path = Path()
    path.hold()
    path.path.steer("new", OBSERVING)
    path.path.judge_with("new", ((1.0,), (2.0,)))
    full = path.splits.of("new").comparison
    assert path.lab.wait(path.path.hold(replace(SPEC, name="newer"))) == ()
    assert path.splits.find("new") is None and path.path.take("new") is None
    assert path.path._comparisons["new"][1] is not full and not path.path._edges


def test_users_are_counted_where_they_stay() -> None:
    path = Path()
    assert path.path.unit("new") == "request"
    path.splits.of("new").sticky = True
    assert path.path.unit("new") == "user"
    path.path.steer("new", OBSERVING)
    comparison = path.splits.of("new").comparison
    assert comparison is not None and comparison.sticky


def test_what_people_see_of_it_is_there_also_when_it_is_over() -> None:
    path = Path()
    assert path.path.observed("new")["statuses"] == []
    path.path.steer("new", OBSERVING)
    split = path.splits.of("new")
    comparison = split.comparison
    assert isinstance(comparison, Comparison)
    for canary, status, where in ((True, 503, "/a"), (True, 503, "/a"), (False, 200, ""), (False, 503, "/b")):
        trial = comparison.sent(canary, MILLION // 2, 1.0)
        comparison.ended(trial, 1.1, status == 503, status)
        if where:
            comparison.note(trial, where, f"id-{where}")
    split.by_header, split.mirrored, split.given_away = 3, 4, [1, 2]
    path.path.steer("new", Progress(State.ROLLED_BACK))
    assert path.path.observed("new") == {
        "statuses": [{"status": 200, "baseline": 1, "canary": 0}, {"status": 503, "baseline": 1, "canary": 2}],
        "paths": [{"path": "/a", "baseline": 0, "canary": 2}, {"path": "/b", "baseline": 1, "canary": 0}],
        "failing": ["id-/a", "id-/a"],
        "forced_requests": 3,
        "mirrored": 4,
        "given_away": [1, 2],
        "differences": None,
    }
    assert path.path.healthy_endpoints("service1") == (1, 2)
