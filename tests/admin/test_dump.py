"""The configuration comes out in the shape of Envoy's ConfigDump."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shifter.admin.dump import config_dump
from shifter.model.bootstrap import Bootstrap, Snapshot

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTES = {"name": "local_route", "virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": []}]}
LISTENER = {
    "name": "front",
    "filter_chains": [
        {
            "filters": [
                {"name": "other", "typed_config": {"@type": "type.googleapis.com/other", "route_config": {"name": "not a route"}}},
                {"name": "http", "typed_config": {"@type": HCM, "stat_prefix": "ingress_http", "route_config": ROUTES}},
            ]
        }
    ],
}
CLUSTERS = [{"name": "service1", "connect_timeout": "0.250s"}, {"name": "service1a", "type": "STRICT_DNS"}]
DOCUMENT = {"static_resources": {"listeners": [LISTENER], "clusters": CLUSTERS}}


def dump(document: object) -> list[dict[str, Any]]:
    configs = config_dump(Snapshot(3, Bootstrap(), "front.yaml", document), 1795409043.5)["configs"]
    assert isinstance(configs, list)
    return configs


def test_shape() -> None:
    bootstrap, clusters, listeners, routes = dump(DOCUMENT)
    when = "2026-11-23T04:44:03.500Z"
    assert bootstrap == {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": DOCUMENT, "last_updated": when}
    assert clusters == {
        "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
        "version_info": "3",
        "static_clusters": [
            {"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", **cluster}, "last_updated": when}
            for cluster in CLUSTERS
        ],
    }
    assert listeners["@type"] == "type.googleapis.com/envoy.admin.v3.ListenersConfigDump"
    assert listeners["static_listeners"][0]["listener"] == {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", **LISTENER}
    assert routes == {
        "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
        "static_route_configs": [
            {"route_config": {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", **ROUTES}, "last_updated": when}
        ],
    }


def test_users_and_keys_are_not_shown() -> None:
    providers = {"a": {"issuer": "i", "local_jwks": {"inline_string": '{"keys": [{"k": "secret"}]}'}}}
    filters = [
        {"name": "basic", "typed_config": {"@type": "BasicAuth", "users": {"inline_string": "ann:secret"}}},
        {"name": "jwt", "typed_config": {"@type": "JwtAuthentication", "providers": providers}},
        {"name": "files", "typed_config": {"users": {"filename": "/etc/users"}, "body": {"inline_string": "hello"}}},
    ]
    route = {"match": {"prefix": "/"}, "typed_per_filter_config": {"basic": {"users": {"inline_bytes": "c2VjcmV0"}}}}
    routes = {"name": "local", "virtual_hosts": [{"name": "all", "routes": [route]}]}
    manager = {"@type": HCM, "http_filters": filters, "route_config": routes}
    listener = {"name": "front", "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}]}
    shown = json.dumps(dump({"static_resources": {"listeners": [listener]}}))
    assert "secret" not in shown and "c2VjcmV0" not in shown
    assert "/etc/users" in shown and "hello" in shown
    assert '"users": {"inline_string": "[redacted]"}' in shown


def test_the_document_is_not_touched() -> None:
    before = json.dumps(DOCUMENT)
    dump(DOCUMENT)
    assert json.dumps(DOCUMENT) == before


words = st.sampled_from(["static_resources", "listeners", "clusters", "filter_chains", "filters", "typed_config", "route_config", "@type"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
)


@given(documents)
def test_any_document_can_be_dumped(document: object) -> None:
    assert [config["@type"].rsplit(".", 1)[1] for config in dump(document)] == [
        "BootstrapConfigDump",
        "ClustersConfigDump",
        "ListenersConfigDump",
        "RoutesConfigDump",
    ]
