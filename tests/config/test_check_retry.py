"""What is told about retry policies, and about the other things that a route says to its clusters."""

import pytest

from shifter.config import Judge, Problem, load
from tests.config.test_build_retry import CANARIES, HOST, SOME_METADATA
from tests.support.configs import NAME, marked, with_route

LIST = "5xx, cancelled, connect-failure, deadline-exceeded, envoy-ratelimited, gateway-error"
BACK_OFF = "`max_interval` must be as long as `base_interval`, or longer"
SHIFTER = "metadata: {filter_metadata: {shifter: ∎}}"


def only(text: str, judge: Judge | None = None) -> Problem:
    planted = marked(text)
    [problem] = load(planted.text, NAME, judge).problems
    assert problem.place == planted.place
    return problem


def retrying(policy: str, more: str = "") -> str:
    return with_route(action=f"route: {{cluster: service1, retry_policy: {{{policy}}}{more}}}")


@pytest.mark.parametrize(
    ("policy", "message", "hint"),
    [
        ("retry_on: 5xx, «num_retry»: 1", "unknown field `num_retry`", "did you mean `num_retries`?"),
        ("retry_on: 5xx, per_try_timeout: «2»", "the duration `2` has no unit", "write 2s"),
        ("retry_on: retriable-status-codes, retriable_status_codes: [«'5xx'»]", "a whole number is wanted here, not `5xx`", ""),
        ("retry_on: 5xx, «retry_back_off»: {max_interval: 1s}", "`base_interval` is missing in `retry_back_off`", ""),
        ("retry_on: 5xx, retry_back_off: {base_interval: 1s, max_interval: «0.5s»}", BACK_OFF, "that is 1s"),
        ("retry_on: 5xx, «rate_limited_retry_back_off»: {}", "`reset_headers` is missing", ""),
        (
            "retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: [{name: a, format: «MINUTES»}]}",
            "`MINUTES` is none of the values of `format`",
            "known: SECONDS, UNIX_TIMESTAMP",
        ),
        ("retry_on: 5xx, retry_host_predicate: [«{»name: envoy.retry_host_predicates.previous_hosts}]", "`typed_config` is missing", ""),
        (
            f"retry_on: 5xx, retry_host_predicate: [{CANARIES.replace('}}', ', «metadata_match»: {}}}')}]",
            "this predicate has no `metadata_match`",
            "",
        ),
        (
            "retry_on: 5xx, retry_host_predicate: "
            + f"[{SOME_METADATA}, {SOME_METADATA.replace('type.', '«type.').replace('Config', 'Config»', 1)}]",
            "shifter does not support a second predicate of this type yet",
            "the first is at line",
        ),
        ("retry_on: 5xx, «retry_options_predicates»: [{name: a}]", "Envoy knows `retry_options_predicates`, shifter does not", ""),
    ],
)
def test_error(policy: str, message: str, hint: str) -> None:
    problem = only(retrying(policy))
    assert problem.level == "error" and message in problem.message and hint in problem.hint


@pytest.mark.parametrize(
    ("policy", "message", "hint"),
    [
        ("retry_on: «'5xx,gateway-eror'»", "`gateway-eror` is no reason to try again that is known; it is ignored", "`gateway-error`?"),
        ("retry_on: «5XX»", "`5XX` is no reason to try again that is known", "did you mean `5xx`?"),
        ("retry_on: «'5xx, 404'»", "`404` is no reason to try again that is known", f"known: {LIST}"),
        ("retry_on: «retriable-status-codes»", "`retriable-status-codes` has no effect without `retriable_status_codes`", ""),
        (
            "retry_on: 5xx, «retriable_status_codes»: [409]",
            "`retriable_status_codes` has no effect: `retry_on` does not hold `retriable-status-codes`",
            "",
        ),
        ("retry_on: 5xx, per_try_timeout: «15s»", "`per_try_timeout` has no effect: the route's timeout of 15s is over before", ""),
    ],
)
def test_warning(policy: str, message: str, hint: str) -> None:
    problem = only(retrying(policy))
    assert problem.level == "warning" and message in problem.message and hint in problem.hint


def test_a_policy_without_a_reason() -> None:
    problem = only(with_route(action="route: {cluster: service1, retry_policy: «{»num_retries: 3}}"))
    assert problem.level == "warning" and problem.message == "without `retry_on` nothing is tried again"


def test_a_try_may_take_long_when_the_route_has_the_time() -> None:
    assert load(retrying("retry_on: 5xx, per_try_timeout: 15s", ", timeout: 20s"), NAME).problems == []
    assert load(retrying("retry_on: 5xx, per_try_timeout: 15s", ", timeout: 0s"), NAME).problems == []


def test_patterns_are_judged() -> None:
    judge = Judge(regex_problem=lambda pattern: "no" if pattern == b"(" else None)
    for name in ("retriable_headers", "retriable_request_headers"):
        written = f"retry_on: 'retriable-headers', {name}: [{{name: a, string_match: {{safe_regex: {{regex: «(»}}}}}}]"
        if name == "retriable_request_headers":
            written += ", retriable_headers: [{name: b}]"
        assert only(retrying(written), judge).message == "this regular expression cannot be used: no"


def test_those_of_virtual_hosts_are_checked_once() -> None:
    text = with_route(action="route: {cluster: service1}")
    policy = "              retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 1s, max_interval: «0.5s»}}\n"
    assert only(text.replace(HOST, HOST + policy)).message == BACK_OFF


def test_hedging_needs_a_limit_for_tries() -> None:
    hedge = ", hedge_policy: {«hedge_on_per_try_timeout»: true}"
    assert only(retrying("retry_on: 5xx", hedge)).message == "`hedge_on_per_try_timeout` has no effect"
    good = retrying("retry_on: 5xx, per_try_timeout: 1s", hedge.replace("«", "").replace("»", ""))
    assert load(good, NAME).problems == []


@pytest.mark.parametrize(
    ("value", "level", "message", "hint"),
    [
        ("{health_aware_weights: «1»}", "error", "`health_aware_weights` is true or false", ""),
        ("{health_aware_weights: «'false'»}", "error", "`health_aware_weights` is true or false", ""),
        (
            "{«health_aware_wieghts»: false}",
            "warning",
            "shifter does not know `health_aware_wieghts`",
            "did you mean `health_aware_weights`?",
        ),
    ],
)
def test_what_shifter_itself_is_told(value: str, level: str, message: str, hint: str) -> None:
    for place in ("route", "host"):
        written = SHIFTER.replace("∎", value)
        text = with_route(action="route: {cluster: service1}" + (f", {written}" if place == "route" else ""))
        problem = only(text.replace(HOST, f"{HOST}              {written}\n") if place == "host" else text)
        assert problem.level == level and message in problem.message and hint in problem.hint


def test_a_switch_that_is_no_single_value() -> None:
    written = "metadata: {filter_metadata: {«shifter»: {health_aware_weights: [true]}}}"
    assert only(with_route(action=f"route: {{cluster: service1}}, {written}")).message == "`health_aware_weights` is true or false"
