"""Files of clusters, listeners and routes through Envoy and shifter: after each change both serve the same and have counted the same.

Both are started once; a file is replaced for both at once, and renamed over, for that is what Envoy sees.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, listener

TYPES = {
    "cds": "envoy.config.cluster.v3.Cluster",
    "lds": "envoy.config.listener.v3.Listener",
    "rds": "envoy.config.route.v3.RouteConfiguration",
}
SCOPES = {"cds": "cluster_manager.cds", "lds": "listener_manager.lds", "rds": "http.front.rds.local"}
COUNTED = (
    *("config_reload", "init_fetch_timeout", "update_attempt", "update_empty", "update_failure"),
    *("update_rejected", "update_success", "version", "version_text"),
)
OTHERS = (
    *("cluster_manager.active_clusters", "cluster_manager.cluster_added", "cluster_manager.cluster_modified"),
    *("cluster_manager.cluster_removed", "listener_manager.listener_added", "listener_manager.listener_removed"),
    "listener_manager.total_listeners_active",
)
Make = Callable[["Side"], list[dict[str, Any]] | str]


def clusters(**timeouts: str) -> Make:
    return lambda side: [{"name": name, "type": "STATIC", "connect_timeout": timeout} for name, timeout in timeouts.items()]


def routes(answer: str, cluster: str = "one") -> Make:
    table = [
        {"match": {"prefix": "/said"}, "direct_response": {"status": 200, "body": {"inline_string": answer}}},
        {"match": {"prefix": "/"}, "route": {"cluster": cluster}},
    ]
    return lambda side: [{"name": "local", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": table}]}]


def listeners(*numbers: int, **more: object) -> Make:
    def made(side: "Side") -> list[dict[str, Any]]:
        source = {"path_config_source": {"path": str(side.directory / "rds.yaml")}}
        rds = {"route_config_name": "local", "config_source": source}
        found = [listener(side.ports[number], [], f"listener{number}", access_log=[], **more) for number in numbers]
        for one in found:
            manager = one["filter_chains"][0]["filters"][0]["typed_config"]
            del manager["route_config"]
            manager |= {"rds": rds, "stat_prefix": "front"}
        return found

    return made


def text(text: str) -> Make:
    return lambda side: text


NOTHING_IN_IT = json.dumps({"resources": [{"@type": f"type.googleapis.com/{TYPES['rds']}"}]})
NO_PORT = [{"name": "bad", "address": {"socket_address": {"address": "127.0.0.1"}}}]
STEPS: dict[str, dict[str, Make]] = {
    "the start": {"cds": clusters(one="1s"), "rds": routes("first"), "lds": listeners(0)},
    "a cluster more, and routes to it": {"cds": clusters(one="1s", two="1s"), "rds": routes("second", "two")},
    "a cluster is another, routes are wrong": {"cds": clusters(one="1s", two="2s"), "rds": text(NOTHING_IN_IT)},
    "routes of another name": {"rds": lambda side: [{"name": "other"}]},
    "a listener more, routes are no YAML": {"rds": text("resources: [\n"), "lds": listeners(0, 1)},
    "a listener is another, routes are right again": {"rds": routes("third"), "lds": listeners(0, 1, server_name="another")},
    "a cluster less, a wrong listener": {"cds": clusters(one="1s"), "lds": lambda side: NO_PORT},
    "a listener less, wrong clusters": {
        "cds": lambda side: [{"name": "one", "connect_timeout": "-1s"}],
        "lds": listeners(1, server_name="another"),
    },
    "the same clusters": {"cds": clusters(one="1s")},
}


class Side:
    """One of the two, and the files it reads."""

    def __init__(self, directory: Path, ports: list[int]) -> None:
        self.directory = directory
        self.ports = ports
        self.admin = 0
        self.versions = {"cds": 0, "lds": 0, "rds": 0}
        directory.mkdir()

    def write(self, kind: str, make: Make) -> None:
        self.versions[kind] += 1
        made = make(self)
        if not isinstance(made, str):
            resources = [{"@type": f"type.googleapis.com/{TYPES[kind]}", **one} for one in made]
            made = json.dumps({"version_info": f"{kind} {self.versions[kind]}", "resources": resources})
        fresh = self.directory / "fresh"
        fresh.write_text(made)
        fresh.rename(self.directory / f"{kind}.yaml")

    def bootstrap(self) -> dict[str, Any]:
        sources = {f"{kind}_config": {"path_config_source": {"path": str(self.directory / f"{kind}.yaml")}} for kind in ("cds", "lds")}
        admin = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.admin}}}
        return {"node": {"id": "node1", "cluster": "front"}, "admin": admin, "dynamic_resources": sources}

    def view(self) -> dict[str, object]:
        """Return what is seen of it from outside."""
        pairs = (line.split(": ", 1) for line in self._page("/stats").splitlines() if ": " in line)
        stats = dict(pairs)
        names = [f"{scope}.{name}" for scope in SCOPES.values() for name in COUNTED] + list(OTHERS)
        counted: dict[str, object] = {name: stats[name] for name in names if name in stats}
        for scope in SCOPES.values():  # which of the two it is depends on who looks first, the parser or the checker
            rejected, failed = (counted.pop(f"{scope}.update_{word}") for word in ("rejected", "failure"))
            counted[f"{scope} not taken"] = int(str(rejected)) + int(str(failed))
        counted["said"] = [self._said(port) for port in self.ports]
        counted["dump"] = self._dumped()
        counted["added_via_api"] = sorted(line for line in self._page("/clusters").splitlines() if "added_via_api" in line)
        return counted

    def _page(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.admin}{path}") as answer:
            body: bytes = answer.read()
        return body.decode()

    def _said(self, port: int) -> object:
        try:
            with urlopen(f"http://127.0.0.1:{port}/said") as answer:
                return answer.read(), answer.headers["server"] == "another"
        except HTTPError as error:
            return error.code
        except OSError:
            return "nobody listens"

    def _dumped(self) -> list[tuple[str, object, object]]:
        """Return the dynamic resources of the dump, each with its version."""
        found = []
        for config in json.loads(self._page("/config_dump"))["configs"]:
            for one in config.get("dynamic_active_clusters", ()):
                found.append(("cluster", one["cluster"]["name"], ""))
            for one in config.get("dynamic_route_configs", ()):
                found.append(("routes", one["route_config"]["name"], one["version_info"]))
            for one in config.get("dynamic_listeners", ()):
                if "active_state" in one:
                    found.append(("listener", one["name"], ""))
        return sorted(found)


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, object], dict[str, object]]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("xds")
    with ReservedPort() as admin, ReservedPort() as one, ReservedPort() as two, Proxy(directory / "proxy") as proxy:
        envoy = Side(directory / "envoy", [one.port, two.port])
        shifter = Side(directory / "shifter", [proxy.reserve(), proxy.reserve()])
        envoy.admin, shifter.admin = admin.port, proxy.admin
        for kind, make in STEPS["the start"].items():
            envoy.write(kind, make)
            shifter.write(kind, make)
        proxy.start(shifter.bootstrap())
        found: dict[str, tuple[dict[str, object], dict[str, object]]] = {}
        with running_envoy(program, json.dumps(envoy.bootstrap()), admin.port, directory):
            for name, changes in STEPS.items():
                for kind, make in changes.items() if found else ():
                    envoy.write(kind, make)
                    shifter.write(kind, make)
                found[name] = at_rest(envoy, shifter)
        return found


def at_rest(envoy: Side, shifter: Side) -> tuple[dict[str, object], dict[str, object]]:
    """Return what is seen of both once they have tried the last change; they may take their time to put it in force."""
    end = time.monotonic() + PATIENCE / 6
    wanted = {f"{SCOPES[kind]}.update_attempt": str(version) for kind, version in envoy.versions.items()}
    while True:
        seen = envoy.view(), shifter.view()
        tried = all(one.items() >= wanted.items() for one in seen)
        if (tried and seen[0] == seen[1]) or time.monotonic() > end:
            return seen
        time.sleep(0.05)


@pytest.mark.parametrize("step", STEPS)
def test_as_envoy(views: dict[str, tuple[dict[str, object], dict[str, object]]], step: str) -> None:
    envoy, shifter = views[step]
    assert shifter == envoy
