"""What has moved: nothing is told twice, nothing is lost, whatever came when."""

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shifter.admin.moving import BOUNDS_MS, MOST_ENDPOINTS, Moving
from shifter.model.histogram import EDGES_MS
from shifter.model.report import EndpointReport
from shifter.observe.stats import ClusterStats, EndpointStats

REQUESTS = st.tuples(st.sampled_from([0, 200, 304, 404, 503]), st.floats(0, 1e4))


def told(moving: Moving) -> Any:
    return json.loads(f"{{{moving.take()}}}").get("clusters", {})


@given(st.lists(st.lists(REQUESTS, max_size=5), min_size=1, max_size=6))
def test_intervals_add_up(intervals: list[list[tuple[int, float]]]) -> None:
    moving, stats, endpoint = Moving(), ClusterStats(), EndpointStats()

    def look() -> Any:
        moving.look(stats.report("c", [endpoint.report(EndpointReport("10.0.0.1", 80))]))
        return told(moving).get("c", {})

    first = look()
    assert "rq" not in first
    sums: Counter[str] = Counter()
    for interval in intervals:
        for code, ms in interval:
            stats.codes[code] += 1
            stats.upstream_rq_time.record(ms)
            endpoint.rq_total += 1
        found = look()
        assert found.get("rq", 0) == len(interval) == sum(found.get("h", [])[1::2])
        assert found.get("e", {}) == ({"10.0.0.1:80": [len(interval), 0]} if interval else {})
        sums.update({key: found.get(key, 0) for key in ("rq", "e4", "e5", "none")})
    codes = Counter(code for interval in intervals for code, _ in interval)
    assert sums == {"rq": codes.total(), "e4": codes[404], "e5": codes[503], "none": codes[0]}


@given(st.floats(0, 1e7))
def test_a_duration_is_in_its_bin(ms: float) -> None:
    moving, stats = Moving(), ClusterStats()
    moving.look(stats.report("c"))
    moving.take()
    stats.codes[200] += 1
    stats.upstream_rq_time.record(ms)
    moving.look(stats.report("c"))
    [number, count] = told(moving)["c"]["h"]
    assert count == 1
    assert (BOUNDS_MS[number - 1] if number else -1) < ms <= (BOUNDS_MS[number] if number < len(BOUNDS_MS) else ms)
    assert set(BOUNDS_MS) <= set(EDGES_MS)


def test_a_cluster_that_is_gone_is_forgotten_and_a_new_one_begins_at_nothing() -> None:
    moving, stats = Moving(), ClusterStats()
    moving.look(stats.report("a"))
    moving.take()
    stats.codes[200] = 3
    moving.look(stats.report("b"))
    assert told(moving)["b"]["rq"] == 3
    assert set(moving.clusters) == {"b"}


def test_of_many_endpoints_those_that_are_ill_are_told_of() -> None:
    moving = Moving()
    endpoints = [EndpointReport("10.0.0.1", port, health="healthy" if port < 200 else "unhealthy") for port in range(201)]
    moving.look(ClusterStats().report("c", endpoints))
    found = told(moving)["c"]
    assert len(found["endpoints"]) == MOST_ENDPOINTS
    assert (found["healthy"], found["members"]) == (200, 201)
    assert next(iter(found["endpoints"])) == "10.0.0.1:200"
