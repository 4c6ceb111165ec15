"""What Envoy answers and forwards, shifter answers and forwards, byte for byte but for names and times (`differential`).

Deliberate differences stand in the case files with their reason, and in ``docs/differences.md``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support.differential import Comparison, Counts, View, bytes_of

CASES: dict[str, dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((Path(__file__).parent / "cases").glob("*.yaml"))
}
Views = tuple[View, View] | tuple[Counts, Counts]
EXCHANGES = [(name, number) for name, case in CASES.items() for number in range(len(case["requests"]))]


def exchange_id(name: str, number: int) -> str:
    request = CASES[name]["requests"][number]
    return f"{name}-{number}-{request.get('note') or bytes_of(request).split(bytes([13]))[0].decode('latin-1')[:60]}"


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[int, Views]]]:
    """All exchanges of the case files that were needed so far."""
    seen: dict[str, dict[int, Views]] = {}
    yield seen
    seen.clear()


@pytest.fixture
def pair(request: pytest.FixtureRequest, views: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Views:
    name, number = request.param
    envoy = envoy_program()
    if not envoy:
        pytest.skip("Envoy is not installed")
    if name not in views:
        with Comparison(CASES[name], envoy, tmp_path_factory.mktemp(name)) as seen:
            views[name] = seen
    found: Views = views[name][number]
    return found


@pytest.mark.parametrize(
    ("pair", "name", "number"), [(one, *one) for one in EXCHANGES], indirect=["pair"], ids=[exchange_id(*one) for one in EXCHANGES]
)
def test_exchange(pair: Views, name: str, number: int) -> None:
    envoy, shifter = pair
    request = CASES[name]["requests"][number]
    assert envoy.status, "Envoy gave no answer: the case says nothing"
    if "differs" in request:
        assert envoy.against(shifter), "no difference any more"
        assert shifter.status == request["status"]
    else:
        assert not (difference := envoy.against(shifter)), difference


def test_every_difference_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
    reasons = {request["differs"] for case in CASES.values() for request in case["requests"] if "differs" in request}
    assert reasons
    assert not [reason for reason in reasons if reason not in documented]
