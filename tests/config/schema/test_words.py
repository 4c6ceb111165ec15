"""The table of Envoy's words and the schema agree."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from shifter.config.explain import children_of
from shifter.config.schema.base import Choice, Message, Variants, names_of
from shifter.config.schema.bootstrap import Bootstrap
from shifter.config.schema.words import FIELDS, GONE, TYPES
from tests.support.programs import ROOT


def messages(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if model not in seen:
        seen.add(model)
        yield model
        for variant in getattr(model, "variants", ()):
            yield from messages(variant, seen)
        for child in children_of(model).values():
            yield from messages(child, seen)


MESSAGES = [
    model
    for model in messages(Bootstrap, set())
    if issubclass(model, Message) and model.envoy.startswith("envoy.") and not issubclass(model, Variants)
]
"""Those that Envoy has, too."""


def test_all_messages_are_found() -> None:
    assert len(MESSAGES) > 40


@pytest.mark.parametrize("model", MESSAGES, ids=lambda model: model.__name__)
def test_every_field_is_envoys(model: type[Message]) -> None:
    assert names_of(model) - {"@type"} <= FIELDS[model.envoy].keys()


@pytest.mark.parametrize("model", [model for model in MESSAGES if issubclass(model, Choice)], ids=lambda model: model.__name__)
def test_every_choice_is_complete(model: type[Choice]) -> None:
    for group in model.one_of:
        assert set(group.names) <= names_of(model)
        assert not set(group.others) & names_of(model)
        assert group.members <= FIELDS[model.envoy].keys()
    assert set(model.types) <= TYPES


def test_a_field_is_either_there_or_gone() -> None:
    for message, gone in GONE.items():
        assert gone and not gone & FIELDS[message].keys()


@pytest.mark.parametrize(
    ("message", "field", "zero"),
    [
        ("envoy.config.cluster.v3.Cluster", "health_checks", "*"),
        ("envoy.config.cluster.v3.Cluster", "lb_policy", "ROUND_ROBIN"),
        ("envoy.config.cluster.v3.Cluster", "respect_dns_ttl", ""),
        ("envoy.config.cluster.v3.Cluster", "transport_socket", None),
        ("envoy.config.route.v3.RouteMatch", "prefix", None),
    ],
)
def test_what_may_be_given_without_meaning_anything(message: str, field: str, zero: str | None) -> None:
    assert FIELDS[message][field] == zero


def test_every_message_knows_its_fields_from_the_start() -> None:
    """Also where they speak of one that is defined later: validators are made late, and what asks for fields does not wait for them."""
    program = """
import shifter.config.json_schema
from shifter.config.schema.base import Message

def all_of(kind):
    for one in kind.__subclasses__():
        yield one
        yield from all_of(one)

assert [one for one in all_of(Message) if not one.__pydantic_fields_complete__] == []
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
