"""Figures that came over ``/events``, added up."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shifter.cli.figures import KEPT, Figures, events, printable

HELLO = {"version": "1.2.3", "started": 900.0, "now": 1000.0, "boot": "b", "bounds": [1.0, 10.0, 100.0]}
ROUTE = {
    "number": 1,
    "name": "",
    "match": "prefix /",
    "to": [{"cluster": "a", "weight": 1, "share": 0.25}, {"cluster": "b", "weight": 3, "share": 0.75}],
}
TCP = {"kind": "tcp", "to": [{"cluster": "b", "weight": 1, "share": 0.5}, {"cluster": "c", "weight": 1, "share": 0.5}]}
CHAINS = [{"kind": "http", "hosts": [{"name": "all", "routes": [ROUTE, {**ROUTE, "to": ROUTE["to"][:1]}]}]}, TCP]  # type: ignore[index]
TOPOLOGY = {"listeners": [{"name": "front", "chains": CHAINS}], "clusters": {"b": {}, "a": {}, "c": {}, "d": {}}}
CLUSTERS = {name: {"active": 1, "pending": 0, "cx": 2, "healthy": 1, "members": 2, "endpoints": {}} for name in "abcd"}


def figures(*frames: dict[str, Any]) -> Figures:
    found = Figures()
    found.take("hello", HELLO)
    found.take("state", {"state": "LIVE", "version": 7, "problems": ["x\x1b[31m"]})
    found.take("topology", TOPOLOGY)
    found.take("clusters", CLUSTERS)
    for number, frame in enumerate(frames, 1):
        found.take("figures", {"t": 1000.0 + number, "seconds": 1.0, **frame})
    return found


def test_rows_are_weighted_routes_and_then_the_rest() -> None:
    rows = figures().rows(2)
    assert [(row.route, row.cluster, row.weight) for row in rows] == [
        ("all: prefix /", "a", 1),
        ("all: prefix /", "b", 3),
        ("front (TCP)", "b", 1),
        ("front (TCP)", "c", 1),
        ("", "d", None),
    ]
    assert rows[0].rps is None


def test_what_came_in_the_last_seconds_is_added_up() -> None:
    busy = {"clusters": {"a": {"rq": 4, "e5": 1, "h": [1, 4], "active": 9, "healthy": 2}}, "managers": {"front x": {"rq": 10, "e5": 5}}}
    found = figures(busy, busy, busy)
    [row] = [row for row in found.rows(2, 4) if row.cluster == "a"]
    assert (row.rps, row.errors, row.active, row.healthy, row.members) == (4, 0.25, 9, 2, 2)
    assert (row.p50, row.p90) == (5.5, 9.1)
    assert row.trend == (None, None, None, 4)
    assert found.total(2) == (10, 0.5)
    assert found.rows(2)[-1].rps == 0


def test_tcp_counts_connections() -> None:
    [row] = [row for row in figures({"clusters": {"c": {"cx_new": 3}}}).rows(1) if row.cluster == "c"]
    assert row.rps == 3


def test_a_long_stretch_is_all_of_the_trend_that_it_covers() -> None:
    found = figures({"t": 1030.0, "seconds": 30.0, "clusters": {"a": {"rq": 30}}})
    assert found.rows(1, 6)[0].trend == (None, None, None, 1, 1, 1)


def test_what_is_old_is_forgotten() -> None:
    found = figures({}, {"t": 1001 + KEPT})
    assert found.total(10 * KEPT) == (0, None)
    assert len(found._frames) == 2
    found.take("figures", {"t": 1002.5 + KEPT, "seconds": 1.0})
    assert len(found._frames) == 2


def test_nothing_that_a_terminal_would_act_upon() -> None:
    assert figures().problems == ("x?[31m",)
    assert printable("é\n\t\x9b") == "é???"


@given(st.lists(st.tuples(st.sampled_from(["hello", "figures"]), st.dictionaries(st.text(), st.integers())), max_size=5))
def test_events_by_their_lines(told: list[tuple[str, dict[str, int]]]) -> None:
    text = ": a comment\nretry: 2000\n\n" + "".join(
        f"id: x-{number}\nevent: {name}\ndata: {json.dumps(data)}\n\n" for number, (name, data) in enumerate(told)
    )
    found = [(name, json.loads(data), identity) for name, data, identity in events(text.encode().splitlines(keepends=True))]
    assert found == [(name, data, f"x-{number}") for number, (name, data) in enumerate(told)]
