"""`shifter clusters`, `listeners`, `stats` and `drain`, and what is the same for all commands."""

import json

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from shifter.cli import _COMMANDS, main
from shifter.cli.answers import clusters, listeners
from shifter.cli.table import plain, table
from shifter.observe import text
from tests.support.answering import Admin, answering
from tests.support.reports import a_report

CLUSTERS = json.loads(text.clusters_json(a_report()))


def ask(pages: dict[str, object], *arguments: str) -> tuple[Result, Admin]:
    with answering(pages) as admin:
        return CliRunner().invoke(main, [*arguments, "--admin", admin.address]), admin


def test_clusters() -> None:
    result, admin = ask({"/clusters": CLUSTERS}, "clusters", "^serv")
    assert admin.asked[0].parameters == {"format": "json", "filter": "^serv"}
    assert result.stdout.splitlines() == [
        "CLUSTER   ENDPOINT         HEALTH                               WEIGHT  ACTIVE  REQUESTS  ERRORS  TIMEOUTS",
        "service1  127.0.0.1:28411  healthy                                   1       0         6       0         0",
        "service1  [::1]:80         failed active health check, ejected       3       0         0       0         0",
        "empty     none",
    ]
    assert json.loads(ask({"/clusters": CLUSTERS}, "clusters", "--json")[0].stdout) == CLUSTERS


@pytest.mark.parametrize("command", [["clusters", "("], ["stats", "("]])
def test_a_filter_that_is_none(command: list[str]) -> None:
    result, _ = ask({f"/{command[0]}": (400, "Invalid re2 regex: missing ): (\n")}, *command)
    assert (result.exit_code, result.stderr) == (2, "Invalid re2 regex: missing ): (\n")


def test_listeners() -> None:
    told = {"listener_statuses": [{"name": "front", "local_address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}}}]}
    assert ask({"/listeners": told}, "listeners")[0].stdout == "LISTENER  ADDRESS\nfront     0.0.0.0:80\n"
    assert json.loads(ask({"/listeners": told}, "listeners", "--json")[0].stdout) == told


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], {"format": "text"}),
        (["rq_total"], {"format": "text", "filter": "rq_total"}),
        (["rq", "--used", "--invert", "--json"], {"format": "json", "filter": "rq"}),
        (["--prometheus"], {"format": "prometheus"}),
    ],
)
def test_stats(arguments: list[str], asked: dict[str, str]) -> None:
    result, admin = ask({"/stats": (200, "server.live: 1\n")}, "stats", *arguments)
    assert result.stdout == "server.live: 1\n"
    assert admin.asked[0].parameters == asked
    assert CliRunner().invoke(main, ["stats", "--json", "--prometheus"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "target", "words"),
    [
        ([], "/drain_listeners?graceful=", "taken until the drain time has passed"),
        (["--now"], "/drain_listeners", "none is taken from now on"),
        (["--keep-listening", "--inbound-only"], "/drain_listeners?graceful=&skip_exit=&inboundonly=", "none is refused"),
    ],
)
def test_drain(arguments: list[str], target: str, words: str) -> None:
    result, admin = ask({"/drain_listeners": (200, "OK\n")}, "drain", *arguments)
    assert result.stdout == f"{admin.address} drains; new connections: {words}\n"
    (asked,) = admin.asked
    assert (asked.method, asked.target) == ("POST", target)
    assert json.loads(ask({"/drain_listeners": (200, "OK\n")}, "drain", "--json")[0].stdout) == {"draining": True}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_SHIFTER_COMPLETE={shell}_complete" in result.stdout


def completed(*words: str) -> list[str]:
    environment = {"_SHIFTER_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    result = CliRunner().invoke(main, [], env=environment, prog_name="shifter")
    return [line.partition(",")[2] for line in result.stdout.splitlines()]


def test_commands_and_options_are_completed() -> None:
    assert completed("shifter", "re") == ["release", "reload", "restart"]
    assert {"--admin", "--json", "--by", "--why"} <= set(completed("shifter", "reload", "--"))
    assert completed("shifter", "completion", "f") == ["fish"]


def test_a_mistyped_command_is_told_its_neighbour() -> None:
    result = CliRunner().invoke(main, ["clsters"])
    assert (result.exit_code, "did you mean clusters?" in result.stderr) == (2, True)
    assert "known: check, " in CliRunner().invoke(main, ["xyzzy"]).stderr


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "-h"])
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: main {name} ")


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_answers_of_any_shape_are_read(told: object) -> None:
    for answer in (told, {"cluster_statuses": told, "listener_statuses": told}, {"cluster_statuses": [{"host_statuses": told}]}):
        list(clusters(answer))
        listeners(answer)


@given(st.lists(st.tuples(st.text(), st.integers()), min_size=1))
def test_columns_stand_below_each_other(rows: list[tuple[str, int]]) -> None:
    first, *lines = table(("NAME", "NUMBER"), rows, {1}).splitlines()
    assert len(lines) == len(rows)
    for line, (name, number) in zip(lines, rows, strict=True):
        assert line == f"{plain(name).ljust(len(first) - 8)}  {str(number).rjust(6)}" or len(str(number)) > 6
