"""What ``/routes/explain`` says of a request is what then happens to it."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.backend import Backend
from tests.support.proxy import Config, Proxy, bootstrap, cluster, listener, route
from tests.support.wireclient import Wire

NEW_ID = "<new id>"


def header(name: str, value: str, action: str = "APPEND_IF_EXISTS_OR_ADD") -> Config:
    return {"header": {"key": name, "value": value}, "append_action": action}


def weighted(prefix: str, *clusters: Config, **more: object) -> Config:
    return {"match": {"prefix": prefix}, "route": {"weighted_clusters": {"clusters": list(clusters), **more}}}


HASHED = weighted("/hashed", {"name": "one", "weight": 1}, {"name": "two", "weight": 1}, use_hash_policy=True)
HASHED["route"]["hash_policy"] = [{"header": {"header_name": "x-user"}}]

ROUTES: list[Config] = [
    {
        "match": {"prefix": "/canary", "headers": [{"name": "x-canary", "string_match": {"exact": "yes"}}]},
        "route": {"cluster": "two", "timeout": "3s"},
    },
    route("/canary", "one"),
    route("/strip/", "one", prefix_rewrite="/"),
    route("/host", "one", host_rewrite_literal="inside.test", append_x_forwarded_host=True),
    route("/named", "named", auto_host_rewrite=True),
    {
        "match": {"safe_regex": {"regex": "/v[0-9]+/.*"}},
        "route": {
            "cluster": "one",
            "regex_rewrite": {"pattern": {"regex": "/v([0-9]+)"}, "substitution": "/version/\\1"},
            "max_stream_duration": {"max_stream_duration": "5s"},
        },
        "request_headers_to_add": [
            header("x-path", "%REQ(:PATH)% from %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
            header("x-twice", "2"),
            header("x-once", "2", "OVERWRITE_IF_EXISTS_OR_ADD"),
        ],
        "request_headers_to_remove": ["x-secret"],
        "response_headers_to_add": [header("x-answered", "%REQ(:AUTHORITY)%")],
    },
    weighted(
        "/weighted",
        {"name": "one", "weight": 0},
        {
            "name": "two",
            "weight": 7,
            "host_rewrite_literal": "two.test",
            "request_headers_to_add": [header("x-entry", "%REQ(:AUTHORITY)%")],
        },
    ),
    weighted("/numbered", {"name": "one", "weight": 50}, {"name": "two", "weight": 50}, header_name="x-number"),
    HASHED,
    {"match": {"prefix": "/by-header"}, "route": {"cluster_header": "x-to"}},
    {"match": {"prefix": "/redirect"}, "redirect": {"host_redirect": "new.test", "prefix_rewrite": "/elsewhere", "strip_query": True}},
    {
        "match": {"path": "/answer"},
        "direct_response": {"status": 203, "body": {"inline_string": "by myself"}},
        "response_headers_to_add": [header("x-answered", "directly")],
    },
]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Backend("one") as one, Backend("two") as two, Proxy(tmp_path_factory.mktemp("explained")) as proxy:
        secure = {"name": "secure", "domains": ["secure.test"], "require_tls": "ALL", "routes": [route("/", "one")]}
        counted = {"name": "counted", "domains": ["*.counted.test"], "include_request_attempt_count": True, "routes": ROUTES}
        edge = listener(proxy.port, [], use_remote_address=True, via="shifter", append_x_forwarded_port=True, strip_any_host_port=True)
        manager = edge["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"] = {
            "name": "routes",
            "virtual_hosts": [{"name": "all", "domains": ["front.test"], "routes": ROUTES}, secure, counted],
            "request_headers_to_add": [header("x-everywhere", "%PROTOCOL% %ROUTE_NAME%")],
        }
        named = cluster("named", one.port)
        named["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = "endpoint.test"
        proxy.start(bootstrap(proxy.admin, [edge], [cluster("one", one.port), cluster("two", two.port), named]))
        yield proxy


REQUESTS: dict[str, tuple[str, str, str, list[str]]] = {
    "by a header": ("GET", "front.test", "/canary/x", ["x-canary: yes"]),
    "without it": ("GET", "front.test", "/canary/x?y=z", ["X-Other: 1", "x-canary: no"]),
    "prefix rewritten": ("GET", "front.test", "/strip/a/b?c", []),
    "host rewritten": ("GET", "front.test", "/host", ["x-forwarded-host: before.test"]),
    "host of the endpoint": ("GET", "front.test", "/named", []),
    "edited": ("GET", "front.test", "/v2/a?b=c", ["x-secret: 1", "x-twice: 1", "x-once: 1", "x-request-id: mine"]),
    "client is believed nothing": ("GET", "front.test", "/v1/", ["x-forwarded-for: 192.0.2.1", "x-envoy-internal: true", "via: 1.0 other"]),
    "path made canonical": ("GET", "front.test", "/strip//a/../%41?b//c", []),
    "port stripped": ("GET", "front.test:4711", "/host", []),
    "another method": ("DELETE", "front.test", "/canary", []),
    "all the weight": ("GET", "front.test", "/weighted", []),
    "by a number": ("GET", "front.test", "/numbered", ["x-number: 149"]),
    "by a hash": ("GET", "front.test", "/hashed", ["x-user: ann"]),
    "by another hash": ("GET", "front.test", "/hashed", ["x-user: bob"]),
    "cluster named": ("GET", "front.test", "/by-header", ["x-to: two"]),
    "attempts counted": ("GET", "a.counted.test", "/v9/", ["x-envoy-attempt-count: 7"]),
    "connection's own fields": ("GET", "front.test", "/canary", ["connection: x-mine", "x-mine: 1", "te: trailers"]),
    "redirect": ("GET", "front.test", "/redirect/a?b", []),
    "answer": ("GET", "front.test", "/answer", []),
    "tls": ("GET", "secure.test", "/a?b", []),
    "no route": ("GET", "front.test", "/nowhere", []),
    "no host": ("GET", "other.test", "/", []),
    "refused": ("GET", "front.test", "/%00", []),
    "escaped slash": ("GET", "front.test", "/a%2fb", []),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_said_is_what_happens(proxy: Proxy, name: str) -> None:
    method, host, target, fields = REQUESTS[name]
    told = explanation(proxy, f"{method} http://{host}{target}", fields)
    with Wire(proxy.port) as wire:
        answer = wire.ask(method, target, *fields, host=host)
    reply = told["answer"]
    if reply is None:
        (way,) = told["matched"]
        reply = way.get("answer")
        if reply is None:
            (candidate,) = [one for one in way["candidates"] if one["share"] == 1.0]
            seen = json.loads(answer.body)
            assert answer.status == 200
            assert candidate["cluster"] in (seen["backend"], "named")
            assert as_seen(candidate["sent"]) == (seen["method"], seen["target"], without_new_id(seen["fields"], candidate["sent"]))
            for key, value in candidate["answer_gets"]:
                assert value.encode() in answer.values(key.encode())
            return
    assert answer.status == reply["status"]
    for key, value in reply["headers"]:
        assert value.encode() in answer.values(key.encode())
    if reply["body"]:
        assert answer.body == reply["body"].encode()


def explanation(proxy: Proxy, request: str, fields: list[str]) -> Any:
    query = urlencode([("request", request), ("format", "json"), ("listener", "front"), *(("header", field) for field in fields)])
    return json.loads(proxy.page(f"/routes/explain?{query}"))


def as_seen(sent: Any) -> tuple[str, str, list[list[str]]]:
    return sent["method"], sent["path"], sorted([["host", sent["host"]], *sent["headers"]])


def without_new_id(fields: list[list[str]], sent: Any) -> list[list[str]]:
    """The fields that a backend saw, with the id that was made on the way as the explanation has it."""
    new = ["x-request-id", NEW_ID] in sent["headers"]
    return sorted([key, NEW_ID if new and key == "x-request-id" else value] for key, value in fields)
