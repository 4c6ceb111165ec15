"""The JSON Schema of releases, for editors: it takes what `shifter release lint` takes, and marks what that refuses."""

import json

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from shifter.cli import main
from shifter.config.document import Node, parse, plain
from shifter.config.json_schema import release_schema
from shifter.config.releases import read_release
from shifter.config.report import Report
from tests.config.test_releases import MISTAKES, SHORT, WHOLE
from tests.support.programs import ROOT

SCHEMA = release_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def mistakes(text: str) -> list[str]:
    node: Node | None = parse(text, Report(""))
    assert node is not None
    return [error.message for error in VALIDATOR.iter_errors(plain(node))]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(CliRunner().invoke(main, ["schema", "--release"]).stdout) == json.loads(json.dumps(SCHEMA))


WORDS = ["{latency: off}", "{latency: {max_increase: 5}}", "{exposure_budget: 5}", "{exposure_budget: {failed_requests: 5}}"]
GOOD = {
    "every field": WHOLE,
    "short": SHORT,
    "shipped": (ROOT / "etc/release.yaml").read_text(encoding="utf-8"),
    "demo": (ROOT / "demo/release.yaml").read_text(encoding="utf-8"),
    "route": f"{SHORT}route: /service/1\n",
    "minutes": f"{SHORT}each_step: {{min: 1m, max: 1.5h}}\n",
    "stick to none": f"{SHORT}stick_to: none\n",
    "stick to header": f"{SHORT}stick_to: {{header: x-user}}\n",
    **{words: f"{SHORT}verdict: {words}\n" for words in WORDS},
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_is_good_is_taken(text: str) -> None:
    assert read_release(text.encode(), "r.yaml")[0] is not None
    assert mistakes(text) == []


@pytest.mark.parametrize(
    "word", ["nmae", "holdback", "`exact`", "advnce", "`half`", "breaked", "`baseline` is missing", "not `auto`", "no unit"]
)
def test_what_is_wrong_is_marked(word: str) -> None:
    ((old, new, _),) = [(old, new, said) for old, new, said in MISTAKES if said is not None and word in said]
    assert mistakes(WHOLE.replace(old, new, 1))
