"""A table of planted mistakes: each is told once, at its place, with the cure."""

import re

import pytest

from shifter.config import Problem, load
from tests.support.configs import GOOD, HCM_TYPE, NAME, ROUTER_TYPE, Planted, plant

CLUSTER = "  - name: service1\n    connect_timeout: 0.25s\n"
OLD_ROUTE = "                  prefix: /old\n"
REDIRECT = "                  path_redirect: /new\n"
ROUTE_1A = "                  cluster: service1a\n"
STAT_PREFIX = "          stat_prefix: ingress_http\n"
ENDPOINT = """\
        - endpoint:
            address:
              socket_address:
                address: service1.test
                port_value: 80
"""
WEIGHTS = """\
                  weighted_clusters:
                    clusters:
                    - name: service1a
                      weight: 25
                    - name: service1
                      weight: 75
"""
ROUTER = f"""\
          - name: envoy.filters.http.router
            typed_config:
              "@type": {ROUTER_TYPE}
"""
HOSTS = """\
            name: local_route
            virtual_hosts:
            - name: backend
              domains: ["*"]
              routes:
"""


def weights(first: int, second: int) -> str:
    return WEIGHTS.replace("weighted_clusters", "«weighted_clusters»").replace("25", str(first)).replace("75", str(second))


NOT_YET = "Envoy knows `{}`, shifter does not support it yet"

# what stands there, what to put there («» where the caret belongs), the message, what the hint says (a part of it)
ERRORS = {
    # words that nobody knows
    "misspelled field": (
        "    connect_timeout: 0.25s",
        "    «conect_timeout»: 0.25s",
        "unknown field `conect_timeout`",
        "did you mean `connect_timeout`?",
    ),
    "camel case": ("    connect_timeout", "    «connectTimeout»", "unknown field `connectTimeout`", "did you mean `connect_timeout`?"),
    "misspelled and needed": ("stat_prefix:", "«stat_prefx»:", "unknown field `stat_prefx`", "did you mean `stat_prefix`?"),
    "misspelled member of a oneof": ("prefix: /service/1", "«prefx»: /service/1", "unknown field `prefx`", "did you mean `prefix`?"),
    "like nothing": ("admin:\n", "admin:\n  «zzz»: 1\n", "unknown field `zzz`", "known: "),
    "in the wrong message": (
        REDIRECT,
        REDIRECT + "                  «weighted_clusters»: {}\n",
        "unknown field `weighted_clusters` here",
        "it belongs in `route`",
    ),
    "top of the file": (
        "admin:",
        "«sttic_resources»: {}\nadmin:",
        "unknown field `sttic_resources`",
        "did you mean `static_resources`? It is given at line 1 already",
    ),
    "clusters at the top": (
        "admin:",
        "«clusters»: []\nadmin:",
        "`clusters` stands at the top of the file",
        "put it under `static_resources:`",
    ),
    "no value of an enum": (
        "ROUND_ROBIN",
        "«ROUND_ROBBIN»",
        "`ROUND_ROBBIN` is none of the values of `lb_policy`",
        "did you mean `ROUND_ROBIN`? known: ROUND_ROBIN, LEAST_REQUEST, RANDOM",
    ),
    "enum with a dash": ("STRICT_DNS", "«strict-dns»", "`strict-dns` is none of the values of `type`", "did you mean `STRICT_DNS`?"),
    "enum as a list": ("lb_policy: ROUND_ROBIN", "«lb_policy»: [RANDOM]", "`lb_policy` wants one word, not a list", "known: ROUND_ROBIN"),
    "unknown cluster": (
        ROUTE_1A,
        ROUTE_1A.replace("service1a", "«servce1a»"),
        "no cluster is named `servce1a`",
        "did you mean `service1a`?",
    ),
    "unknown cluster, nothing near": (
        ROUTE_1A,
        ROUTE_1A.replace("service1a", "«x»"),
        "no cluster is named `x`",
        "known: service1, service1a",
    ),
    "unknown weighted cluster": (
        "                    - name: service1\n",
        "                    - name: «service2»\n",
        "no cluster is named `service2`",
        "did you mean `service1`?",
    ),
    # words that Envoy knows
    "field of Envoy's": (ROUTE_1A, ROUTE_1A + "                  «rate_limits»: [{actions: []}]\n", NOT_YET.format("rate_limits"), ""),
    "near to a field of Envoy's": (
        ROUTE_1A,
        ROUTE_1A + "                  «rate_limis»: [{}]\n",
        "unknown field `rate_limis`",
        "did you mean `rate_limits`? Envoy knows it, shifter does not support it yet",
    ),
    "member of a oneof that is Envoy's": (
        ROUTE_1A,
        "                  «cluster_specifier_plugin»: x-to\n",
        NOT_YET.format("cluster_specifier_plugin"),
        "",
    ),
    "matcher of Envoy's": (
        OLD_ROUTE,
        OLD_ROUTE + "                  «filter_state»: [{key: a}]\n",
        NOT_YET.format("filter_state"),
        "",
    ),
    "network filters": (CLUSTER, CLUSTER + "    «filters»: [{name: a}]\n", NOT_YET.format("filters"), ""),
    "runtime": (
        "admin:",
        "layered_runtime: {layers: [{name: a, «rtds_layer»: {name: x}}]}\nadmin:",
        NOT_YET.format("rtds_layer"),
        "",
    ),
    "enum value of Envoy's": (
        "ROUND_ROBIN",
        "«cluster_provided»",
        NOT_YET.format("cluster_provided"),
        "supported: ROUND_ROBIN, LEAST_REQUEST, RANDOM",
    ),
    "cluster type of Envoy's": ("STRICT_DNS", "«ORIGINAL_DST»", NOT_YET.format("ORIGINAL_DST"), "supported: STATIC, STRICT_DNS"),
    "state of an endpoint": (
        ENDPOINT,
        ENDPOINT + "          health_status: «DRAINIG»\n",
        "`DRAINIG` is none of the values of `health_status`",
        "did you mean `DRAINING`?",
    ),
    "filter of Envoy's": (
        HCM_TYPE,
        "«type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo»",
        NOT_YET.format("envoy.extensions.filters.network.echo.v3.Echo"),
        "supported here: envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    ),
    "field of v2": (
        CLUSTER,
        CLUSTER + "    «extension_protocol_options»: {}\n",
        "`extension_protocol_options` is a field of Envoy's v2 API, which shifter does not support",
        "",
    ),
    "negative choice": (
        STAT_PREFIX,
        STAT_PREFIX + "          http_protocol_options: {allow_absolute_url: «false»}\n",
        NOT_YET.format("allow_absolute_url: false"),
        "",
    ),
    # types of extensions
    "misspelled type": (
        HCM_TYPE,
        "«" + HCM_TYPE.replace("HttpConnectionManager", "HttpConectionManager") + "»",
        '`envoy.extensions.filters.network.http_connection_manager.v3.HttpConectionManager` is no "@type" that is known here',
        "did you mean envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager?",
    ),
    "no type": (
        "          http_filters:\n",
        "          http_filters:\n          - {name: my_filter, typed_config: «{»dynamic_stats: true}}\n",
        'this has no "@type", which says what it is',
        'write "@type": type.googleapis.com/…',
    ),
    # values of the wrong kind
    "words for a port": ("port_value: 8000", "port_value: «eighty»", "a whole number is wanted here, not `eighty`", ""),
    "port out of range": ("port_value: 8000", "port_value: «80000»", "`port_value` is at most 65535, not `80000`", ""),
    "negative port": ("port_value: 8000", "port_value: «-1»", "`port_value` is at least 0, not `-1`", ""),
    "octal?": ("port_value: 8000", "port_value: «0100»", "a whole number is wanted here, not `0100`", ""),
    "fraction": ("weight: 25", "weight: «2.5»", "a whole number is wanted here, not `2.5`", ""),
    "per cent": ("weight: 25", "weight: «25%»", "a whole number is wanted here, not `25%`", "write 25: the shares follow from the sum"),
    "negative weight": ("weight: 25", "weight: «-25»", "`weight` is at least 0, not `-25`", ""),
    "weight too large": ("weight: 25", "weight: «4294967296»", "`weight` is at most 4294967295, not `4294967296`", ""),
    "weight missing": (
        "                    - name: service1a\n                      weight: 25\n",
        "                    - «name»: service1a\n",
        "`weight` is missing",
        "",
    ),
    "endpoint weight 0": (
        ENDPOINT,
        ENDPOINT + "          load_balancing_weight: «0»\n",
        "`load_balancing_weight` is at least 1, not `0`",
        "",
    ),
    "duration without unit": ("0.25s", "«0.25»", "the duration `0.25` has no unit", "write 0.25s for seconds"),
    "odd duration": ("0.25s", "«soon»", "a duration is wanted here, not `soon`", "write it in seconds: 0.25s"),
    "negative duration": ("0.25s", "«-1s»", "a duration cannot be negative: `-1s`", ""),
    "duration of zero": ("0.25s", "«0s»", "this duration must be longer than 0s", ""),
    "endless duration": ("0.25s", "«999999999999s»", "`999999999999s` is longer than ten thousand years", "0s often means: no limit"),
    "duration as a mapping": ("connect_timeout: 0.25s", "«connect_timeout»: {second: 1}", "a duration is wanted here, not a mapping", ""),
    "neither true nor false": (
        OLD_ROUTE,
        OLD_ROUTE + "                  case_sensitive: «maybe»\n",
        "true or false is wanted here, not `maybe`",
        "",
    ),
    "a list for a text": ("stat_prefix: ingress_http", "«stat_prefix»: [a]", "`stat_prefix` wants a text, not a list", ""),
    "a text for a list": ('domains: ["*"]', 'domains: «"*"»', "`domains` wants a list, not `*`", "begin each item with a dash"),
    "a mapping for a list": (
        "              routes:\n",
        "              «response_headers_to_add»: {x-a: b}\n              routes:\n",
        "`response_headers_to_add` wants a list, not a mapping",
        "begin each item with a dash",
    ),
    "a text for a mapping": (
        "                  cluster: service1a\n",
        "                  weighted_clusters: «service1a»\n",
        "`weighted_clusters` wants a mapping, not `service1a`",
        "",
    ),
    "a text for an item": (
        '["*"]\n',
        '["*"]\n              request_headers_to_add: [«x-a»]\n',
        "an item of `request_headers_to_add` wants a mapping, not `x-a`",
        "",
    ),
    "an empty name": ("stat_prefix: ingress_http", 'stat_prefix: «""»', "`stat_prefix` must not be empty", ""),
    "an empty list": ('domains: ["*"]', "«domains»: []", "`domains` must not be empty", ""),
    "an empty list item": ('domains: ["*"]', 'domains: ["*", «~»]', "this list item is empty", ""),
    "a strange status": ("status: 200", "status: «99»", "`status` is at least 200, not `99`", ""),
    "not base64": ("inline_string: hello", "inline_bytes: «a?b»", "base64 is wanted here, not `a?b`", ""),
    # what must be there, and only once
    "no stat_prefix": ("          stat_prefix: ingress_http\n", "", "`stat_prefix` is missing in `typed_config`", ""),
    "no name": ("            - name: backend\n              domains", "            - «domains»", "`name` is missing", ""),
    "no path": (
        "                  prefix: /service/1\n                  headers:",
        "                  «headers»:",
        "this match does not say which paths",
        "give one of `prefix`, `path`, `safe_regex`",
    ),
    "two paths": (
        OLD_ROUTE,
        OLD_ROUTE + "                  «path»: /old\n",
        "`path` cannot stand beside `prefix`",
        "give one of `prefix`, `path`, `safe_regex`",
    ),
    "no action": (
        "              - match:\n                  prefix: /old\n                redirect:\n" + REDIRECT,
        "              - «match»:\n                  prefix: /old\n",
        "this route says nothing to do",
        "give one of `route`, `redirect`, `direct_response`",
    ),
    "two actions": (
        "                redirect:\n",
        "                route: {cluster: service1}\n                «redirect»:\n",
        "`redirect` cannot stand beside `route`",
        "",
    ),
    "no cluster": (
        ROUTE_1A,
        "                  «timeout»: 1s\n",
        "this route does not say where to",
        "give one of `cluster`, `weighted_clusters`",
    ),
    "no port": (
        "        address: 127.0.0.1\n        port_value: 8000\n",
        "        «address»: 127.0.0.1\n",
        "this address has no port",
        "give `port_value`",
    ),
    "two kinds of text match": (
        "exact: service1a",
        "exact: service1a\n                      «prefix»: s",
        "`prefix` cannot stand beside `exact`",
        "",
    ),
    "duplicate key": (
        "    connect_timeout: 0.25s\n",
        "    connect_timeout: 0.25s\n    «connect_timeout»: 1s\n",
        "`connect_timeout` is given twice",
        "first given at line 54",
    ),
    "no name for a header": ("name: x-canary-version", 'name: «""»', "a header name must not be empty", ""),
    "odd name for a header": ("name: x-canary-version", "name: «x canary»", "`x canary` cannot be a header name", ""),
    "pseudo header of an answer": (
        "name: x-canary-version",
        "name: «:status»",
        "`:status` is in no request",
        "known: :method, :path, :authority, :scheme",
    ),
    # what does not fit together
    "cluster twice": (
        "  clusters:\n  - name: service1\n",
        "  clusters:\n  - {name: service1}\n  - name: «service1»\n",
        "a second cluster is named `service1`",
        "the first stands at line 53",
    ),
    "domain twice": ('domains: ["*"]', "domains: [a.test, «A.TEST»]", "the domain `A.TEST` is given twice", "first given at line 19"),
    "star in the middle": ('domains: ["*"]', "domains: [«a.*.test»]", "`a.*.test`: one star, at the beginning or at the end", ""),
    "URL for a domain": ('domains: ["*"]', 'domains: [«"http://a.test"»]', "`http://a.test` is not a host name", ""),
    "weights all zero": (
        WEIGHTS,
        weights(0, 0),
        "the weights add up to 0: the sum of weights must be greater than 0",
        "",
    ),
    "one port for two": (
        "      address: 127.0.0.1\n      port_value: 8001",
        "      address: «127.0.0.1»\n      port_value: 8000",
        "127.0.0.1 port 8000 is taken already",
        "by line 6",
    ),
    "listening at a name": (
        "        address: 127.0.0.1\n",
        "        address: «localhost»\n",
        "`localhost` is no IP address: one can only listen at one",
        "",
    ),
    "static name": (
        "127.0.0.2",
        "«service1a.test»",
        "`service1a.test` is a name, and a STATIC cluster takes IP addresses",
        "write type: STRICT_DNS",
    ),
    "URL for a host": (
        "service1.test",
        "«http://service1.test»",
        "`http://service1.test` is no host name and no IP address",
        "write it without scheme, port and path",
    ),
    "second filter": (
        ROUTER,
        ROUTER.replace("name:", "«name»:") + ROUTER.replace("name: envoy.filters.http.router", "name: another"),
        "the router is the last filter, and one is enough",
        "",
    ),
    "no router at the end": (
        ROUTER,
        ROUTER.replace("name: envoy.filters.http.router", "name: «buffer»").replace("router.v3.Router", "buffer.v3.Buffer")
        + "              max_request_bytes: 9\n",
        "the last filter must be the router: it is what forwards requests",
        "add {name: envoy.filters.http.router",
    ),
    # text that goes on the wire
    "line break in a header": (
        '["*"]\n',
        '["*"]\n              response_headers_to_add: [{header: {key: x-a, value: «"a\\r\\nb: c"»}}]\n',
        "a header value cannot hold control characters",
        "",
    ),
    "host among the headers": (
        '["*"]\n',
        '["*"]\n              request_headers_to_add: [{header: {key: «Host», value: a}}]\n',
        "`Host` cannot be changed here: it belongs to the request line",
        "host_rewrite_literal changes the host",
    ),
    "framing among the headers": (
        '["*"]\n',
        '["*"]\n              response_headers_to_add: [{header: {key: «transfer-encoding», value: chunked}}]\n',
        "the header `transfer-encoding` belongs to the connection: shifter sets it itself",
        "",
    ),
    "length taken out": (
        '["*"]\n',
        '["*"]\n              response_headers_to_remove: [«content-length»]\n',
        "the header `content-length` says where the body ends: it cannot be taken out",
        "",
    ),
    "blank in a rewrite": (
        ROUTE_1A,
        ROUTE_1A + '                  prefix_rewrite: «"/a b"»\n',
        "blanks and control characters cannot stand here",
        "write %20 for a blank",
    ),
    "body too large": ("inline_string: hello", f"inline_string: «{'x' * 4097}»", "this body has 4097 bytes, at most 4096 are allowed", ""),
    "file for a body": ("inline_string: hello", "filename: «hello.txt»", "files cannot be read here", ""),
    # YAML
    "unclosed list": (
        "admin:",
        "x: [1, 2\nadmin«:»",
        "not valid YAML: did not find expected ',' or ']'",
        "while parsing a flow sequence that begins at line 78, column 4",
    ),
    "tab": ("admin:", "x:\n«\t»y: 1\nadmin:", "not valid YAML: found character that cannot start any token", "indent with spaces"),
    "tag": ("weight: 25", "weight: «!»!int 25", "tags such as tag:yaml.org,2002:int are not allowed in a configuration", ""),
    "unknown alias": ("weight: 25", "weight: «*»w", "the alias *w has no anchor &w before it", ""),
    "second document": ("admin:", "«-»--\nadmin:", "a second document begins here: a configuration is one document", ""),
}

WARNINGS = {
    "milliseconds": ("0.25s", "«250ms»", "the duration `250ms` is taken for 0.25s", "Envoy wants 0.25s"),
    "minutes": ("0.25s", "«1.5m»", "the duration `1.5m` is taken for 90s", "Envoy wants 90s"),
    "yes": (OLD_ROUTE, OLD_ROUTE + "                  case_sensitive: «yes»\n", "`yes` is taken for true", "write true"),
    "no value": (
        CLUSTER,
        CLUSTER + "    «http2_protocol_options»:\n",
        "`http2_protocol_options` has no value, so it is not set",
        "write {} for an empty mapping",
    ),
    "not 100": (
        WEIGHTS,
        weights(15, 75),
        "the weights add up to 90, not to 100",
        "shares: service1a 16.7%, service1 83.3%",
    ),
    "other total": (
        "                  weighted_clusters:\n",
        "                  weighted_clusters:\n                    «total_weight»: 1000\n",
        "`total_weight` is ignored, and the weights add up to 100",
        "",
    ),
    "never reached": (
        "path: /hello",
        "path: «/service/10»",
        "this route is never reached",
        "line 30 (prefix /service/1) matches all of it before",
    ),
    "no slash": ("path: /hello", "path: «hello»", "no path begins with `hello`: every path begins with a slash", "write /hello"),
    "query in a path": ("path: /hello", "path: «/hello?a=b»", "this never matches: a path is compared without its query", ""),
    "empty range": (
        "                    string_match:\n                      exact: service1a",
        "                    «range_match»: {start: 5, end: 5}",
        "this range is empty: `end` is the first number that is too large",
        "",
    ),
    "endless redirect": (
        "                redirect:\n" + REDIRECT,
        "                «redirect»: {}\n",
        "this redirect leads back to where the request came from",
        "",
    ),
    "open admin": (
        "      address: 127.0.0.1\n      port_value: 8001",
        "      address: «0.0.0.0»\n      port_value: 8001",
        "the admin interface can be reached from other machines",
        "",
    ),
    "port 0": (
        "                address: 127.0.0.2\n                port_value: 80",
        "                address: «127.0.0.2»\n                port_value: 0",
        "nobody can be reached at port 0",
        "",
    ),
    "unvalidated cluster": (
        HOSTS,
        HOSTS.replace("name: local_route", "validate_clusters: false")
        + "              - {match: {path: /x}, route: {cluster: «servce1»}}\n",
        "no cluster is named `servce1`, so every request here gets a 503",
        "did you mean `service1`?",
    ),
}


def told(planted: Planted) -> list[Problem]:
    return load(planted.text, NAME).problems


def test_nothing_is_wrong_without_a_mistake() -> None:
    assert load(GOOD, NAME).problems == []


@pytest.mark.parametrize(("old", "new", "message", "hint"), ERRORS.values(), ids=ERRORS)
def test_error(old: str, new: str, message: str, hint: str) -> None:
    planted = plant(old, new)
    [problem] = told(planted)
    assert (problem.level, problem.message) == ("error", message)
    assert hint in problem.hint
    if "«" in new:
        assert problem.place == planted.place
    assert load(planted.text, NAME).bootstrap is None


@pytest.mark.parametrize(("old", "new", "message", "hint"), WARNINGS.values(), ids=WARNINGS)
def test_warning(old: str, new: str, message: str, hint: str) -> None:
    planted = plant(old, new)
    [problem] = told(planted)
    assert (problem.level, problem.message, problem.place) == ("warning", message, planted.place)
    assert hint in problem.hint
    assert load(planted.text, NAME).bootstrap is not None


def test_all_mistakes_are_told_in_one_run() -> None:
    text = GOOD
    apart = [
        "misspelled field",
        "words for a port",
        "per cent",
        "no value of an enum",
        "static name",
        "host among the headers",
        "two actions",
    ]
    for name in apart:
        old, new, _, _ = ERRORS[name]
        assert old in text
        text = text.replace(old, re.sub("[«»]", "", new), 1)
    problems = load(text, NAME).problems
    assert sorted(problem.message for problem in problems) == sorted(ERRORS[name][2] for name in apart)
    places = [(problem.place.line, problem.place.column) for problem in problems]
    assert places == sorted(places)
