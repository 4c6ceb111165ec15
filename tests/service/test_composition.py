"""What is served follows from what files say and what holds over them."""

from dataclasses import replace

import pytest

from shifter.model.change import WeightOverride
from shifter.service.composition import CompositionError, Inputs, compose, has_admin_layer, notice
from shifter.service.journal import FilesOverride, Overrides
from tests.support.steering import candidate, config, listener, weighted

ROUTE = weighted("/a", service1a=10, service1=90)
RT = weighted("/rt", "runtime_key_prefix: rel, ", service1a=10, service1=90)
LAYERS = "{name: s, static_layer: {x: 1}}, {name: d, disk_layer: {symlink_root: /nowhere}}, {name: admin, admin_layer: {}}"
FRONT = candidate(config(listener(ROUTE, RT), layers=LAYERS))
OVERRIDE = {"all/prefix /a": WeightOverride("all/prefix /a", {"service1a": 1, "service1": 99}, {"service1a": 10, "service1": 90})}


def test_values_that_were_set_stand_in_the_admin_layer_as_they_were_written() -> None:
    static, admin = compose(Inputs(FRONT, Overrides(runtime={"x": " 2 "}))).bootstrap.runtime
    assert (static.values, admin.name, admin.values, admin.texts) == ({"x": 1}, "admin", {"x": 2}, {"x": " 2 "})


def test_what_has_not_changed_is_the_very_same() -> None:
    before = compose(Inputs(FRONT, Overrides(weights=OVERRIDE)))
    after = compose(replace(before.inputs, overrides=replace(before.inputs.overrides, runtime={"x": "2"})), before)
    assert after.bootstrap.listeners is before.bootstrap.listeners
    assert after.bootstrap != before.bootstrap
    assert after.inputs.overrides.weights == OVERRIDE
    again = compose(Inputs(FRONT), after)
    assert FRONT.bootstrap is not None
    assert again.bootstrap.listeners == FRONT.bootstrap.listeners


def test_a_route_without_any_weight_is_refused() -> None:
    with pytest.raises(CompositionError, match="all weights of all/prefix /rt would be 0"):
        compose(Inputs(FRONT, Overrides(runtime={"rel.service1a": "0", "rel.service1": "0"})))


def test_a_value_that_is_none_is_refused() -> None:
    with pytest.raises(CompositionError, match="cannot be read"):
        compose(Inputs(FRONT, Overrides(runtime={"x": "{"})))


def test_what_is_told_of_files_that_are_not_served() -> None:
    assert notice(Overrides()) == ""
    assert "shifter reload" in notice(Overrides(files=FilesOverride({}, "")))


def test_values_can_be_set_where_there_is_an_admin_layer() -> None:
    plain = candidate(config(listener(ROUTE))).bootstrap
    assert plain is not None and FRONT.bootstrap is not None
    assert (has_admin_layer(FRONT.bootstrap), has_admin_layer(plain)) == (True, False)
