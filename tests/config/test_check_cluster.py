"""What is told about clusters that do not fit together: each mistake once, at its place, with the cure."""

import pytest

from shifter.config import Judge, Problem, load
from tests.config.test_build_cluster import HERE, NODE, ONE_NAME
from tests.config.test_build_load_balancing import policy
from tests.support.configs import NAME, marked, with_cluster

DNS_CLUSTER = '"@type": type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster'
FILE = "eds_config: {path_config_source: {path: /x}}"
CHECK = "timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1"
NAMED = "{endpoint: {address: {socket_address: {address: a.test, port_value: 1}}}}"

OVERRIDE = policy("override_host.v3.OverrideHost").replace("type.googleapis", "«type.googleapis").replace("Host}", "Host»}")


def only(text: str, judge: Judge | None = None) -> Problem:
    planted = marked(text)
    [problem] = load(planted.text, NAME, judge).problems
    assert problem.place == planted.place
    return problem


def group(written: str) -> str:
    return f"load_assignment: {{cluster_name: a, endpoints: [{written}]}}"


def endpoint(written: str) -> str:
    return group(f"{{lb_endpoints: [{{endpoint: {{{written}}}}}]}}")


ERRORS = [
    # where hosts come from
    ("type: «EDS»", "an EDS cluster needs an `eds_cluster_config`", "path_config_source"),
    (f"«eds_cluster_config»: {{{FILE}}}", "`eds_cluster_config` is for EDS clusters", "write type: EDS"),
    ("type: EDS, «eds_cluster_config»: {service_name: a}", "`eds_config` is missing", ""),
    ("type: EDS, eds_cluster_config: {eds_config: {«ads»: {}}}", "Envoy knows `ads`, shifter does not support it yet", ""),
    ("type: EDS, eds_cluster_config: {eds_config: «{»}}", "nothing says where the endpoints are told", "`path_config_source`"),
    ("type: EDS, eds_cluster_config: {eds_config: {path: /x, resource_api_version: «V2»}}", "Envoy knows `V2`", "supported: AUTO, V3"),
    ("cluster_type: {name: «envoy.cluster.statc»}", "is no type of clusters that is known", "did you mean `envoy.cluster.static`?"),
    ("cluster_type: {name: «envoy.clusters.redis»}", "Envoy knows `envoy.clusters.redis`, shifter does not support it yet", ""),
    ("cluster_type: {name: «envoy.cluster.eds»}", "an EDS cluster cannot be written so", "write type: EDS"),
    ("type: STATIC, «cluster_type»: {name: envoy.cluster.static}", "`cluster_type` cannot stand beside `type`", ""),
    ("type: LOGICAL_DNS, load_assignment: «{»cluster_name: a}", "a LOGICAL_DNS cluster has exactly one endpoint", "give one endpoint"),
    (
        f"type: LOGICAL_DNS, load_assignment: «{{»cluster_name: a, endpoints: [{{lb_endpoints: [{NAMED}, {NAMED}]}}]}}",
        "a LOGICAL_DNS cluster has exactly one endpoint",
        "write type: STRICT_DNS for several",
    ),
    ("dns_refresh_rate: «0.001s»", "this duration must be longer than 0.001s", ""),
    (
        "dns_failure_refresh_rate: {base_interval: 2s, max_interval: «1s»}",
        "`max_interval` must be as long as `base_interval`, or longer",
        "that is 2s",
    ),
    (
        "dns_resolution_config: {resolvers: [{socket_address: {address: «ns.test», port_value: 53}}]}",
        "a DNS server is asked at an IP address, not at `ns.test`",
        "",
    ),
    # endpoints
    (endpoint("address: {socket_address: {address: «a.test», port_value: 80}}"), "`a.test` is a name, and a STATIC cluster", "STRICT_DNS"),
    (endpoint("address: {pipe: {path: «''»}}"), "`path` must not be empty", ""),
    (endpoint(f"address: {{pipe: {{path: «/{'a' * 107}»}}}}"), "the path of a socket has 107 bytes at most", ""),
    (endpoint("address: {pipe: {path: '@a', mode: «384»}}"), "an abstract socket has no `mode`", ""),
    (endpoint("address: {pipe: {path: /a, mode: «512»}}"), "`mode` is at most 511, not `512`", ""),
    (endpoint("address: «{»}"), "this names no address", "give one of `socket_address`, `pipe`"),
    (
        endpoint("address: {pipe: {path: /a}, «socket_address»: {address: 127.0.0.1, port_value: 1}}"),
        "`socket_address` cannot stand beside `pipe`",
        "",
    ),
    (
        endpoint(f"address: {{{HERE}}}, additional_addresses: [{{address: {{socket_address: {{address: «b.test», port_value: 1}}}}}}]"),
        "`b.test` is a name",
        "",
    ),
    (endpoint("address: {pipe: {path: /a}}, health_check_config: {port_value: «81»}"), "a pipe has no ports", "give `address`"),
    (
        f"type: STRICT_DNS, {endpoint('address: {pipe: {path: «/a»}}')}",
        "a pipe cannot stand in a STRICT_DNS cluster: it has no name to resolve",
        "write type: STATIC",
    ),
    (group("{priority: «-1»}"), "`priority` is at least 0, not `-1`", ""),
    (group("{load_balancing_weight: «0»}"), "`load_balancing_weight` is at least 1, not `0`", ""),
    # balancing
    ("lb_policy: «LOAD_BALANCING_POLICY_CONFIG»", "this needs a `load_balancing_policy`, which says the policy", ""),
    (
        "lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: «9», maximum_ring_size: 8}",
        "`minimum_ring_size` 9 is larger than `maximum_ring_size` 8",
        "",
    ),
    ("lb_policy: RING_HASH, ring_hash_lb_config: {maximum_ring_size: «8»}", "`minimum_ring_size` 1024 is larger than", ""),
    (
        "lb_policy: MAGLEV, maglev_lb_config: {table_size: «65536»}",
        "`table_size` must be a prime number, and 65536 is none",
        "65537 is one",
    ),
    ("lb_policy: MAGLEV, maglev_lb_config: {table_size: «0»}", "`table_size` must be a prime number", "the default is 65537"),
    ("ring_hash_lb_config: {}, «maglev_lb_config»: {}", "`maglev_lb_config` cannot stand beside `ring_hash_lb_config`", ""),
    (
        "common_lb_config: {consistent_hashing_lb_config: {«use_hostname_for_hashing»: true}}",
        "`use_hostname_for_hashing` cannot be used in a STATIC cluster",
        "",
    ),
    ("common_lb_config: {healthy_panic_threshold: {value: «101»}}", "`value` is at most 100, not `101`", ""),
    (
        "lb_subset_config: {subset_selectors: [{keys: [a]}], «locality_weight_aware»: true}",
        "`locality_weight_aware` needs weighted localities",
        "locality_weighted_lb_config: {}",
    ),
    (
        "lb_subset_config: {subset_selectors: [{keys: [a], «fallback_policy»: KEYS_SUBSET}]}",
        "KEYS_SUBSET needs `fallback_keys_subset`",
        "some of the `keys`",
    ),
    (
        "lb_subset_config: {subset_selectors: [{keys: [aa, b], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [«ab»]}]}",
        "`ab` is none of the `keys`",
        "did you mean",
    ),
    (
        "lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, «fallback_keys_subset»: [a]}]}",
        "`fallback_keys_subset` must not be all of the `keys`",
        "",
    ),
    (
        "lb_subset_config: {subset_selectors: [{keys: [a, b], «fallback_keys_subset»: [a]}]}",
        "`fallback_keys_subset` is for `fallback_policy: KEYS_SUBSET` only",
        "",
    ),
    (
        f"«lb_subset_config»: {{}}, load_balancing_policy: {policy('random.v3.Random')}",
        "`lb_subset_config` cannot stand beside `load_balancing_policy`",
        "subset.v3.Subset",
    ),
    (
        f"common_lb_config: {{«zone_aware_lb_config»: {{}}}}, load_balancing_policy: {policy('random.v3.Random')}",
        "`zone_aware_lb_config` cannot stand beside `load_balancing_policy`",
        "put it in there",
    ),
    ("load_balancing_policy: {«policies»: []}", "`policies` must not be empty", ""),
    (
        f"load_balancing_policy: {policy('maglev.v3.Maglev', 'table_size: «8»')}",
        "`table_size` must be a prime number, and 8 is none",
        "11 is one",
    ),
    (
        f"load_balancing_policy: {policy('random.v3.Random', '«table_size»: 7')}",
        "unknown field `table_size` here",
        "it belongs in",
    ),
    (
        f"load_balancing_policy: {policy('least_request.v3.LeastRequest', '«choice_cont»: 7')}",
        "unknown field `choice_cont`",
        "did you mean `choice_count`?",
    ),
    (
        f"load_balancing_policy: {policy('ring_hash.v3.RingHash', 'consistent_hashing_lb_config: {«hash_policy»: [{}]}')}",
        "unknown field `hash_policy`",
        "",
    ),
    (
        f"load_balancing_policy: {policy('subset.v3.Subset', 'subset_selectors: [{keys: [a]}]').replace('typed_config', '«typed_config»')}",
        "`subset_lb_policy` is missing in `typed_config`",
        "",
    ),
    (
        f"load_balancing_policy: {OVERRIDE}",
        "Envoy knows `envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost`, shifter does not support it yet",
        "supported here: envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin",
    ),
    (
        "load_balancing_policy: {policies: [{typed_extension_config: {name: a, typed_config: «{»}}}]}",
        'this has no "@type", which says what it is',
        "write",
    ),
    # health
    (f"health_checks: [«{{»{CHECK}}}]", "this health check does not say what to ask", "`http_health_check`"),
    (f"health_checks: [{{{CHECK}, tcp_health_check: {{}}, «http_health_check»: {{path: /}}}}]", "cannot stand beside", ""),
    ("health_checks: [«{»interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}]", "`timeout` is missing", ""),
    (f"health_checks: [{{{CHECK}, http_health_check: {{path: «healthz»}}}}]", "`healthz` does not begin with a slash", "write /healthz"),
    (
        f"health_checks: [{{{CHECK}, http_health_check: {{path: /, expected_statuses: [«{{»start: 200, end: 200}}]}}}}]",
        "this range is empty: `end` is the first status that is too large",
        "",
    ),
    (
        f"health_checks: [{{{CHECK}, http_health_check: {{path: /, retriable_statuses: [«{{»start: 1, end: 200}}]}}}}]",
        "statuses lie between 100 and 599",
        "",
    ),
    (f"health_checks: [{{{CHECK}, http_health_check: {{path: /, «send»: {{text: aa}}}}}}]", "a GET has no body to send", "POST"),
    (
        f"health_checks: [{{{CHECK}, http_health_check: {{path: /, receive: [{{text: 616263}}], response_buffer_size: «2»}}}}]",
        "`receive` wants 3 bytes, and of the answer 2 are looked at",
        "0 means all",
    ),
    (f"health_checks: [{{{CHECK}, tcp_health_check: {{send: {{text: «hi»}}}}}}]", "bytes in hexadecimal are wanted here", "write 6869"),
    (f"health_checks: [{{{CHECK}, tcp_health_check: {{send: «{{»}}}}}}]", "nothing says which bytes", "`text`, `binary`"),
    (f"health_checks: [{{{CHECK}, «grpc_health_check»: {{}}}}]", "gRPC health checks need a cluster that is spoken HTTP/2 to", ""),
    (f"health_checks: [{{{CHECK}, http_health_check: {{path: /, method: «CONNECT»}}}}]", "`CONNECT` is none of the values", ""),
    (
        f"health_checks: [{{name: a, {CHECK}, tcp_health_check: {{}}}}, «{{»{CHECK}, tcp_health_check: {{}}}}]",
        "this health check has no `name`: where there are several, each needs one",
        "",
    ),
    (
        f"health_checks: [{{name: a, {CHECK}, tcp_health_check: {{}}}}, {{name: «a», {CHECK}, tcp_health_check: {{}}}}]",
        "a second health check is named `a`",
        "the first stands at line",
    ),
    (
        "outlier_detection: {base_ejection_time: 9s, max_ejection_time: «8s»}",
        "`max_ejection_time` must be as long as `base_ejection_time`, or longer",
        "that is 9s",
    ),
    ("outlier_detection: {enforcing_success_rate: «101»}", "`enforcing_success_rate` is at most 100, not `101`", ""),
    ("outlier_detection: {«consecutive_5x»: 1}", "unknown field `consecutive_5x`", "did you mean `consecutive_5xx`?"),
    # limits and connections
    (
        "circuit_breakers: {per_host_thresholds: [{«max_requests»: 1}]}",
        "`max_requests` cannot be given for each host",
        "`max_connections` can",
    ),
    ("circuit_breakers: {thresholds: [{retry_budget: {«budget_interval»: 1s}}]}", "Envoy knows `budget_interval`", ""),
    ("preconnect_policy: {per_upstream_preconnect_ratio: «4»}", "`per_upstream_preconnect_ratio` is at most 3", ""),
    ("preconnect_policy: {per_upstream_preconnect_ratio: «much»}", "a number is wanted here, not `much`", ""),
    ("upstream_bind_config: {source_address: {address: «a.test», port_value: 0}}", "`a.test` is no IP address", ""),
    (
        "upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}, "
        "extra_source_addresses: [{address: {address: «127.0.0.2», port_value: 0}}]}",
        "this is the second IPv4 address",
        "one of each IP version is possible",
    ),
    ("upstream_bind_config: «{»extra_source_addresses: [{address: {address: '::1', port_value: 0}}]}", "need a first one", ""),
    (
        "upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}, extra_source_addresses: [{address: "
        "{address: '::1', port_value: 0}}], «additional_source_addresses»: [{address: '::1', port_value: 0}]}",
        "`additional_source_addresses` cannot stand beside `extra_source_addresses`",
        "it is its older spelling",
    ),
]

WARNINGS = [
    (f"type: EDS, eds_cluster_config: {{{FILE}}}, «load_assignment»: {{cluster_name: a}}", "`load_assignment` has no effect in an EDS"),
    (
        f"cluster_type: {{name: a, typed_config: {{{DNS_CLUSTER}}}}}, «respect_dns_ttl»: true, load_assignment: {{cluster_name: a}}",
        "`respect_dns_ttl` has no effect beside `cluster_type`",
    ),
    (group("{priority: 0}, {priority: «2»}"), "there is a priority 2, and none before it: priorities count from 0, without gaps"),
    (group("{priority: «3»}"), "there is a priority 3, and none before it"),
    (
        "type: STRICT_DNS, "
        + endpoint(f"address: {{socket_address: {{address: a.test, port_value: 1}}}}, «additional_addresses»: [{{address: {{{HERE}}}}}]"),
        "`additional_addresses` has no effect in a STRICT_DNS cluster",
    ),
    ("lb_policy: RANDOM, «round_robin_lb_config»: {}", "`round_robin_lb_config` has no effect unless `lb_policy` is ROUND_ROBIN"),
    (
        f"«round_robin_lb_config»: {{}}, load_balancing_policy: {policy('random.v3.Random')}",
        "`round_robin_lb_config` has no effect beside `load_balancing_policy`",
    ),
    (
        "round_robin_lb_config: {slow_start_config: {slow_start_window: 1s, aggression: {default_value: «0»}}}",
        "`aggression` is taken for 1: it must be positive",
    ),
    (
        "lb_policy: LEAST_REQUEST, least_request_lb_config: {active_request_bias: {default_value: «-1»}}",
        "`active_request_bias` is taken for 1: it must be positive",
    ),
    ("lb_subset_config: «{»fallback_policy: ANY_ENDPOINT}", "there are no `subset_selectors`, so there are no subsets"),
    ("lb_subset_config: {subset_selectors: [«{»single_host_per_subset: true}]}", "this selector has no `keys`, so it makes no subsets"),
    (
        "lb_subset_config: «{»fallback_policy: DEFAULT_SUBSET, subset_selectors: [{keys: [a]}]}",
        "`default_subset` is empty: falling back to it means to any endpoint",
    ),
]


@pytest.mark.parametrize(("written", "message", "hint"), ERRORS)
def test_error(written: str, message: str, hint: str) -> None:
    problem = only(with_cluster(written) + NODE)
    assert problem.level == "error" and message in problem.message and hint in problem.hint


@pytest.mark.parametrize(("written", "message"), WARNINGS)
def test_warning(written: str, message: str) -> None:
    problem = only(with_cluster(written) + NODE)
    assert problem.level == "warning" and message in problem.message


def test_a_logical_dns_cluster_without_an_assignment() -> None:
    problem = only(with_cluster("type: LOGICAL_DNS").replace("name: added", "name: «added»"))
    assert (problem.message, problem.hint) == ("a LOGICAL_DNS cluster has exactly one endpoint", "give it in `load_assignment`")


def test_envoy_wants_to_know_who_reads_a_file_of_endpoints() -> None:
    written = f"type: EDS, «eds_cluster_config»: {{{FILE}}}"
    problem = only(with_cluster(written))
    assert (problem.level, problem.hint) == ("warning", "write node: {id: …, cluster: …}")


def test_what_holds_for_all_clusters_is_checked_too() -> None:
    text = with_cluster(ONE_NAME.join(("type: STRICT_DNS, ", "")))
    local = only(f"{text}cluster_manager: {{local_cluster_name: «aded»}}\n")
    assert (local.message, local.hint) == ("no cluster is named `aded`", "did you mean `added`?")
    bind = only(f"{text}cluster_manager: {{upstream_bind_config: {{source_address: {{address: «a.test», port_value: 0}}}}}}\n")
    assert bind.message.startswith("`a.test` is no IP address")


def test_texts_of_health_checks_are_judged() -> None:
    judge = Judge(regex_problem=lambda _: "no", template_problem=lambda text: "no" if "%" in text else None)
    matcher = f"health_checks: [{{{CHECK}, http_health_check: {{path: /, service_name_matcher: {{safe_regex: {{regex: «(»}}}}}}}}]"
    assert only(with_cluster(matcher), judge).message == "this regular expression cannot be used: no"
    option = "[{header: {key: a, value: «'%X%'»}}]"
    for check, more in (
        (f"http_health_check: {{path: /, request_headers_to_add: {option}}}", ""),
        (f"grpc_health_check: {{initial_metadata: {option}}}", ", http2_protocol_options: {}"),
    ):
        assert only(with_cluster(f"health_checks: [{{{CHECK}, {check}}}]{more}"), judge).message == "this format cannot be used: no"
