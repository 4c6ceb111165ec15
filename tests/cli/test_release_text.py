"""A release as text."""

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.cli.release_text import gauge, happened, interval, screen, span, standing, weight
from tests.support.release_scenes import KINDS, differing, forgotten, hostile, release, story

SCENES = {kind: release(kind, seconds=30) for kind in KINDS}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_whole_screen() -> None:
    told = release("gated")
    assert screen(told, story(told), 110, 40, colour=False) == [
        "checkout-2026-11  GATED",
        "service1 -> service1a  backend/prefix /service/1",
        "step 3 of 5  10 %  2:14 min of 10:00 min at most",
        "",
        "proven not worse: 0.05 points fewer errors, at most 0.19 more (0.25 may be), p99 2 % slower, at most 7 % (10 %",
        "may be)",
        "10 % is over: proven not worse after 4,806 canary requests; the gate second-look waits for approval",
        "",
        "✓ 1% ─ ✓ 5% ─ ▶ 10% ██░░░░░░░░░░ ◇ ─ 50% ─ 100%",
        "◇ the gate second-look waits: shifter release gate approve second-look",
        "",
        "                  service1         service1a     DIFFERENCE            95 % SURE    MAY BE",
        "errors               0.67%             0.64%   -0.03 points       -0.21 to +0.19     +0.25",
        "p50                   21ms              22ms         +2.3 %         -1.1 to +5.6     +10.0",
        "p90                   58ms              57ms         -2.1 %         -6.0 to +2.4     +10.0",
        "p99                  143ms             148ms         +3.5 %        -6.2 to +14.9     +10.0",
        "",
        "takes it back   ██░░░░░░░░░░░░░░░░░░      1.6  of 100",
        "  from errors   ███░░░░░░░░░░░░░░░░░      2.4  of 100",
        "  from latency  ░░░░░░░░░░░░░░░░░░░░      0.8  of 100",
        "brakes it       ███░░░░░░░░░░░░░░░░░      2.0  of 100",
        "",
        "exposure  4,806 requests, 31 failed (0.65%), 0.4 in excess, 500 may be",
        "healthy   service1 4 of 4, service1a 2 of 2",
        "failed    /service/1/pay 33, /service/1/cart 4",
        "told      slack hooks.slack.com: 6 delivered, 0 waiting, 0 refused",
        "not told  webhook ci.example: 4 delivered, 2 waiting, 0 refused; no answer in 10 s",
        "check     queue length: is 212.5, bad 1 of 3 times",
        "",
        "02:19:20  gate waiting   5 % -> 10 %  10 % is over: proven not worse after 4,806 canary requests; the gate se…",
        "02:16:20  step           1 % -> 5 %  1 % is over: proven not worse after 1,204 canary requests",
        "02:14:20  step           0 % -> 1 %  all is well before the first step",
        "02:13:20  started        started with 5 steps  by ann: the new cart",
        "",
        "shifter release promote|pause|brake|abort checkout-2026-11",
    ]


@given(st.sampled_from(KINDS), st.integers(24, 200), st.integers(3, 60))
def test_it_fits_into_the_terminal(kind: str, width: int, height: int) -> None:
    lines = screen(SCENES[kind], story(SCENES[kind]), width, height, lost="gone", colour=False)
    assert len(lines) < height
    assert [line for line in lines if len(line) > width] == []


@pytest.mark.parametrize("kind", KINDS)
def test_colour_says_nothing_of_its_own(kind: str) -> None:
    told = differing(SCENES[kind])
    plain, coloured = (screen(told, story(told), 120, 50, lost="gone", colour=colour) for colour in (False, True))
    assert "\x1b" not in "".join(plain)
    assert [re.sub("\x1b\\[[0-9;]*m", "", line) for line in coloured] == plain


def test_what_explains_a_state_comes_first() -> None:
    for kind, wanted in (("rolled back", "reason"), ("braked", "reason"), ("observing", "verdict"), ("paused", "verdict")):
        assert screen(SCENES[kind], [], 200, 40, colour=False)[4] == SCENES[kind][wanted]


def test_harmful_names_reach_no_terminal() -> None:
    told = hostile(release("observing", seconds=3))
    shown = screen(told, story(told), 200, 60, colour=False)
    assert all(line.isprintable() for line in [*shown, standing(told), happened(story(told)[-1])])


def test_what_copies_showed() -> None:
    lines = screen(differing(SCENES["observing"]), [], 100, 10_000, colour=False)
    at = lines.index("copies    511 compared, 52 differ (10.2%), noise 7")
    assert lines[at + 1 : at + 4] == [
        "          /service/1/cart: 3 in status, 1 in headers, 48 in body, of 412",
        "            $.total: 12.5 -> 12.50 (31 times)",
        "            $.items[].sku: missing (17 times)",
    ]
    assert not any("/service/1/pay:" in line for line in lines)  # where nothing differs
    shorter = screen(differing(SCENES["observing"]), [], 100, 60, colour=False)
    assert [line in shorter for line in lines[at + 1 : at + 4]] == [True, True, False]


def test_a_long_row_of_steps_is_cut_around_the_current_one() -> None:
    lines = screen(SCENES["observing"], [], 34, 60, colour=False)
    assert "… ▶ 10% ██░░░░░░░░░░ ◇ ─ 50% …" in lines


def test_one_line_each() -> None:
    told = release("rolled back")
    assert standing(told) == f"02:20:20  checkout-2026-11 is rolled back, step 3 of 5, 0 %: {told['reason']}"
    assert happened(story(release("paused"))[-1]) == "02:19:20  paused         paused by ann: lunch"


def test_of_one_that_is_long_gone_the_story_is_kept() -> None:
    told = forgotten(SCENES["rolled back"])
    lines = screen(told, story(SCENES["rolled back"])[:1], 100, 40, colour=False)
    assert lines[2] == "step 3  0 %  started 02:13:20"
    assert lines[4] == told["reason"]
    assert lines[6].endswith("started with 5 steps  by ann: the new cart")
    assert len(lines) == 7
    assert standing(told) == f"checkout-2026-11 is rolled back, step 3, 0 %: {told['reason']}"


def test_the_interval() -> None:
    assert interval(0.0, -1.0, 1.0, 2.0, 21) == "·······━━━●━━━··┊····"
    line = interval(4.1, 2.2, 6.3, 0.25)
    assert line.index("┊") < line.index("━") < line.index("●")
    assert len(interval(1e9, -1e9, 1e9, 0.1)) == 25
    assert interval(None, 0.0, 0.0, None, 5) == "··│··"


def test_the_gauge() -> None:
    assert [gauge(value, 100, 4) for value in (0.0, 1.0, 10.0, 99.9, 100.0, 1e9)] == ["░░░░", "░░░░", "██░░", "███░", "████", "████"]


def test_words() -> None:
    assert [weight(value) for value in (0, 0.01, 33.3333, 100.0)] == ["0 %", "0.01 %", "33.3333 %", "100 %"]
    assert [span(value) for value in (-1, 59.9, 60, 3599, 3600, 90000)] == ["0 s", "59 s", "1:00 min", "59:59 min", "1:00 h", "25:00 h"]
