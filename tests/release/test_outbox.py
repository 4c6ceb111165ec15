"""Each event reaches each receiver, in the order in which it was written down, whatever happens between."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater

from shifter.model.release import Notification, State, Transition
from shifter.release.outbox import BATCH, Outbox, Target
from shifter.release.webhook import LONGEST_PAUSE, NotDelivered
from tests.support.outreach import happened

TARGET = Target("r-1", 1, Notification(webhook="https://ci.example/"))


class Table:
    """The events that were written down, and how far who is. ``broken`` is what it answers while that is set."""

    def __init__(self) -> None:
        self.rows: list[Transition] = []
        self.got: dict[str, int] = {}
        self.broken: Exception | None = None
        self.asked: list[int] = []

    def add(self, event: str, **changes: Any) -> Transition:
        self.rows.append(happened(event, number=len(self.rows) + 1, **changes))
        return self.rows[-1]

    def events(self, after: int = 0, count: int = 1000, release: str | None = None) -> Deferred[list[Transition]]:
        found = [row for row in self.rows if row.number > after and row.release == release][:count]
        self.asked.append(len(found))
        return fail(self.broken) if self.broken else succeed(found)

    def delivered(self, target: str) -> Deferred[int]:
        return fail(self.broken) if self.broken else succeed(self.got.get(target, 0))

    def deliver(self, target: str, number: int) -> Deferred[None]:
        if self.broken:
            return fail(self.broken)
        self.got[target] = number
        return succeed(None)


@dataclass
class Scene:
    """A receiver that answers what `answer` says, and an outbox that may be thrown away and made anew."""

    target: Target = TARGET
    table: Table = field(default_factory=Table)
    clock: Clock = field(default_factory=Clock)
    got: list[int] = field(default_factory=list)
    answer: Callable[[Transition], NotDelivered | None] = lambda transition: None
    ended: list[Outbox] = field(default_factory=list)

    def begin(self) -> Outbox:
        box = Outbox(self.target, self.table, self.send, lambda seconds: deferLater(self.clock, seconds), lambda: 0.0, self.ended.append)  # type: ignore[arg-type]
        box.wake()
        return box

    async def send(self, transition: Transition) -> None:
        answer = self.answer(transition)
        if answer is not None:
            raise answer
        self.got.append(transition.number)


def down(transition: Transition) -> NotDelivered:
    return NotDelivered("the connection was refused")


def test_events_before_and_after_the_beginning_are_told() -> None:
    scene = Scene()
    scene.table.add("started")
    box = scene.begin()
    box.told(scene.table.add("step"))
    assert scene.got == [1, 2]
    assert scene.table.got == {"r-1/notify/1": 2}
    assert (box.delivered, box.waiting, box.problem) == (2, 0, "")


def test_of_other_releases_and_of_what_is_not_wanted_nothing_is_told() -> None:
    scene = Scene(Target("r-1", 2, Notification(webhook="x", on=frozenset(("braked",)))))
    box = scene.begin()
    for event, release in (("started", "r-1"), ("braked", "r-2"), ("braked", "r-1"), ("step", "r-1")):
        scene.table.add(event, release=release)
    box.told(scene.table.rows[-1])
    assert scene.got == [3]
    assert box.waiting == 0


def test_a_dead_receiver_is_tried_ever_more_seldom_and_then_told_everything_in_order() -> None:
    scene = Scene()
    scene.answer = down
    box = scene.begin()
    for event in ("started", "step", "braked"):
        box.told(scene.table.add(event))
    assert (box.waiting, box.problem) == (3, "the connection was refused")
    pauses = []
    for _ in range(12):
        (call,) = scene.clock.getDelayedCalls()
        pauses.append(call.getTime() - scene.clock.seconds())
        scene.clock.advance(pauses[-1])
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == LONGEST_PAUSE
    scene.answer = lambda transition: None
    scene.clock.advance(LONGEST_PAUSE)
    assert scene.got == [1, 2, 3]
    assert (box.waiting, box.problem) == (0, "")
    assert not scene.clock.getDelayedCalls()


def test_a_refused_event_is_passed_over_and_told_of() -> None:
    scene = Scene()
    scene.answer = lambda transition: NotDelivered("HTTP 404", final=True) if transition.number == 1 else None
    box = scene.begin()
    box.told(scene.table.add("started"))
    assert box.problem == "HTTP 404: event 1 (started) was refused"
    box.told(scene.table.add("step"))
    assert scene.got == [2]
    assert (box.delivered, box.refused, box.waiting) == (1, 1, 0)


def test_a_table_that_cannot_be_read_is_read_later() -> None:
    scene = Scene()
    scene.table.add("started")
    scene.table.broken = RuntimeError("the disk is full")
    box = scene.begin()
    assert box.problem == "the disk is full"
    scene.table.broken = None
    scene.clock.advance(1.0)
    assert scene.got == [1]


def test_how_far_it_is_may_not_be_written_down_and_the_next_events_are_told_all_the_same() -> None:
    scene = Scene()
    box = scene.begin()
    box.told(scene.table.add("started"))

    def full(transition: Transition) -> None:
        scene.table.broken = RuntimeError("the disk is full")

    scene.answer = full
    box.told(scene.table.add("step"))
    assert scene.got == [1, 2]
    scene.table.broken = None
    scene.answer = lambda transition: None
    box.told(scene.table.add("braked"))
    scene.clock.advance(LONGEST_PAUSE)
    assert scene.got == [1, 2, 3]
    box.close()
    scene.begin()
    assert scene.got == [1, 2, 3]


def test_few_events_are_read_at_a_time() -> None:
    scene = Scene()
    for _ in range(5 * BATCH):
        scene.table.add("step")
    scene.begin()
    assert len(scene.got) == 5 * BATCH
    assert max(scene.table.asked) == BATCH


def test_it_ends_when_the_release_has_nothing_more_to_tell() -> None:
    scene = Scene()
    scene.answer = down
    box = scene.begin()
    box.told(scene.table.add("rolled_back", state=State.ROLLED_BACK))
    box.left = True
    box.wake()
    scene.answer = lambda transition: None
    scene.clock.advance(10.0)
    assert scene.got == [1]
    assert not scene.ended  # it still holds its route: it may be tried again
    box.told(scene.table.add("finished", state=State.ROLLED_BACK, held=False))
    assert scene.got == [1, 2]
    assert scene.ended == [box]


def test_one_that_has_nothing_to_tell_from_the_beginning_ends_at_once() -> None:
    scene = Scene()
    scene.table.add("finished", state=State.SUCCEEDED, held=False)
    scene.table.got["r-1/notify/1"] = 1
    box = scene.begin()
    box.left = True
    box.wake()
    assert scene.ended == [box]
    assert (scene.got, box.delivered) == ([], 1)


def test_a_closed_one_leaves_nothing_behind() -> None:
    scene = Scene()
    scene.answer = down
    box = scene.begin()
    box.told(scene.table.add("started"))
    box.close()
    box.close()
    assert not scene.clock.getDelayedCalls()


STEPS = st.lists(st.sampled_from(("event", "unwanted", "down", "up", "lost", "restart", "wait", "disk", "no disk")), max_size=40)


@given(STEPS)
def test_whatever_fails_each_event_is_told_and_never_one_before_those_before_it(steps: list[str]) -> None:
    """``lost``: the receiver hears of events, but its answers do not arrive."""
    scene = Scene(Target("r-1", 1, Notification(webhook="x", on=frozenset(("step",)))))
    heard: list[int] = []
    mode = "up"

    def answer(transition: Transition) -> NotDelivered | None:
        if mode == "down":
            return down(transition)
        heard.append(transition.number)
        return NotDelivered("no answer within 10 s") if mode == "lost" else None

    scene.answer = answer
    box = scene.begin()
    for step in steps:
        if step in ("event", "unwanted"):
            box.told(scene.table.add("step" if step == "event" else "braked"))
        elif step in ("down", "up", "lost"):
            mode = step
        elif step == "restart":
            box.close()
            box = scene.begin()
        elif step == "wait":
            scene.clock.advance(LONGEST_PAUSE)
        else:
            scene.table.broken = RuntimeError("the disk is full") if step == "no disk" else None
    mode, scene.table.broken = "up", None
    for _ in range(3):
        scene.clock.advance(LONGEST_PAUSE)
    wanted = [row.number for row in scene.table.rows if row.event == "step"]
    assert list(dict.fromkeys(heard)) == wanted
    assert scene.table.got.get("r-1/notify/1", 0) == max(wanted, default=0)
    assert box.waiting == 0
    # who hears of an event again has heard of none after it but those that come once more behind it
    for before, number in pairwise(heard):
        assert number <= before or number == wanted[wanted.index(before) + 1]
