"""Wishes and what comes of them: weights, runtime values, what is taken back, and what holds after a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shifter.routing.errors import RoutingError
from shifter.service.journal_sqlite import MIGRATIONS, SqliteJournal
from shifter.service.state import StateDatabase
from tests.support.steering import ANN, Steered, config, listener, weighted
from tests.support.threads import Threads

ROUTE = "all/prefix /service/1"
RUNTIME = "{name: admin, admin_layer: {}}"
RT = weighted("/rt", "runtime_key_prefix: rel, ", service1a=10, service1=90)
FILE = config(listener(weighted("/service/1", service1a=10, service1=90), RT), layers=RUNTIME)
EDITED = FILE.replace(b"{name: service2,", b"{name: service3,")
OTHER_WEIGHTS = config(listener(weighted("/service/1", service1a=20, service1=90), RT), layers=RUNTIME)


def front() -> Steered:
    return Steered(FILE)


# weights


def test_weights_are_served_told_and_written_down() -> None:
    lab = front()
    result = lab.weigh("/service/1", service1a="25")
    assert (result.taken, result.version) == (True, 2)
    assert lab.shares()[ROUTE] == {"service1a": 25, "service1": 75}
    assert result.entry is not None
    assert (result.entry.target, result.entry.before, result.entry.after) == (
        ROUTE,
        {"service1a": 10, "service1": 90},
        {"service1a": 25, "service1": 75},
    )
    assert lab.history() == ["1 weight ~ route prefix /service/1: service1a 10 % -> 25 %, service1 90 % -> 75 %"]
    assert lab.steering.notices() == [f"weights of {ROUTE} hold over the file"]


def test_routes_of_two_listeners_that_are_made_alike_are_still_two() -> None:
    routes = [weighted("/s", service1a=10, service1=90), weighted("/s", service1a=50, service1=50)]
    lab = Steered(config(*(listener(route, name=f"on{port}", port=port) for port, route in enumerate(routes, 1))))
    one, two = "on1/all/prefix /s", "on2/all/prefix /s"
    assert lab.weigh(one, service1a="50").taken
    assert lab.shares() == {one: {"service1a": 50, "service1": 50}, two: {"service1a": 50, "service1": 50}}
    assert lab.weigh(one, service1a="60").taken
    assert lab.shares() == {one: {"service1a": 60, "service1": 40}, two: {"service1a": 50, "service1": 50}}
    assert lab.weigh(one).taken
    assert (lab.shares()[one]["service1a"], lab.steering.notices()) == (10, [])


def test_a_rehearsal_changes_nothing() -> None:
    lab = front()
    result = lab.weigh("/service/1", dry_run=True, service1a="25")
    assert result.taken and result.entry is not None
    assert (result.version, result.entry.number) == (1, 0)
    assert result.entry.changes == ("~ route prefix /service/1: service1a 10 % -> 25 %, service1 90 % -> 75 %",)
    assert not lab.weigh("/service/1", dry_run=True, service1a="0", service1="0").taken
    assert (lab.shares()[ROUTE]["service1a"], lab.history()) == (10, [])


@pytest.mark.parametrize("done", [0, 1])
def test_a_change_that_the_end_of_the_process_cuts_short_is_told_so(done: int, logged: list[str]) -> None:
    lab = front()
    lab.plane.cut_short_after = done  # looking for the route; putting the weights in
    result = lab.weigh("/service/1", service1a="50")
    assert (result.taken, result.problems, lab.history()) == (False, ("the proxy is ending",), [])
    assert logged == []


def test_what_cannot_be_is_refused() -> None:
    lab = front()
    for weights in ({"service1a": "0", "service1": "0"}, {"nope": "5"}):
        assert not lab.weigh("/service/1", **weights).taken
    assert (lab.shares()[ROUTE]["service1a"], lab.history()) == (10, [])


def test_weights_hold_over_reloads_until_the_file_says_otherwise() -> None:
    lab = front()
    lab.weigh("/service/1", service1a="25")
    assert lab.reload(EDITED).taken
    assert lab.shares()[ROUTE]["service1a"] == 25
    result = lab.reload(OTHER_WEIGHTS)
    assert result.warnings[-1] == f"the weights that were set for {ROUTE} end: the file has other weights there by now"
    assert lab.history()[0].endswith(result.warnings[-1])
    assert lab.shares()[ROUTE] == {"service1a": 18.1818, "service1": 81.8182}
    assert lab.steering.notices() == []


def test_an_override_that_the_file_adopts_ends_and_that_is_written_down() -> None:
    lab = front()
    lab.weigh("/service/1", service1a="20", service1="90")
    result = lab.reload(OTHER_WEIGHTS)
    assert result.entry is not None
    assert result.entry.changes == (f"the weights that were set for {ROUTE} end: the file says the same by now",)


def test_the_weights_of_the_file_can_be_had_again() -> None:
    lab = front()
    assert lab.weigh("/service/1").entry is None  # they hold
    lab.weigh("/service/1", service1a="25")
    assert lab.weigh("/service/1").taken
    assert lab.shares()[ROUTE]["service1a"] == 10


def test_weights_of_a_route_that_runtime_has_others_for() -> None:
    lab = front()
    lab.modify(rel_service1a="90")
    assert lab.shares()["all/prefix /rt"] == {"service1a": 50, "service1": 50}
    result = lab.weigh("/rt", service1a="1")
    assert result.warnings == ("values of runtime under `rel.` have no effect on all/prefix /rt while these weights hold",)
    assert lab.shares()["all/prefix /rt"] == {"service1a": 1, "service1": 99}


# runtime


def test_runtime_values_are_set_and_removed() -> None:
    lab = front()
    assert lab.modify(rel_service1a="90", x="text").taken
    assert lab.history() == ["1 runtime ~ runtime rel.service1a: none -> 90; ~ runtime x: none -> text"]
    assert lab.stats.runtime_admin_overrides_active == 1
    lab.modify(rel_service1a="")
    assert lab.shares()["all/prefix /rt"] == {"service1a": 10, "service1": 90}
    lab.modify(x="")
    assert (lab.stats.runtime_admin_overrides_active, lab.stats.runtime_num_keys, lab.stats.runtime_load_success) == (0, 0, 4)


def test_values_that_take_all_weight_from_a_route_are_refused() -> None:
    lab = front()
    result = lab.modify(rel_service1a="0", rel_service1="0")
    assert result.problems == ("all weights of all/prefix /rt would be 0 in runtime (rel.service1a, rel.service1): nothing would serve it",)
    assert (lab.history(), lab.stats.runtime_load_error) == ([], 1)


def test_what_is_no_value_is_refused() -> None:
    [problem] = front().modify(x="{a").problems
    assert problem.startswith("x: ")


def test_without_an_admin_layer_there_is_nothing_to_set() -> None:
    lab = Steered(config(listener(RT)))
    assert lab.modify(x="1").problems == ("No admin layer specified",)


def test_a_file_without_an_admin_layer_ends_the_values() -> None:
    lab = front()
    lab.modify(rel_service1a="90")
    result = lab.reload(config(listener(weighted("/service/1", service1a=10, service1=90), RT)))
    assert result.warnings[-1] == "the runtime values that were set end: the configuration has no `admin_layer` any more"
    assert lab.shares()["all/prefix /rt"]["service1a"] == 10


def test_a_value_that_is_there_already_changes_nothing() -> None:
    lab = front()
    lab.modify(x="1")
    assert lab.modify(x="1").entry is None
    assert len(lab.history()) == 1


# taking back


def test_there_may_be_nothing_to_take_back() -> None:
    assert front().undo().problems == ("there is nothing to undo: nothing was changed yet",)


def test_weights_and_values_are_taken_back_and_set_again() -> None:
    lab = front()
    lab.weigh("/service/1", service1a="25")
    lab.modify(rel_service1a="90")
    assert lab.undo().taken
    assert lab.shares() == {ROUTE: {"service1a": 25, "service1": 75}, "all/prefix /rt": {"service1a": 10, "service1": 90}}
    result = lab.undo()
    assert result.entry is not None
    assert (result.entry.undoes, lab.shares()["all/prefix /rt"]["service1a"]) == (3, 50)


def test_files_are_served_as_they_were_until_they_are_read_again() -> None:
    lab = front()
    lab.weigh("/service/1", service1a="25")
    lab.reload(OTHER_WEIGHTS)
    result = lab.undo()
    assert lab.shares()[ROUTE]["service1a"] == 25
    assert result.warnings[0].startswith("an earlier configuration is served")
    assert lab.steering.notices()[0] == result.warnings[0]
    assert lab.undo().warnings == ()  # and back to what the file says
    assert lab.steering.notices() == []
    lab.undo()
    lab.reload(OTHER_WEIGHTS)
    assert (lab.steering.notices(), lab.shares()[ROUTE]["service1a"]) == ([], 18.1818)


def test_what_cannot_be_served_any_more_is_refused() -> None:
    lab = front()
    lab.reload(EDITED)
    lab.plane.unable = RoutingError("no more")
    assert lab.undo().problems == ("no more",)


# after a restart


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator["Restarted"]:
    lab = Restarted(tmp_path)
    yield lab
    lab.end()


class Restarted:
    """One state directory, and processes over it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._reactor = Threads()
        self._journal: SqliteJournal | None = None

    def start(self, text: bytes = FILE) -> Steered:
        self.end()
        self._journal = SqliteJournal(StateDatabase(self._reactor, str(self._directory), MIGRATIONS))
        return Steered(text, self._journal, self._reactor)

    def end(self) -> None:
        if self._journal is not None:
            self._reactor.wait(self._journal.close())


def test_all_that_was_set_holds_again(restarted: Restarted) -> None:
    lab = restarted.start()
    lab.weigh("/service/1", service1a="25")
    lab.modify(rel_service1a="90")
    told = lab.history()
    again = restarted.start()
    assert again.plane.served[0] == lab.plane.served[-1]
    assert again.history() == told
    again.undo()
    assert again.shares()["all/prefix /rt"]["service1a"] == 10


def test_a_change_that_was_taken_back_stays_so(restarted: Restarted) -> None:
    lab = restarted.start()
    lab.reload(OTHER_WEIGHTS)
    lab.undo()
    again = restarted.start(OTHER_WEIGHTS)
    assert again.shares()[ROUTE]["service1a"] == 10
    assert again.steering.notices()
    edited = restarted.start(EDITED)
    assert edited.steering.notices() == []


def test_files_that_changed_in_between_end_what_was_set(restarted: Restarted, logged: list[str]) -> None:
    restarted.start().weigh("/service/1", service1a="25")
    again = restarted.start(OTHER_WEIGHTS)
    assert again.shares()[ROUTE]["service1a"] == 18.1818
    assert f"the weights that were set for {ROUTE} end: the file has other weights there by now" in logged
    assert again.history()[0].startswith("2 config the files are others than when shifter ran last; the weights that were set for")
    again.undo()
    assert again.shares()[ROUTE]["service1a"] == 25


def test_values_that_do_not_go_with_the_files_any_more_do_not_keep_it_from_starting(restarted: Restarted, logged: list[str]) -> None:
    restarted.start().modify(rel_service1a="0")
    again = restarted.start(FILE.replace(b"weight: 90}]}}}]}]", b"weight: 0}]}}}]}]"))
    assert again.shares()["all/prefix /rt"] == {"service1a": 100, "service1": 0}
    assert any("hold no longer" in line for line in logged)


def test_what_is_being_written_when_the_process_ends_holds_at_the_next_start(restarted: Restarted) -> None:
    lab = restarted.start()
    waiting = lab.steering.set_weights("/service/1", {"service1a": "25"}, ANN)
    lab.controller.close()
    result = lab.wait(waiting)
    assert (result.taken, result.version, result.warnings[-1]) == (
        True,
        1,
        "the proxy is ending: this is written down, and holds at the next start",
    )
    assert lab.weigh("/service/1", service1a="5").problems == ("the proxy is ending",)
    assert restarted.start().shares()[ROUTE]["service1a"] == 25


# any of it, in any order


class AnyOrder(RuleBasedStateMachine):
    """Weights, values, files and undo: what is served follows from the file and the wishes that were taken, and undo is exact."""

    @initialize()
    def begin(self) -> None:
        self.lab = front()
        self.before = self.now()

    def now(self) -> object:
        return self.lab.plane.served[-1]

    @rule(percent=st.integers(0, 100))
    def weigh(self, percent: int) -> None:
        self.remember(self.lab.weigh("/service/1", service1a=str(percent)))

    @rule(one=st.integers(0, 5), other=st.integers(0, 2))
    def modify(self, one: int, other: int) -> None:
        result = self.lab.modify(rel_service1a=str(one), rel_service1=str(other))
        assert result.taken is bool(one or other)
        self.remember(result)

    @rule(text=st.sampled_from([FILE, EDITED, OTHER_WEIGHTS]))
    def reload(self, text: bytes) -> None:
        self.remember(self.lab.reload(text))

    @rule()
    def undo(self) -> None:
        result = self.lab.undo()
        if result.taken and result.entry is not None:
            assert self.now() == self.before
            self.before = self.last
            self.last = self.now()

    def remember(self, result: object) -> None:
        if getattr(result, "entry", None) is not None:
            self.before, self.last = getattr(self, "last", self.lab.plane.served[0]), self.now()

    @invariant()
    def numbers_have_no_gaps(self) -> None:
        if hasattr(self, "lab"):
            numbers = [int(line.split()[0]) for line in self.lab.history()]
            assert numbers == list(range(len(numbers), 0, -1))
            assert all(any(shares.values()) for shares in self.lab.shares().values())


AnyOrder.TestCase.settings = settings(max_examples=8, stateful_step_count=10, suppress_health_check=list(HealthCheck))
test_any_order = AnyOrder.TestCase


@given(st.lists(st.integers(0, 100), min_size=1, max_size=5))
@settings(max_examples=5)
def test_undo_and_undo_again_is_nothing(percents: list[int]) -> None:
    lab = front()
    for percent in percents:
        lab.weigh("/service/1", service1a=str(percent))
    held = lab.shares()
    if lab.undo().taken:
        lab.undo()
    assert lab.shares() == held
