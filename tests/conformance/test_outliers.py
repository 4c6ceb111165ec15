"""Who is left out of a cluster, and what is counted about it: the same answers of the same endpoints, through Envoy and shifter.

Both are started once, with a cluster for each case; what follows from time (when a host comes back) is left to the unit tests.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.envoy import running_envoy
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route
from tests.support.wireclient import Wire

EVERYBODY = {"max_ejection_percent": 100}
CASES: dict[str, tuple[dict[str, Any], list[str], int]] = {
    # what outlier detection is configured, what each endpoint answers, how many requests come
    "row": ({**EVERYBODY, "consecutive_5xx": 3}, ["200", "500"], 20),
    "row of other errors": ({**EVERYBODY, "consecutive_5xx": 3}, ["200", "404"], 20),
    "default row": (EVERYBODY, ["200", "503"], 30),
    "too many": ({"max_ejection_percent": 40, "consecutive_5xx": 2}, ["200", "500"], 12),
    "one at least": ({"max_ejection_percent": 1, "consecutive_5xx": 2, "always_eject_one_host": True}, ["500", "200", "200"], 12),
    "half": ({"max_ejection_percent": 50, "consecutive_5xx": 2}, ["500", "500", "200", "200"], 24),
    "not enforced": ({**EVERYBODY, "consecutive_5xx": 2, "enforcing_consecutive_5xx": 0}, ["500", "200"], 12),
    "gateway": (
        {**EVERYBODY, "consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100, "enforcing_consecutive_5xx": 0},
        ["503", "200", "500"],
        18,
    ),
    "all of them": ({**EVERYBODY, "consecutive_5xx": 2}, ["500", "500"], 10),
    "split and well": ({**EVERYBODY, "split_external_local_origin_errors": True, "consecutive_5xx": 2}, ["500", "200"], 12),
}


class Answering:
    """A server that answers everything with one status."""

    def __init__(self, status: int) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Side:
    """One of the two proxies."""

    def __init__(self, port: int, admin: int) -> None:
        self.port = port
        self.admin = admin

    def statuses(self, path: str, count: int) -> list[int]:
        """Ask *count* times, one after the other."""
        with Wire(self.port) as wire:
            return sorted(wire.ask("GET", path).status for _ in range(count))

    def page(self, path: str) -> Any:
        with Wire(self.admin) as wire:
            return json.loads(wire.ask("GET", path, host="localhost").body)

    def out(self, name: str) -> list[bool]:
        """Whether each endpoint of a cluster is left out."""
        [status] = [one for one in self.page("/clusters?format=json")["cluster_statuses"] if one["name"] == name]
        return [host["health_status"].get("failed_outlier_check", False) for host in status["host_statuses"]]

    def counted(self, name: str) -> dict[str, int]:
        stats = self.page("/stats?format=json&filter=outlier_detection")["stats"]
        prefix = f"cluster.{name}.outlier_detection."
        return {one["name"].removeprefix(prefix): one["value"] for one in stats if one.get("name", "").startswith(prefix)}


def configuration(port: int, admin: int, servers: dict[str, Answering]) -> dict[str, Any]:
    """One cluster and one route for each case; an endpoint is an address of loopback, and its port says what it answers."""
    routes, clusters = [], []
    for number, (name, (detection, answers, _)) in enumerate(CASES.items()):
        hosts = [(f"127.0.0.{at}", servers[answer].port) for at, answer in enumerate(answers, 1)]
        routes.append(route(f"/{number}/", name))
        clusters.append(cluster(name, *hosts, outlier_detection={"interval": "600s", **detection}))
    return bootstrap(admin, [listener(port, routes, access_log=[])], clusters)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    envoy = envoy_program()
    if not envoy:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("outliers")
    with ExitStack() as stack:
        servers = {}
        for status in ("200", "404", "500", "503"):
            servers[status] = Answering(int(status))
            stack.callback(servers[status].close)
        port, admin = (stack.enter_context(ReservedPort()).port for _ in range(2))
        stack.enter_context(running_envoy(envoy, yaml.safe_dump(configuration(port, admin, servers)), admin, directory))
        proxy = stack.enter_context(Proxy(directory / "shifter"))
        proxy.start(configuration(proxy.port, proxy.admin, servers))
        yield Side(port, admin), Side(proxy.port, proxy.admin)


@pytest.mark.parametrize("name", CASES)
def test_who_is_left_out(sides: tuple[Side, Side], name: str) -> None:
    path, count = f"/{list(CASES).index(name)}/", CASES[name][2]
    envoy, shifter = sides
    for side in sides:
        side.statuses(path, count)
    assert shifter.out(name) == envoy.out(name)
    expected = envoy.counted(name)
    del expected["ejections_detected_degradation"]  # of `detect_degraded_hosts`, which shifter does not have
    assert shifter.counted(name) == expected
