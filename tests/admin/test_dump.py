"""The configuration comes out in the shape of Envoy's ConfigDump."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.admin.dump import DumpError, Wanted, config_dump
from shifter.model.bootstrap import Bootstrap, Documents, Resource, Snapshot
from shifter.model.report import ClusterReport, EndpointReport

TYPE = "type.googleapis.com/"
HCM = f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTES = {"name": "local_route", "virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": []}]}
LISTENER = {
    "name": "front",
    "filter_chains": [
        {
            "filters": [
                {"name": "other", "typed_config": {"@type": f"{TYPE}other", "route_config": {"name": "not a route"}}},
                {"name": "http", "typed_config": {"@type": HCM, "stat_prefix": "ingress_http", "route_config": ROUTES}},
            ]
        }
    ],
}
CLUSTERS = [{"name": "service1", "connect_timeout": "0.250s"}, {"name": "service1a", "type": "STRICT_DNS"}]
SECRET = {"name": "pair", "tls_certificate": {"certificate_chain": {"filename": "/etc/cert"}}}
DOCUMENT = {
    "node": {"id": "front-1", "cluster": "front"},
    "static_resources": {"listeners": [LISTENER], "clusters": CLUSTERS, "secrets": [SECRET]},
}
WHEN = "2026-11-23T04:44:03.500Z"


def resource(name: str, version: str, kind: str, **fields: object) -> Resource:
    return Resource(name, version, json.dumps({"@type": f"{TYPE}{kind}", "name": name, **fields}).encode())


DISCOVERED = Documents(
    json.dumps(DOCUMENT).encode(),
    (resource("service2", "c1", "envoy.config.cluster.v3.Cluster"),),
    (resource("back", "l1", "envoy.config.listener.v3.Listener", filter_chains=LISTENER["filter_chains"]),),
    (resource("remote", "r1", "envoy.config.route.v3.RouteConfiguration"),),
    {"cds": "c1", "lds": "l1"},
)


def dump(document: object, **wanted: Any) -> list[dict[str, Any]]:
    documents = document if isinstance(document, Documents) else Documents(json.dumps(document).encode())
    configs = config_dump(Snapshot(3, Bootstrap(), "front.yaml", documents), 1795409043.5, Wanted(**wanted))["configs"]
    assert isinstance(configs, list)
    return configs


def test_what_the_main_file_says() -> None:
    bootstrap, clusters, listeners, _, routes, secrets = dump(DOCUMENT)
    assert bootstrap == {"@type": f"{TYPE}envoy.admin.v3.BootstrapConfigDump", "bootstrap": DOCUMENT, "last_updated": WHEN}
    assert clusters == {
        "@type": f"{TYPE}envoy.admin.v3.ClustersConfigDump",
        "static_clusters": [
            {"cluster": {"@type": f"{TYPE}envoy.config.cluster.v3.Cluster", **cluster}, "last_updated": WHEN} for cluster in CLUSTERS
        ],
    }
    assert listeners["static_listeners"] == [
        {"listener": {"@type": f"{TYPE}envoy.config.listener.v3.Listener", **LISTENER}, "last_updated": WHEN}
    ]
    assert routes == {
        "@type": f"{TYPE}envoy.admin.v3.RoutesConfigDump",
        "static_route_configs": [
            {"route_config": {"@type": f"{TYPE}envoy.config.route.v3.RouteConfiguration", **ROUTES}, "last_updated": WHEN}
        ],
    }
    assert secrets["static_secrets"] == [
        {"name": "pair", "secret": {"@type": f"{TYPE}envoy.extensions.transport_sockets.tls.v3.Secret", **SECRET}}
    ]


def test_what_other_files_say() -> None:
    _, clusters, listeners, _, routes, _ = dump(DISCOVERED)
    assert (clusters["version_info"], listeners["version_info"]) == ("c1", "l1")
    assert clusters["dynamic_active_clusters"] == [
        {"version_info": "c1", "cluster": {"@type": f"{TYPE}envoy.config.cluster.v3.Cluster", "name": "service2"}, "last_updated": WHEN}
    ]
    (back,) = listeners["dynamic_listeners"]
    assert (back["name"], back["active_state"]["version_info"], back["active_state"]["listener"]["name"]) == ("back", "l1", "back")
    assert [one["route_config"]["name"] for one in routes["static_route_configs"]] == ["local_route", "local_route"]
    assert [one["route_config"]["name"] for one in routes["dynamic_route_configs"]] == ["remote"]


def test_endpoints_where_they_are_asked_for() -> None:
    hosts = (
        EndpointReport("127.0.0.1", 80, 3, "localhost"),
        EndpointReport("/run/x", None, locality=("eu", "", ""), priority=1, health="unhealthy"),
    )
    clusters = (ClusterReport("service1", endpoints=hosts), ClusterReport("service2"))
    (section,) = (one for one in dump(DISCOVERED, endpoints=clusters) if "Endpoints" in one["@type"])
    (static,), (dynamic,) = section["static_endpoint_configs"], section["dynamic_endpoint_configs"]
    assert dynamic["endpoint_config"]["endpoints"] == []
    assert static["endpoint_config"]["endpoints"] == [
        {
            "locality": {},
            "lb_endpoints": [
                {
                    "endpoint": {
                        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
                        "health_check_config": {},
                        "hostname": "localhost",
                    },
                    "health_status": "HEALTHY",
                    "load_balancing_weight": 3,
                }
            ],
        },
        {
            "locality": {"region": "eu"},
            "lb_endpoints": [
                {
                    "endpoint": {"address": {"pipe": {"path": "/run/x"}}, "health_check_config": {}},
                    "health_status": "UNHEALTHY",
                    "load_balancing_weight": 1,
                }
            ],
            "priority": 1,
        },
    ]


def test_names_are_chosen() -> None:
    configs = dump(DISCOVERED, keep="service2".__eq__, endpoints=(ClusterReport("service1"), ClusterReport("service2")))
    shown = [name for config in configs for name in config if name not in ("@type", "version_info")]
    assert shown == ["bootstrap", "last_updated", "dynamic_active_clusters", "dynamic_endpoint_configs"]


@pytest.mark.parametrize(
    ("mask", "found"),
    [
        ("bootstrap.node.id", [{"bootstrap": {"node": {"id": "front-1"}}}]),
        ("bootstrap.node", [{"bootstrap": {"node": DOCUMENT["node"]}}]),
        ("bootstrap.node.id,last_updated", [{"bootstrap": {"node": {"id": "front-1"}}, "last_updated": WHEN}]),
        ("bootstrap.none", [{"bootstrap": {}}]),
        ("version_info", [{"version_info": "c1"}, {"version_info": "l1"}]),
        ("dynamic_active_clusters,version_info", [{"version_info": "c1", "dynamic_active_clusters": [1]}]),
        ("bootstrap.static_resources.clusters", [{"bootstrap": {"static_resources": {"clusters": CLUSTERS}}}]),
    ],
)
def test_masks(mask: str, found: list[dict[str, Any]]) -> None:
    told = [{name: value for name, value in config.items() if name != "@type"} for config in dump(DISCOVERED, mask=mask)]
    for one in told:
        if "dynamic_active_clusters" in one:
            one["dynamic_active_clusters"] = [len(one["dynamic_active_clusters"])]
    assert told == found


@pytest.mark.parametrize(
    "mask",
    [
        "configs",
        "nope",
        "static_clusters.cluster",
        "bootstrap,dynamic_listeners",
        "bootstrap.static_resources.clusters.name",
        "bootstrap.node.id.x",
    ],
)
def test_masks_that_fit_nothing(mask: str) -> None:
    with pytest.raises(DumpError) as raised:
        dump(DISCOVERED, mask=mask)
    assert str(raised.value) == f"FieldMask {mask} could not be successfully applied to any configs."


def test_elements_of_one_list() -> None:
    (one, two) = dump(DOCUMENT, resource="static_clusters")
    assert one["@type"] == two["@type"] == f"{TYPE}envoy.admin.v3.ClustersConfigDump.StaticCluster"
    assert [one["cluster"]["name"], two["cluster"]["name"]] == ["service1", "service1a"]
    (masked,) = dump(DISCOVERED, resource="dynamic_active_clusters", mask="version_info,cluster.name")
    assert masked == {
        "@type": f"{TYPE}envoy.admin.v3.ClustersConfigDump.DynamicCluster",
        "version_info": "c1",
        "cluster": {"@type": f"{TYPE}envoy.config.cluster.v3.Cluster", "name": "service2"},
    }
    assert dump(DOCUMENT, resource="dynamic_listeners") == []


@pytest.mark.parametrize(
    ("resource", "mask", "status", "words"),
    [
        ("nope", "", 404, "nope not found in config dump"),
        ("static_endpoint_configs", "", 404, "static_endpoint_configs not found in config dump"),
        ("bootstrap", "", 400, "bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field"),
        ("version_info", "", 400, "version_info is not a repeated field. Use ?mask=version_info to get only this field"),
        ("static_clusters", "bogus", 400, "FieldMask bogus could not be successfully used."),
        ("static_clusters", "cluster.name.x", 400, "FieldMask cluster.name.x could not be successfully used."),
    ],
)
def test_what_there_is_not(resource: str, mask: str, status: int, words: str) -> None:
    with pytest.raises(DumpError) as raised:
        dump(DOCUMENT, resource=resource, mask=mask)
    assert (raised.value.status, str(raised.value)) == (status, words)


words = st.sampled_from(
    ["static_resources", "listeners", "clusters", "filter_chains", "filters", "typed_config", "route_config", "@type", "name"]
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
)


@given(
    documents,
    st.sampled_from(["", "bootstrap", "bootstrap.static_resources", "static_clusters", "bootstrap.static_resources.clusters.name"]),
)
def test_any_document_can_be_dumped(document: object, mask: str) -> None:
    try:
        found = [config["@type"].rsplit(".", 1)[1] for config in dump(document, mask=mask)]
    except DumpError:
        assert mask
        return
    if not mask:
        assert found[:3] == ["BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump"]
        assert found[3:] == ["ScopedRoutesConfigDump", "RoutesConfigDump", "SecretsConfigDump"]
