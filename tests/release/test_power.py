"""What is told before a release begins is what it takes."""

from dataclasses import replace
from math import inf
from statistics import mean

import pytest

from shifter.model.release import VerdictSettings
from shifter.release.power import least_seconds, requests_to_prove, requests_to_see_errors, requests_to_see_latency
from tests.support.judged import until_condemned

USUAL = VerdictSettings()


@pytest.mark.parametrize(("baseline", "canary"), [(0.01, 0.08), (0.001, 0.03)])
def test_errors(baseline: float, canary: float) -> None:
    settings = replace(USUAL, tolerate_blips=0.0)
    found = [until_condemned(seed, settings, failing=(baseline, canary)) for seed in range(14)]
    taken = [requests for one in found if one is not None for requests in one[1:]]
    assert len(taken) == len(found)
    assert mean(taken) == pytest.approx(requests_to_see_errors(settings, 0.1, baseline, canary), rel=0.3)


def test_latency() -> None:
    settings = replace(USUAL, tolerate_blips=0.0)
    found = [until_condemned(seed, settings, slower=1.4) for seed in range(14)]
    taken = [requests for one in found if one is not None for requests in one[1:]]
    assert len(taken) == len(found)
    assert mean(taken) == pytest.approx(requests_to_see_latency(settings, 0.1, 1.4), rel=0.3)


def test_what_is_tolerated_is_never_seen() -> None:
    assert requests_to_see_errors(USUAL, 0.1, 0.001, 0.002) == inf
    assert requests_to_see_errors(USUAL, 0.1, 0.02, 0.01) == inf
    assert requests_to_see_latency(USUAL, 0.1, 1.1) == inf
    assert requests_to_see_latency(replace(USUAL, latency=False), 0.1, 2.0) == inf


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_there_is_nothing_to_compare_with(share: float) -> None:
    assert requests_to_see_errors(USUAL, share, 0.01, 1.0) == inf
    assert requests_to_see_latency(USUAL, share, 2.0) == inf
    assert requests_to_prove(USUAL, share, 0.001) == inf


def test_less_difference_more_certainty_and_larger_shares_take_more() -> None:
    usual = requests_to_see_errors(USUAL, 0.1, 0.01, 0.03)
    assert requests_to_see_errors(USUAL, 0.1, 0.01, 0.02) > usual
    assert requests_to_see_errors(USUAL, 0.5, 0.01, 0.03) > usual
    assert requests_to_see_errors(replace(USUAL, false_roll_back=0.001), 0.1, 0.01, 0.03) > usual
    assert requests_to_see_latency(USUAL, 0.1, 1.2) > requests_to_see_latency(USUAL, 0.1, 1.3)
    assert requests_to_prove(USUAL, 0.1, 0.01) > requests_to_prove(USUAL, 0.1, 0.001)
    assert requests_to_prove(replace(USUAL, latency=False), 0.1, 0.0) <= requests_to_prove(USUAL, 0.1, 0.0)


def test_blips_take_time() -> None:
    assert least_seconds(USUAL) == 7.0
    assert least_seconds(replace(USUAL, tolerate_blips=0.0)) == 1.0
    found = until_condemned(failing=(0.001, 1.0))
    assert found is not None
    assert found[0] == 7
