"""The table of states: what can happen where."""

import pytest
from automat import NoTransition

from shifter.model.release import Progress, State
from shifter.release.states import ACTIVE, EDGES, Course, Moves, Verb, moves_of, verbs_in

MOVES = [name for name in vars(Moves) if not name.startswith("_")]


@pytest.mark.parametrize("state", State)
def test_each_input_leads_where_the_table_says_or_nowhere(state: State) -> None:
    known = {edge.move: edge.after for edge in EDGES if edge.before is state}
    for move in MOVES:
        course = Course(Progress(state))
        then = getattr(moves_of(course), move)
        if move in known:
            then(Progress(step=3))
            assert course.progress == Progress(known[move], step=3)
        else:
            with pytest.raises(NoTransition):
                then(Progress())


def test_an_input_leads_to_one_state() -> None:
    assert len({(edge.before, edge.move) for edge in EDGES}) == len(EDGES)


def test_from_wherever_there_is_traffic_it_can_be_taken_back() -> None:
    for state in ACTIVE:
        assert {State.ROLLING_BACK, State.ABORTED} <= {edge.after for edge in EDGES if edge.before is state}


def test_what_was_taken_back_gets_nothing_without_a_preflight() -> None:
    for state in (State.ROLLING_BACK, State.ROLLED_BACK, State.ABORTED, State.SUPERSEDED):
        after = {edge.after for edge in EDGES if edge.before is state}
        assert after <= {State.ROLLED_BACK, State.PREFLIGHT, State.SUPERSEDED, state}


def test_every_verb_fits_somewhere() -> None:
    assert {verb for state in State for verb in verbs_in(state)} == set(Verb)
