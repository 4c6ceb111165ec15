"""The tests of Envoy's own router check tool (``test/tools/router_check``), each of them a test here.

They are data of Envoy's repository and not part of this project; without them beside the checkout everything here is skipped.
"""

import re
from functools import cache
from pathlib import Path

import pytest

from shifter.config.route_tests import load_tests
from shifter.model.route import RouteConfiguration
from shifter.model.routetest import RouteTests
from shifter.routing.regex import regex_problem
from shifter.routing.routetest import Result, run
from shifter.service.loading import load_checked
from tests.support.programs import ROOT

GOLDENS = ROOT.parent / "shared" / "envoy" / "router_check"
ROUTES_OF = {"TestRoutesFailures": "TestRoutes", "TimeoutFailures": "Timeout"}
"""Goldens whose routes are those of another."""

MUST_FAIL = {
    ("TestRoutesFailures", "ResponseHeaderMatches Failures"): [
        "content-type",
        "content-length",
        "x-ping-response",
        "x-ping-response",
        "x-pong-response",
    ],
    ("RouteMetadata", "MetadataValueMismatch"): ["route_id"],
    ("RouteMetadata", "MetadataNamespaceMissing"): ["route_id"],
    ("TimeoutFailures", "Test_1"): ["timeout"],
}
"""The tests that are there to fail, and the last words of the fields that must be complained of."""

POSITIVE, NEGATIVE = 112, 4


def stem(golden: Path) -> str:
    return golden.name.partition(".")[0]


@cache
def loaded(golden: Path) -> tuple[RouteConfiguration, RouteTests]:
    path = golden.parent / f"{ROUTES_OF.get(stem(golden), stem(golden))}.yaml"
    routes = load_checked(path.read_bytes(), str(path), routes_alone=True)
    assert routes.routes is not None, "\n".join(map(str, routes.problems))
    tests = load_tests(golden.read_bytes(), str(golden), regex_problem)
    assert tests.tests is not None, "\n".join(map(str, tests.problems))
    return routes.routes, tests.tests


@cache
def results(golden: Path) -> tuple[Result, ...]:
    return run(*loaded(golden)).results


def cases() -> list[tuple[Path, int, str]]:
    """Every test of every golden: its file, its number, its name (found without reading the format, so that a golden that
    cannot be read is a failure here)."""
    found = []
    for golden in sorted([*GOLDENS.glob("*.golden.proto.*"), *GOLDENS.glob("extra/*.golden.proto.*")]):
        if golden.suffix != ".pb_text":
            lines = [line for line in golden.read_text().splitlines() if "test_name" in line]
            names = [re.split(r'[":,]+ *', line.partition("test_name")[2].lstrip('": '))[0] for line in lines]
            found += [(golden, number, name) for number, name in enumerate(names)]
    return found


CASES = cases()


@pytest.mark.skipif(not CASES, reason=f"{GOLDENS} is not there")
def test_none_is_missing() -> None:
    negative = [case for case in CASES if (stem(case[0]), case[2]) in MUST_FAIL]
    assert (len(CASES) - len(negative), len(negative)) == (POSITIVE, NEGATIVE)


@pytest.mark.parametrize(
    ("golden", "number", "name"),
    CASES or [pytest.param(None, 0, "", marks=pytest.mark.skip(reason=f"{GOLDENS} is not there"))],
    ids=[f"{golden.name.replace('.golden.proto', '')}-{number}" for golden, number, _ in CASES] or ["none"],
)
def test_golden(golden: Path, number: int, name: str) -> None:
    result = results(golden)[number]
    assert result.test.name == name
    failed = [check for check in result.checks if not check.ok]
    expected = MUST_FAIL.get((stem(golden), name))
    if expected is None:
        assert not failed
        assert result.checks
    else:
        assert [check.field.split()[-1] for check in failed] == expected


@pytest.mark.skipif(not CASES, reason=f"{GOLDENS} is not there")
@pytest.mark.parametrize(("name", "comprehensive", "percent"), [("ComprehensiveRoutes", True, 100), ("ComprehensiveRoutes", False, 100)])
def test_coverage(name: str, comprehensive: bool, percent: float) -> None:
    golden = GOLDENS / f"{name}.golden.proto.json"
    assert run(*loaded(golden)).coverage(comprehensive) == percent
