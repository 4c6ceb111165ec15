"""What is said about trying again arrives in the model, field by field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.config.build_retry import retry_words
from shifter.config.schema.retry import RETRY_WORDS
from shifter.model.retry import HedgePolicy, RateLimitedRetryBackOff, ResetHeaderFormat, RetryPolicy
from shifter.model.route import HeaderMatcher, RouteAction, StringMatcher, StringMatchKind, VirtualHost
from tests.support.configs import GOOD, NAME, with_route

TYPES = "type.googleapis.com/envoy.extensions.retry."
PREVIOUS_HOSTS = f'{{name: a, typed_config: {{"@type": {TYPES}host.previous_hosts.v3.PreviousHostsPredicate}}}}'
CANARIES = f'{{name: a, typed_config: {{"@type": {TYPES}host.omit_canary_hosts.v3.OmitCanaryHostsPredicate}}}}'
METADATA = f'{{name: a, typed_config: {{"@type": {TYPES}host.omit_host_metadata.v3.OmitHostMetadataConfig, metadata_match: {{}}}}}}'
SOME_METADATA = METADATA.replace("{}", "{filter_metadata: {envoy.lb: {version: v2}, other: {a: b}}}")
PRIORITIES = f'{{name: a, typed_config: {{"@type": {TYPES}priority.previous_priorities.v3.PreviousPrioritiesConfig, update_frequency: 2}}}}'
FIVE = frozenset(("5xx",))
HOST = '              domains: ["*"]\n'


def host(text: str) -> VirtualHost:
    loaded = load(text, NAME)
    assert loaded.bootstrap is not None, loaded.problems
    return next(loaded.bootstrap.listeners[0].managers).route_config.virtual_hosts[0]


def action(text: str) -> RouteAction:
    [found] = host(text).routes
    assert isinstance(found.action, RouteAction)
    return found.action


def retry(written: str) -> RetryPolicy | None:
    return action(with_route(action=f"route: {{cluster: service1, retry_policy: {{{written}}}}}")).retry


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        ("", RetryPolicy()),
        ("retry_on: 5xx", RetryPolicy(FIVE)),
        ("retry_on: ' 5xx , , reset,nonsense,5XX'", RetryPolicy(frozenset(("5xx", "reset")))),
        ("retry_on: 5xx, num_retries: 0", RetryPolicy(FIVE, num_retries=0)),
        (
            "retry_on: 5xx, per_try_timeout: 2s, per_try_idle_timeout: 0.5s",
            RetryPolicy(FIVE, per_try_timeout=2.0, per_try_idle_timeout=0.5),
        ),
        ("retry_on: 5xx, retriable_status_codes: [409, 409, 503]", RetryPolicy(FIVE, retriable_status_codes=frozenset((409, 503)))),
        (
            "retry_on: 5xx, retriable_headers: [{name: ':status', string_match: {prefix: '50'}}], retriable_request_headers: [{name: X-A}]",
            RetryPolicy(
                FIVE,
                retriable_headers=(HeaderMatcher(b":status", StringMatcher(StringMatchKind.PREFIX, b"50")),),
                retriable_request_headers=(HeaderMatcher(b"x-a", present=True),),
            ),
        ),
        ("retry_on: 5xx, retry_back_off: {base_interval: 1s}", RetryPolicy(FIVE, back_off_base=1.0)),
        ("retry_on: 5xx, retry_back_off: {base_interval: 1s, max_interval: 4s}", RetryPolicy(FIVE, back_off_base=1.0, back_off_max=4.0)),
        ("retry_on: 5xx, retry_back_off: {base_interval: 0.0001s}", RetryPolicy(FIVE, back_off_base=0.001)),
        (
            "retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: [{name: Retry-After}, {name: X-R, format: unix_timestamp}]}",
            RetryPolicy(
                FIVE,
                rate_limited=RateLimitedRetryBackOff(
                    ((b"retry-after", ResetHeaderFormat.SECONDS), (b"x-r", ResetHeaderFormat.UNIX_TIMESTAMP))
                ),
            ),
        ),
        (
            "retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: [{name: a}], max_interval: 9s}",
            RetryPolicy(FIVE, rate_limited=RateLimitedRetryBackOff(((b"a", ResetHeaderFormat.SECONDS),), 9.0)),
        ),
        (f"retry_on: 5xx, retry_host_predicate: [{PREVIOUS_HOSTS}]", RetryPolicy(FIVE, previous_hosts=True)),
        (
            f"retry_on: 5xx, retry_host_predicate: [{CANARIES}, {SOME_METADATA}], host_selection_retry_max_attempts: 3",
            RetryPolicy(FIVE, omit_canary_hosts=True, omit_host_metadata={"version": "v2"}, host_selection_attempts=3),
        ),
        (f"retry_on: 5xx, retry_host_predicate: [{METADATA}], host_selection_retry_max_attempts: 0", RetryPolicy(FIVE)),
        (f"retry_on: 5xx, retry_priority: {PRIORITIES}", RetryPolicy(FIVE, previous_priorities=2)),
        ("retry_on: 5xx, refresh_cluster_on_retry: true", RetryPolicy(FIVE, refresh_cluster_on_retry=True)),
    ],
)
def test_fields(written: str, policy: RetryPolicy) -> None:
    assert retry(written) == policy


@given(st.lists(st.sampled_from(RETRY_WORDS)), st.sampled_from((",", ", ", " ,", ",,")))
def test_every_known_word_is_read_however_the_list_is_written(words: list[str], between: str) -> None:
    assert retry_words(between.join(words)) == words


def test_a_route_has_that_of_its_virtual_host_unless_it_has_its_own() -> None:
    inherited = "retry_policy: {retry_on: 5xx}\n              hedge_policy: {hedge_on_per_try_timeout: true}\n"
    above = with_route(action="route: {cluster: service1}").replace(HOST, f"{HOST}              {inherited}")
    assert (action(above).retry, action(above).hedge) == (RetryPolicy(FIVE), HedgePolicy(True))
    own = above.replace("route: {cluster: service1}", "route: {cluster: service1, retry_policy: {}, hedge_policy: {}}")
    assert (action(own).retry, action(own).hedge) == (RetryPolicy(), HedgePolicy())
    without = action(with_route(action="route: {cluster: service1}"))
    assert (without.retry, without.hedge) == (None, None)


@pytest.mark.parametrize(
    ("of_host", "of_route", "limit"),
    [
        ("", "", None),
        ("request_body_buffer_limit: 7", "", 7),
        ("request_body_buffer_limit: 7", "per_request_buffer_limit_bytes: 5", 5),
        ("per_request_buffer_limit_bytes: 9", "", 9),
        ("per_request_buffer_limit_bytes: 9", "request_body_buffer_limit: 0, per_request_buffer_limit_bytes: 5", 0),
    ],
)
def test_how_much_of_a_body_is_kept(of_host: str, of_route: str, limit: int | None) -> None:
    text = with_route(action=f"route: {{cluster: service1}}{', ' + of_route if of_route else ''}")
    assert action(text.replace(HOST, f"{HOST}              {of_host}\n")).request_body_buffer_limit == limit


def test_priority() -> None:
    assert action(with_route(action="route: {cluster: service1, priority: high}")).high_priority
    assert not action(with_route(action="route: {cluster: service1, priority: DEFAULT}")).high_priority


def test_values_of_hosts_are_merged_one_by_one() -> None:
    route = "metadata_match: {filter_metadata: {envoy.lb: {version: v1, stage: prod}, other: {a: b}}}"
    one = action(with_route(action=f"route: {{cluster: service1, {route}}}"))
    assert one.metadata_match == one.clusters[0].metadata_match == {"version": "v1", "stage": "prod"}
    entries = (
        "{name: service1, weight: 50}, {name: service1a, weight: 50, metadata_match: {filter_metadata: {envoy.lb: {version: v2, x: 1}}}}"
    )
    several = action(with_route(action=f"route: {{weighted_clusters: {{clusters: [{entries}]}}, {route}}}"))
    found = [entry.metadata_match for entry in several.clusters]
    assert found == [{"version": "v1", "stage": "prod"}, {"version": "v2", "stage": "prod", "x": 1}]
    alone = action(with_route(action=f"route: {{weighted_clusters: {{clusters: [{entries}]}}}}"))
    assert [entry.metadata_match for entry in alone.clusters] == [None, {"version": "v2", "x": 1}]
    assert alone.metadata_match is None


@pytest.mark.parametrize(
    ("table", "host", "route", "aware"),
    [
        ("", "", "", True),
        ("false", "", "", False),
        ("", "false", "", False),
        ("", "", "false", False),
        ("false", "true", "", True),
        ("true", "false", "true", True),
        ("true", "true", "false", False),
    ],
)
def test_the_innermost_switch_of_health_aware_weights_holds(table: str, host: str, route: str, aware: bool) -> None:
    switch = "metadata: {filter_metadata: {shifter: {health_aware_weights: ∎}}}"
    text = with_route(action="route: {cluster: service1}" + (f", {switch.replace('∎', route)}" if route else ""))
    if host:
        text = text.replace(HOST, f"{HOST}              {switch.replace('∎', host)}\n")
    if table:
        line = "            name: local_route\n"
        text = text.replace(line, f"{line}            {switch.replace('∎', table)}\n")
    assert action(text).health_aware_weights is aware


def test_nothing_is_said_in_the_good_configuration() -> None:
    actions = [route.action for route in host(GOOD).routes]
    assert all(one.retry is None and one.health_aware_weights for one in actions if isinstance(one, RouteAction))
