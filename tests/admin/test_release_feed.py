"""The stream of a release: every event once and in order, how it is each second, and who does not listen any more."""

import json
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from shifter.admin.page import Stream
from shifter.admin.release_feed import AT_ONCE, INTERVAL, MOST_LISTENERS, PATIENCE, POINTS, WHOLE
from shifter.model.change import Actor
from shifter.model.release import Progress, Transition
from tests.support.admin import Asker, FixedView

STEP = Transition("r-1", "step", Progress(), Progress(version=1), Actor("ann"), "it goes on", 1000.0)


class Sink:
    def __init__(self) -> None:
        self.full = False
        self.ended = False
        self.text = ""

    def write(self, piece: bytes) -> None:
        self.text += piece.decode()

    def finish(self) -> None:
        self.ended = True

    def told(self) -> list[tuple[str, object]]:
        """What came since the last call: numbers of events, and how many points a status has."""
        frames, self.text = self.text.split("\n\n"), ""
        found: list[tuple[str, object]] = []
        for frame in frames:
            lines = dict(line.split(": ", 1) for line in frame.splitlines())
            if "data" in lines:
                data = json.loads(lines["data"])
                found.append((lines["event"], data["points"] if lines["event"] == "status" else int(lines["id"])))
        return found


class Lab:
    def __init__(self) -> None:
        self.view = FixedView()
        self.releases = self.view.told_releases
        self.feed = self.releases.feed
        self.clock = self.view.clock

    def listen(self, after: int = 0) -> Sink:
        sink = Sink()
        stream = self.feed.listen("r-1", after)
        assert isinstance(stream, Stream)
        self.stop = stream.start(sink)
        return sink

    def happens(self, number: int) -> None:
        self.releases.told_events.append(replace(STEP, number=number))
        self.feed.happened("r-1")


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_events_come_once_and_in_order(lab: Lab) -> None:
    lab.happens(1)
    sink, late = lab.listen(), lab.listen(after=1)
    assert sink.text.startswith("retry: 2000\n\n")
    assert sink.told() == [("event", 1), ("status", None)]
    assert late.told() == [("status", None)]
    lab.happens(3)
    assert sink.told() == late.told() == [("event", 3), ("status", POINTS)]


def test_how_it_is_comes_each_second_and_whole_now_and_then(lab: Lab) -> None:
    sink = lab.listen()
    sink.told()
    for _ in range(WHOLE):
        lab.clock.advance(INTERVAL)
    assert sink.told() == [*[("status", POINTS)] * (WHOLE - 1), ("status", None)]
    lab.stop()
    lab.clock.advance(INTERVAL)
    assert sink.text == "" and lab.feed.listening == 0 and not lab.clock.getDelayedCalls()


def test_what_happens_while_events_are_read_is_told_after_them(lab: Lab) -> None:
    waiting: list[Deferred[list[Transition]]] = []
    read = lab.releases.events

    def slow(name: str, after: int = 0, count: int = 1000) -> Deferred[list[Transition]]:
        waiting.append(Deferred())
        return waiting[-1]

    lab.releases.events = slow  # type: ignore[assignment,method-assign]
    sink = lab.listen()
    lab.happens(1)
    assert len(waiting) == 1
    waiting[0].callback([replace(STEP, number=1)])
    lab.releases.events = read  # type: ignore[method-assign]
    waiting[1].callback([])
    lab.happens(2)
    assert [one for one in sink.told() if one[0] == "event"] == [("event", 1), ("event", 2)]


def test_many_events_are_read_a_few_at_a_time(lab: Lab) -> None:
    lab.releases.told_events = [replace(STEP, number=number) for number in range(1, AT_ONCE + 2)]
    assert [one for one in lab.listen().told() if one[0] == "event"] == [("event", number) for number in range(1, AT_ONCE + 2)]


def test_one_that_does_not_read_is_left(lab: Lab) -> None:
    sink = lab.listen()
    sink.told()
    sink.full = True
    for _ in range(PATIENCE):
        lab.clock.advance(INTERVAL)
    assert not sink.ended and sink.told() == []
    lab.clock.advance(INTERVAL)
    assert sink.ended and lab.feed.listening == 0


def test_one_that_reads_again_has_missed_nothing(lab: Lab) -> None:
    sink = lab.listen()
    sink.told()
    sink.full = True
    lab.happens(1)
    assert sink.told() == []
    sink.full = False
    lab.clock.advance(INTERVAL)
    assert sink.told() == [("event", 1), ("status", POINTS)]


def test_no_more_than_so_many_listen(lab: Lab) -> None:
    for _ in range(MOST_LISTENERS):
        lab.listen()
    assert lab.feed.listen("r-1", 0) is None
    assert Asker(lab.view).ask("/v1/releases/r-1/events").status == 503


def test_they_end_with_the_process(lab: Lab) -> None:
    sink = lab.listen()
    lab.feed.stop()
    assert sink.ended and lab.listen().ended and lab.feed.listening == 0


def test_the_page_says_from_where_on(lab: Lab) -> None:
    lab.releases.told_events = [replace(STEP, number=number) for number in (1, 2, 3)]
    asker = Asker(lab.view)
    answer = asker.ask("/v1/releases/r-1/events", "GET", ["Host: 127.0.0.1:8001", "Last-Event-ID: 2"])
    assert answer.headers["content-type"] == "text/event-stream"
    assert "id: 3\n" in answer.body and "id: 2\n" not in answer.body
