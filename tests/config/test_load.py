"""The way through the whole room."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shifter.config import load
from tests.support.configs import GOOD, NAME

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f:1:1: error: the file is empty (begin with `static_resources:`)"),
        ("# nothing\n", "f:1:1: error: the file is empty (begin with `static_resources:`)"),
        ("[a, b]", "f:1:1: error: a configuration is a mapping, not a list (begin with `static_resources:`)"),
        ("a", "f:1:1: error: a configuration is a mapping, not `a` (begin with `static_resources:`)"),
        ("~", "f:1:1: error: a configuration is a mapping, not `~` (begin with `static_resources:`)"),
        (b"\x7fELF\x02\x01\xff", "f:1:7: error: this is not text in UTF-8"),
        (b"\x1f\x8b\x08\x00", "f:1:2: error: this is not text in UTF-8"),
        ("{}", "f:1:1: error: `static_resources` is missing"),
        ("a: &a [*a]", "f:1:8: error: the alias *a stands inside of what it means"),
    ],
)
def test_no_configuration(text: str | bytes, problem: str) -> None:
    loaded = load(text, "f")
    assert loaded.bootstrap is None and loaded.document == {}
    assert [str(found) for found in loaded.problems] == [problem]


@given(st.text() | st.binary())
def test_any_text_is_a_configuration_or_has_errors(text: str | bytes) -> None:
    loaded = load(text, "f")
    assert (loaded.bootstrap is None) == any(problem.level == "error" for problem in loaded.problems)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 40), st.text("ab:-[]{},*&<\"'|>?#!% \n\t0", max_size=5))
def test_any_slip_of_the_hand_is_survived(at: int, length: int, instead: str) -> None:
    loaded = load(GOOD[:at] + instead + GOOD[at + length :], "f")
    assert (loaded.bootstrap is None) == any(problem.level == "error" for problem in loaded.problems)


def test_json() -> None:
    document = yaml.safe_load(GOOD)
    loaded = load(json.dumps(document), NAME)
    assert loaded.problems == [] and loaded.bootstrap is not None
    assert load(json.dumps(document, indent=2), NAME).bootstrap is not None


def test_the_document_says_what_was_written() -> None:
    assert load(GOOD, NAME).document == yaml.safe_load(GOOD)
    assert load(GOOD.encode(), NAME).document == yaml.safe_load(GOOD)


def test_the_document_is_plain_and_in_envoys_words() -> None:
    text = (
        GOOD.replace("0.25s", "250ms")
        .replace("port_value: 80\n", 'port_value: "80"\n')
        .replace("exact: service1a", "exact: no")
        .replace("STRICT_DNS", "strict_dns")
    )
    document = load(text + "node: {metadata: {a: [1, x, 'y', true]}}\n", NAME).document
    static = document["static_resources"]
    assert static["clusters"][0]["connect_timeout"] == "0.25s"
    assert static["clusters"][0]["type"] == "STRICT_DNS"
    address = static["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address == {"socket_address": {"address": "service1.test", "port_value": 80}}
    manager = static["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    match = manager["route_config"]["virtual_hosts"][0]["routes"][0]["match"]
    assert match == {"prefix": "/service/1", "headers": [{"name": "x-canary-version", "string_match": {"exact": "no"}}]}
    assert document["node"] == {"metadata": {"a": [1, "x", "y", True]}}
    assert json.loads(json.dumps(document)) == document


def test_codes_of_redirects_keep_their_names() -> None:
    text = GOOD.replace(
        "path_redirect: /new", "{path_redirect: /new, response_code: found}".strip("{}").replace(", ", "\n                  ")
    )
    routes = load(text, NAME).document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
    assert routes["virtual_hosts"][0]["routes"][2]["redirect"] == {"path_redirect": "/new", "response_code": "FOUND"}


@pytest.mark.parametrize("name", ["01-tutorial", "03-header-matchers", "17-hcm"])
def test_configurations_that_are_compared_with_envoy(name: str) -> None:
    path = SHARED / "oracle" / "cases" / f"{name}.yaml"
    if not path.exists():
        pytest.skip("the folder with the cases is not beside the checkout")
    text = yaml.safe_load(path.read_text())["config"]
    for number, word in enumerate(("@admin@", "@listen@", "@service1@", "@service1a@", "@service2@")):
        text = text.replace(word, str(20_000 + number))
    loaded = load(text, name)
    assert loaded.bootstrap is not None and loaded.problems == []
