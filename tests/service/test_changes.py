"""What changes between two configurations, in words."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.model.address import SocketAddress
from shifter.model.bootstrap import Bootstrap
from shifter.model.http_connection_manager import HttpConnectionManager
from shifter.model.listener import FilterChain, Listener, with_managers
from shifter.model.route import RouteAction, RouteConfiguration
from shifter.model.tcp_proxy import TcpCluster, TcpProxy
from shifter.service.changes import changes
from tests.support.configs import GOOD, NAME

HELLO = "              - match:\n                  path: /hello\n"
OLD_ROUTE = "              - match:\n                  prefix: /old\n                redirect:\n                  path_redirect: /new\n"
ROUTE_1A = "                  cluster: service1a\n"
BACKEND = '            - name: backend\n              domains: ["*"]\n'
LAST_CLUSTER = GOOD[GOOD.rindex("  - name: service1a\n") : GOOD.index("admin:")]

# What is replaced, by what, and the lines that say so.
CHANGES = {
    "nothing": [("", "", [])],
    "a comment": [("admin:", "# a comment\nadmin:", [])],
    "weights": [
        ("weight: 25", "weight: 30", []),
        ("weight: 75", "weight: 70", ["~ route prefix /service/1: service1a 25 % -> 30 %, service1 75 % -> 70 %"]),
    ],
    "the same shares": [
        ("weight: 25", "weight: 250", []),
        ("weight: 75", "weight: 750", ["~ route prefix /service/1: weights 25:75 -> 250:750, the same shares"]),
    ],
    "a small share": [
        ("weight: 25", "weight: 1", []),
        ("weight: 75", "weight: 9999", ["~ route prefix /service/1: service1a 25 % -> 0.01 %, service1 75 % -> 99.99 %"]),
    ],
    "an entry": [
        (
            "weight: 75\n",
            "weight: 75\n                    - {name: service1b, weight: 100}\n",
            [
                "+ cluster service1b",
                "~ route prefix /service/1: service1a 25 % -> 12.5 %, service1 75 % -> 37.5 %, service1b 0 % -> 50 %",
            ],
        ),
        (LAST_CLUSTER, LAST_CLUSTER + LAST_CLUSTER.replace("service1a", "service1b"), []),
    ],
    "another cluster": [
        (ROUTE_1A, ROUTE_1A.replace("1a", "1"), ["~ route prefix /service/1 (x-canary-version = service1a): cluster service1a -> service1"])
    ],
    "a timeout": [
        (
            ROUTE_1A,
            ROUTE_1A + "                  timeout: 2.5s\n",
            ["~ route prefix /service/1 (x-canary-version = service1a): timeout 15 -> 2.5"],
        )
    ],
    "a new route": [
        (
            HELLO,
            "              - {match: {safe_regex: {regex: '/x+'}}, redirect: {host_redirect: a.test}}\n" + HELLO,
            ["+ route safe_regex /x+ -> redirect 301"],
        )
    ],
    "a route gone": [(OLD_ROUTE, "", ["- route prefix /old"])],
    "another action": [
        (
            "redirect:\n                  path_redirect: /new\n",
            "route: {cluster: service1}\n",
            ["~ route prefix /old: redirect 301 -> service1"],
        )
    ],
    "a named route": [
        (OLD_ROUTE, OLD_ROUTE.replace("- match", "- name: moved\n                match"), ["~ route moved: name none -> moved"])
    ],
    "another match": [
        (
            "exact: service1a",
            "prefix: service",
            [
                "+ route prefix /service/1 (x-canary-version ^= service) -> service1a",
                "- route prefix /service/1 (x-canary-version = service1a)",
            ],
        )
    ],
    "another order": [
        (OLD_ROUTE, "", []),
        (
            "          http_filters:",
            OLD_ROUTE + "          http_filters:",
            ["~ virtual host backend: its routes are asked in another order"],
        ),
    ],
    "headers of a route": [
        (
            OLD_ROUTE,
            OLD_ROUTE + "                response_headers_to_remove: [x-a]\n",
            ["~ route prefix /old: headers.response_remove none -> x-a"],
        )
    ],
    "domains": [('["*"]', "[a.test, b.test]", ["~ virtual host backend: domains * -> a.test, b.test"])],
    "a virtual host": [
        (BACKEND, "            - {name: api, domains: [api.test], routes: []}\n" + BACKEND, ["+ virtual host api (api.test)"])
    ],
    "a route of one of two hosts": [
        (OLD_ROUTE, "", []),
        (
            BACKEND,
            "            - {name: api, domains: [api.test], routes: []}\n" + BACKEND,
            [
                "+ virtual host api (api.test)",
                "- route prefix /old in backend",
            ],
        ),
    ],
    "a cluster": [("connect_timeout: 0.25s", "connect_timeout: 1s", ["~ cluster service1: connect_timeout 0.25 -> 1"])],
    "endpoints": [("address: 127.0.0.2", "address: 127.0.0.3", ["~ cluster service1a: + 127.0.0.3:80, - 127.0.0.2:80"])],
    "a setting": [("codec_type: AUTO", "stream_idle_timeout: 5s", ["~ listener front: stream_idle_timeout 300 -> 5"])],
    "another port": [
        ("port_value: 8000", "port_value: 8002", ["+ listener front on 127.0.0.1:8002", "- listener front on 127.0.0.1:8000"])
    ],
    "the admin address": [("port_value: 8001", "port_value: 8003", ["~ admin.address.port 8001 -> 8003"])],
}


def bootstrap(text: str) -> Bootstrap:
    loaded = load(text, NAME)
    assert loaded.bootstrap is not None, loaded.problems
    return loaded.bootstrap


@pytest.mark.parametrize("replacements", CHANGES.values(), ids=CHANGES)
def test_in_words(replacements: list[tuple[str, str, list[str]]]) -> None:
    text, lines = GOOD, []
    for old, new, told in replacements:
        assert old in text
        text = text.replace(old, new, 1)
        lines += told
    assert sorted(changes(bootstrap(GOOD), bootstrap(text))) == sorted(lines)


WEIGHTS = st.lists(st.integers(0, 100_000), min_size=2, max_size=2).filter(any)


@given(WEIGHTS, WEIGHTS)
def test_a_line_for_shares_that_differ(before: list[int], after: list[int]) -> None:
    good = bootstrap(GOOD)
    [listener] = good.listeners
    routes = next(listener.managers).route_config
    [host] = routes.virtual_hosts
    action = host.routes[1].action
    assert isinstance(action, RouteAction)

    def weighted(weights: list[int]) -> Bootstrap:
        clusters = tuple(replace(entry, weight=weight) for entry, weight in zip(action.clusters, weights, strict=True))
        route = replace(host.routes[1], action=replace(action, clusters=clusters))
        changed = replace(routes, virtual_hosts=(replace(host, routes=(host.routes[0], route, *host.routes[2:])),))
        return replace(good, listeners=(with_managers(listener, lambda manager: replace(manager, route_config=changed)),))

    lines = changes(weighted(before), weighted(after))
    assert len(lines) == (before != after)
    if before != after:
        same = before[0] * sum(after) == after[0] * sum(before)
        assert ("the same shares" in lines[0]) == same
        told = re.findall(r"([0-9.e+-]+ %) -> ([0-9.e+-]+ %)", lines[0])
        assert len(told) == (0 if same else 2) and all(was != now for was, now in told)


def test_there_and_back_name_the_same_things() -> None:
    for replacements in CHANGES.values():
        text = GOOD
        for old, new, _ in replacements:
            text = text.replace(old, new, 1)
        there, back = changes(bootstrap(GOOD), bootstrap(text)), changes(bootstrap(text), bootstrap(GOOD))
        signs = str.maketrans("+-", "-+")
        assert sorted(line[0].translate(signs) for line in there) == sorted(line[0] for line in back)


def tcp(*weights: tuple[str, int], **fields: Any) -> Bootstrap:
    proxy = TcpProxy("db", tuple(TcpCluster(*one) for one in weights), **fields)
    return Bootstrap((Listener("ports", SocketAddress("127.0.0.1", 5432), (FilterChain(proxy),)),))


def test_weights_of_a_tcp_proxy_are_told_as_shares() -> None:
    before = tcp(("old", 90), ("new", 10))
    said = "~ TCP proxy db of listener ports: "
    assert changes(before, tcp(("old", 50), ("new", 50))) == [said + "old 90 % -> 50 %, new 10 % -> 50 %"]
    assert changes(before, tcp(("old", 9), ("new", 1), idle_timeout=60.0)) == [
        said + "weights 90:10 -> 9:1, the same shares, idle_timeout 3600 -> 60"
    ]
    assert changes(tcp(("old", 1)), tcp(("new", 1))) == [said + "cluster old -> new"]
    assert changes(tcp(("old", 1), ("new", 1)), tcp(("new", 1), ("old", 1))) == [said + "the order of its clusters"]
    assert changes(before, before) == []


def test_a_chain_that_speaks_http_now() -> None:
    before = tcp(("old", 1))
    after = with_filter(before, HttpConnectionManager("http", RouteConfiguration()))
    assert changes(before, after) == ["~ listener ports: TcpProxy -> HttpConnectionManager"]


def with_filter(bootstrap: Bootstrap, manager: HttpConnectionManager) -> Bootstrap:
    [listener] = bootstrap.listeners
    return replace(bootstrap, listeners=(replace(listener, filter_chains=(FilterChain(manager),)),))
