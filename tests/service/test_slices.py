"""Work in slices: others have their turn in between, and nothing of it is left when it is over, however."""

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from shifter.model.steps import Steps
from shifter.service.slices import SLICE, Slices


class Lab:
    """Steps that take a millisecond each."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.now = 0.0
        self.slices = Slices(self.clock, lambda: self.now)
        self.taken = 0
        self.closed = False

    def work(self, steps: int) -> Steps[str]:
        try:
            for _ in range(steps):
                yield
                self.taken += 1
                self.now += 0.001
        finally:
            self.closed = True
        return "done"

    def turn(self) -> None:
        """One turn of the reactor: what is asked for meanwhile has to wait for the next one, unlike with a `Clock`."""
        due, self.clock.calls = self.clock.calls, []
        for call in due:
            call.called = 1
            call.func()


def test_what_fits_in_a_slice_is_done_at_once() -> None:
    lab = Lab()
    done: list[str] = []
    lab.slices.run(lab.work(1)).addCallback(done.append)
    assert done == ["done"]
    assert not lab.clock.getDelayedCalls()


def test_others_have_their_turn() -> None:
    lab = Lab()
    done: list[str] = []
    lab.slices.run(lab.work(10)).addCallback(done.append)
    turns = 0
    while not done:
        before = lab.taken
        lab.turn()
        turns += 1
        assert (lab.taken - before) * 0.001 <= SLICE + 0.001
    assert turns == 4
    assert done == ["done"]


def test_failures_are_told() -> None:
    lab = Lab()

    def failing() -> Steps[None]:
        yield
        raise ValueError

    failed: list[object] = []
    lab.slices.run(failing()).addErrback(lambda failure: failed.append(failure.type))
    assert failed == [ValueError]


@pytest.mark.parametrize("who", ["the one who waits", "the end of the process"])
def test_it_can_be_ended(who: str) -> None:
    lab = Lab()
    failed: list[object] = []
    done = lab.slices.run(lab.work(10))
    done.addErrback(lambda failure: failed.append(failure.type))
    if who == "the one who waits":
        done.cancel()
    else:
        lab.slices.stop()
    assert failed == [CancelledError]
    assert lab.closed
    assert not lab.clock.getDelayedCalls()
    lab.slices.stop()  # and there is nothing to end


def test_two_take_turns() -> None:
    lab = Lab()
    done: list[str] = []
    for _ in range(2):
        lab.slices.run(lab.work(4)).addCallback(done.append)
    assert not done
    for _ in range(3):
        lab.turn()
    assert done == ["done"] * 2
