"""What weighted choices are called, and which weights follow from what somebody says."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.bootstrap import Bootstrap, RuntimeLayer, RuntimeValue
from shifter.model.change import WeightOverride
from shifter.service.weights import Choice, WeightsError, choices, find, finding, overridden, overriding, wanted_weights, weightless
from tests.support.steering import candidate, config, listener, tcp_listener, weighted

ONE = weighted("/service/1", service1a=10, service1=90)
TWO = weighted("/service/2", service2=1, service1=1)
PLAIN = "{match: {prefix: /}, route: {cluster: service1}}"


def served(*listeners: str, layers: str = "") -> Bootstrap:
    bootstrap = candidate(config(*listeners, layers=layers)).bootstrap
    assert bootstrap is not None
    return bootstrap


def named(route: str, name: str) -> str:
    return f"{{name: {name}, {route[1:]}"


FRONT = served(listener(ONE, named(TWO, "second"), PLAIN), tcp_listener("db", "mysql", service1=3, service2=1))


def test_routes_and_tcp_proxies_with_several_clusters_have_names() -> None:
    assert {name: one.weights for name, one in choices(FRONT).items()} == {
        "all/prefix /service/1": {"service1a": 10, "service1": 90},
        "all/second": {"service2": 1, "service1": 1},
        "db/mysql": {"service1": 3, "service2": 1},
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        *(
            (text, "all/prefix /service/1")
            for text in ("/service/1", "prefix /service/1", "all/prefix /service/1", "front/all/prefix /service/1")
        ),
        *((text, "all/second") for text in ("second", "/service/2", "all/second", "front/all/second")),
        *((text, "db/mysql") for text in ("mysql", "db", "db/mysql")),
    ],
)
def test_what_a_choice_may_be_called(text: str, name: str) -> None:
    assert find(FRONT, text).name == name


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/service/3", "no route with weights is called `/service/3`; did you mean `/service/1`?"),
        ("nothing", "no route with weights is called `nothing`; known: `all/prefix /service/1`, `all/second`, `db/mysql`"),
        ("/", "`/` has no weights: all of its requests go to one place"),
    ],
)
def test_what_is_none_is_told(text: str, why: str) -> None:
    with pytest.raises(WeightsError) as error:
        find(FRONT, text)
    assert error.value.problems in ((why,), (why.replace("/service/1", "/service/2"),))


def test_a_configuration_without_weights() -> None:
    with pytest.raises(WeightsError, match="no route has weights"):
        find(served(listener(PLAIN)), "/x")


def test_the_same_route_in_two_listeners_is_one_choice() -> None:
    both = served(listener(ONE), listener(ONE, name="inner", port=3))
    [one] = choices(both).values()
    assert (one.name, one.listeners) == ("all/prefix /service/1", ("front", "inner"))
    changed, held, _ = overridden(both, {one.name: WeightOverride(one.name, {"service1a": 1, "service1": 1}, dict(one.weights))})
    assert (set(held), [dict(one.weights) for one in choices(changed).values()]) == ({one.name}, [{"service1a": 1, "service1": 1}])


def test_routes_that_differ_between_listeners_are_told_apart() -> None:
    other = weighted("/service/1", service2=1, service1=1)
    both = served(listener(ONE), listener(other, name="inner", port=3))
    assert list(choices(both)) == ["front/all/prefix /service/1", "inner/all/prefix /service/1"]
    with pytest.raises(WeightsError, match=r"may be any of 2 routes: `front/all/prefix /service/1`, `inner/all/prefix /service/1`"):
        find(both, "/service/1")
    name = "inner/all/prefix /service/1"
    changed, _, _ = overridden(both, {name: WeightOverride(name, {"service2": 5, "service1": 6}, {"service2": 1, "service1": 1})})
    assert [dict(one.weights) for one in choices(changed).values()] == [{"service1a": 10, "service1": 90}, {"service2": 5, "service1": 6}]


def test_twins_in_one_virtual_host_are_numbered() -> None:
    twins = served(listener(ONE, weighted("/service/1", service2=1, service1=1)))
    assert list(choices(twins)) == ["all/prefix /service/1", "all/prefix /service/1#2"]


def test_thousands_of_routes_are_gone_through_in_steps() -> None:
    many = served(listener(*(weighted(f"/service/{number}", service1a=10, service1=90) for number in range(700))))
    name = "all/prefix /service/699"
    override = WeightOverride(name, {"service1a": 1, "service1": 1}, {"service1a": 10, "service1": 90})
    for work in (finding(many, "/service/699"), overriding(many, {name: override})):
        assert len(list(work)) > 2 * 700 / 200  # each looks at all of them twice
    assert choices(many, {name}) == {name: find(many, "/service/699")}


# other weights

CHOICE = Choice("all/r", ("front",), {"service1a": 10, "service1": 90})
THREE = Choice("all/r", ("front",), {"a": 20, "b": 20, "c": 40})


@pytest.mark.parametrize(
    ("choice", "said", "weights"),
    [
        (CHOICE, {"service1a": "25"}, {"service1a": 25, "service1": 75}),
        (CHOICE, {"service1a": "25%"}, {"service1a": 25, "service1": 75}),
        (CHOICE, {"service1a": "0"}, {"service1a": 0, "service1": 100}),
        (CHOICE, {"service1a": "100"}, {"service1a": 100, "service1": 0}),
        (CHOICE, {"service1a": "0.5"}, {"service1a": 50, "service1": 9950}),
        (CHOICE, {"service1a": "0.01"}, {"service1a": 1, "service1": 9999}),
        (CHOICE, {"service1a": "1", "service1": "2"}, {"service1a": 1, "service1": 2}),
        (CHOICE, {"service1a": "0.5", "service1": "2"}, {"service1a": 50, "service1": 200}),
        (THREE, {"a": "10"}, {"a": 10, "b": 30, "c": 60}),
        (THREE, {"a": "50", "b": "50"}, {"a": 50, "b": 50, "c": 0}),
        (THREE, {"c": "0.01"}, {"a": 5000, "b": 4999, "c": 1}),
        (Choice("r", (), {"a": 0, "b": 5}), {"b": "40"}, {"a": 60, "b": 40}),
    ],
)
def test_wanted_weights(choice: Choice, said: dict[str, str], weights: dict[str, int]) -> None:
    assert wanted_weights(choice, said) == weights


@pytest.mark.parametrize(
    ("choice", "said", "why"),
    [
        (CHOICE, {"service1a": "0", "service1": "0"}, "all weights of `all/r` would be 0: no cluster would serve its requests"),
        (CHOICE, {"service1aa": "5"}, "`all/r` has no cluster `service1aa`; did you mean `service1a`?"),
        (CHOICE, {"x": "5"}, "`all/r` has no cluster `x`; it has `service1a`, `service1`"),
        (CHOICE, {"service1a": "101"}, "that is 101 % of `all/r`: say also what `service1` gets, or no more than 100 %"),
        *(
            (CHOICE, {"service1a": text}, f"`service1a={text}`: a weight is a number, 0 or more, with two digits behind the point at most")
            for text in ("", "-1", "x", "1.234", "1.", "1e2", "٣", "99999999999")
        ),
        (CHOICE, {"service1a": "4000000000", "service1": "4000000000"}, "the weights of `all/r` would add up to more than 4294967295"),
        (Choice("r", (), {"a": 0, "b": 0, "c": 5}), {"c": "40"}, "say what `a`, `b` get: of `r` they have 0 now"),
        *(
            (Choice("r", (), {"a": 1, "b": 1}, doubled=frozenset(("a",))), said, "`a` stands twice in `r`: only the file can weigh it")
            for said in ({"a": "4"}, {"b": "4"})
        ),
    ],
)
def test_weights_that_cannot_be(choice: Choice, said: dict[str, str], why: str) -> None:
    with pytest.raises(WeightsError) as error:
        wanted_weights(choice, said)
    assert error.value.problems == (why,)


_weights = st.lists(st.integers(1, 1000), min_size=2, max_size=5)


@given(_weights, st.decimals(0, 100, places=2))
def test_the_others_keep_their_proportions(weights: list[int], percent: object) -> None:
    choice = Choice("r", (), {f"c{number}": weight for number, weight in enumerate(weights)})
    found = wanted_weights(choice, {"c0": str(percent)})
    total = sum(found.values())
    assert Fraction(found["c0"], total) == Fraction(str(percent)) / 100
    rest = 1 - Fraction(str(percent)) / 100
    for name, weight in list(choice.weights.items())[1:]:
        assert abs(Fraction(found[name], total) - rest * weight / sum(weights[1:])) <= Fraction(1, 10_000)


# over the files


def held(**weights: int) -> dict[str, WeightOverride]:
    return {"all/prefix /service/1": WeightOverride("all/prefix /service/1", weights, {"service1a": 10, "service1": 90})}


def test_an_override_changes_its_route_and_leaves_all_else_as_it_is() -> None:
    changed, kept, ended = overridden(FRONT, held(service1a=1, service1=99))
    assert (kept, ended) == (held(service1a=1, service1=99), [])
    assert choices(changed)["all/prefix /service/1"].weights == {"service1a": 1, "service1": 99}
    before, after = (next(iter(config.listeners[0].managers)).route_config.virtual_hosts[0].routes for config in (FRONT, changed))
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, True, True]
    assert changed.listeners[1] is FRONT.listeners[1] and changed.clusters is FRONT.clusters


@pytest.mark.parametrize(
    ("route", "why"),
    [
        (weighted("/service/1", service1a=20, service1=80), "the file has other weights there by now"),
        (weighted("/service/1", service1a=1, service1=99), "the file says the same by now"),
        (weighted("/service/1", service2=10, service1=90), "the file has other weights there by now"),
        (TWO, "the file has no such route with weights any more"),
    ],
)
def test_it_ends_when_the_file_says_something_else(route: str, why: str) -> None:
    now = served(listener(route))
    changed, kept, ended = overridden(now, held(service1a=1, service1=99))
    assert (changed, kept) == (now, {})
    assert ended == [f"the weights that were set for all/prefix /service/1 end: {why}"]


def test_an_override_of_a_route_with_runtime_weights_is_the_last_word() -> None:
    layers = "{name: s, static_layer: {rel.service1a: 50}}"
    front = served(listener(weighted("/service/1", "runtime_key_prefix: rel, ", service1a=10, service1=90)), layers=layers)
    assert find(front, "/service/1").weights == {"service1a": 50, "service1": 90}
    changed, _, _ = overridden(front, held(service1a=1, service1=99))
    assert find(changed, "/service/1").weights == {"service1a": 1, "service1": 99}


def test_a_tcp_proxy_has_weights_too() -> None:
    override = {"db/mysql": WeightOverride("db/mysql", {"service1": 1, "service2": 9}, {"service1": 3, "service2": 1})}
    changed, _, _ = overridden(FRONT, override)
    assert choices(changed)["db/mysql"].weights == {"service1": 1, "service2": 9}


@pytest.mark.parametrize(
    ("values", "bad"), [({"rel.service1a": 0, "rel.service1": 0}, True), ({"rel.service1a": 0}, False), ({"x": 0}, False)]
)
def test_routes_without_any_weight_in_runtime(values: dict[str, RuntimeValue], bad: bool) -> None:
    route = weighted("/service/1", "runtime_key_prefix: rel, ", service1a=10, service1=90)
    found = weightless(replace(served(listener(PLAIN, route)), runtime=(RuntimeLayer("admin", values),)))
    said = "all weights of all/prefix /service/1 would be 0 in runtime (rel.service1a, rel.service1): nothing would serve it"
    assert found == ([said] if bad else [])
