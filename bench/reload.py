"""What requests notice of a change while it is made: ``python -m bench.reload``.

A shifter with 1,000 clusters and 5,000 routes is asked for one page over and over, on one connection, a millisecond apart, while its
file is exchanged for one in which every route has other weights, and reloaded; and while the weights of one route are set. The slowest
answers say how long a request had to wait. Times are those of a clock on the wall: what else runs on the machine is in them.
"""

import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import yaml

from bench import report
from bench.process import BenchError, Command, free_ports, running, wait_listening

COLUMNS: Final[report.Row] = ["meanwhile", "it took s", "requests", "slowest ms", "of 100 one took ms"]
CLUSTERS, ROUTES = 1_000, 5_000
ROUNDS = 3
REST = 0.2
"""Seconds before and after a change in which is asked, too."""
_PAUSE: Final = 0.001
_PATIENCE: Final = 60.0
_FILTERS: Final = "type.googleapis.com/envoy.extensions.filters"
_REQUEST: Final = b"GET /hello HTTP/1.1\r\nhost: bench.test\r\n\r\n"


def configuration(port: int, admin: int, weight: int) -> dict[str, Any]:
    """A large configuration: each route is split between two clusters, of which the first gets *weight* of 100."""

    def address(port: int) -> dict[str, Any]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    def route(number: int) -> dict[str, Any]:
        shares = ((number % CLUSTERS, weight), ((number + 1) % CLUSTERS, 100 - weight))
        split = [{"name": f"service-{at}", "weight": share} for at, share in shares]
        return {"name": f"app-{number}", "match": {"prefix": f"/app-{number}/"}, "route": {"weighted_clusters": {"clusters": split}}}

    hello = {"match": {"path": "/hello"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    host = {"name": "all", "domains": ["*"], "routes": [hello, *map(route, range(ROUTES))]}
    manager = {
        "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "route_config": {"virtual_hosts": [host]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{_FILTERS}.http.router.v3.Router"}}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}

    def cluster(number: int) -> dict[str, Any]:
        endpoint = {"lb_endpoints": [{"endpoint": {"address": address(9)}}]}
        name = f"service-{number}"
        return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": [endpoint]}}

    listener = {"name": "front", "address": address(port), "filter_chains": [chain]}
    static = {"listeners": [listener], "clusters": [cluster(number) for number in range(CLUSTERS)]}
    return {"admin": {"address": address(admin)}, "static_resources": static}


def written(config: dict[str, Any]) -> str:
    """Return the text of a file."""
    plain = json.loads(json.dumps(config))  # what stands in several places is written in each, as people do
    return str(yaml.dump(plain, Dumper=yaml.CSafeDumper))


class Asker(Thread):
    """Asks for the page until it is told to stop; ``took`` is how long each answer took, in seconds."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.took: list[float] = []
        self._over = Event()
        self._connection = socket.create_connection(("127.0.0.1", port), _PATIENCE)

    def run(self) -> None:
        with self._connection as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not self._over.wait(_PAUSE):
                began = time.monotonic()
                connection.sendall(_REQUEST)
                if not connection.recv(65_536).startswith(b"HTTP/1.1 200"):
                    return  # nothing more is asked, which the row shows
                self.took.append(time.monotonic() - began)

    def stop(self) -> list[float]:
        """Return how long the answers took, the slowest first. Raises `BenchError` when one was wrong."""
        ended = not self.is_alive()
        self._over.set()
        self.join()
        if ended or not self.took:
            raise BenchError("a request was not answered")
        return sorted(self.took, reverse=True)


def change(admin: int, path: str) -> None:
    """Have something changed; returns when it is. Raises `BenchError` when it is refused."""
    connection = HTTPConnection("127.0.0.1", admin, timeout=_PATIENCE)
    connection.request("POST", path)
    told = json.loads(connection.getresponse().read())
    connection.close()
    if not told["taken"]:
        raise BenchError(f"refused: {told['problems']}")


def row(what: str, port: int, do: Callable[[], None]) -> report.Row:
    """Ask while *do* does what it does; the round with the least slow answer counts, for who else is busy makes them slower only."""
    rounds = []
    for _ in range(ROUNDS):
        asker = Asker(port)
        asker.start()
        time.sleep(REST)
        began = time.monotonic()
        do()
        seconds = time.monotonic() - began
        time.sleep(REST)
        rounds.append((asker.stop(), seconds))
    took, seconds = min(rounds, key=lambda one: one[0][0])
    figures = (took[0], took[len(took) // 100])
    return [what, f"{seconds:.2f}", f"{len(took):,}", *(f"{figure * 1e3:.1f}" for figure in figures)]


def rows(directory: Path) -> list[report.Row]:
    """Start shifter in *directory*, and measure."""
    port, admin = free_ports(2)
    texts = [written(configuration(port, admin, weight)) for weight in (10, 20)]
    path, output, turn = directory / "front.yaml", directory / "output.log", 0

    def reload() -> None:
        nonlocal turn
        turn += 1
        fresh = directory / "front.new"
        fresh.write_text(texts[turn % 2])
        fresh.rename(path)
        change(admin, "/reload")

    def weight() -> None:
        nonlocal turn
        turn += 1
        change(admin, f"/weights?route=app-1&service-1={30 + turn}&by=bench")

    path.write_text(texts[0])
    command = Command([str(Path(sys.executable).with_name("shifter")), "run", "--config", str(path)], output)
    with running(command, 0) as process:
        wait_listening(port, process, output, _PATIENCE)
        return [
            row("nothing", port, lambda: time.sleep(1.0)),
            row("a reload: every route is another", port, reload),
            row("weights of one route are set", port, weight),
        ]


def main() -> int:
    chosen = report.parser("bench.reload", __doc__, "reload").parse_args()
    with tempfile.TemporaryDirectory() as directory:
        try:
            found = rows(Path(directory))
        except (BenchError, OSError) as error:
            print(error, file=sys.stderr)
            return 1
    report.publish("reload", COLUMNS, found, chosen.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
