"""The JSON Schema for editors: it takes what ``shifter check`` takes in today's spelling, and marks what that refuses."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from shifter.cli import main
from shifter.config.json_schema import json_schema
from tests.config.test_build_load_balancing import policy
from tests.support.configs import GOOD
from tests.support.programs import ROOT

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
FAULT = (
    "          - {name: envoy.filters.http.buffer, typed_config: {'@type': "
    "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 1000}}\n"
)
FILTERS = "          http_filters:\n"


def mistakes(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", ["front.yaml", "service.yaml"])
def test_what_is_shipped_is_good(name: str) -> None:
    assert mistakes((ROOT / "etc" / name).read_text()) == []


GOOD_ONES = {
    "nothing": ("", ""),
    "quoted number": ("port_value: 8000", 'port_value: "8000"'),
    "enum in small letters": ("lb_policy: ROUND_ROBIN", "lb_policy: round_robin"),
    "quoted truth": ("codec_type: AUTO", 'normalize_path: "true"'),
    "number for a text": ("exact: service1a", "exact: 1.0"),
    "a filter": (FILTERS, FILTERS + FAULT),
    "a filter of somebody's": (FILTERS, FILTERS + FAULT.replace("envoy.extensions.filters.http.buffer.v3.Buffer", "my.Filter")),
    "a harmless field": ("admin:", "stats_sinks: []\nadmin:"),
    "a policy": ("lb_policy: ROUND_ROBIN", f"load_balancing_policy: {policy('maglev.v3.Maglev', 'table_size: 11')}"),
    "a share": ("lb_policy: ROUND_ROBIN", "common_lb_config: {healthy_panic_threshold: {value: 12.5}}"),
    "a duration": ("codec_type: AUTO", "stream_idle_timeout: 90s"),
}
BAD_ONES = {
    "a typo": ("connect_timeout:", "conect_timeout:"),
    "a typo in a filter": (FILTERS, FILTERS + FAULT.replace("max_request_bytes", "max_request_byte")),
    "a bad enum": ("ROUND_ROBIN", "ROUND_ROBBIN"),
    "a bad duration": ("connect_timeout: 0.25s", "connect_timeout: soon"),
    "a duration without unit": ("connect_timeout: 0.25s", "connect_timeout: 0.25"),
    "a port out of range": ("port_value: 8000", "port_value: 80000"),
    "words for a number": ("port_value: 8000", "port_value: eighty"),
    "an empty name": ("cluster: service1a", 'cluster: ""'),
    "two paths": ("prefix: /old", "prefix: /old\n                  path: /old"),
    "no path": ("path: /hello", "case_sensitive: false"),
    "two actions": ("redirect:\n", "route: {cluster: service1}\n                redirect:\n"),
    "something missing": ("          stat_prefix: ingress_http\n", ""),
    "an empty list": ('domains: ["*"]', "domains: []"),
    "a text for a list": ('domains: ["*"]', "domains: a"),
    "an old spelling": ("name: x-canary-version\n", "name: x-canary-version\n                    exact_match: a\n"),
    "a typo in a policy": ("lb_policy: ROUND_ROBIN", f"load_balancing_policy: {policy('maglev.v3.Maglev', 'table_sizes: 11')}"),
    "a policy of Envoy's": ("lb_policy: ROUND_ROBIN", f"load_balancing_policy: {policy('override_host.v3.OverrideHost')}"),
    "a wrong type": ("http_connection_manager.v3.HttpConnectionManager", "tcp_proxy.v3.TcpProxy"),
}


@pytest.mark.parametrize(("old", "new"), GOOD_ONES.values(), ids=GOOD_ONES)
def test_good(old: str, new: str) -> None:
    assert old in GOOD
    assert mistakes(GOOD.replace(old, new, 1)) == []


@pytest.mark.parametrize(("old", "new"), BAD_ONES.values(), ids=BAD_ONES)
def test_bad(old: str, new: str) -> None:
    assert old in GOOD
    assert mistakes(GOOD.replace(old, new, 1))


def definitions() -> dict[str, Any]:
    found = SCHEMA["$defs"]
    assert isinstance(found, dict)
    return found


def test_every_message_is_described() -> None:
    for name, definition in definitions().items():
        if name.startswith("envoy."):
            said = re.search(r"\(([\w.]+)\)$", definition["description"])
            assert said is not None and name.startswith(said[1])


def test_every_reference_leads_somewhere() -> None:
    used = set()

    def visit(node: object) -> None:
        if isinstance(node, dict):
            used.update([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                visit(value)
        elif isinstance(node, list):
            for item in node:
                visit(item)

    visit(SCHEMA)
    assert {name.removeprefix("#/$defs/") for name in used} <= definitions().keys()


def test_the_command_and_a_program_that_reads_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0 and json.loads(result.stdout) == SCHEMA
    schema = tmp_path / "shifter.schema.json"
    schema.write_text(result.stdout)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(GOOD.replace("connect_timeout", "conect_timeout", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema)]
    for path, code in ((ROOT / "etc/front.yaml", 0), (ROOT / "etc/service.yaml", 0), (wrong, 1)):
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, done.stdout + done.stderr
        assert code == 0 or "conect_timeout" in done.stdout
