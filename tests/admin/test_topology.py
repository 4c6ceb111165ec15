"""What the live page's picture is made of."""

import json
from pathlib import Path

from shifter.admin.topology import topology
from shifter.model.bootstrap import Bootstrap, RuntimeLayer, Snapshot
from shifter.service.sources import FileSource
from tests.support.configs import HCM_TYPE, ROUTER_TYPE
from tests.support.programs import ROOT


def test_the_tutorials_configuration() -> None:
    candidate = FileSource(str(ROOT / "etc/front.yaml")).read()
    assert candidate.bootstrap is not None
    pieces = list(topology(Snapshot(7, candidate.bootstrap, "etc/front.yaml", {}), 12.5))
    told = json.loads("".join(pieces))
    assert (told["version"], told["source"], told["taken"]) == (7, "etc/front.yaml", 12.5)
    [listener] = told["listeners"]
    [chain] = listener["chains"]
    assert (listener["name"], listener["address"], chain["kind"], chain["stat_prefix"], chain["tls"]) == (
        *("front", "0.0.0.0:8000", "http", "ingress_http", False),
    )
    [host] = chain["hosts"]
    assert [
        (route["number"], route["match"], [(one["cluster"], one["weight"], one["share"]) for one in route["to"]])
        for route in host["routes"]
    ] == [
        (1, 'prefix /service/1, x-canary-version is "service1a"', [("service1a", 1, 1.0)]),
        (2, "prefix /service/1", [("service1a", 25, 0.25), ("service1", 75, 0.75)]),
        (3, "prefix /service/2", [("service2", 1, 1.0)]),
    ]
    assert set(told["clusters"]) == {"service1", "service1a", "service2"}
    assert len(pieces) > 8  # so that a large one is made a little at a time


def test_tcp_proxies() -> None:
    candidate = FileSource(str(ROOT / "etc/tcp.yaml")).read()
    assert candidate.bootstrap is not None
    told = json.loads("".join(topology(Snapshot(1, candidate.bootstrap), 0)))
    chains = [chain for listener in told["listeners"] for chain in listener["chains"]]
    assert {chain["kind"] for chain in chains} == {"tcp"}
    assert all(sum(entry["share"] for entry in chain["to"]) == 1 for chain in chains)


def test_nothing_is_a_picture_too() -> None:
    assert json.loads("".join(topology(Snapshot(1, Bootstrap()), 0)))["listeners"] == []


def test_weights_that_runtime_has_answers_and_copies(tmp_path: Path) -> None:
    weighted = {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}], "runtime_key_prefix": "r"}
    mirror = [{"cluster": "a"}]
    routes = [
        {"name": "main", "match": {"prefix": "/w"}, "route": {"weighted_clusters": weighted, "request_mirror_policies": mirror}},
        {"match": {"prefix": "/r"}, "redirect": {"path_redirect": "/w"}},
        {"match": {"prefix": "/h"}, "route": {"cluster_header": "x-cluster"}},
    ]
    typed = {
        "@type": HCM_TYPE,
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER_TYPE}}],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": typed}]
    listener = {"name": "l", "address": {"socket_address": {"address": "::", "port_value": 0}}, "filter_chains": [{"filters": filters}]}
    clusters = [{"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": []}} for name in "ab"]
    path = tmp_path / "front.json"
    path.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": clusters}}))
    candidate = FileSource(str(path)).read()
    assert candidate.bootstrap is not None, candidate.problems
    layers = (RuntimeLayer("admin", {"r.a": 3}),)
    told = json.loads("".join(topology(Snapshot(1, Bootstrap(candidate.bootstrap.listeners, runtime=layers)), 0)))
    main, redirect, header = told["listeners"][0]["chains"][0]["hosts"][0]["routes"]
    assert [(entry["cluster"], entry["weight"], entry["share"]) for entry in main["to"]] == [("a", 3, 0.75), ("b", 1, 0.25)]
    assert (main["name"], main["copies"]) == ("main", ["a"])
    assert (redirect["answer"], redirect["to"]) == ("redirect 301", [])
    assert header["answer"] == "cluster named by x-cluster"
