"""Explanations and tables as text and as JSON."""

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, FilterChainMatch, Listener
from shifter.model.route import (
    HeaderMutations,
    HeaderValueOption,
    PathMatchKind,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.routing.explain import Explanation, Miss, explain
from shifter.routing.explain_question import ExplainError, Scene, question, scene_of
from shifter.routing.explain_text import FEW, domain_kind, fold, page, percent, table, tables_of
from shifter.routing.runtime import Runtime
from tests.support.configs import GOOD


def bootstrap() -> Bootstrap:
    found = load(GOOD, "front.yaml").bootstrap
    assert found is not None
    return found


def told(request: str, *headers: str) -> Explanation:
    asked = question(request, headers)
    return explain(scene_of(bootstrap(), asked), asked)


def test_an_explanation() -> None:
    text = page(told("GET http://localhost/service/1", "X-Canary-Version: none"), as_json=False)
    assert [line.rstrip() for line in text.splitlines()] == [
        "request       GET /service/1",
        "              host: localhost",
        "              X-Canary-Version: none",
        "listener      front on 127.0.0.1:8000                                         front.yaml:3:5",
        "virtual host  backend, by its domain * (any host)                             front.yaml:18:15",
        'not           #1: header x-canary-version is "none", not "service1a"          front.yaml:21:17',
        "route         #2: prefix /service/1                                           front.yaml:29:17",
        "to            service1a  25 %",
        "              service1   75 %",
        "by            weights",
        "sent          GET /service/1",
        "              host: localhost",
        "              x-canary-version: none",
        "              x-forwarded-proto: http",
        "              x-request-id: <new id>",
        "              x-envoy-expected-rq-timeout-ms: 15000",
        "timeout       15 s",
    ]


@pytest.mark.parametrize(
    ("request_", "lines"),
    [
        ("GET http://h/hello", ["answer        200 (direct response)", "              body of 5 bytes: hello"]),
        ("GET http://h/old?a", ["answer        301 (redirect)", "              location: http://h/new?a"]),
        ("GET http://h/", ["answer        404 (no route fits)"]),
    ],
)
def test_answers(request_: str, lines: list[str]) -> None:
    assert page(told(request_), as_json=False).splitlines()[-len(lines) :] == lines


def test_an_explanation_for_programs() -> None:
    found = json.loads(page(told("GET http://localhost/service/1"), as_json=True))
    assert found["virtual_host"] == {"name": "backend", "domain": "*", "match": "any host", "place": "front.yaml:18:15"}
    assert [(miss["number"], miss["reason"]) for miss in found["not_matched"]] == [(1, "header x-canary-version is not there")]
    (way,) = found["matched"]
    assert (way["number"], way["share"], way["decided_by"]) == (2, 1.0, "weights")
    assert [(one["cluster"], one["share"]) for one in way["candidates"]] == [("service1a", 0.25), ("service1", 0.75)]
    assert ["x-forwarded-proto", "http"] in way["candidates"][0]["sent"]["headers"]
    answer = json.loads(page(told("GET http://h/hello"), as_json=True))["matched"][0]["answer"]
    assert answer == {"status": 200, "reason": "direct response", "headers": [], "body": "hello", "share": 1.0}


def test_the_table() -> None:
    text = table(tables_of(bootstrap()), Runtime(), as_json=False)
    assert [line.rstrip() for line in text.splitlines()] == [
        "listener      front on 127.0.0.1:8000                                         front.yaml:3:5",
        "virtual host  backend: *                                                      front.yaml:18:15",
        '  #1          prefix /service/1, x-canary-version is "service1a" → service1a  front.yaml:21:17',
        "  #2          prefix /service/1 → service1a 25 %, service1 75 %               front.yaml:29:17",
        "  #3          prefix /old → redirect 301                                      front.yaml:38:17",
        "  #4          path /hello → answer 200                                        front.yaml:42:17",
    ]
    (found,) = json.loads(table(tables_of(bootstrap(), "front"), Runtime(), as_json=True))
    routes = found["virtual_hosts"][0]["routes"]
    assert [route["clusters"] for route in routes[1:3]] == [
        [{"name": "service1a", "weight": 25}, {"name": "service1", "weight": 75}],
        [],
    ]
    assert table(tables_of(Bootstrap()), Runtime(), as_json=False) == "there are no listeners\n"


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Fraction(0), "0 %"),
        (Fraction(1), "100 %"),
        (Fraction(1, 4), "25 %"),
        (Fraction(1, 3), "33.33 %"),
        (Fraction(1, 10_000), "0.01 %"),
        (Fraction(1, 2**32 - 1), "0.000000023 %"),
        (Fraction(2**32 - 2, 2**32 - 1), "99.999999977 %"),
        (Fraction(1, 800), "0.125 %"),
    ],
)
def test_percentages(share: Fraction, text: str) -> None:
    assert percent(share) == text


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_none_and_all_are_said_of_nothing_else(total: int, part: int) -> None:
    share = Fraction(min(part, total), total)
    assert (percent(share) == "0 %") is (share == 0)
    assert (percent(share) == "100 %") is (share == 1)
    assert abs(float(percent(share).removesuffix(" %")) - float(share * 100)) <= 0.01


@pytest.mark.parametrize(("domain", "kind"), [(b"*", "any host"), (b"*.a", "suffix"), (b"a.*", "prefix"), (b"a.b", "exact")])
def test_kinds_of_domains(domain: bytes, kind: str) -> None:
    assert domain_kind(domain) == kind


def misses(count: int) -> list[Miss]:
    return [
        Miss(number, Route(RouteMatch(PathMatchKind.PREFIX, b"/%d" % number), RouteAction((WeightedCluster("c", 1),))), "no", number == 7)
        for number in range(1, count + 1)
    ]


def test_few_misses_are_all_shown() -> None:
    assert list(fold(misses(FEW), b"/")) == [(miss.number, miss) for miss in misses(FEW)]
    assert len(list(fold(misses(1000), b"/", everything=True))) == 1000


@given(st.integers(FEW + 1, 400))
def test_of_many_the_nearest_are_shown_and_the_others_counted(count: int) -> None:
    found = dict(fold(misses(count), b"/12"))
    assert isinstance(found[7], Miss)  # a condition of it held
    assert count < 12 or isinstance(found[12], Miss)  # its path is the nearest
    assert sum(1 if isinstance(entry, Miss) else entry for entry in found.values()) == count
    assert len(found) <= 11


def test_clusters_that_get_different_requests_are_told_apart() -> None:
    add = HeaderMutations((HeaderValueOption(b"x-version", b"new"),))
    action = RouteAction((WeightedCluster("new", 1, add), WeightedCluster("none", 0), WeightedCluster("old", 1)))
    host = VirtualHost("all", (b"*",), (Route(RouteMatch(PathMatchKind.PREFIX, b"/"), action),))
    where = Scene(HttpConnectionManager("in", RouteConfiguration(virtual_hosts=(host,))), Runtime())
    lines = page(explain(where, question("http://h/")), as_json=False).splitlines()
    assert [line for line in lines if line.startswith("sent")] == ["sent to new   GET /", "sent to old   GET /"]
    assert [line.strip() for line in lines].count("x-version: new") == 1


def test_tcp_proxies_stand_in_the_table_with_their_shares() -> None:
    at = SocketAddress("127.0.0.1", 5432)
    several = TcpProxy("db", (TcpCluster("old", 3), TcpCluster("new", 1)))
    chains = (FilterChain(several, FilterChainMatch(server_names=("a",))), FilterChain(TcpProxy("rest", (TcpCluster("one"),))))
    tables = tables_of(Bootstrap((Listener("db", at, chains),)), "db")
    lines = [line.split() for line in table(tables, Runtime(), as_json=False).splitlines()]
    assert lines[1::2] == [
        ["tcp", "proxy", "db", "→", "old", "75", "%,", "new", "25", "%"],
        ["tcp", "proxy", "rest", "→", "one"],
    ]
    assert json.loads(table(tables, Runtime(), as_json=True))[0] == {
        "listener": "db",
        "tcp_proxy": {"stat_prefix": "db", "clusters": [{"name": "old", "weight": 3}, {"name": "new", "weight": 1}]},
    }
    with pytest.raises(ExplainError, match="no listener is named 'x'"):
        tables_of(Bootstrap((Listener("db", at, chains),)), "x")
