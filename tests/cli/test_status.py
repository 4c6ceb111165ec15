"""`shifter status`."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main
from shifter.cli.status import _span
from tests.support.answering import answering

INFO = {
    "version": "shifter/0.1.0",
    "state": "LIVE",
    "uptime_current_epoch": "93784s",
    "command_line_options": {"config_path": "etc/front.yaml"},
    "node": {"metadata": {"config_version": 8}},
}
LISTENERS = {
    "listener_statuses": [
        {"name": "front", "local_address": {"socket_address": {"address": "0.0.0.0", "port_value": 8000}}},
        {"name": "six", "local_address": {"socket_address": {"address": "::", "port_value": 80}}},
        {"name": "local", "local_address": {"pipe": {"path": "/run/front"}}},
    ]
}
CLUSTERS = {"cluster_statuses": [{"name": "service1a", "host_statuses": [{"stats": [{"name": "rq_total", "value": "1983"}]}]}]}
WEIGHTS = {
    "routes": [
        {
            "route": "backend/1",
            "clusters": [{"name": "service1a", "weight": 25, "percent": 25.0}, {"name": "service1", "weight": 75, "percent": 75.0}],
            "override": None,
        }
    ]
}
CHANGE = {"number": 7, "when": 1795409043.5, "actor": {"by": "ann", "why": "try\x1b[2J"}, "changes": ["~ route prefix /: 10 % -> 25 %"]}
REFUSED = "LIVE\n\nThe last configuration was refused, the one before it is in use:\nfront.yaml:23:40: unknown field `wieght`\n"
NOTICES = "\nWhat is in use is not what the files say:\nweights of backend/1 hold over the file\n"


def status(*arguments: str, state: str = "LIVE", ready: str = "LIVE\n") -> Result:
    pages: dict[str, Any] = {
        "/server_info": {**INFO, "state": state},
        "/listeners": LISTENERS,
        "/ready": (200 if state == "LIVE" else 503, ready),
        "/clusters": CLUSTERS,
        "/weights": WEIGHTS,
        "/audit": [CHANGE],
    }
    with answering(pages) as admin:
        return CliRunner().invoke(main, ["status", "--admin", admin.address, *arguments])


def test_what_it_says() -> None:
    result = status()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "LIVE  shifter/0.1.0  up 1 d 2 h",
        "configuration 8  etc/front.yaml",
        "",
        "LISTENER  ADDRESS",
        "front     0.0.0.0:8000",
        "six       [::]:80",
        "local     /run/front",
        "",
        "ROUTE      CLUSTER    WEIGHT  SHARE  REQUESTS",
        "backend/1  service1a      25   25 %      1983",
        "backend/1  service1       75   75 %         0",
        "",
        "last changes:",
        "  7  2026-11-23 04:44:03Z  ~ route prefix /: 10 % -> 25 %  by ann: try?[2J",
    ]


def test_problems_are_told_and_do_not_make_it_fail() -> None:
    result = status(ready=REFUSED + NOTICES)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-5:] == [
        "The last configuration was refused, the one before it is in use:",
        "  front.yaml:23:40: unknown field `wieght`",
        "",
        "What is in use is not what the files say:",
        "  weights of backend/1 hold over the file",
    ]
    told = json.loads(status("--json", ready=REFUSED + NOTICES).stdout)
    assert told["problems"] == ["front.yaml:23:40: unknown field `wieght`"]
    assert told["notices"] == ["weights of backend/1 hold over the file"]


def test_what_is_not_live_is_a_failure() -> None:
    result = status(state="DRAINING", ready="DRAINING\n")
    assert (result.exit_code, result.stdout.split()[0]) == (1, "DRAINING")


def test_json() -> None:
    told = json.loads(status("--json").stdout)
    assert (told["state"], told["uptime_s"], told["config_version"], told["problems"]) == ("LIVE", 93784, 8, [])
    assert told["listeners"][0] == {"name": "front", "address": "0.0.0.0:8000"}
    assert told["weights"][0] == {
        "route": "backend/1",
        "cluster": "service1a",
        "weight": 25,
        "percent": 25.0,
        "requests": 1983,
        "live": False,
    }
    assert told["changes"] == [CHANGE]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (3661, "1 h 1 min"), (86400 * 3 + 61, "3 d 1 min")]
)
def test_spans(seconds: int, words: str) -> None:
    assert _span(seconds) == words
