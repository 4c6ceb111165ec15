"""How many requests there are before a release begins."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from shifter.service.release_rates import ENOUGH, WATCHED, Rates
from tests.support.releases import spec


@pytest.mark.parametrize(
    ("requests", "failed", "told"),
    [(100, 7, (50.0, 0.07)), (ENOUGH - 1, 7, ((ENOUGH - 1) / WATCHED, None)), (0, 0, (None, None))],
)
def test_requests_of_both_versions_are_counted_for_a_while(requests: int, failed: int, told: object) -> None:
    clock = Clock()
    codes = {"old": Counter({200: 5000, 503: 9}), "new": Counter({200: 3})}
    plane: Any = SimpleNamespace(codes=lambda name: dict(codes[name]))
    found: list[object] = []
    Rates(clock, clock.seconds, plane).of(spec()).addCallback(found.append)
    codes["old"][200] += requests - failed
    codes["old"][503] += failed - failed // 2
    codes["new"][0] += failed // 2
    assert found == []
    clock.advance(WATCHED)
    assert found == [told]
