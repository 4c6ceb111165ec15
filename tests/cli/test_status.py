"""`shifter status`."""

import json

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
        {"name": "local", "local_address": {"pipe": {"path": "/run/front"}}},
    ]
}
REFUSED = "LIVE\n\nThe last configuration was refused, the one before it is in use:\nfront.yaml:23:40: unknown field `wieght`\n"


def status(state: str = "LIVE", ready: str = "LIVE\n", *arguments: str) -> Result:
    pages = {"/server_info": {**INFO, "state": state}, "/listeners": LISTENERS, "/ready": (200 if state == "LIVE" else 503, ready)}
    with answering(pages) as admin:
        return CliRunner().invoke(main, ["status", "--admin", admin.address, *arguments])


def test_what_it_says() -> None:
    result = status()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "LIVE  shifter/0.1.0  up 1 d 2 h",
        "configuration 8  etc/front.yaml",
        "listener front  0.0.0.0:8000",
        "listener local  /run/front",
    ]


def test_problems_are_told_and_do_not_make_it_fail() -> None:
    result = status(ready=REFUSED)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "  front.yaml:23:40: unknown field `wieght`"
    assert json.loads(status("LIVE", REFUSED, "--json").stdout)["problems"] == ["front.yaml:23:40: unknown field `wieght`"]


def test_what_is_not_live_is_a_failure() -> None:
    result = status("DRAINING", "DRAINING\n")
    assert (result.exit_code, result.stdout.split()[0]) == (1, "DRAINING")


def test_json() -> None:
    told = json.loads(status("LIVE", "LIVE\n", "--json").stdout)
    assert (told["state"], told["uptime_s"], told["config_version"], told["problems"]) == ("LIVE", 93784, 8, [])
    assert told["listeners"] == [["front", "0.0.0.0:8000"], ["local", "/run/front"]]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (3661, "1 h 1 min"), (86400 * 3 + 61, "3 d 1 min")]
)
def test_spans(seconds: int, words: str) -> None:
    assert _span(seconds) == words
