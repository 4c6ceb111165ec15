"""Runtime layers arrive in the model under dotted keys."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.model.bootstrap import RuntimeLayer, RuntimeValue
from shifter.model.route import FractionalPercent
from tests.support.configs import GOOD, NAME


def layers(written: str) -> tuple[RuntimeLayer, ...]:
    loaded = load(f"{GOOD}layered_runtime: {{{written}}}\n", NAME)
    assert loaded.bootstrap is not None, loaded.problems
    return loaded.bootstrap.runtime


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("{}", {}),
        ("{a: 5, b: 1.5, c: true, d: text, e: -5}", {"a": 5, "b": 1.5, "c": True, "d": "text", "e": -5}),
        ("{a: 5.0, b: ' 5', c: 'true', d: '5.5', e: nan}", {"a": 5, "b": 5, "c": "true", "d": 5.5, "e": "nan"}),
        ("{a: 1e400, b: '-1e400'}", {"a": "inf", "b": "-inf"}),
        ("{a: {b: {c: 5}, d.e: 6}, f.g: 7}", {"a.b.c": 5, "a.d.e": 6, "f.g": 7}),
        ("{a: {numerator: 5}}", {"a": FractionalPercent(5)}),
        ("{a: {numerator: 5, denominator: TEN_THOUSAND}}", {"a": FractionalPercent(5, 10_000)}),
        ("{a: {b: {denominator: million}}, c: {}}", {"a.b": FractionalPercent(0, 1_000_000), "c": FractionalPercent(0)}),
    ],
)
def test_values(written: str, values: dict[str, RuntimeValue]) -> None:
    [layer] = layers(f"layers: [{{name: l, static_layer: {written}}}]")
    assert layer == RuntimeLayer("l", values)
    assert [type(value) for value in layer.values.values()] == [type(value) for value in values.values()]


def test_layers_keep_their_order_and_those_without_values_are_none() -> None:
    written = "layers: [{name: b, static_layer: {x: 1}}, {name: admin, admin_layer: {}}, {name: a, static_layer: {x: 2}}]"
    assert layers(written) == (RuntimeLayer("b", {"x": 1}), RuntimeLayer("a", {"x": 2}))
    assert layers("") == ()


NAMES = st.text("abc", min_size=1, max_size=3)
TREES = st.dictionaries(
    NAMES,
    st.recursive(st.integers(0, 100), lambda values: st.dictionaries(NAMES, values, min_size=1, max_size=3), max_leaves=5),
    max_size=4,
)


@given(TREES)
def test_every_leaf_has_the_key_of_its_path(tree: dict[str, object]) -> None:
    def leaves(node: object, path: tuple[str, ...]) -> dict[str, object]:
        if not isinstance(node, dict):
            return {".".join(path): node}
        return {key: value for name, child in node.items() for key, value in leaves(child, (*path, name)).items()}

    [layer] = layers(f"layers: [{{name: l, static_layer: {json.dumps(tree)}}}]")
    assert layer.values == leaves(tree, ())
