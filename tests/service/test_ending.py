"""When what is told to end, and what is waited for. Time is a Clock."""

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from shifter.observe.server_stats import ServerStats
from shifter.proxy.draining import DrainStrategy
from shifter.service.ending import ANSWER_TIME, Ending, EndingOptions
from shifter.service.notify import Notify


class Plane:
    """A data path that keeps what it is told; it is empty when the test says so."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.empty: Deferred[None] = Deferred()

    def drain(self) -> Deferred[None]:
        self.told.append(("drain",))
        return self.empty

    def emptied(self) -> Deferred[None]:
        self.told.append(("emptied",))
        return self.empty

    def stop_accepting(self) -> None:
        self.told.append(("stop accepting",))

    def tell(self, strategy: DrainStrategy, seconds: float, inbound_only: bool = False) -> None:
        self.told.append(("tell", strategy.value, seconds, inbound_only))

    def drain_listeners(self, inbound_only: bool) -> None:
        self.told.append(("drain listeners", inbound_only))

    def fail_health_checks(self, failing: bool) -> None:
        self.told.append(("fail", failing))


class Manager(Notify):
    def __init__(self) -> None:
        super().__init__({})
        self.told: list[str] = []

    def tell(self, *lines: str) -> None:
        self.told += lines


class Process:
    """All that an `Ending` has to do with."""

    def __init__(self, options: EndingOptions = EndingOptions()) -> None:  # noqa: B008  # it is frozen
        self.clock: Any = Clock()
        self.clock.stop = lambda: self.ends.append(self.clock.seconds())
        self.ends: list[float] = []
        self.plane = Plane()
        self.closed = 0
        self.stats = ServerStats("1.0", 0.0, state="LIVE")
        self.manager = Manager()
        plane: Any = self.plane
        controller: Any = self
        self.ending = Ending(self.clock, plane, controller, self.stats, options, self.manager)

    def close(self) -> None:
        self.closed += 1


def test_a_signal_drains_until_nothing_is_left() -> None:
    process = Process()
    process.ending.terminate()
    assert (process.plane.told, process.stats.state, process.closed, process.ending.draining) == ([("drain",)], "DRAINING", 1, True)
    process.clock.advance(3.0)
    assert process.ends == []
    process.plane.empty.callback(None)
    assert process.ends == [3.0]
    process.clock.advance(100.0)
    assert process.ends == [3.0]


def test_a_drain_takes_its_time_at_most() -> None:
    process = Process(EndingOptions(drain_time=7.0))
    process.ending.terminate()
    process.clock.pump([1.0] * 10)
    assert process.ends == [7.0]
    process.plane.empty.callback(None)
    assert process.ends == [7.0]


def test_the_second_signal_ends_it_at_once() -> None:
    process = Process()
    process.ending.terminate()
    process.clock.advance(1.0)
    process.ending.quit()
    process.ending.terminate()
    assert process.ends == [1.0]


def test_who_asks_it_to_quit_is_answered_first() -> None:
    process = Process()
    process.ending.quit()
    assert process.plane.told == []
    process.clock.advance(ANSWER_TIME)
    assert process.plane.told == [("drain",)]


def test_who_has_to_know_does_and_may_have_it_wait() -> None:
    known: list[str] = []
    ready: Deferred[None] = Deferred()

    def before() -> Deferred[None]:
        known.append("known")
        return ready

    ends = Process()
    ends.ending.before = before
    ends.ending.terminate()
    assert (known, ends.plane.told) == (["known"], [])
    ready.callback(None)
    assert ends.plane.told == [("drain",)]
    ends.ending.terminate()
    assert known == ["known"]


def test_the_service_manager_waits_for_as_long_as_it_takes() -> None:
    process = Process(EndingOptions(drain_time=12.0))
    process.ending.terminate()
    process.clock.pump([1.0] * 11)
    assert process.manager.told == ["STOPPING=1", "STATUS=draining", *["EXTEND_TIMEOUT_USEC=10000000"] * 3]


@pytest.mark.parametrize("inbound_only", [False, True])
def test_listeners_can_be_drained_alone(inbound_only: bool) -> None:
    process = Process()
    process.ending.drain_listeners(False, False, inbound_only)
    assert process.plane.told == [("drain listeners", inbound_only)]
    assert process.stats.state == ("LIVE" if inbound_only else "DRAINING")
    process.clock.advance(1000.0)
    assert process.ends == [] and not process.ending.draining


def test_and_gracefully() -> None:
    process = Process(EndingOptions(drain_time=20.0))
    process.ending.drain_listeners(True, False, False)
    process.ending.drain_listeners(True, False, False)  # once is enough
    assert process.plane.told == [("tell", "gradual", 20.0, False)]
    assert process.stats.state == "DRAINING"
    process.clock.advance(20.0)
    assert process.plane.told[1:] == [("drain listeners", False)]


def test_and_stay() -> None:
    process = Process(EndingOptions(strategy=DrainStrategy.IMMEDIATE))
    process.ending.drain_listeners(True, True, True)
    process.clock.advance(1000.0)
    assert process.plane.told == [("tell", "immediate", 30.0, True)]
    assert process.stats.state == "LIVE"


def test_a_signal_has_the_last_word() -> None:
    process = Process()
    process.ending.drain_listeners(True, False, False)
    process.ending.terminate()
    process.clock.advance(29.0)
    process.plane.empty.callback(None)
    assert process.plane.told == [("tell", "gradual", 30.0, False), ("drain",)]
    process.clock.advance(2.0)
    assert process.plane.told[2:] == []


def test_who_has_handed_over_leaves_when_its_connections_have() -> None:
    process = Process(EndingOptions(drain_time=10.0))
    process.ending.leave()
    assert process.plane.told == [("stop accepting",), ("tell", "gradual", 10.0, False)]
    assert process.stats.state == "DRAINING"
    process.plane.empty.callback(None)
    assert process.ends == []  # it may have to say that it has
    process.clock.advance(1.0)
    assert process.ends == [1.0]


def test_or_when_its_time_is_over() -> None:
    process = Process(EndingOptions(drain_time=10.0))
    process.ending.leave()
    process.clock.pump([1.0] * 20)
    assert process.plane.told[2:] == [("emptied",), ("drain",)]
    assert process.ends == [15.0]
    other = Process(EndingOptions(drain_time=10.0, parent_shutdown_time=12.0))
    other.ending.leave()
    other.ending.terminate()
    other.clock.pump([1.0] * 20)
    assert other.ends == [10.0]


def test_health_checks_fail_as_long_as_they_are_told_to() -> None:
    process = Process()
    process.ending.fail_health_checks(True)
    process.ending.fail_health_checks(True)
    assert process.stats.state == "DRAINING"
    process.ending.fail_health_checks(False)
    assert process.stats.state == "LIVE"
    assert process.plane.told == [("fail", True), ("fail", True), ("fail", False)]
    process.ending.fail_health_checks(True)
    process.ending.terminate()
    process.ending.fail_health_checks(False)
    assert process.stats.state == "DRAINING"


def test_options_of_a_command_line() -> None:
    assert EndingOptions.asked(None, None, "gradual") == EndingOptions()
    asked = EndingOptions.asked(0, 5, "immediate")
    assert (asked.drain_time, asked.listener_drain_time, asked.last_moment, asked.strategy) == (0, 0, 5, DrainStrategy.IMMEDIATE)
