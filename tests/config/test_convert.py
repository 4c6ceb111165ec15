"""Old spellings rewritten in the text: nothing but the spelling changes, a second run changes nothing, and Envoy takes the result."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bench.candidates import envoy_program
from shifter.config import load
from shifter.config.convert import convert
from tests.support.configs import FILE_LOG_TYPE, GOOD, HCM_TYPE, ROUTER_TYPE
from tests.support.programs import ROOT

SHARED = ROOT.parent / "shared"
ROUTE_1A = "                  cluster: service1a\n"
CLUSTER_1 = "  - name: service1\n    connect_timeout: 0.25s\n"
ROUTER = f"""\
          - name: envoy.filters.http.router
            typed_config:
              "@type": {ROUTER_TYPE}
"""
STRING_MATCH = "                    string_match:\n                      exact: service1a\n"
WEIGHTED = """\
                  weighted_clusters:
                    clusters:
                    - name: service1a
                      weight: 25
                    - name: service1
                      weight: 75
"""
ASSIGNMENT = """\
    load_assignment:
      cluster_name: service1
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address:
                address: service1.test
                port_value: 80
"""
HTTP_FILTERS = f"          http_filters:\n{ROUTER}"
ROUTER_FLOW = f'{{name: envoy.filters.http.router, typed_config: {{"@type": {ROUTER_TYPE}}}}}'
ADDED = "                response_headers_to_add:\n                - header: {key: x-a, value: b}\n"
REDIRECT = "                redirect:\n"
CORS_TYPE = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"
STAT_PREFIX = "          stat_prefix: ingress_http\n"

# What stands in the good configuration, its old spelling, and what that is rewritten to (``None``: what stood there).
SMALL: dict[str, tuple[str, str, str | None]] = {
    "nothing": (ROUTE_1A, ROUTE_1A, None),
    "hosts": (
        ASSIGNMENT,
        "    hosts:  # where it runs\n    # the only one\n    - socket_address:\n        address: service1.test  # by name\n"
        "        port_value: 80\n",
        "    load_assignment:  # where it runs\n      cluster_name: service1\n      endpoints:\n      - lb_endpoints:\n"
        "        - endpoint:\n"
        "            address:\n              # the only one\n              socket_address:\n"
        "                address: service1.test  # by name\n"
        "                port_value: 80\n",
    ),
    "hosts in one line": (
        ASSIGNMENT,
        "    hosts: [{socket_address: {address: service1.test, port_value: 80}}]  # one\n",
        "    load_assignment:\n      cluster_name: service1\n      endpoints:\n      - lb_endpoints:\n        - endpoint:\n"
        "            address: {socket_address: {address: service1.test, port_value: 80}}  # one\n",
    ),
    "two hosts, further in": (
        ASSIGNMENT,
        "    hosts:\n      - socket_address: {address: a.test, port_value: 80}  # a\n      # b is new\n"
        "      - socket_address: {address: b.test, port_value: 80}\n",
        "    load_assignment:\n      cluster_name: service1\n      endpoints:\n      - lb_endpoints:\n        - endpoint:\n"
        "            address:\n              socket_address: {address: a.test, port_value: 80}  # a\n        - endpoint:\n"
        "            address:\n"
        "              # b is new\n              socket_address: {address: b.test, port_value: 80}\n",
    ),
    "no hosts": (ASSIGNMENT, "    hosts: []\n", "    load_assignment:\n      cluster_name: service1\n      endpoints:\n"
    "      - lb_endpoints: []\n"),
    "milliseconds of a cluster": (CLUSTER_1, "  - name: service1\n    connect_timeout_ms: 250  # short\n", CLUSTER_1[:-1] + "  # short\n"),
    "milliseconds of a route": (
        ROUTE_1A,
        ROUTE_1A + "                  timeout_ms: 1500\n",
        ROUTE_1A + "                  timeout: 1.5s\n",
    ),
    "another unit": ("0.25s", "250ms", None),
    "another unit, quoted": ("0.25s", '"250ms"', '"0.25s"'),
    "yes": ("prefix: /old\n", "prefix: /old\n                  case_sensitive: yes\n", "prefix: /old\n"
    "                  case_sensitive: true\n"),
    "names and config": (
        ROUTER,
        "          - name: envoy.router  # the last\n            config: {}\n",
        f'          - name: envoy.filters.http.router  # the last\n            typed_config: {{"@type": {ROUTER_TYPE}}}\n',
    ),
    "quoted name": (
        ROUTER,
        "          - name: 'envoy.router'\n            config:\n              suppress_envoy_headers: true\n",
        f"          - name: 'envoy.filters.http.router'\n            typed_config:\n              \"@type\": {ROUTER_TYPE}\n"
        "              suppress_envoy_headers: true\n",
    ),
    "bare router": (ROUTER, "          - name: envoy.router\n", ROUTER),
    "bare router in one line": (HTTP_FILTERS, "          http_filters: [{name: envoy.router}]\n"
    "", f"          http_filters: [{ROUTER_FLOW}]\n"),
    "no router": (HTTP_FILTERS, "", HTTP_FILTERS),
    "no filters": (HTTP_FILTERS, "          http_filters: []\n", HTTP_FILTERS),
    "type of the connection manager": (
        HCM_TYPE,
        "type.googleapis.com/envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager",
        None,
    ),
    "name of the connection manager": ("envoy.filters.network.http_connection_manager\n", "envoy.http_connection_manager\n", None),
    "exact_match": (STRING_MATCH, "                    exact_match: service1a  # him\n", STRING_MATCH[:-1] + "  # him\n"),
    "prefix_match and others in one line": (
        "                  - name: x-canary-version\n" + STRING_MATCH,
        "                  - {name: a, prefix_match: b}\n"
        "                  - {name: c, safe_regex_match: {regex: d+}, invert_match: true}\n",
        "                  - {name: a, string_match: {prefix: b}}\n"
        "                  - {name: c, string_match: {safe_regex: {regex: d+}}, invert_match: true}\n",
    ),
    "regex and value": (
        STRING_MATCH,
        "                    regex: true\n                    value: a+\n",
        "                    string_match:\n                      safe_regex:\n                        regex: a+\n",
    ),
    "no regex and value": (STRING_MATCH, "                    value: 'no'\n                    regex: false\n"
    "", STRING_MATCH.replace("service1a", "'no'")),
    "regex_match": (
        STRING_MATCH,
        "                    regex_match: a+\n",
        "                    string_match:\n                      safe_regex:\n                        regex: a+\n",
    ),
    "clusters under route": (
        WEIGHTED,
        "                  clusters:\n                  # the new one\n                  - name: service1a\n"
        "                    weight: 25\n"
        "                  - name: service1  # the old one\n                    weight: 75\n",
        "                  weighted_clusters:\n                    clusters:\n                      # the new one\n"
        "                      - name: service1a\n                        weight: 25\n"
        "                      - name: service1  # the old one\n                        weight: 75\n",
    ),
    "regex of a route": (
        "                  path: /hello\n",
        "                  regex: /h.*  # all\n",
        "                  safe_regex:\n                    regex: /h.*  # all\n",
    ),
    "host_rewrite": (
        ROUTE_1A,
        ROUTE_1A + "                  host_rewrite: a.test\n",
        ROUTE_1A + "                  host_rewrite_literal: a.test\n",
    ),
    "auto_host_rewrite_header": (
        ROUTE_1A,
        ROUTE_1A + "                  auto_host_rewrite_header: x-host\n",
        ROUTE_1A + "                  host_rewrite_header: x-host\n",
    ),
    "append": (
        REDIRECT,
        ADDED + "                  append: false\n" + REDIRECT,
        ADDED + "                  append_action: OVERWRITE_IF_EXISTS_OR_ADD\n" + REDIRECT,
    ),
    "idle_timeout": (
        STAT_PREFIX,
        STAT_PREFIX + "          idle_timeout: 7s\n",
        STAT_PREFIX + "          common_http_protocol_options:\n            idle_timeout: 7s\n",
    ),
    "idle_timeout beside its options": (
        STAT_PREFIX,
        STAT_PREFIX + "          idle_timeout: 7s  # long\n          common_http_protocol_options:\n            max_headers_count: 50\n",
        STAT_PREFIX + "          common_http_protocol_options:\n            idle_timeout: 7s  # long\n            max_headers_count: 50\n",
    ),
    "access log": (
        STAT_PREFIX,
        STAT_PREFIX + "          access_log:\n          - name: envoy.file_access_log\n            config:\n              path: /dev/null\n"
        "              format: \"%DOWNSTREAM_ADDRESS% %%CLIENT_IP%% %PROTOCOL%\\n\"\n",
        STAT_PREFIX + "          access_log:\n          - name: envoy.access_loggers.file\n            typed_config:\n"
        f"              \"@type\": {FILE_LOG_TYPE}\n              path: /dev/null\n"
        "              format: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %%CLIENT_IP%% %PROTOCOL%\\n\"\n",
    ),
    "runtime of a match": (
        "                  prefix: /old\n",
        "                  prefix: /old\n                  runtime: {default_value: 5, runtime_key: a.b}\n",
        "                  prefix: /old\n                  runtime_fraction:\n                    default_value:\n"
        "                      numerator: 5\n                      denominator: HUNDRED\n                    runtime_key: a.b\n",
    ),
    "mirror": (
        ROUTE_1A,
        ROUTE_1A + "                  request_mirror_policy:  # a copy\n                    cluster: service1\n",
        ROUTE_1A + "                  request_mirror_policies:  # a copy\n                  - cluster: service1\n",
    ),
    "mirror by a key": (
        ROUTE_1A,
        ROUTE_1A + "                  request_mirror_policy: {cluster: service1, runtime_key: a}\n",
        ROUTE_1A + "                  request_mirror_policies:\n                  - {cluster: service1, runtime_fraction: "
        "{default_value: {numerator: 0, denominator: TEN_THOUSAND}, runtime_key: a}}\n",
    ),
    "websocket": (
        ROUTE_1A,
        ROUTE_1A + "                  use_websocket: true\n",
        ROUTE_1A + "                  upgrade_configs:\n                  - upgrade_type: websocket\n",
    ),
    "no websocket": (ROUTE_1A, "                  use_websocket: false\n" + ROUTE_1A, ROUTE_1A),
    "require_ssl": (
        '              domains: ["*"]\n',
        '              domains: ["*"]\n              require_ssl: external_only\n',
        '              domains: ["*"]\n              require_tls: EXTERNAL_ONLY\n',
    ),
    "query parameter": (
        "                  prefix: /old\n",
        "                  prefix: /old\n                  query_parameters: [{name: a, value: b}]\n",
        "                  prefix: /old\n                  query_parameters: [{name: a, string_match: {exact: b}}]\n",
    ),
    "words in a header": (
        REDIRECT,
        "                response_headers_to_add: [{header: {key: x-a, value: '%CLIENT_IP%'}}]\n" + REDIRECT,
        "                response_headers_to_add: [{header: {key: x-a, value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%'}}]\n" + REDIRECT,
    ),
    "flat route of v1": (
        "              - match:\n                  prefix: /old\n                redirect:\n                  path_redirect: /new\n",
        "              - prefix: /old  # old\n                case_sensitive: false\n                cluster: service1\n"
        "                timeout_ms: 0\n",
        "              - match:\n                  prefix: /old  # old\n                  case_sensitive: false\n"
        "                route:\n                  cluster: service1\n                  timeout: 0s\n",
    ),
    "addresses of v1": (
        "    address:\n      socket_address:\n        address: 127.0.0.1\n        port_value: 8000\n",
        '    address: "tcp://127.0.0.1:8000"\n',
        None,
    ),
    "hosts of v1": (ASSIGNMENT, "    hosts: [{url: tcp://service1.test:80}]\n", ASSIGNMENT),
    "a filter of v1": (ROUTER, "          - type: decoder\n            name: router\n            config: {}\n", ROUTER.replace(
        f'typed_config:\n              "@type": {ROUTER_TYPE}', f'typed_config: {{"@type": {ROUTER_TYPE}}}'
    )),
    "a cluster of v1": (
        "    lb_policy: ROUND_ROBIN\n",
        "    lb_type: round_robin\n    features: http2\n    circuit_breakers:\n      default: {max_connections: 5}\n",
        "    lb_policy: round_robin\n    http2_protocol_options: {}\n    circuit_breakers:\n      thresholds:\n"
        "      - {max_connections: 5}\n",
    ),
    "cors of a virtual host": (
        '              domains: ["*"]\n',
        '              domains: ["*"]\n              cors:\n                allow_origin: [a.test]\n',
        '              domains: ["*"]\n              typed_per_filter_config:\n                envoy.filters.http.cors:\n'
        f'                  "@type": {CORS_TYPE}Policy\n                  allow_origin_string_match:\n                  - exact: a.test\n',
    ),
    "cors of a route": (
        "                route:\n" + ROUTE_1A,
        "                route:\n" + ROUTE_1A + "                  cors: {allow_methods: GET, enabled: false}\n",
        "                typed_per_filter_config:\n                  envoy.filters.http.cors:\n"
        f'                    "@type": {CORS_TYPE}Policy\n                    allow_methods: GET\n                    filter_enabled:\n'
        "                      default_value:\n                        numerator: 0\n                        denominator: HUNDRED\n"
        "                route:\n" + ROUTE_1A,
    ),
    "a fault of v2": (
        "          http_filters:\n",
        "          http_filters:\n          - name: envoy.fault\n            config:\n"
        "              delay: {type: fixed, fixed_delay: 1s, percent: 10}\n"
        "              headers: [{name: x-a, exact_match: b}]\n",
        "          http_filters:\n          - name: envoy.filters.http.fault\n            typed_config:\n"
        '              "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault\n'
        "              delay: {fixed_delay: 1s, percentage: {numerator: 10, denominator: HUNDRED}}\n"
        "              headers: [{name: x-a, string_match: {exact: b}}]\n",
    ),
    "a health check of v2": (
        "          http_filters:\n",
        "          http_filters:\n          - name: envoy.health_check\n            config: {pass_through_mode: false, endpoint: /ok}\n",
        "          http_filters:\n          - name: envoy.filters.http.health_check\n            typed_config: "
        '{"@type": type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck, pass_through_mode: false, '
        'headers: [{name: ":path", string_match: {exact: /ok}}]}\n',
    ),
    "merge key": (
        "  - name: service1a\n    connect_timeout: 0.25s\n",
        "  - <<: {connect_timeout: 0.25s}\n    name: service1a\n",
        "  - connect_timeout: 0.25s\n    name: service1a\n",
    ),
}  # fmt: skip


def planted(now: str, then: str) -> str:
    assert now in GOOD
    text = GOOD.replace(now, then, 1)
    if "cors" in then:
        cors = f"          - {{name: envoy.filters.http.cors, typed_config: {{'@type': {CORS_TYPE}}}}}\n"
        text = text.replace("          http_filters:\n", "          http_filters:\n" + cors)
    return text


def accepted_by_envoy(path: Path) -> None:
    """Let Envoy read the file at *path*, where there is one."""
    if not envoy_program():
        pytest.skip("Envoy is not installed")
    command = [envoy_program(), "--mode", "validate", "--disable-hot-restart", "-l", "error", "-c", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[:2000] + path.read_text()


@pytest.mark.parametrize(("now", "then", "converted"), SMALL.values(), ids=SMALL)
def test_nothing_but_the_spelling_changes(now: str, then: str, converted: str | None) -> None:
    old = planted(now, then)
    result = convert(old.encode(), "x.yaml")
    assert result.problems == []
    assert result.text == (GOOD if converted is None else planted(now, converted))
    again = convert(result.text.encode(), "x.yaml")
    assert (again.text, again.changes, again.problems) == (result.text, 0, [])
    before, after = load(old, "x.yaml"), load(result.text, "x.yaml")
    assert not [problem for problem in after.problems if problem.alias]
    assert before.document == after.document != {}


@pytest.mark.parametrize(("now", "then", "converted"), SMALL.values(), ids=SMALL)
def test_envoy_takes_it(now: str, then: str, converted: str | None, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(convert(planted(now, then).encode(), "x.yaml").text)
    accepted_by_envoy(path)


PRINTED = [ROOT / "etc/front-2018.yaml", ROOT / "etc/front.yaml", SHARED / "recipes/config/tutorial_as_printed.yaml"]


@pytest.mark.parametrize("path", PRINTED, ids=lambda path: path.name)
def test_the_tutorial(path: Path, tmp_path: Path) -> None:
    if not path.exists():
        pytest.skip("the printed tutorial is not beside the checkout")
    result = convert(path.read_bytes(), path.name)
    assert result.problems == []
    assert [line for line in result.text.splitlines() if line.strip().startswith("#")] == [
        line for line in path.read_text().splitlines() if line.strip().startswith("#")
    ]
    assert convert(result.text.encode(), path.name).text == result.text
    converted = tmp_path / "converted.yaml"
    converted.write_text(result.text)
    accepted_by_envoy(converted)


def test_json_stays_json() -> None:
    hosts = '[{"socket_address": {"address": "a.test", "port_value": 80}}]'
    old = '{\n  "static_resources": {\n    "clusters": [\n      {"name": "a", "hosts": ' + hosts + ",\n"
    old += '       "connect_timeout_ms": 250, "type": "STRICT_DNS"}\n    ]\n  }\n}\n'
    result = convert(old.encode(), "x.json")
    assert (result.problems, result.changes) == ([], 2)
    static = json.loads(result.text)["static_resources"]
    [endpoint] = static["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint == {"endpoint": {"address": {"socket_address": {"address": "a.test", "port_value": 80}}}}
    assert static["clusters"][0]["connect_timeout"] == "0.25s"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_stay(end: str, mark: str) -> None:
    old = mark + planted(STRING_MATCH, "                    exact_match: service1a\n").replace("\n", end)
    text = convert(old.encode(), "x.yaml").text
    assert text == mark + GOOD.replace("\n", end)


def test_an_anchor_is_rewritten_where_it_stands() -> None:
    old = planted(ASSIGNMENT, "    hosts: &hosts\n    - socket_address: {address: 127.0.0.1, port_value: 80}\n").replace(
        GOOD[GOOD.rindex("    load_assignment:") : GOOD.index("admin:")], "    hosts: *hosts\n"
    )
    result = convert(old.encode(), "x.yaml")
    assert result.problems == []
    assert load(result.text, "x.yaml").document == load(old, "x.yaml").document != {}
    assert "hosts:" not in result.text.replace("virtual_hosts:", "")


def test_what_cannot_be_read_is_returned_as_it_is() -> None:
    for data in (b"a: [\n", b"\xff", b"", b"- a\n"):
        result = convert(data, "x.yaml")
        assert result.changes == 0 and len(result.problems) == 1
        assert result.text.encode() == data or data == b"\xff"


def test_a_route_configuration_alone() -> None:
    old = "virtual_hosts:\n- name: a\n  domains: ['*']\n  routes:\n  - match: {regex: /.*}\n    route: {cluster: a, timeout_ms: 0}\n"
    result = convert(old.encode(), "routes.yaml")
    assert result.text == old.replace("regex: /.*", "safe_regex: {regex: /.*}").replace("timeout_ms: 0", "timeout: 0s")


@given(st.lists(st.sampled_from(sorted(SMALL)), min_size=1, max_size=6, unique=True))
def test_several_at_once_mean_what_they_meant(names: list[str]) -> None:
    old = GOOD
    for name in names:
        now, then, _ = SMALL[name]
        old = old.replace(now, then, 1)
    before = load(old, "x.yaml")
    assume(before.document)
    result = convert(old.encode(), "x.yaml")
    assert result.problems == []
    after = load(result.text, "x.yaml")
    assert before.document == after.document
    assert not [problem for problem in after.problems if problem.alias]
    assert convert(result.text.encode(), "x.yaml").changes == 0


def test_what_would_change_the_meaning_is_left_and_told() -> None:
    """The anchor is used elsewhere, and would be gone."""
    old = planted(ASSIGNMENT, "    hosts: &h [{socket_address: {address: a.test, port_value: 80}}]\n").replace("0.25s", "250ms", 1)
    old += "node: {metadata: {again: *h}}\n"
    result = convert(old.encode(), "x.yaml")
    [problem] = result.problems
    assert (problem.level, problem.message) == ("error", "this cannot be rewritten here without changing what it means")
    assert (problem.place.line, problem.place.column) == (old[: old.index("hosts: &h")].count("\n") + 1, 5)
    assert result.text == old.replace("250ms", "0.25s") and result.changes == 1


def test_another_unit_in_a_filter() -> None:
    fault = "{'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {fixed_delay: 90ms, percentage: {}}}"
    old = GOOD.replace("          http_filters:\n", f"          http_filters:\n          - {{name: a, typed_config: {fault}}}\n")
    assert convert(old.encode(), "x.yaml").text == old.replace("90ms", "0.09s")
