"""What the schema finds, in our words: nothing of pydantic's reaches the user, whatever is wrong."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shifter.config import load
from shifter.config.schema.words import FIELDS
from tests.support.configs import GOOD, NAME, plant
from tests.support.effort import examples

PYDANTICS = ("Input should", "valid ", "Extra inputs", "Field required", "validation error", "type=", "pydantic")
FIELD_NAMES = sorted({name for fields in FIELDS.values() for name in fields})

JUNK: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, False, 0, -1, 80, 2**64, 1.5, "", "a", "0.25s", "25%", "/", "*", "STATIC", "%X%", "\x7f", "\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELD_NAMES) | st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every container with every key in it."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        found.append((node, key))
        places(value, found)
    return found


@settings(max_examples=examples(150))
@given(st.data())
def test_no_junk_makes_it_raise_or_speak_of_pydantic(data: st.DataObject) -> None:
    document = copy.deepcopy(yaml.safe_load(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        owner, key = data.draw(st.sampled_from(places(document, [])))
        if isinstance(owner, dict) and data.draw(st.booleans()):
            owner[data.draw(st.sampled_from(FIELD_NAMES))] = data.draw(JUNK)
        else:
            owner[key] = data.draw(JUNK)
    text = yaml.safe_dump(document)
    loaded = load(text, NAME)
    lines = text.count("\n") + 1
    assert (loaded.bootstrap is None) == any(problem.level == "error" for problem in loaded.problems)
    for problem in loaded.problems:
        assert 1 <= problem.place.line <= lines and problem.place.column >= 1 and problem.place.width >= 1
        assert not any(word in problem.message + problem.hint for word in PYDANTICS), problem


HARMLESS = [
    ("    connect_timeout: 0.25s\n", "    connection_pool_per_downstream_connection: false\n"),
    ("    connect_timeout: 0.25s\n", "    protocol_selection: use_configured_protocol\n"),
    ("    connect_timeout: 0.25s\n", "    filters: []\n"),
    ("          stat_prefix: ingress_http\n", "          strip_matching_host_port: false\n"),
    ("          stat_prefix: ingress_http\n", '          via: ""\n'),
    ("          stat_prefix: ingress_http\n", "          upgrade_configs: []\n"),
    ("                  cluster: service1a\n", "                  internal_redirect_action: PASS_THROUGH_INTERNAL_REDIRECT\n"),
    ("              routes:\n", "              typed_per_filter_config: {}\n              require_tls: NONE\n"),
]


@pytest.mark.parametrize(("line", "added"), HARMLESS)
def test_a_field_that_says_its_own_default_is_no_mistake(line: str, added: str) -> None:
    text = GOOD.replace(line, line + added if "routes" not in line else added + line, 1)
    loaded = load(text, NAME)
    assert loaded.problems == []
    assert loaded.bootstrap is not None


@pytest.mark.parametrize("value", ["true", "1", "[a]"])
def test_but_only_its_default(value: str) -> None:
    name = "connection_pool_per_downstream_connection"
    planted = plant("    connect_timeout: 0.25s\n", f"    connect_timeout: 0.25s\n    «{name}»: {value}\n")
    [problem] = load(planted.text, NAME).problems
    assert (problem.message, problem.place) == (f"Envoy knows `{name}`, shifter does not support it yet", planted.place)


def test_a_harmless_field_hides_no_mistake() -> None:
    planted = plant(
        "    connect_timeout: 0.25s\n",
        "    filters: []\n    connect_timeout: «soon»\n    connection_pool_per_downstream_connection: false\n",
    )
    [problem] = load(planted.text, NAME).problems
    assert (problem.message, problem.place) == ("a duration is wanted here, not `soon`", planted.place)


def test_thousands_of_mistakes_are_counted() -> None:
    text = "static_resources:\n" + "".join(f"  x{i}: 1\n" for i in range(5000))
    problems = load(text, NAME).problems
    assert len(problems) == 1001
    assert problems[-1].message == "4001 more problems are not listed"
