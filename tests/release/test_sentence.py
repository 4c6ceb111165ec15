"""Verdicts in words."""

from dataclasses import replace

import pytest

from shifter.release.evidence import Metric
from shifter.release.sentence import Seen, duration, milliseconds, number, points, rate, say

P50 = Metric("p50", "ms", 80.0, 104.2, 30.0, 20.0, 40.0, 10.0)
SEEN = Seen(
    unit="request",
    units=(3930, 437),
    failed=(39, 21),
    period="",
    sent=(3930, 437),
    chance=1.0,
    sudden=False,
    threshold=100.0,
    by_latency=False,
    late=((360, 40), (2, 1)),
    bound=451.2,
    quantiles=(P50, replace(P50, name="p99", baseline=None)),
    margins=(0.005, 0.03),
    warming=0.0,
    braked=False,
    by_hand=False,
    proven=False,
    needed=430,
    rate=6.0,
    shared=True,
)
FAILS = "canary fails 4.8 % of requests, baseline 1.0 %: 21 of 437 against 39 of 3,930"


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (replace(SEEN, chance=5.0, sudden=True), f"{FAILS}; it would be enough for a roll-back, but came within seconds"),
        (SEEN, "no difference seen - about 430 more canary requests (72 s) until this step can be called"),
        (replace(SEEN, needed=1, rate=0.0), "no difference seen - about 1 more canary request until this step can be called"),
        (replace(SEEN, needed=None), f"no difference seen: {FAILS}; nobody can say yet when this step can be called"),
        (replace(SEEN, chance=12_345.6), f"{FAILS}; a difference like this comes by chance less than once in 12,000 releases"),
        (
            replace(SEEN, chance=150.0, by_latency=True),
            "canary is slower: p50 104 ms against 80 ms over 437 and 3,930 requests; "
            "a difference like this comes by chance less than once in 150 releases",
        ),
        (
            replace(SEEN, chance=9.0),
            f"the canary may be worse: {FAILS}; a difference like this comes by chance less than once in 9 releases, 100 are needed"
            " - about 430 more canary requests (72 s)",
        ),
        (replace(SEEN, chance=9.0, by_latency=True, quantiles=()), "the canary may be worse: canary is slower; "),
        (
            replace(SEEN, proven=True),
            f"proven not worse: {FAILS}; it does not fail 0.5 points more often, and less than 3 % more of its requests are slow",
        ),
        (replace(SEEN, proven=True, margins=(0.005, 0.0)), f"proven not worse: {FAILS}; it does not fail 0.5 points more often"),
        (replace(SEEN, warming=41.0), f"warming up for another 41 s, only a catastrophe counts: {FAILS}"),
        (replace(SEEN, braked=True), f"braked: {FAILS}; whether it goes on depends on what comes now"),
        (replace(SEEN, braked=True, by_hand=True), f"braked: {FAILS}; it stays so until it is resumed"),
        (
            replace(SEEN, braked=True, by_latency=True),
            "braked: canary is slower: p50 104 ms against 80 ms over 437 and 3,930 requests; whether it goes on depends on what comes now",
        ),
        (
            replace(SEEN, sudden=True, by_latency=True, late=((360, 40), (2, 37))),
            "canary is slower: 37 of its last 40 requests took longer than 451 ms, 2 of 360 of the baseline's;"
            " it would be enough for a roll-back, but came within seconds",
        ),
        (
            replace(SEEN, chance=150.0, by_latency=True, late=((360, 40), (2, 37)), quantiles=(replace(P50, canary=81.0),)),
            "canary is slower: 37 of its last 40 requests took longer than 451 ms, 2 of 360 of the baseline's;"
            " a difference like this comes by chance less than once in 150 releases",
        ),
        (
            replace(SEEN, proven=True, units=(1, 0), failed=(0, 0)),
            "proven not worse: it does not fail 0.5 points more often, and less than 3 % more of its requests are slow",
        ),
        (replace(SEEN, sent=(100, 0), shared=False), "nothing to compare with: the canary gets no requests"),
        (replace(SEEN, sent=(0, 100), shared=False), "nothing to compare with: the baseline gets no requests"),
        (replace(SEEN, sent=(0, 0), shared=False), "no requests: nothing to judge"),
        (replace(SEEN, sent=(100, 0)), "too little traffic so far: 0 canary requests and 100 of the baseline's in this step"),
        (replace(SEEN, units=(0, 0), failed=(0, 0)), "no answers yet: nothing to judge"),
        (replace(SEEN, unit="user", needed=None), "no difference seen: canary fails for 4.8 % of users, baseline 1.0 %: 21 of 437 against"),
        (replace(SEEN, unit="user"), "no difference seen - about 430 more canary users until this step can be called"),
        (replace(SEEN, units=(0, 1), failed=(0, 1), needed=None), "no difference seen: canary fails 1 of 1 request, baseline 0 of 0; "),
    ],
)
def test_sentences(seen: Seen, sentence: str) -> None:
    said = say(seen)
    assert said.startswith(sentence)
    if not sentence.endswith(("; ", "against")):
        assert said == sentence


@pytest.mark.parametrize(
    ("value", "text"),
    [(7.4, "7"), (99.9, "99"), (100.0, "100"), (437.0, "430"), (12_999.0, "12,000"), (1e9, "a billion"), (1e12, "1,000 billion")],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_figures() -> None:
    assert [rate(share) for share in (0.0, 0.00031, 0.0096, 0.048, 0.5, 1.0)] == ["0 %", "0.03 %", "1.0 %", "4.8 %", "50.0 %", "100 %"]
    assert points(0.0025) == "0.25 points"
    assert [milliseconds(ms) for ms in (None, 0.05, 104.23, 1500.0)] == ["unknown", "0.05 ms", "104 ms", "1.5 s"]
    assert [duration(seconds) for seconds in (0.2, 70.0, 720.0, 9000.0, 1e6)] == ["1 s", "70 s", "12 min", "2 h", "12 days"]
