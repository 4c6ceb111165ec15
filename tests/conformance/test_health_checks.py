"""What active health checks ask, and what follows from the answers: the same answers given to Envoy and to shifter.

Each case is a cluster of its own, with one host that answers the checks one after the other as its script says, and for ever as its last
word says. Both programs are started once. What is compared does not depend on time: the first request, the event log, the flags in the end,
and the figures up to there. The times themselves are tested by the clock (``tests/upstream/health_check``).
"""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from shifter.wire.h2 import Http2Options, ServerConnection
from shifter.wire.h2_events import REQUEST
from tests.support.backend import ReservedPort
from tests.support.envoy import running_envoy
from tests.support.proxy import Proxy, bootstrap, cluster, http2, listener, route
from tests.support.wireclient import Wire

PLAIN: dict[str, Any] = {
    "timeout": "1s",  # more than any answer takes on a busy machine
    "interval": "0.1s",
    "no_traffic_interval": "0.1s",
    "unhealthy_threshold": 3,
    "healthy_threshold": 2,
}
CLOSE, HANG = b"", None
PATIENCE = 15.0


def answer(status: int = 200, *fields: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def http(**more: Any) -> dict[str, Any]:
    return {"http_health_check": {"path": "/hc", **more}}


OK, BAD, BUSY = answer(), answer(500), answer(503)
RETRIABLE = http(retriable_statuses=[{"start": 503, "end": 504}])
GRPC = {"grpc_health_check": {"service_name": "svc", "initial_metadata": [{"header": {"key": "x-m", "value": "1"}}]}}
IMMEDIATE = answer(503, "x-envoy-immediate-health-check-fail: true")
ADDED = [
    {"header": {"key": "X-A", "value": "1"}},
    {"header": {"key": "user-agent", "value": "me"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
]

CASES: dict[str, tuple[dict[str, Any], list[bytes | None]]] = {
    "well": (http(), [OK]),
    "no-is-enough": (http(), [OK, OK, BAD]),
    "first-bad": (http(), [BAD, OK, OK, OK]),
    "back-again": (http(), [OK, BAD, OK, BAD, OK, OK]),
    "retriable": (RETRIABLE, [OK, BUSY, BUSY, OK, BUSY, BUSY, BUSY]),
    "retriable-or-not": (RETRIABLE, [OK, BUSY, BAD]),
    "expected": (http(expected_statuses=[{"start": 503, "end": 505}]), [BUSY, OK]),
    "closes": (http(), [OK, CLOSE]),
    "closes-twice": (http(), [OK, CLOSE, CLOSE, OK]),
    "hangs": (http(), [OK, HANG]),
    "hangs-at-first": (http(), [HANG, OK, OK]),
    "garbage": (http(), [OK, b"garbage\r\n\r\n"]),
    "bad-after-hanging": (http(), [HANG, HANG, BAD]),
    "connection-close": (http(), [answer(200, "connection: close"), BAD]),
    "degraded": (http(), [OK, answer(200, "x-envoy-degraded: 1")]),
    "degraded-at-first": (http(), [answer(200, "x-envoy-degraded: 1"), BAD, answer(200, "x-envoy-degraded: 1")]),
    "immediate": (http(), [OK, IMMEDIATE]),
    "immediate-and-back": (http(), [OK, IMMEDIATE, OK, OK]),
    "body": (http(receive=[{"text": "6162"}, {"text": "6364"}]), [answer(body="ab-cd"), answer(body="cd-ab")]),
    "service": (
        http(service_name_matcher={"prefix": "loc"}),
        [answer(200, "x-envoy-upstream-healthchecked-cluster: loc-1"), answer(200, "x-envoy-upstream-healthchecked-cluster: other")],
    ),
    "no-service": (http(service_name_matcher={"exact": "loc"}), [OK]),
    "request": (http(path="/hc?a", host="h.example", request_headers_to_add=ADDED), [OK]),
    "request-with-a-body": (http(method="POST", send={"text": "6162"}, request_headers_to_remove=["user-agent"]), [OK]),
    "http2": (http(codec_client_type="HTTP2"), [OK, BAD]),
    "tcp": ({"tcp_health_check": {"send": {"text": "50494e470d0a0d0a"}, "receive": [{"text": "4f4b"}]}}, [b"-OK-", HANG]),
    "tcp-that-closes": ({"tcp_health_check": {"send": {"text": "50494e470d0a0d0a"}, "receive": [{"text": "4f4b"}]}}, [b"-OK-", CLOSE]),
    "grpc": (GRPC, [b"\x08\x01", b"\x08\x02"]),
    "grpc-that-is-not-known": (GRPC, [b"\x08\x03", b"\x08\x01", b"\x08\x01"]),
    "grpc-with-an-empty-message": (GRPC, [b"\x08\x01", b""]),
}


class Scripted:
    """One host. ``asked`` are the requests, ``done`` when the last word has been said twice."""

    def __init__(self, check: dict[str, Any], script: Sequence[bytes | None]) -> None:
        self._script = script
        self._said = 0
        self.asked: list[object] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        two = "grpc_health_check" in check or check.get("http_health_check", {}).get("codec_client_type") == "HTTP2"
        self._thread = Thread(target=self._accept, args=(self._http2 if two else self._plain,), daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        return self._said > len(self._script) + 2

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _next(self) -> bytes | None:
        self._said += 1
        return self._script[min(self._said, len(self._script)) - 1]

    def _accept(self, serve: Callable[[socket.socket], None]) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            Thread(target=self._serve, args=(serve, connection), daemon=True).start()

    def _serve(self, serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection)
            except OSError:
                return  # whoever asked has gone

    def _plain(self, connection: socket.socket) -> None:
        data = b""
        while received := connection.recv(65536):
            data += received
            while b"\r\n\r\n" in data:
                request, _, data = data.partition(b"\r\n\r\n")
                self.asked.append(request)
                said = self._next()
                if said == CLOSE:
                    return
                if said is not None:
                    connection.sendall(said)

    def _http2(self, connection: socket.socket) -> None:
        codec = ServerConnection(Http2Options())
        while received := connection.recv(65536):
            for event in codec.receive(received):
                if event[0] != REQUEST:
                    continue
                head = event[2]
                block = sorted(head.block.split(b"\r\n"))
                self.asked.append((head.method, head.path, head.scheme, head.authority, block))
                said = self._next()
                assert said is not None
                if said.startswith(b"HTTP/1.1 "):
                    codec.send_response(event[1], int(said[9:12]), b"", True)
                else:
                    codec.send_response(event[1], 200, b"\r\ncontent-type: application/grpc", False)
                    codec.send_data(event[1], b"\0" + len(said).to_bytes(4, "big") + said, False)
                    codec.send_trailers(event[1], b"\r\ngrpc-status: 0")
            connection.sendall(codec.data_to_send())


class Side:
    """One of the two programs, and its hosts."""

    def __init__(self, stack: ExitStack, directory: Path, port: int, admin: int) -> None:
        self.hosts = {name: Scripted(check, script) for name, (check, script) in CASES.items()}
        for host in self.hosts.values():
            stack.callback(host.close)
        self.log = directory / "events.log"
        self.admin = admin
        clusters = []
        for name, (check, _) in CASES.items():
            more = http2() if "grpc_health_check" in check else {}
            config = {**PLAIN, **check, "event_log_path": str(self.log)}
            clusters.append(cluster(name, self.hosts[name].port, health_checks=[config], **more))
        routes = [route("/", "well")]
        self.configuration = bootstrap(admin, [listener(port, routes, access_log=[])], clusters)

    def page(self, path: str) -> Any:
        with Wire(self.admin) as wire:
            return json.loads(wire.ask("GET", path, host="localhost").body)

    def observe(self) -> None:
        """Wait until every host has said its last word, and note what has come of it."""
        until = monotonic() + PATIENCE
        while not all(host.done for host in self.hosts.values()):
            assert monotonic() < until, [name for name, host in self.hosts.items() if not host.done]
            sleep(0.02)
        statuses = self.page("/clusters?format=json")["cluster_statuses"]
        self.flags = {one["name"]: one["host_statuses"][0]["health_status"] for one in statuses}
        stats = self.page("/stats?format=json&filter=health_check")["stats"]
        self.figures = {one["name"]: one["value"] for one in stats if "name" in one}

    def events(self, name: str) -> list[dict[str, Any]]:
        """What was logged of a cluster, but for what is another each time."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [
            {key: value for key, value in line.items() if key not in ("host", "timestamp")}
            for line in lines
            if line["cluster_name"] == name
        ]

    def counted(self, name: str) -> set[str]:
        """Which figures of a cluster are not 0."""
        prefix = f"cluster.{name}.health_check."
        return {one.removeprefix(prefix) for one, value in self.figures.items() if one.startswith(prefix) and value}


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("health_checks")
    with ExitStack() as stack:
        port, admin = (stack.enter_context(ReservedPort()).port for _ in range(2))
        envoy = Side(stack, directory, port, admin)
        stack.enter_context(running_envoy(program, yaml.safe_dump(envoy.configuration), admin, directory))
        with Proxy(directory / "shifter") as proxy:
            shifter = Side(stack, directory / "shifter", proxy.port, proxy.admin)
            proxy.start(shifter.configuration)
            for side in (envoy, shifter):
                side.observe()
            proxy.stop()  # which writes what is to be written
        yield envoy, shifter


@pytest.mark.parametrize("name", CASES)
def test_checks(sides: tuple[Side, Side], name: str) -> None:
    envoy, shifter = sides
    assert shifter.hosts[name].asked[0] == envoy.hosts[name].asked[0]
    assert shifter.events(name) == envoy.events(name)
    assert shifter.flags[name] == envoy.flags[name]
    assert shifter.counted(name) == envoy.counted(name)
