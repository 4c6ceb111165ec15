"""Old spellings: each gives one warning at its place, and means what today's spelling means."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from shifter.config import Loaded, load
from shifter.model.bootstrap import Bootstrap
from shifter.model.route import AppendAction, HeaderMatcher, RouteAction, StringMatcher, StringMatchKind
from shifter.model.tcp_proxy import TcpProxy
from tests.support.configs import FILE_LOG_TYPE, GOOD, HCM_TYPE, NAME, ROUTER_TYPE, load_good, marked, plant, with_manager, with_route
from tests.support.listeners import http_listener

SHARED = Path(__file__).resolve().parents[3] / "shared" / "recipes" / "config"

ROUTER = f"""\
          - name: envoy.filters.http.router
            typed_config:
              "@type": {ROUTER_TYPE}
"""
HCM = f"""\
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {HCM_TYPE}
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

# today's words, the old ones («» where the caret belongs), warning, hint. What they mean is the same.
REWRITES = {
    "hosts": (
        ASSIGNMENT,
        "    «hosts»: [{socket_address: {address: service1.test, port_value: 80}}]\n",
        "`hosts` is an old spelling of `load_assignment`",
        "write load_assignment: {cluster_name: …, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: …}}}]}]}",
    ),
    "connect_timeout_ms": (
        "    connect_timeout: 0.25s\n",
        "    «connect_timeout_ms»: 250\n",
        "`connect_timeout_ms` is an old spelling of `connect_timeout`",
        "write connect_timeout: 0.25s",
    ),
    "config": (
        ROUTER,
        "          - name: envoy.filters.http.router\n            «config»: {}\n",
        "`config` is an old spelling of `typed_config`",
        f'write typed_config: {{"@type": {ROUTER_TYPE}, …}}',
    ),
    "old name of the router": (
        "- name: envoy.filters.http.router",
        "- name: «envoy.router»",
        "`envoy.router` is an old spelling of `envoy.filters.http.router`",
        "write name: envoy.filters.http.router",
    ),
    "old name of the connection manager": (
        "- name: envoy.filters.network.http_connection_manager",
        "- name: «envoy.http_connection_manager»",
        "`envoy.http_connection_manager` is an old spelling of `envoy.filters.network.http_connection_manager`",
        "write name: envoy.filters.network.http_connection_manager",
    ),
    "v2 type": (
        HCM_TYPE,
        "«type.googleapis.com/envoy.config.filter.network.http_connection_manager.v2.HttpConnectionManager»",
        "this is the v2 type",
        f"write {HCM_TYPE}",
    ),
    "v2 type of the router": (
        ROUTER_TYPE,
        "«type.googleapis.com/envoy.config.filter.http.router.v2.Router»",
        "this is the v2 type",
        f"write {ROUTER_TYPE}",
    ),
    "bare router": (
        ROUTER,
        "          - «name»: envoy.filters.http.router\n",
        "`envoy.filters.http.router` has no `typed_config`",
        f'write typed_config: {{"@type": {ROUTER_TYPE}}}',
    ),
    "empty typed_config": (
        ROUTER,
        "          - name: envoy.filters.http.router\n            «typed_config»: {}\n",
        '`typed_config` has no "@type"; it is taken for envoy.extensions.filters.http.router.v3.Router',
        f'write "@type": {ROUTER_TYPE}',
    ),
    "no router": (
        HCM + "          codec_type: AUTO\n",
        HCM.replace("typed_config", "«typed_config»") + "          codec_type: AUTO\n",
        "there is no router among the `http_filters`; it is taken for granted",
        f'write http_filters: [{{name: envoy.filters.http.router, typed_config: {{"@type": {ROUTER_TYPE}}}}}]',
    ),
    "exact_match": (
        STRING_MATCH,
        "                    «exact_match»: service1a\n",
        "`exact_match` is an old spelling of `string_match`",
        "write string_match: {exact: …}",
    ),
    "value": (
        STRING_MATCH,
        "                    «value»: service1a\n",
        "`value` is an old spelling of `string_match`",
        "write string_match: {exact: …}",
    ),
    "clusters under route": (
        WEIGHTED,
        "                  «clusters»: [{name: service1a, weight: 25}, {name: service1, weight: 75}]\n",
        "`clusters` is an old spelling of `weighted_clusters`",
        "write weighted_clusters: {clusters: […]}",
    ),
}


def meaning(bootstrap: Bootstrap | None) -> tuple[object, ...]:
    """What a configuration says, without the places where it says it."""
    assert bootstrap is not None
    clusters = [replace(cluster, place="") for cluster in bootstrap.clusters]
    listeners = []
    for listener in bootstrap.listeners:
        hosts = [
            replace(host, routes=tuple(replace(route, place="") for route in host.routes))
            for host in next(listener.managers).route_config.virtual_hosts
        ]
        manager = next(listener.managers)
        manager = replace(manager, route_config=replace(manager.route_config, virtual_hosts=tuple(hosts)))
        listeners.append(http_listener(listener.name, listener.address, manager))
    return clusters, listeners, bootstrap.admin


@pytest.mark.parametrize(("now", "then", "message", "hint"), REWRITES.values(), ids=REWRITES)
def test_one_warning_and_the_same_meaning(now: str, then: str, message: str, hint: str) -> None:
    planted = plant(now, then)
    if message.startswith("there is no router"):
        assert "          http_filters:\n" + ROUTER in planted.text
        planted = replace(planted, text=planted.text.replace("          http_filters:\n" + ROUTER, ""))
    loaded = load(planted.text, NAME)
    [warning] = loaded.problems
    assert (warning.level, warning.message, warning.hint, warning.place) == ("warning", message, hint, planted.place)
    assert meaning(loaded.bootstrap) == meaning(load(GOOD, NAME).bootstrap)


def matcher(loaded: Loaded) -> HeaderMatcher:
    assert loaded.bootstrap is not None
    return next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes[0].match.headers[0]


@pytest.mark.parametrize(
    ("written", "kind", "text"),
    [
        ("prefix_match: a", StringMatchKind.PREFIX, b"a"),
        ("suffix_match: a", StringMatchKind.SUFFIX, b"a"),
        ("contains_match: a", StringMatchKind.CONTAINS, b"a"),
        ("safe_regex_match: {google_re2: {}, regex: 'a+'}", StringMatchKind.SAFE_REGEX, b"a+"),
        ("regex_match: 'a+'", StringMatchKind.SAFE_REGEX, b"a+"),
        ("{value: 'a+', regex: true}", StringMatchKind.SAFE_REGEX, b"a+"),
        ("{value: 'a+', regex: false}", StringMatchKind.EXACT, b"a+"),
        ("exact_match: no", StringMatchKind.EXACT, b"no"),
        ("exact_match: 1.0", StringMatchKind.EXACT, b"1.0"),
    ],
)
def test_header_matches(written: str, kind: StringMatchKind, text: bytes) -> None:
    fields = (
        "".join(f"                    {field}\n" for field in written.strip("{}").split(", "))
        if written[0] == "{"
        else f"                    {written}\n"
    )
    loaded = load_good((STRING_MATCH, fields))
    assert {problem.level for problem in loaded.problems} == {"warning"}
    assert matcher(loaded).string == StringMatcher(kind, text)


@pytest.mark.parametrize(
    ("written", "action"),
    [
        ("append: true", AppendAction.APPEND_IF_EXISTS_OR_ADD),
        ("append: false", AppendAction.OVERWRITE_IF_EXISTS_OR_ADD),
    ],
)
@pytest.mark.parametrize("level", ["route", "virtual host", "route config", "weighted entry"])
def test_append(written: str, action: AppendAction, level: str) -> None:
    added = f"response_headers_to_add: [{{header: {{key: X-A, value: b}}, {written}}}]\n"
    where = {
        "route": ("                redirect:\n", f"                {added}                redirect:\n"),
        "virtual host": ("              routes:\n", f"              {added}              routes:\n"),
        "route config": ("            virtual_hosts:\n", f"            {added}            virtual_hosts:\n"),
        "weighted entry": ("                      weight: 25\n", f"                      weight: 25\n                      {added}"),
    }
    loaded = load_good(where[level])
    [warning] = loaded.problems
    assert (warning.message, warning.hint) == ("`append` is an old spelling of `append_action`", f"write append_action: {action.name}")
    assert loaded.bootstrap is not None
    routes = next(loaded.bootstrap.listeners[0].managers).route_config
    weighted = routes.virtual_hosts[0].routes[1].action
    assert isinstance(weighted, RouteAction)
    headers = {
        "route": routes.virtual_hosts[0].routes[2].headers,
        "virtual host": routes.virtual_hosts[0].headers,
        "route config": routes.headers,
        "weighted entry": weighted.clusters[0].headers,
    }[level]
    [option] = headers.response_add
    assert (option.name, option.value, option.action) == (b"x-a", b"b", action)


def test_access_log_of_2018() -> None:
    loaded = load_good(
        (
            "          stat_prefix: ingress_http\n",
            "          stat_prefix: ingress_http\n          access_log:\n          - name: envoy.file_access_log\n"
            '            config: {path: /dev/stdout, format: "%PROTOCOL%"}\n',
        )
    )
    assert [problem.message for problem in loaded.problems] == [
        "`envoy.file_access_log` is an old spelling of `envoy.access_loggers.file`",
        "`config` is an old spelling of `typed_config`",
    ]
    assert loaded.bootstrap is not None
    [log] = next(loaded.bootstrap.listeners[0].managers).access_log
    assert (log.path, log.format) == ("/dev/stdout", "%PROTOCOL%")
    assert FILE_LOG_TYPE in str(loaded.document)


def test_idle_timeout_of_the_connection_manager() -> None:
    loaded = load_good(("          stat_prefix: ingress_http\n", "          stat_prefix: ingress_http\n          idle_timeout: 7s\n"))
    assert [problem.hint for problem in loaded.problems] == ["write common_http_protocol_options: {idle_timeout: …}"]
    assert loaded.bootstrap is not None and next(loaded.bootstrap.listeners[0].managers).idle_timeout == 7.0


def test_regex_of_a_route_and_what_was_in_milliseconds() -> None:
    loaded = load_good(
        ("                  path: /hello\n", "                  regex: /he.*o\n"),
        (
            "                  cluster: service1a\n",
            "                  cluster: service1a\n                  timeout_ms: 1500\n                  host_rewrite: a.test\n",
        ),
    )
    assert sorted(problem.message for problem in loaded.problems) == [
        "`host_rewrite` is an old spelling of `host_rewrite_literal`",
        "`regex` is an old spelling of `safe_regex`",
        "`timeout_ms` is an old spelling of `timeout`",
    ]
    assert loaded.bootstrap is not None
    routes = next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes
    assert routes[3].match.text == b"/he.*o"
    action = routes[0].action
    assert isinstance(action, RouteAction)
    assert (action.timeout, action.host_rewrite_literal) == (1.5, b"a.test")


BUFFER = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer"


@pytest.mark.parametrize(
    ("name", "typed", "warned"),
    [
        ("envoy.buffer", f"typed_config: {{'@type': {BUFFER}, max_request_bytes: 9}}", True),
        ("buffer", "config: {max_request_bytes: 9}", True),
        ("buffer", "typed_config: {'@type': type.googleapis.com/envoy.config.filter.http.buffer.v2.Buffer, max_request_bytes: 9}", True),
        ("buffer", f"typed_config: {{'@type': {BUFFER}, max_request_bytes: 9}}", False),
    ],
)
def test_names_of_filters_and_what_routes_say_to_them(name: str, typed: str, warned: bool) -> None:
    per_route = (
        f"                typed_per_filter_config: {{{name}: {{'@type': {BUFFER}PerRoute, disabled: true}}}}\n                redirect:\n"
    )
    loaded = load_good(
        ("          http_filters:\n", f"          http_filters:\n          - {{name: {name}, {typed}}}\n"),
        ("                redirect:\n", per_route),
    )
    assert loaded.bootstrap is not None
    manager = next(loaded.bootstrap.listeners[0].managers)
    today = "envoy.filters.http.buffer" if warned else name
    assert [http_filter.name for http_filter in manager.http_filters] == [today]
    assert list(manager.route_config.virtual_hosts[0].routes[2].filters) == [today]
    assert bool(loaded.problems) == warned


def test_a_host_with_substitutions_is_no_literal() -> None:
    planted = plant(
        "                  cluster: service1a\n", "                  cluster: service1a\n                  «host_rewrite»: '%REQ(x)%'\n"
    )
    [problem] = load(planted.text, NAME).problems
    assert (problem.message, problem.place) == ("Envoy knows `host_rewrite`, shifter does not support it yet", planted.place)


def test_both_spellings_at_once_are_one_too_many() -> None:
    planted = plant("    load_assignment:\n", "    «hosts»: []\n    load_assignment:\n")
    [problem] = load(planted.text, NAME).problems
    assert (problem.message, problem.place) == ("`hosts` cannot stand beside `load_assignment`", planted.place)


def test_a_shared_node_is_rewritten_once() -> None:
    text = (
        GOOD.replace(ROUTER, "          - &router\n            name: envoy.router\n            config: {}\n")
        + "node: {metadata: {again: *router}}\n"
    )
    loaded = load(text, NAME)
    assert len(loaded.problems) == 2 and loaded.bootstrap is not None


@pytest.mark.parametrize(
    "odd",
    ["clusters: x", "clusters: [x]", "clusters: [{hosts: x}]", "listeners: [{filter_chains: [{filters: [x, {}, {typed_config: x}]}]}]"],
)
def test_what_has_an_unexpected_shape_is_left_to_the_schema(odd: str) -> None:
    loaded = load(f"static_resources: {{{odd}}}", NAME)
    assert loaded.bootstrap is None and any(problem.level == "error" for problem in loaded.problems)


@pytest.mark.parametrize("name", ["tutorial_as_printed.yaml", "converted.yaml"])
def test_the_tutorial(name: str) -> None:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the folder with the printed tutorial is not beside the checkout")
    loaded = load(path.read_bytes(), name)
    assert loaded.bootstrap is not None
    [listener] = loaded.bootstrap.listeners
    assert [route.match.text for route in next(listener.managers).route_config.virtual_hosts[0].routes] == [
        b"/service/1",
        b"/service/1",
        b"/service/2",
    ]
    old = [problem.message for problem in loaded.problems if "old spelling" in problem.message]
    assert len(old) == (8 if name == "tutorial_as_printed.yaml" else 0)


def test_the_rewritten_document_needs_no_rewriting() -> None:
    old = GOOD
    for now, then, _, _ in (REWRITES["hosts"], REWRITES["config"], REWRITES["exact_match"], REWRITES["clusters under route"]):
        old = old.replace(now, then.replace("«", "").replace("»", ""))
    loaded = load(old, NAME)
    assert len(loaded.problems) == 4
    again = load(yaml.safe_dump(loaded.document), NAME)
    assert again.problems == []
    assert meaning(again.bootstrap) == meaning(loaded.bootstrap)


HEADERS = ("[{name: a, string_match: {prefix: b}}]", "[{name: a, «prefix_match»: b}]")
OPTIONS = ("{header: {key: a, value: b}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}", "{header: {key: a, value: b}, «append»: false}")
STEP = "request_mirror_policies: [{cluster: service1, request_headers_mutations: [{append: HERE}]}]"
DOMAINS = '              domains: ["*"]\n'


@pytest.mark.parametrize(
    ("text", "spellings"),
    [
        (GOOD.replace(DOMAINS, f"{DOMAINS}              virtual_clusters: [{{name: v, headers: HERE}}]\n"), HEADERS),
        (with_manager("local_reply_config: {mappers: [{filter: {header_filter: {header: HERE}}}]}"), [one[1:-1] for one in HEADERS]),
        (with_manager("local_reply_config: {mappers: [{filter: {traceable_filter: {}}, headers_to_add: [HERE]}]}"), OPTIONS),
        (with_route(action=f"route: {{cluster: service1, {STEP}}}"), OPTIONS),
        (GOOD.replace(DOMAINS, f"{DOMAINS}              {STEP}\n"), OPTIONS),
    ],
    ids=["virtual cluster", "filter", "local reply", "mirror", "mirror of a host"],
)
def test_wherever_headers_are_matched_or_added(text: str, spellings: tuple[str, str]) -> None:
    now, then = spellings
    planted = marked(text.replace("HERE", then))
    old, new = load(planted.text, NAME), load(text.replace("HERE", now), NAME)
    assert [problem.place for problem in old.problems] == [planted.place] and new.problems == []
    assert old.bootstrap is not None and new.bootstrap is not None
    assert old.bootstrap.listeners == new.bootstrap.listeners


def test_idle_timeout_of_a_tcp_proxy_is_its_own() -> None:
    text = """\
static_resources:
  listeners:
  - name: db
    address: {socket_address: {address: 127.0.0.1, port_value: 5432}}
    filter_chains:
    - filters:
      - name: envoy.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.config.filter.network.tcp_proxy.v2.TcpProxy
          stat_prefix: db
          cluster: db
          idle_timeout: 7s
  clusters:
  - name: db
"""
    loaded = load(text, NAME)
    assert loaded.bootstrap is not None, loaded.problems
    [chain] = loaded.bootstrap.listeners[0].filter_chains
    assert isinstance(chain.filter, TcpProxy)
    assert chain.filter.idle_timeout == 7.0
