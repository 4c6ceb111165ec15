"""One connection to a place with several addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from shifter.model.address import SocketAddress
from shifter.model.cluster import UpstreamConnectionOptions
from shifter.net.race import ATTEMPT_DELAY, Race, in_order
from shifter.net.transport import ConnectOptions, Transport
from tests.support.transports import FakeNetwork, FakeTransport
from tests.support.turns import Recorder


def v4(number: int) -> SocketAddress:
    return SocketAddress(f"192.0.2.{number}", 80)


def v6(number: int) -> SocketAddress:
    return SocketAddress(f"2001:db8::{number}", 80)


class Runner(Recorder):
    """A handler that finds its transport where the race has put it."""

    transport: Transport


class Track:
    """A race on a network in memory."""

    def __init__(self, *addresses: SocketAddress) -> None:
        self.clock = Clock()
        self.network = FakeNetwork(self.clock)
        self.handler = Runner()
        self.race = Race(self.network, addresses, self.handler, ConnectOptions())
        self.handler.transport = self.race

    @property
    def attempts(self) -> list[FakeTransport]:
        return self.network.outgoing

    @property
    def tried(self) -> list[SocketAddress]:
        return [attempt.peer for attempt in self.attempts]

    def wait(self, seconds: float = ATTEMPT_DELAY) -> None:
        self.clock.advance(seconds)
        self.network.run()


def test_the_first_that_connects_is_the_connection() -> None:
    track = Track(v6(1), v4(1))
    assert track.tried == [v6(1)]
    assert track.race.peer == v6(1)
    assert track.race.local.host
    track.wait()
    assert track.tried == [v6(1), v4(1)]
    track.attempts[1].establish()
    assert track.handler.transport is track.attempts[1]
    assert track.handler.saw == ["made"]
    assert track.attempts[0].lost == "aborted"
    track.attempts[1].say(b"hello")
    assert track.handler.saw == ["made", "data"]
    assert not track.clock.getDelayedCalls()
    track.attempts[1].hang_up()
    assert track.handler.saw[-1] == "lost closed"


def test_one_that_answers_in_time_leaves_the_others_alone() -> None:
    track = Track(v6(1), v4(1))
    track.wait(0.2)
    track.attempts[0].establish()
    track.wait(1)
    assert track.tried == [v6(1)]
    assert track.handler.saw == ["made"]


def test_a_failure_begins_the_next_at_once() -> None:
    track = Track(v6(1), v4(1), v6(2))
    track.attempts[0].refuse()
    assert track.tried == [v6(1), v4(1)]
    track.wait(0.29)
    assert len(track.attempts) == 2
    track.wait(0.01)
    assert track.tried == [v6(1), v4(1), v6(2)]
    track.attempts[1].establish()
    assert track.handler.saw == ["made"]


def test_it_is_lost_when_all_have_failed() -> None:
    track = Track(v6(1), v4(1))
    track.wait()
    track.attempts[0].refuse("no route to host")
    assert track.handler.saw == []
    assert repr(track.race) == "<Race on attempts=1 left=0>"
    track.attempts[1].refuse()
    assert track.handler.saw == ["lost refused"]
    assert not track.clock.getDelayedCalls()


@pytest.mark.parametrize("begun", [1, 2])
def test_it_can_be_given_up(begun: int) -> None:
    track = Track(v6(1), v4(1), v4(2))
    if begun == 2:
        track.wait()
    track.race.abort()
    track.race.close()
    track.network.run()
    track.wait(5)
    assert [attempt.lost for attempt in track.attempts] == ["aborted"] * begun
    assert track.handler.saw == ["lost aborted"]


def test_what_was_asked_of_it_meanwhile_is_asked_of_the_winner() -> None:
    track = Track(v4(1), v4(2))
    track.race.write(b"one")
    track.race.write(b"two")
    track.race.pause()
    track.race.resume()
    track.race.pause()
    track.attempts[0].establish()
    assert track.attempts[0].take() == b"onetwo"
    assert track.attempts[0].paused


@pytest.mark.parametrize(
    ("addresses", "v4_first", "count", "expected"),
    [
        ([v6(1), v6(2), v4(1), v4(2)], None, 1, [v6(1), v4(1), v6(2), v4(2)]),
        ([v4(1), v6(1), v6(2)], None, 1, [v4(1), v6(1), v6(2)]),
        ([v6(1), v4(1), v6(2), v4(2)], True, 2, [v4(1), v4(2), v6(1), v6(2)]),
        ([v4(1), v6(1), v6(2), v6(3), v6(4), v4(2)], False, 3, [v6(1), v6(2), v6(3), v4(1), v6(4), v4(2)]),
        ([v4(1), v4(2)], False, 1, [v4(1), v4(2)]),
    ],
)
def test_families_take_turns(addresses: list[SocketAddress], v4_first: bool | None, count: int, expected: list[SocketAddress]) -> None:
    options = UpstreamConnectionOptions(happy_eyeballs_first_family_v4=v4_first, happy_eyeballs_first_family_count=count)
    assert in_order(addresses, options) == expected


@given(
    st.lists(st.builds(v4, st.integers(1, 9)) | st.builds(v6, st.integers(1, 9)), min_size=1, unique=True),
    st.sampled_from([None, True, False]),
    st.integers(1, 5),
)
def test_each_address_is_tried_once(addresses: list[SocketAddress], v4_first: bool | None, count: int) -> None:
    options = UpstreamConnectionOptions(happy_eyeballs_first_family_v4=v4_first, happy_eyeballs_first_family_count=count)
    assert sorted(map(str, in_order(addresses, options))) == sorted(map(str, addresses))
