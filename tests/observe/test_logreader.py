"""Access logs are read back as they were written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.logreader import Logged, Reading, in_order, parse

DEFAULT = '[2026-11-23T05:53:25.865Z] "GET /service/1?a=b HTTP/1.1" 503 UF 0 88 17 1 "-" "-" "08c2de34" "127.0.0.1:8000" "127.0.1.2:8090"'
AT = 1795413205.865


def test_the_default_format() -> None:
    assert parse(DEFAULT) == Logged(AT, 17.0, 503, "/service/1?a=b", "UF")


def test_a_path_may_have_anything_in_it() -> None:
    assert parse(DEFAULT.replace("/service/1?a=b", r"/a\"b")).path == r"/a\"b"
    assert parse(DEFAULT.replace("GET /service/1?a=b HTTP/1.1", "- - -")).path == "-"


@pytest.mark.parametrize(
    "data",
    [
        {"start_time": "2026-11-23T05:53:25.865Z", "duration": 17, "response_code": 503, "path": "/x", "response_flags": "UF"},
        {"time": "2026-11-23T06:53:25.865+01:00", "duration_ms": "17", "status": "503", ":path": "/x", "flags": "UF"},
        {"@timestamp": AT, "ms": 17.0, "code": 503, "uri": "/x", "flags": "UF"},
        {"ts": AT * 1000, "response_time": 17, "status_code": 503, "url": "/x", "flags": "UF"},
    ],
)
def test_json(data: dict[str, object]) -> None:
    assert parse(json.dumps(data)) == Logged(pytest.approx(AT), 17.0, 503, "/x", "UF")  # type: ignore[arg-type]


def test_what_cannot_be_read_is_told_with_its_line_and_the_rest_counts() -> None:
    reading = Reading()
    lines = [DEFAULT, "", "what?", '{"time": 1}', '{"time": 1, "status": 200}', '{"time": "x", "status": 200, "ms": 1}', '{"time', DEFAULT]
    lines += ['{"time": 1, "status": 20000, "ms": 1}', '{"time": 1, "status": true, "ms": 1}']
    assert len(list(reading.requests(lines))) == 2
    assert (reading.lines, reading.unreadable) == (10, 7)
    assert reading.told == [
        (3, "neither Envoy's default format nor JSON: 'what?'"),
        (4, "no 'response_code', nor 'status', 'code', 'status_code', 'http_status'"),
        (5, "no 'duration', nor 'duration_ms', 'ms', 'request_duration', 'response_time'"),
        (6, "no time: 'x'"),
        (7, "no JSON: '{\"time'"),
    ]


@given(st.text() | st.text().map(lambda text: "{" + text) | st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps))
def test_no_line_breaks_it(line: str) -> None:
    reading = Reading()
    assert all(isinstance(one, Logged) for one in reading.requests([line]))
    assert reading.lines == 1


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 20_000)), max_size=50))
def test_requests_come_in_the_order_in_which_they_began(began: list[tuple[float, float]]) -> None:
    written = sorted((Logged(at, ms, 200) for at, ms in began), key=lambda one: one.at + one.ms / 1e3)
    assert [one.at for one in in_order(written)] == sorted(at for at, _ in began)


def test_what_took_longer_than_the_window_comes_late_and_keeps_nothing_waiting() -> None:
    written = [Logged(float(at), 1.0, 200) for at in range(10, 100)] + [Logged(0.0, 99_000.0, 200)]
    ordered = [one.at for one in in_order(iter(written), window=5.0)]
    assert ordered[:80] == [float(at) for at in range(10, 90)]
    assert 0.0 in ordered[80:]
