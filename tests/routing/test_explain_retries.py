"""What is told of a request's time and retries."""

import json

import pytest

from shifter.model.address import SocketAddress
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.retry import HedgePolicy, RetryPolicy
from shifter.model.route import (
    HeaderMatcher,
    PathMatchKind,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    StringMatcher,
    StringMatchKind,
    VirtualHost,
    WeightedCluster,
)
from shifter.routing.explain import explain
from shifter.routing.explain_question import Scene, question
from shifter.routing.explain_retries import Tries, tries_of
from shifter.routing.explain_text import page
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead
from tests.support.listeners import http_listener

POLICY = RetryPolicy(frozenset(("reset", "5xx")), num_retries=2, per_try_timeout=1.0)
GETS = HeaderMatcher(b":method", StringMatcher(StringMatchKind.EXACT, b"GET"))


def tries(retry: RetryPolicy | None, block: bytes = b"", method: bytes = b"GET", hedge: bool = False) -> Tries:
    action = RouteAction((WeightedCluster("c", 1),), retry=retry, hedge=HedgePolicy(hedge))
    return tries_of(action, 5.0, RequestHead(method, b"/", b"h", block), Runtime())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (tries(None), Tries(5.0, 0.0, 5.0, 0, ())),
        (tries(POLICY), Tries(5.0, 1.0, 1.0, 2, ("5xx", "reset"))),
        (tries(POLICY, hedge=True), Tries(5.0, 1.0, 5.0, 2, ("5xx", "reset"))),
        (tries(RetryPolicy(num_retries=2)), Tries(5.0, 0.0, 5.0, 0, ())),
        (tries(POLICY, b"\r\nx-envoy-max-retries: 0"), Tries(5.0, 1.0, 1.0, 0, ())),
        (tries(POLICY, b"\r\nx-envoy-upstream-rq-timeout-ms: 500"), Tries(0.5, 0.0, 0.5, 2, ("5xx", "reset"))),
        (tries(None, b"\r\nx-envoy-retry-on: connect-failure"), Tries(5.0, 0.0, 5.0, 1, ("connect-failure",))),
        (tries(RetryPolicy(frozenset(("5xx",)), retriable_request_headers=(GETS,)), method=b"POST"), Tries(5.0, 0.0, 5.0, 0, ())),
    ],
)
def test_tries(said: Tries, expected: Tries) -> None:
    assert said == expected


def test_an_explanation_tells_of_them() -> None:
    route = Route(RouteMatch(PathMatchKind.PREFIX, b"/"), RouteAction((WeightedCluster("c", 1),), retry=POLICY))
    manager = HttpConnectionManager("in", RouteConfiguration(virtual_hosts=(VirtualHost("all", (b"*",), (route,)),)))
    told = explain(
        Scene(manager, Runtime(), http_listener("front", SocketAddress("127.0.0.1", 8000), manager), None), question("http://h/")
    )
    assert page(told, as_json=False).splitlines()[-3:] == ["timeout       15 s", "a try         1 s", "retries       2, for 5xx, reset"]
    way = json.loads(page(told, as_json=True))["matched"][0]
    assert (way["timeout"], way["per_try_timeout"], way["retries"], way["retry_on"]) == (15.0, 1.0, 2, ["5xx", "reset"])
