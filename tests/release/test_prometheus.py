"""Figures of a Prometheus server, and what they say against a release."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from shifter.model.release import PrometheusCheck
from shifter.release.http import HttpAnswer
from shifter.release.prometheus import Check, NoFigure, figure_of, query_url
from tests.support.outreach import WALL, FakeHttp, sender

QUERY = 'sum(rate(errors{job="a"}[1m])) / 2'


def scalar(figure: str) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": "scalar", "result": [1.0, figure]}}).encode()


def vector(*figures: str) -> bytes:
    result = [{"metric": {"job": "a"}, "value": [1.0, figure]} for figure in figures]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


@given(st.text(min_size=1, max_size=50))
def test_any_query_arrives_as_it_was_written(query: str) -> None:
    url = urlsplit(query_url("https://prometheus.example/base/?tenant=a", query))
    assert (url.netloc, url.path) == ("prometheus.example", "/base/api/v1/query")
    assert parse_qs(url.query, keep_blank_values=True) == {"tenant": ["a"], "query": [query]}


@given(st.floats(allow_nan=False))
def test_figures(figure: float) -> None:
    assert figure_of(200, scalar(str(figure))) == figure_of(200, vector(str(figure))) == figure


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, vector(), "no result"),
        (200, vector("1", "2"), "2 results"),
        (200, scalar("NaN"), "NaN"),
        (200, scalar("much"), "no answer of Prometheus"),
        (200, b"<html>", "no answer of Prometheus"),
        (200, b"[" * 60_000, "no answer of Prometheus"),
        (200, b"[]", "no answer of Prometheus"),
        (503, b"busy", "HTTP 503"),
        (401, b"", "HTTP 401"),
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error"}', "the query failed: parse error"),
        (200, b'{"status":"success","data":{"resultType":"matrix","result":[]}}', "a matrix"),
    ],
)
def test_what_is_no_figure(status: int, body: bytes, why: str) -> None:
    with pytest.raises(NoFigure, match=why):
        figure_of(status, body)


@given(st.integers(200, 599), st.binary(max_size=60) | st.recursive(st.none() | st.text(max_size=5), lambda inner: st.dictionaries(
    st.sampled_from(("status", "data", "resultType", "result")), inner | st.just("success") | st.lists(inner), max_size=4
)).map(lambda said: json.dumps(said).encode()))  # fmt: skip
def test_any_answer_is_a_figure_or_none(status: int, body: bytes) -> None:
    try:
        figure_of(status, body)
    except NoFigure as error:
        assert str(error)


class Scene:
    """A check that is asked every 60 s."""

    def __init__(self, **changes: object) -> None:
        self.http, self.clock = FakeHttp(), Clock()
        said = {"url": "http://prometheus.example", "query": QUERY, "max": 0.2, "name": "errors", **changes}
        self.check = Check(PrometheusCheck(**said), sender(self.http, self.clock))  # type: ignore[arg-type]

    def answer(self, *figures: str) -> None:
        for figure in figures:
            self.http.sent[-1].reply(200, scalar(figure))
            self.clock.advance(60.0)


def test_so_many_bad_figures_in_a_row_speak_against_it() -> None:
    scene = Scene()
    scene.answer("0.3", "0.4", "0.1", "0.25", "0.3")
    assert scene.check.objection == ""
    scene.answer("0.31")
    assert scene.check.objection == "the check `errors` gave 0.25, 0.3 and 0.31, 3 times in a row, and may be 0.2 at most"
    scene.answer("0.2")
    assert scene.check.objection == ""
    assert len(scene.http.sent) == 8
    scene.check.close()
    assert not scene.clock.getDelayedCalls()


def test_too_little_is_bad_too() -> None:
    scene = Scene(max=None, min=5.0, failures=1, name="")
    scene.answer("4")
    assert scene.check.objection == f"the check `{QUERY}` gave 4, and must be 5 at least"
    scene.check.close()


def test_no_figure_changes_nothing_and_is_told() -> None:
    scene = Scene(failures=2)
    scene.answer("0.3")
    for answer in (OSError("the connection was refused"), HttpAnswer(200, vector()), HttpAnswer(200, scalar("NaN")), HttpAnswer(502)):
        scene.http.answers = lambda sent, answer=answer: answer  # type: ignore[misc]
        scene.http.sent[-1].answer.called or scene.http.sent[-1].reply(502)
        scene.clock.advance(60.0)
        assert scene.check.problem
        assert scene.check.objection == ""
        assert scene.check.to_dict()["bad"] == 1
    scene.http.answers = lambda sent: HttpAnswer(200, scalar("inf"))
    scene.clock.advance(60.0)
    assert scene.check.objection == "the check `errors` gave 0.3 and inf, 2 times in a row, and may be 0.2 at most"
    assert scene.check.problem == ""
    scene.check.close()


def test_no_two_questions_of_one_check_are_under_way() -> None:
    scene = Scene(timeout=7.0)
    scene.clock.advance(600.0)
    (sent,) = scene.http.sent
    assert (sent.method, sent.timeout) == ("GET", 7.0)
    scene.check.close()
    assert scene.http.cancelled == 1
    assert not scene.clock.getDelayedCalls()


def test_what_people_see() -> None:
    scene = Scene()
    scene.answer("0.3")
    assert scene.check.to_dict() == {
        "name": "errors",
        "server": "prometheus.example",
        "min": None,
        "max": 0.2,
        "every": 60.0,
        "failures": 3,
        "value": 0.3,
        "at": WALL,
        "bad": 1,
        "problem": "",
    }
    scene.check.close()
