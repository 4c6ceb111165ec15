"""What is told about runtime layers."""

import pytest

from shifter.config import load
from tests.support.configs import GOOD, NAME, marked

NUMERATOR = "a whole number, 0 or more and without quotes, is wanted for `numerator`"


def layers(written: str) -> str:
    return f"{GOOD}layered_runtime: {{layers: [{written}]}}\n"


def values(written: str) -> str:
    return layers(f"{{name: a, static_layer: {{{written}}}}}")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (layers("«{»name: a}"), "this layer has no values", "give one of `static_layer`, `disk_layer`, `admin_layer`"),
        (layers("«{»admin_layer: {}}"), "`name` is missing", ""),
        (layers("{name: «''», static_layer: {}}"), "`name` must not be empty", ""),
        (layers("{name: a, static_layer: {}}, {name: «a», static_layer: {}}"), "a second layer is named `a`", "the first stands at line"),
        (layers("{name: a, static_layer: {}, «admin_layer»: {}}"), "`admin_layer` cannot stand beside `static_layer`", ""),
        (layers("{name: a, static_layer: «5»}"), "a mapping is wanted here, not `5`", ""),
        (layers("{name: a, «rtds_layer»: {name: b}}"), "Envoy knows `rtds_layer`, shifter does not support it yet", ""),
        (layers("{name: a, «disk_layer»: {subdirectory: x}}"), "`symlink_root` is missing in `disk_layer`", ""),
        (values("«x»: [1]"), "a runtime value cannot be a list: `x`", ""),
        (values("x: {y: {«z»: [1]}}"), "a runtime value cannot be a list: `x.y.z`", ""),
        (values("x: {numerator: 5, denominator: «THOUSAND»}"), "`THOUSAND` is none of the values of `denominator`", "TEN_THOUSAND"),
        (values("x: {«numerator»: five}"), NUMERATOR, ""),
        (values("x: {«numerator»: -5}"), NUMERATOR, ""),
        (values("x: {«numerator»: '5'}"), NUMERATOR, ""),
        (values("x: {numerator: 5, «of»: 6}"), "unknown field `of`", "a share has `numerator` and `denominator`"),
    ],
)
def test_errors(text: str, message: str, hint: str) -> None:
    planted = marked(text)
    problems = [problem for problem in load(planted.text, NAME).problems if problem.level == "error"]
    [problem] = problems
    assert (problem.message, problem.place) == (message, planted.place) and hint in problem.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (values("«envoy.reloadable_features.x»: true"), "`envoy.reloadable_features.x` has no effect"),
        (values("envoy: {restart_features: {«x»: true}}"), "`envoy.restart_features.x` has no effect"),
        (values("«outlier_detection.consecutive_5xx»: 2"), "`outlier_detection.consecutive_5xx` has no effect"),
        (values("circuit_breakers: {web: {default: {«max_requests»: 2}}}"), "`circuit_breakers.web.default.max_requests` has no effect"),
    ],
)
def test_warnings(text: str, message: str) -> None:
    planted = marked(text)
    [problem] = load(planted.text, NAME).problems
    assert (problem.level, problem.message, problem.place) == ("warning", message, planted.place)


def test_values_that_are_read() -> None:
    text = values("upstream: {use_retry: 50, base_retry_backoff_ms: 10, healthy_panic_threshold: 0}")
    assert load(text, NAME).problems == []


def test_there_is_one_admin_layer() -> None:
    problems = load(layers("{name: a, admin_layer: {}}, {name: b, admin_layer: {}}"), NAME).problems
    assert [problem.message for problem in problems if problem.level == "error"] == ["there can be one `admin_layer`"]


WEIGHTED = """static_resources:
  listeners:
  - name: front
    address: {socket_address: {address: 127.0.0.1, port_value: 1}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: front
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {weighted_clusters: {«runtime_key_prefix»: rel, clusters: [{name: a, weight: 10}, {name: b, weight: 90}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - {name: a, load_assignment: {cluster_name: a}}
  - {name: b, load_assignment: {cluster_name: b}}
layered_runtime: {layers: [LAYERS]}
"""


@pytest.mark.parametrize(
    ("values", "bad"),
    [
        ("{name: s, static_layer: {rel.a: 0, rel.b: 0}}", True),
        ("{name: s, static_layer: {rel: {a: 0.5, b: 0}}}", True),
        ("{name: s, static_layer: {rel.a: 0, rel.b: 0}}, {name: t, static_layer: {rel.a: 1}}", False),
        ("{name: s, static_layer: {rel.a: 0}}", False),
        ("{name: s, static_layer: {rel.a: 0, rel.b: -1}}", False),
        ("{name: s, static_layer: {rel.a: 0, rel.b: 0}}, {name: d, disk_layer: {symlink_root: /x}}", False),
    ],
)
def test_weights_that_are_all_0_in_runtime(values: str, bad: bool) -> None:
    planted = marked(WEIGHTED.replace("LAYERS", values))
    problems = [problem for problem in load(planted.text, NAME).problems if problem.level == "error"]
    assert [(one.message, one.place) for one in problems] == (
        [("all weights are 0 in `layered_runtime`, under `rel.`", planted.place)] if bad else []
    )
