"""Every filter that a configuration can name has a factory, and filters from other packages are found."""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from shifter.config.filters import KINDS
from shifter.filters import custom
from shifter.filters.api import FilterFactory
from shifter.filters.registry import FACTORIES, filter_problem, make_factory, override_config
from shifter.model.filters import CustomFilterConfig
from shifter.model.http_filter import BasicAuth, CompressorPerRoute, HealthCheck, JwtAuthentication, JwtProvider
from tests.support.filters import Bench


class Mine(FilterFactory[str]):
    """A filter from another package."""

    @classmethod
    def parse(cls, fields: Mapping[str, object]) -> str:
        if "bad" in fields:
            raise ValueError("bad is bad")
        return f"parsed {fields['text']}"

    @classmethod
    def parse_override(cls, fields: Mapping[str, object]) -> object:
        return f"for a route: {fields['text']}"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("mine.v1.Mine", f"{__name__}:Mine", custom.GROUP),
        EntryPoint("mine.v1.Gone", "no_such_package:Gone", custom.GROUP),
        EntryPoint("mine.v1.None", f"{__name__}:pytest", custom.GROUP),
    ]
    monkeypatch.setattr(custom, "_found", lambda: {point.name: point for point in points})


def test_every_filter_has_a_factory() -> None:
    assert len(FACTORIES) >= len(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_filter_is_found_under_its_own_name(name: str) -> None:
    assert KINDS[name].config.envoy == name


@pytest.mark.parametrize(("model", "factory"), FACTORIES.items())
def test_names_of_factories_and_of_their_models_are_right(model: str, factory: str) -> None:
    module, kind = factory.split(".")
    assert issubclass(getattr(import_module(f"shifter.filters.{module}"), kind), FilterFactory)
    assert any(hasattr(import_module(f"shifter.model.{room}"), model) for room in ("http_filter", "rbac"))


def test_a_built_in_filter() -> None:
    factory = make_factory(HealthCheck(False), Bench().context)
    assert factory.config == HealthCheck(False)
    assert override_config(factory, HealthCheck(True)) == HealthCheck(True)


def test_a_filter_from_another_package() -> None:
    factory = make_factory(CustomFilterConfig("mine.v1.Mine", {"text": "x"}), Bench().context)
    assert factory.config == "parsed x"
    assert override_config(factory, CustomFilterConfig("mine.v1.Mine", {"text": "y"})) == "for a route: y"


@pytest.mark.parametrize(
    ("name", "fields", "problem"),
    [
        ("Mine", {"text": ""}, None),
        ("Mine", {"bad": 1}, "bad is bad"),
        ("Mine", {}, "it fails on what it is told: KeyError('text')"),
        ("Gone", {}, "its package cannot be imported: No module named 'no_such_package'"),
        ("None", {}, "its entry point is no FilterFactory"),
        ("Unknown", {}, "its package cannot be imported: 'mine.v1.Unknown'"),
    ],
)
def test_what_is_wrong_with_one(name: str, fields: dict[str, object], problem: str | None) -> None:
    said = custom.custom_problem(f"mine.v1.{name}", fields, False)
    assert (said is None) if problem is None else (said or "").startswith(problem)
    if problem is not None:
        with pytest.raises(ValueError):
            make_factory(CustomFilterConfig(f"mine.v1.{name}", fields), Bench().context)


def test_which_there_are() -> None:
    assert custom.custom_filters() == {"mine.v1.Mine", "mine.v1.Gone", "mine.v1.None"}


def test_what_only_the_factory_can_tell_is_told_before() -> None:
    assert filter_problem(BasicAuth({})) is None
    assert "no JWK set" in (filter_problem(JwtAuthentication({"p": JwtProvider(b"nothing")})) or "")
    assert filter_problem(CompressorPerRoute()) is None
