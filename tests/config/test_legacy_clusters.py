"""Old spellings within clusters: what they mean, what is said, and that ``shifter convert`` writes them as they are written today."""

from dataclasses import replace

import pytest

from shifter.config import load
from shifter.config.convert import convert
from shifter.model.retry import RetryPolicy
from shifter.model.route import RouteAction
from tests.support.configs import NAME, with_cluster, with_route

LIMITS = "unhealthy_threshold: 2, healthy_threshold: 1"

# today's spelling, the old one, what is said of it
REWRITES = {
    "times of v1": (
        "dns_refresh_rate: 3s, outlier_detection: {consecutive_5xx: 3, interval: 1s, base_ejection_time: 0.5s}",
        "dns_refresh_rate_ms: 3000, outlier_detection: {consecutive_5xx: 3, interval_ms: 1000, base_ejection_time_ms: 500}",
        ["`dns_refresh_rate_ms` is", "`interval_ms` is", "`base_ejection_time_ms` is"],
    ),
    "an HTTP health check of v1": (
        f"health_checks: [{{timeout: 1s, interval: 2s, {LIMITS}, http_health_check: {{path: /ok, service_name_matcher: {{prefix: a}}}}}}]",
        f"health_check: {{type: http, timeout_ms: 1000, interval_ms: 2000, {LIMITS}, path: /ok, service_name: a}}",
        [
            "`health_check` is",
            "health checks have no `type`",
            "`timeout_ms` is",
            "`interval_ms` is",
            "`path` stands in the health check itself, as in Envoy's v1 format",
            "`service_name` is",
        ],
    ),
    "a TCP health check of v1": (
        f"health_checks: [{{tcp_health_check: {{}}, timeout: 1s, interval: 2s, interval_jitter: 0.1s, {LIMITS}}}]",
        f"health_checks: [{{type: tcp, timeout: 1s, interval: 2s, interval_jitter_ms: 100, {LIMITS}, send: [], receive: []}}]",
        ["`type` is an old spelling of `tcp_health_check`", "`interval_jitter_ms` is"],
    ),
    "HTTP/2 of v2": (
        f"health_checks: [{{timeout: 1s, interval: 2s, {LIMITS}, http_health_check: {{path: /, codec_client_type: HTTP2}}}}]",
        f"health_checks: [{{timeout: 1s, interval: 2s, {LIMITS}, http_health_check: {{path: /, use_http2: true}}}}]",
        ["`use_http2` is an old spelling of `codec_client_type`"],
    ),
    "a header of v2": (
        f"health_checks: [{{timeout: 1s, interval: 2s, {LIMITS}, http_health_check: {{path: /, request_headers_to_add: "
        "[{header: {key: a, value: b}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]}}]",
        f"health_checks: [{{timeout: 1s, interval: 2s, {LIMITS}, http_health_check: {{path: /, request_headers_to_add: "
        "[{header: {key: a, value: b}, append: false}]}}]",
        ["`append` is an old spelling of `append_action`"],
    ),
    "limits of v1": (
        "circuit_breakers: {thresholds: [{max_requests: 5}, {priority: HIGH, max_requests: 6}]}",
        "circuit_breakers: {default: {max_requests: 5}, high: {max_requests: 6}}",
        ["`default` is an old spelling of `thresholds`", "`high` is an old spelling of `thresholds`"],
    ),
    "limits of one priority": (
        "circuit_breakers: {thresholds: [{priority: HIGH, max_requests: 6}]}",
        "circuit_breakers: {high: {max_requests: 6}}",
        ["`high` is an old spelling of `thresholds`"],
    ),
    "hosts behind a pipe": (
        "load_assignment: {cluster_name: added, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /a.sock}}}}]}]}",
        "hosts: [{pipe: {path: /a.sock}}]",
        ["`hosts` is an old spelling of `load_assignment`"],
    ),
}


@pytest.mark.parametrize(("today", "old", "said"), REWRITES.values(), ids=REWRITES)
def test_what_it_means(today: str, old: str, said: list[str]) -> None:
    new, former = load(with_cluster(today), NAME), load(with_cluster(old), NAME)
    assert new.problems == [] and new.bootstrap is not None and former.bootstrap is not None
    assert replace(former.bootstrap.clusters[2], place="") == replace(new.bootstrap.clusters[2], place="")
    messages = [problem.message for problem in former.problems]
    assert len(messages) == len(said) and all(any(text in message for message in messages) for text in said)
    assert all(problem.level == "warning" and problem.alias and problem.hint for problem in former.problems)


@pytest.mark.parametrize("old", [old for _, old, _ in REWRITES.values()], ids=REWRITES)
def test_it_is_converted(old: str) -> None:
    written = convert(with_cluster(old).encode(), NAME)
    loaded, former = load(written.text, NAME), load(with_cluster(old), NAME)
    assert loaded.problems == [] and loaded.bootstrap is not None and former.bootstrap is not None
    assert replace(loaded.bootstrap.clusters[2], place="") == replace(former.bootstrap.clusters[2], place="")


@pytest.mark.parametrize("of_host", [False, True])
def test_a_retry_policy_of_v1(of_host: bool) -> None:
    policies = []
    for timeout in ("per_try_timeout: 2s", "per_try_timeout_ms: 2000"):
        policy = f"retry_policy: {{retry_on: '5xx,connect-failure', num_retries: 3, {timeout}}}"
        text = with_route(action=f"route: {{cluster: service1{'' if of_host else f', {policy}'}}}")
        loaded = load(text.replace('domains: ["*"]\n', f'domains: ["*"]\n              {policy}\n') if of_host else text, NAME)
        assert loaded.bootstrap is not None, loaded.problems
        assert len(loaded.problems) == ("_ms" in timeout)
        [route] = next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0].routes
        assert isinstance(route.action, RouteAction)
        policies.append(route.action.retry)
    assert policies == [RetryPolicy(frozenset(("5xx", "connect-failure")), 3, 2.0)] * 2


def test_what_a_tcp_check_of_v1_sent_is_left_to_the_schema() -> None:
    text = with_cluster(f"health_checks: [{{type: tcp, timeout: 1s, interval: 2s, {LIMITS}, send: [{{binary: '00'}}], receive: []}}]")
    assert load(text, NAME).bootstrap is None
