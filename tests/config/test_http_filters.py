"""Filters of a connection manager and what routes say about them: what they mean, and every mistake with its place."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from shifter.config import CustomFilters, Judge, Loaded, load
from shifter.model.filters import CustomFilterConfig, FilterOverride, HttpFilter
from shifter.model.http_filter import HeaderMutation, HealthCheck, Mutations
from shifter.model.route import HeaderMatcher, HeaderValueOption, RouteAction, StringMatcher, StringMatchKind
from tests.support.configs import HCM_TYPE, ROUTER_TYPE

P = "type.googleapis.com/envoy.extensions.filters.http."
FILTER_CONFIG = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
ROUTER = {"name": "router", "typed_config": {"@type": ROUTER_TYPE}}
MUTATION = P + "header_mutation.v3.HeaderMutation"
PER_ROUTE = {"@type": MUTATION + "PerRoute"}
ADDED = HeaderValueOption(b"x-a", b"1")
ADDS = {"request_mutations": [{"append": {"header": {"key": "X-A", "value": "1"}}}]}


def problem(name: str, fields: Mapping[str, object], for_a_route: bool) -> str | None:
    return f"{name} is told {dict(fields)}" + " by a route" * for_a_route if "bad" in fields else None


JUDGE = Judge(
    files=lambda name: name.encode(),
    regex_problem=lambda regex: "it is bad" if b"bad" in regex else None,
    template_problem=lambda text: "it is bad" if "bad" in text else None,
    custom_filters=CustomFilters(lambda: frozenset(("mine.v1.Mine", "mine.v1.Other")), problem),
)


def text_of(filters: object, table: object = None, host: object = None, route: object = None, entry: object = None) -> str:
    def said(config: object) -> dict[str, object]:
        return {"typed_per_filter_config": config} if config is not None else {}

    clusters = [{"name": "one", "weight": 100, **said(entry)}]
    routes = [{"match": {"prefix": "/"}, "route": {"weighted_clusters": {"clusters": clusters}}, **said(route)}]
    manager = {
        "@type": HCM_TYPE,
        "stat_prefix": "x",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes, **said(host)}], **said(table)},
    }
    listener = {
        "name": "front",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 8000}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    return yaml.safe_dump({"static_resources": {"listeners": [listener], "clusters": [{"name": "one"}]}}, sort_keys=False)


def loaded(filters: object, judge: Judge = JUDGE, **levels: object) -> Loaded:
    return load(text_of(filters, **levels), "front.yaml", judge)


def filters_of(filters: object, **levels: object) -> tuple[HttpFilter, ...]:
    found = loaded(filters, **levels)
    assert found.bootstrap is not None, found.problems
    return next(found.bootstrap.listeners[0].managers).http_filters


def mutation(name: str = "m", **fields: object) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": MUTATION, **fields}}


def test_filters_in_their_order_without_the_router() -> None:
    check = {"@type": P + "health_check.v3.HealthCheck", "pass_through_mode": True, "cache_time": "2s"}
    check["headers"] = [{"name": ":path", "string_match": {"exact": "/healthz"}}]
    assert filters_of([mutation(mutations=ADDS), {"name": "h", "typed_config": check, "disabled": True}, ROUTER]) == (
        HttpFilter("m", HeaderMutation(Mutations(request=(ADDED,)))),
        HttpFilter("h", HealthCheck(True, (HeaderMatcher(b":path", StringMatcher(StringMatchKind.EXACT, b"/healthz")),), 2.0), True),
    )


def test_each_kind_of_mutation() -> None:
    written = {
        "response_mutations": [{"remove": "X-B"}, {"remove_on_match": {"key_matcher": {"prefix": "x-"}}}],
        "request_trailers_mutations": [{"remove": "x-t"}],
        "response_trailers_mutations": [{"remove": "x-u"}],
    }
    [found] = filters_of([mutation(mutations=written, most_specific_header_mutations_wins=True), ROUTER])
    names = StringMatcher(StringMatchKind.PREFIX, b"x-")
    assert found.config == HeaderMutation(Mutations((), (b"x-b", names), (b"x-t",), (b"x-u",)), True)


def test_what_the_levels_say() -> None:
    said = {**PER_ROUTE, "mutations": ADDS}
    meant = FilterOverride(HeaderMutation(Mutations(request=(ADDED,))))
    found = loaded(
        [mutation(), ROUTER],
        table={"m": {"@type": FILTER_CONFIG, "disabled": True}},
        host={"m": said},
        route={"m": {"@type": FILTER_CONFIG, "config": said}},
        entry={"m": {"@type": FILTER_CONFIG, "config": {}}},
    ).bootstrap
    assert found is not None
    table = next(found.listeners[0].managers).route_config
    [host] = table.virtual_hosts
    [route] = host.routes
    assert isinstance(route.action, RouteAction)
    assert table.filters == {"m": FilterOverride(disabled=True)}
    assert host.filters == route.filters == {"m": meant}
    assert route.action.clusters[0].filters == {"m": FilterOverride()}


def test_a_filter_from_another_package() -> None:
    typed = {"@type": "type.googleapis.com/mine.v1.Mine", "number": 3, "list": ["a", True]}
    struct = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "x/mine.v1.Other", "value": {"a": {"b": "c"}}}
    found = loaded(
        [{"name": "a", "typed_config": typed}, {"name": "b", "typed_config": struct}, ROUTER],
        route={"a": {"@type": "x/mine.v1.Mine", "for": "a route"}},
    ).bootstrap
    assert found is not None
    manager = next(found.listeners[0].managers)
    assert manager.http_filters == (
        HttpFilter("a", CustomFilterConfig("mine.v1.Mine", {"number": 3, "list": ["a", True]})),
        HttpFilter("b", CustomFilterConfig("mine.v1.Other", {"a": {"b": "c"}})),
    )
    [route] = manager.route_config.virtual_hosts[0].routes
    assert route.filters == {"a": FilterOverride(CustomFilterConfig("mine.v1.Mine", {"for": "a route"}))}


def test_what_is_optional_and_not_known_is_left_out() -> None:
    unknown = {"name": "u", "is_optional": True, "typed_config": {"@type": "x/nobody.Knows"}}
    lua = {"name": "l", "is_optional": True, "typed_config": {"@type": P + "lua.v3.Lua"}}
    empty = {"name": "e", "is_optional": True}
    assert filters_of([unknown, lua, empty, ROUTER], route={"u": {"@type": "x/nobody.Knows"}}) == ()
    assert [(problem.level, problem.message) for problem in loaded([unknown, lua, ROUTER]).problems][:2] == [
        ("warning", "`nobody.Knows` is no filter that is known here"),
        ("warning", "Envoy knows `envoy.extensions.filters.http.lua.v3.Lua`, shifter does not support it yet"),
    ]


def test_the_document_shows_what_was_written() -> None:
    document = loaded([mutation(mutations=ADDS), ROUTER]).document
    manager = document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["http_filters"] == [{"name": "m", "typed_config": {"@type": MUTATION, "mutations": ADDS_SHOWN}}, ROUTER]


ADDS_SHOWN = {"request_mutations": [{"append": {"header": {"key": "X-A", "value": "1"}}}]}


def at(text: str, planted: str) -> tuple[int, int]:
    """Line and column of *planted*, which stands once in *text*."""
    [number] = [number for number, line in enumerate(text.splitlines(), 1) if planted in line]
    return number, text.splitlines()[number - 1].index(planted) + 1


MISTAKES: list[tuple[str, object, dict[str, object], str, str, str]] = [
    ("second router", [ROUTER, {**ROUTER, "name": "again"}], {}, "name: router", "the router is the last filter, and one is enough", ""),
    ("router first", [ROUTER, mutation("behind")], {}, "name: router", "the router is the last filter, and one is enough", ""),
    ("no router", [mutation("alone")], {}, "alone", "the last filter must be the router: it is what forwards requests", "add {name: envoy"),
    ("router off", [{**ROUTER, "disabled": True}], {}, "disabled: true", "the router cannot be disabled", ""),
    (
        "twice",
        [mutation(), {"name": "second"}, mutation("second"), ROUTER],
        {},
        "",
        "a second filter is named `second`",
        "the first stands",
    ),
    ("no config", [{"name": "planted"}, ROUTER], {}, "planted", "the filter `planted` has no `typed_config`", "write typed_config: {"),
    (
        "no type",
        [{"name": "a", "typed_config": {"planted": 1}}, ROUTER],
        {},
        "planted",
        'this has no "@type", which says what it is',
        "write",
    ),
    (
        "unknown type",
        [{"name": "a", "typed_config": {"@type": "x/mine.v1.Min"}}, ROUTER],
        {},
        "x/mine.v1.Min",
        "`mine.v1.Min` is no filter that is known here",
        "did you mean `mine.v1.Mine`?",
    ),
    (
        "Envoy's",
        [{"name": "a", "typed_config": {"@type": P + "lua.v3.Lua"}}, ROUTER],
        {},
        P + "lua",
        "Envoy knows `envoy.extensions.filters.http.lua.v3.Lua`, shifter does not support it yet",
        "take it out, or keep Envoy for this",
    ),
    ("no mapping", [{"name": "a", "typed_config": "planted"}, ROUTER], {}, "planted", "a mapping is wanted here, not `planted`", "begin"),
    ("unknown field", [mutation(mutation={}), ROUTER], {}, "mutation: {}", "unknown field `mutation`", "did you mean `mutations`?"),
    ("empty mutation", [mutation(mutations={"request_mutations": [{}]}), ROUTER], {}, "{}", "this changes nothing", "give one of"),
    (
        "framing",
        [mutation(mutations={"request_mutations": [{"remove": "content-length"}]}), ROUTER],
        {},
        "content-length",
        "the header `content-length` says where the body ends: it cannot be taken out",
        "",
    ),
    (
        "pattern",
        [mutation(mutations={"request_mutations": [{"remove_on_match": {"key_matcher": {"safe_regex": {"regex": "bad"}}}}]}), ROUTER],
        {},
        "bad",
        "this regular expression cannot be used: it is bad",
        "",
    ),
    (
        "format",
        [mutation(mutations={"request_mutations": [{"append": {"header": {"key": "x", "value": "bad"}}}]}), ROUTER],
        {},
        "bad",
        "this format cannot be used: it is bad",
        "",
    ),
    (
        "cache without",
        [
            {"name": "h", "typed_config": {"@type": P + "health_check.v3.HealthCheck", "pass_through_mode": False, "cache_time": "1s"}},
            ROUTER,
        ],
        {},
        P + "health",
        "this filter cannot be used: there is nothing to cache without `pass_through_mode: true`, so no `cache_time`",
        "",
    ),
    (
        "custom",
        [{"name": "a", "typed_config": {"@type": "x/mine.v1.Mine", "bad": 1}}, ROUTER],
        {},
        "x/mine.v1.Mine",
        "the filter `mine.v1.Mine` cannot be used: mine.v1.Mine is told {'bad': 1}",
        "",
    ),
    (
        "unknown name",
        [mutation("mutate"), ROUTER],
        {"route": {"mutatte": PER_ROUTE}},
        "mutatte",
        "no filter of `http_filters` is named `mutatte`",
        "did you mean `mutate`?",
    ),
    (
        "no filters",
        [ROUTER],
        {"host": {"mutate": PER_ROUTE}},
        "mutate",
        "no filter of `http_filters` is named `mutate`",
        "there is none but the router",
    ),
    (
        "wrong message",
        [mutation(), ROUTER],
        {"table": {"m": {"@type": P + "cors.v3.CorsPolicy"}}},
        P + "cors",
        "`envoy.extensions.filters.http.cors.v3.CorsPolicy` is not what a route says to the filter `m`",
        f"write {MUTATION}PerRoute",
    ),
    (
        "nothing to say",
        [{"name": "h", "typed_config": {"@type": P + "health_check.v3.HealthCheck", "pass_through_mode": True}}, ROUTER],
        {"entry": {"h": {"@type": "x/planted"}}},
        "x/planted",
        "a route can tell the filter `h` nothing but whether it is on",
        "write {",
    ),
    (
        "empty",
        [mutation(), ROUTER],
        {"route": {"m": {"@type": FILTER_CONFIG}}},
        FILTER_CONFIG,
        "this says nothing to the filter",
        "give `config`, or `disabled: true`",
    ),
    (
        "other package",
        [{"name": "a", "typed_config": {"@type": "x/mine.v1.Mine"}}, ROUTER],
        {"route": {"a": {"@type": "x/mine.v1.Other"}}},
        "x/mine.v1.Other",
        "the filter `a` is a `mine.v1.Mine`, and this is not",
        "",
    ),
    (
        "custom on a route",
        [{"name": "a", "typed_config": {"@type": "x/mine.v1.Mine"}}, ROUTER],
        {"route": {"a": {"@type": "y/mine.v1.Mine", "bad": 2}}},
        "y/mine.v1.Mine",
        "the filter `mine.v1.Mine` cannot be used: mine.v1.Mine is told {'bad': 2} by a route",
        "",
    ),
    (
        "untyped on a route",
        [mutation(), ROUTER],
        {"route": {"m": {"planted": {}}}},
        "planted",
        'this has no "@type", which says what it is',
        "",
    ),
]


@pytest.mark.parametrize(
    ("filters", "levels", "planted", "message", "hint"), [one[1:] for one in MISTAKES], ids=[one[0] for one in MISTAKES]
)
def test_mistake(filters: object, levels: dict[str, object], planted: str, message: str, hint: str) -> None:
    found = loaded(filters, **levels)
    assert found.bootstrap is None
    problem = next(one for one in found.problems if one.message == message)
    assert problem.level == "error"
    assert problem.hint.startswith(hint)
    if planted:
        line, column = at(text_of(filters, **levels), planted)
        assert problem.place.line == line
        assert problem.place.column in (column, column + len("name: "), column + len("- "))


def test_what_routes_say_in_a_file_of_their_own_is_checked_as_far_as_it_can_be() -> None:
    table = {"virtual_hosts": [{"name": "a", "domains": ["*"], "typed_per_filter_config": {"any name": {**PER_ROUTE, "mutation": 1}}}]}
    found = load(yaml.safe_dump(table), "routes.yaml", JUDGE, routes_alone=True)
    assert [problem.message for problem in found.problems] == ["unknown field `mutation`"]
