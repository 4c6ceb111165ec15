"""The same traffic through Envoy and through shifter: names, values, kinds and labels of statistics are the same.

Where they are not, ``statistics/differences.yaml`` says why.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bench.candidates import envoy_program
from tests.support.counted import Side, counted

DIFFERENCES: dict[str, list[dict[str, Any]]] = yaml.safe_load((Path(__file__).parent / "statistics" / "differences.yaml").read_text())
PAGES = ("/stats", "/stats?type=Counters", "/stats?type=Gauges", "/stats?type=Histograms", "/stats/prometheus")
HISTOGRAM = re.compile(r"No recorded values|P0\(.*")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    envoy = envoy_program()
    if not envoy:
        pytest.skip("Envoy is not installed")
    yield counted(envoy, tmp_path_factory.mktemp("statistics"), *PAGES)


def told(side: Side, page: str = "/stats") -> dict[str, str]:
    """Statistics by name; listeners by their names in the configuration."""
    text = side.pages[page]
    for name, port in side.ports.items():
        text = text.replace(f"listener.127.0.0.1_{port}.", f"listener.{name}.")
    return {name: value for name, _, value in (line.partition(": ") for line in text.splitlines())}


def among(kind: str, name: str) -> bool:
    return any(re.fullmatch(pattern, name) for entry in DIFFERENCES[kind] for pattern in entry["names"])


def test_values_are_alike(sides: tuple[Side, Side]) -> None:
    envoy, shifter = (told(side) for side in sides)
    numbers = [name for name in envoy if name in shifter and not HISTOGRAM.match(envoy[name])]
    assert len(numbers) > 900
    wrong = {name: (envoy[name], shifter[name]) for name in numbers if envoy[name] != shifter[name] and not among("values", name)}
    assert not wrong, "(Envoy, shifter)"


def test_histograms_have_as_many_values(sides: tuple[Side, Side]) -> None:
    counts = []
    for side in sides:
        text = side.pages["/stats/prometheus"]
        for name, port in side.ports.items():
            text = text.replace(f"127.0.0.1_{port}", name)
        found = re.findall(r"^(envoy_\w+)_count\{([^}]*)\} (\d+)", text, re.MULTILINE)
        counts.append({(name, labels): int(count) for name, labels, count in found})
    envoy, shifter = counts
    differing = ("encrypted", "odd", "initialization")  # see the differences in values of the first two
    both = [one for one in envoy if one in shifter and not any(word in "".join(one) for word in differing)]
    assert len(both) > 20
    assert {one: shifter[one] for one in both} == {one: envoy[one] for one in both}


def test_no_name_is_unknown_to_the_other(sides: tuple[Side, Side]) -> None:
    envoy, shifter = (told(side) for side in sides)
    assert not [name for name in envoy if name not in shifter and not among("missing", name)]
    assert not [name for name in shifter if name not in envoy and "shifter." not in name and not among("own", name)]


def test_every_difference_is_one(sides: tuple[Side, Side]) -> None:
    envoy, shifter = (told(side) for side in sides)
    where = {"values": envoy.keys() & shifter.keys(), "missing": envoy.keys() - shifter.keys(), "own": shifter.keys() - envoy.keys()}
    patterns = [(kind, pattern) for kind, entries in DIFFERENCES.items() for entry in entries for pattern in entry["names"]]
    assert not [(kind, pattern) for kind, pattern in patterns if not any(re.fullmatch(pattern, name) for name in where[kind])]


@pytest.mark.parametrize("kind", ["Counters", "Gauges", "Histograms"])
def test_kinds_are_alike(sides: tuple[Side, Side], kind: str) -> None:
    envoy, shifter = (set(told(side, f"/stats?type={kind}")) for side in sides)
    known = set(told(sides[0])) & set(told(sides[1]))
    assert envoy & known == shifter & known


def test_metrics_have_the_same_labels_and_types(sides: tuple[Side, Side]) -> None:
    shapes = []
    for side in sides:
        shape: dict[str, tuple[str, set[frozenset[str]]]] = {}
        for family in text_string_to_metric_families(side.pages["/stats/prometheus"]):
            for one in family.samples:
                shape.setdefault(one.name, (family.type, set()))[1].add(frozenset(one.labels))
        shapes.append(shape)
    envoy, shifter = shapes
    both = envoy.keys() & shifter.keys()
    assert len(both) > 200
    assert {name: shifter[name] for name in both} == {name: envoy[name] for name in both}
