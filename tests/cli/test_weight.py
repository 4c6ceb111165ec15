"""`shifter weight`, `shifter history` and `shifter undo`."""

import json

import pytest
from click.testing import CliRunner, Result

from shifter.cli import main
from shifter.model.change import Actor, AuditEntry, ChangeKind, ChangeResult
from tests.support.answering import Admin, answering

ENTRY = AuditEntry(7, 1.0, ChangeKind.WEIGHT, Actor("ann"), "all/prefix /service/1", ("~ route: service1a 10 % -> 25 %",))
TAKEN = ChangeResult(True, 4, ENTRY, warnings=("careful",))
REFUSED = ChangeResult(False, 3, problems=("no route with weights is called `x`",))
ROUTE = {
    "route": "all/prefix /service/1",
    "listeners": ["front"],
    "clusters": [{"name": "service1a", "weight": 25, "percent": 25.0}, {"name": "service1", "weight": 75, "percent": 75.0}],
    "runtime_key_prefix": "",
    "override": {"instead_of": {"service1a": 10, "service1": 90}},
}
OTHER = {**ROUTE, "route": "all/second", "override": None}
HELD = {**ROUTE, "route": "all/third", "override": None, "release": "new"}
LISTED = {"/weights": (200, json.dumps({"routes": [ROUTE, OTHER, HELD]}) + "\n")}


def shifter(*arguments: str, result: ChangeResult | None = None, **pages: object) -> tuple[Result, Admin]:
    if result is not None:
        told = (200 if result.taken else 400, json.dumps(result.to_dict()) + "\n")
        pages = {"/weights": told, "/undo": told}
    with answering(pages) as admin:
        return CliRunner().invoke(main, [arguments[0], "--admin", admin.address, *arguments[1:]]), admin


def test_weights_are_set() -> None:
    result, admin = shifter("weight", "/service/1", "service1a=25", "--by", "ann", "--why", "canary", result=TAKEN)
    assert (result.exit_code, result.stdout) == (0, "configuration 4 is served\n  ~ route: service1a 10 % -> 25 %\n")
    assert result.stderr == "warning: careful\n"
    (asked,) = admin.asked
    assert (asked.method, asked.parameters) == (
        "POST",
        {"route": "/service/1", "cluster": "service1a=25", "by": "ann", "why": "canary"},
    )


def test_a_rehearsal_says_what_would_change() -> None:
    result, admin = shifter("weight", "/service/1", "service1a=25", "--dry-run", result=TAKEN)
    assert (result.exit_code, result.stdout) == (0, "~ route: service1a 10 % -> 25 %\n")
    assert admin.asked[0].parameters["dry_run"] == "1"
    assert shifter("weight", "/service/1", "a=1", "--dry-run", result=ChangeResult(True, 4))[0].stdout == "nothing would change\n"


def test_the_weights_of_the_file_are_had_again() -> None:
    result, admin = shifter("weight", "/service/1", "--reset", result=TAKEN)
    assert (result.exit_code, "cluster" in admin.asked[0].parameters, admin.asked[0].parameters["reset"]) == (0, False, "1")


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)])
def test_refusals_end_with_1(more: tuple[str, ...]) -> None:
    result, _ = shifter("weight", "x", "a=1", *more, result=REFUSED)
    assert (result.exit_code, "no route with weights is called `x`" in result.stdout + result.stderr) == (1, True)


@pytest.mark.parametrize("arguments", [("--reset",), ("--dry-run",), ("r", "a"), ("r", "a=1", "--reset")])
def test_what_makes_no_sense_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert shifter("weight", *arguments, result=TAKEN)[0].exit_code == 2


def test_weights_are_listed() -> None:
    result, _ = shifter("weight", **LISTED)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "all/prefix /service/1   (set; the file says otherwise)",
            "  service1a       25 %   weight 25   file: 10",
            "  service1        75 %   weight 75   file: 90",
            "all/second",
            "  service1a       25 %   weight 25",
            "  service1        75 %   weight 75",
            "all/third   (release new)",
            "  service1a       25 %   weight 25",
            "  service1        75 %   weight 75",
        ],
    )
    assert shifter("weight", **{"/weights": (200, '{"routes": []}')})[0].stdout == "no route has weights\n"


@pytest.mark.parametrize("name", ["/service/1", "prefix /service/1", "all/prefix /service/1"])
def test_one_route_is_listed(name: str) -> None:
    result, _ = shifter("weight", name, **LISTED)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    assert json.loads(shifter("weight", name, "--json", **LISTED)[0].stdout) == {"routes": [ROUTE]}
    assert shifter("weight", "nope", **LISTED)[0].exit_code == 1


def test_all_are_listed_as_json() -> None:
    assert json.loads(shifter("weight", "--json", **LISTED)[0].stdout) == {"routes": [ROUTE, OTHER, HELD]}


def test_history_is_what_the_proxy_tells() -> None:
    result, admin = shifter("history", "-n", "5", "--before", "9", **{"/audit": (200, "7  weight\n")})
    assert (result.exit_code, result.stdout) == (0, "7  weight\n")
    assert admin.asked[0].parameters == {"count": "5", "format": "text", "before": "9"}
    result, admin = shifter("history", "--json", **{"/audit": (200, "[]\n")})
    assert (result.stdout, admin.asked[0].parameters["format"]) == ("[]\n", "json")


def test_undo() -> None:
    result, admin = shifter("undo", "--by", "ann", "--why", "oops", result=TAKEN)
    assert (result.exit_code, admin.asked[0].method, admin.asked[0].parameters) == (0, "POST", {"by": "ann", "why": "oops"})
    assert shifter("undo", result=ChangeResult(False, 1, problems=("there is nothing to undo",)))[0].exit_code == 1
