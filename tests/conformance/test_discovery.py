"""Files of endpoints through Envoy and shifter: after each version of a file both have the same hosts, and have counted the same.

Both are started once, with a cluster for each case; all files are replaced at once, and renamed over, for that is what Envoy sees.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.envoy import running_envoy
from tests.support.proxy import Proxy, bootstrap, listener, route

TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
Text = Callable[[str], str]


def endpoint(number: int, /, **said: object) -> dict[str, Any]:
    where = {"socket_address": {"address": f"127.0.0.{number}", "port_value": 80}}
    return {"endpoint": {"address": where, "hostname": f"host{number}"}, **said}


def localities(*localities: dict[str, Any], **said: object) -> Text:
    """Return what makes the file for a cluster by its name."""
    return lambda name: json.dumps({"resources": [{"@type": TYPE, "cluster_name": name, "endpoints": localities, **said}]})


def hosts(*endpoints: dict[str, Any] | int, **locality: object) -> Text:
    """One locality with these endpoints."""
    return localities({"lb_endpoints": [endpoint(one) if isinstance(one, int) else one for one in endpoints], **locality})


def at(priority: int, *numbers: int, zone: str = "zone1", **said: object) -> dict[str, Any]:
    return {"priority": priority, "locality": {"zone": zone}, "lb_endpoints": [endpoint(one) for one in numbers], **said}


def edited(text: Text, old: str, new: str) -> Text:
    return lambda name: text(name).replace(old, new)


def bare(text: str) -> Text:
    return lambda name: text


CANARY = {"filter_metadata": {"envoy.lb": {"canary": True}}}
GOOD = hosts(1, 2)
CASES: dict[str, tuple[Text, Text, Text]] = {
    "more_and_less": (hosts(1, 2), hosts(1, 2, 3), hosts(3)),
    "other_order": (hosts(1, 2), hosts(2, 1), hosts(1, 2)),
    "none_and_some": (hosts(), hosts(1), hosts()),
    "weights": (hosts(1, 2), hosts(endpoint(1, load_balancing_weight=5), 2), hosts(1, 2, endpoint(3, load_balancing_weight=9))),
    "metadata": (hosts(1, 2), hosts(endpoint(1, metadata=CANARY), 2), hosts(1, 2)),
    "unhealthy": (hosts(endpoint(1, health_status="UNHEALTHY"), 2), hosts(1, 2), hosts(endpoint(1, health_status="TIMEOUT"), 2)),
    "draining": (hosts(1, 2), hosts(endpoint(1, health_status="DRAINING"), 2), hosts(endpoint(1, health_status="DEGRADED"), 2)),
    "zones": (localities(at(0, 1, 2)), localities(at(0, 1, 2, zone="zone2")), localities(at(0, 1), at(0, 2, zone="zone2"))),
    "priorities": (localities(at(0, 1, 2)), localities(at(0, 1), at(1, 2)), localities(at(0, 2), at(1, 1))),
    "gap_in_priorities": (localities(at(0, 1)), localities(at(2, 1)), localities(at(0, 1))),
    "twice_in_a_locality": (hosts(1, endpoint(1, load_balancing_weight=7)), hosts(1), hosts(2, 1, 2)),
    "twice_later_first": (localities(at(1, 4), at(0, 4, 5)), localities(at(0, 4, 5), at(1, 4)), localities(at(0, 5), at(1, 5, 4))),
    "locality_weights": (localities(at(0, 1, load_balancing_weight=3)), localities(at(0, 1, 2, load_balancing_weight=3)), GOOD),
    "policy": (GOOD, lambda name: GOOD(name).replace('"endpoints"', '"policy": {"overprovisioning_factor": 200}, "endpoints"'), GOOD),
    "another_s_name": (GOOD, bare(GOOD("somebody")), GOOD),
    "no_resources": (GOOD, bare("resources: []\n"), hosts(3)),
    "only_a_version": (GOOD, bare('version_info: "7"\n'), GOOD),
    "empty_file": (GOOD, bare(""), GOOD),
    "broken": (GOOD, bare("resources: [\n"), hosts(2)),
    "broken_at_the_start": (bare("resources: [\n"), GOOD, GOOD),
    "weight_0": (GOOD, hosts(endpoint(1, load_balancing_weight=0), 2), GOOD),
    "port": (GOOD, edited(GOOD, "80", "99999"), GOOD),
    "a_name": (GOOD, edited(GOOD, "127.0.0.1", "web.test"), GOOD),
    "priority_129": (GOOD, hosts(1, priority=129), GOOD),
    "two_resources": (GOOD, lambda name: _twice(GOOD(name)), GOOD),
    "yaml": (GOOD, lambda name: yaml.safe_dump(json.loads(hosts(1, 2, 3)(name))), GOOD),
}
FIELDS = ("hostname", "health_flags", "weight", "region", "zone", "sub_zone", "canary", "priority")
COUNTED = (
    *("membership_change", "membership_healthy", "membership_total"),
    *("update_attempt", "update_empty", "update_no_rebuild", "update_success"),
)


def _twice(text: str) -> str:
    document = json.loads(text)
    return json.dumps({"resources": document["resources"] * 2})


class Side:
    """One of the two, and the files it reads."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self.admin = 0

    def write(self, version: int) -> None:
        for number, (name, versions) in enumerate(CASES.items()):
            fresh = self.directory / "fresh"
            fresh.write_text(versions[version](name))
            fresh.rename(self.directory / f"{number}.yaml")

    def clusters(self) -> list[dict[str, Any]]:
        sources = ({"path_config_source": {"path": str(self.directory / f"{number}.yaml")}} for number in range(len(CASES)))
        return [
            {"name": name, "type": "EDS", "eds_cluster_config": {"eds_config": source}} for name, source in zip(CASES, sources, strict=True)
        ]

    def page(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.admin}{path}") as answer:
            text: bytes = answer.read()
        return text.decode()

    def views(self, version: int) -> dict[str, object]:
        """Return what is seen of each case, once all files have been read."""
        while True:
            pairs = (line.split(": ", 1) for line in self.page("/stats").splitlines() if ": " in line)
            stats = dict(pairs)
            if all(int(stats[f"cluster.{name}.update_attempt"]) > version for name in CASES):
                break
        found: dict[str, dict[tuple[str, str], str]] = {name: {} for name in CASES}
        for line in self.page("/clusters").splitlines():
            name, where, *rest = line.split("::")
            if re.match(r"127\.", where) and rest[0] in FIELDS:
                found[name][where, rest[0]] = rest[1]
        return {name: (found[name], self._counted(name, stats)) for name in CASES}

    def _counted(self, name: str, stats: dict[str, str]) -> dict[str, str]:
        counts = {word: stats[f"cluster.{name}.{word}"] for word in COUNTED}
        not_taken = sum(int(stats[f"cluster.{name}.update_{word}"]) for word in ("failure", "rejected"))
        return counts | {"not taken": str(not_taken)}  # which of the two it is depends on who looks first, the parser or the checker


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, object], dict[str, object]]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("discovery")
    envoy, shifter = Side(directory / "envoy"), Side(directory / "shifter")
    sides = (envoy, shifter)
    for side in sides:
        side.write(0)
    with ReservedPort() as front, ReservedPort() as admin, Proxy(directory / "proxy") as proxy:
        envoy.admin, shifter.admin = admin.port, proxy.admin
        routes = [route("/", next(iter(CASES)))]
        text = yaml.safe_dump(bootstrap(admin.port, [listener(front.port, routes, access_log=[])], envoy.clusters()))
        proxy.front(routes, shifter.clusters())
        with running_envoy(program, "node: {id: node1, cluster: c}\n" + text, admin.port, directory):
            found = []
            for version in range(3):
                if version:
                    for side in sides:
                        side.write(version)
                found.append((envoy.views(version), shifter.views(version)))
        return found


@pytest.mark.parametrize("name", CASES)
def test_as_envoy(views: list[tuple[dict[str, object], dict[str, object]]], name: str) -> None:
    for envoy, shifter in views:
        assert shifter[name] == envoy[name]
