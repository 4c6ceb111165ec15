"""Runtime layers arrive in the model under dotted keys."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from shifter.config.build_runtime import ValueTextError, runtime_value, text_of
from shifter.model.bootstrap import DiskLayer, LayerKind, RuntimeLayer, RuntimeValue
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


def test_layers_keep_their_order() -> None:
    written = "layers: [{name: b, static_layer: {x: 1}}, {name: admin, admin_layer: {}}, {name: a, static_layer: {x: 2}}]"
    assert layers(written) == (RuntimeLayer("b", {"x": 1}), RuntimeLayer("admin", kind=LayerKind.ADMIN), RuntimeLayer("a", {"x": 2}))
    assert layers("") == ()


@pytest.mark.parametrize(
    ("written", "node", "directory"),
    [
        ("", "", "/srv/runtime/current"),
        ("subdirectory: envoy", "", "/srv/runtime/current/envoy"),
        ("subdirectory: envoy, append_service_cluster: true", "node: {cluster: front}", "/srv/runtime/current/envoy/front"),
        ("append_service_cluster: true", "node: {cluster: front}", "/srv/runtime/current/front"),
    ],
)
def test_a_layer_of_files_names_their_directory(written: str, node: str, directory: str) -> None:
    text = f"layered_runtime: {{layers: [{{name: d, disk_layer: {{symlink_root: /srv/runtime/current, {written}}}}}]}}"
    loaded = load(f"{GOOD}{text}\n{node}\n", NAME)
    assert loaded.bootstrap is not None, loaded.problems
    assert loaded.bootstrap.runtime == (RuntimeLayer("d", kind=LayerKind.DISK, disk=DiskLayer("/srv/runtime/current", directory)),)


@pytest.mark.parametrize(
    "text", ["100", "1e2", "0x64", "+100", "100 # c", " 100", "100 ", "100\n", "100.", ".1e3", "100\n#x", "#x\n100", "--- 100"]
)
def test_texts_that_are_numbers(text: str) -> None:
    assert runtime_value(text) == 100


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("100.9", 100.9),
        ("-100", -100),
        ("true", True),
        ("FALSE", False),
        ("numerator: 100", FractionalPercent(100)),
        ("{numerator: 100}", FractionalPercent(100)),
        ('{"numerator": 3, "denominator": "TEN_THOUSAND"}', FractionalPercent(3, 10_000)),
        ("numerator: 5\ndenominator: MILLION\n", FractionalPercent(5, 1_000_000)),
    ],
)
def test_texts_that_are_something_else(text: str, value: RuntimeValue) -> None:
    assert (runtime_value(text), type(runtime_value(text))) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        *("", " \n", '"100"', "'100'", "1_00", "[100]", "100f", "100\n200", "{}", "null", "inf", "hello\nworld", "x" * 5000),
        *('{"numerator": "100"}', "numerator: 100\ndenominator: hundred", '{"numerator":100,"x":1}', "{numerator: 1, denominator: 2}"),
    ],
)
def test_texts_that_are_texts(text: str) -> None:
    """As real Envoy 1.40 takes them: a share under such a value is the configured one."""
    assert runtime_value(text) == text


@pytest.mark.parametrize("text", ["{numerator: 100", "'", "a: b: c"])
def test_texts_that_are_nothing(text: str) -> None:
    with pytest.raises(ValueTextError):
        runtime_value(text)


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    try:
        value = runtime_value(text)
    except ValueTextError:
        return
    assert value == text or not isinstance(value, str)


@given(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9) | st.builds(FractionalPercent, st.integers(0, 100), st.just(10_000))
)
def test_a_value_can_be_written_as_a_text(value: RuntimeValue) -> None:
    assert runtime_value(text_of(value)) == value


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
