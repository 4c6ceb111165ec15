"""Connections through Envoy and through shifter: what both ends see, what the access log says, and what is counted.

Both are started once, with a listener and a cluster for each exchange; all exchanges are made before anything is compared, so that
logs are waited for once.
"""

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
import yaml

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.configs import FILE_LOG_TYPE
from tests.support.envoy import running_envoy
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, address, bootstrap, cluster
from tests.support.wireclient import Wire

TCP_PROXY_TYPE = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
RESET = struct.pack("ii", 1, 0)
MANY = 3_000_000
LOG = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %PROTOCOL% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER% \
%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_TERMINATION_DETAILS% %ACCESS_LOG_TYPE% %REQ(:METHOD)% %RESPONSE_DURATION%\n"
UNEQUAL = ("flow_control", "_buffered", "circuit_breakers", "_ms", "update_", "membership", "lb_", "upstream_flush")
"""Statistics that depend on how large the pieces are that each reads, and those that have nothing to do with connections."""

Script = Callable[[socket.socket], object]


def read(sock: socket.socket) -> tuple[int, bytes, str]:
    """How much came, how it ended (its last bytes), and what came behind it: ``FIN`` or ``RST``."""
    got = b""
    try:
        while data := sock.recv(1 << 16):
            got += data
    except ConnectionResetError:
        return len(got), got[-20:], "RST"
    return len(got), got[-20:], "FIN"


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


# what endpoints do


def echoes(sock: socket.socket) -> object:
    count = 0
    while data := sock.recv(1 << 16):
        sock.sendall(data)
        count += len(data)
    return count


def greets(sock: socket.socket) -> object:
    sock.sendall(b"220 ready\r\n")
    sock.shutdown(socket.SHUT_WR)
    return read(sock)


def hangs_up(sock: socket.socket) -> object:
    sock.sendall(b"bye")
    return None


def resets(sock: socket.socket) -> object:
    reset(sock)
    return sock.recv(10)


def answers_at_the_end(sock: socket.socket) -> object:
    heard = read(sock)
    if heard[2] == "FIN":
        sock.sendall(b"heard")
    return heard


def sends_much(sock: socket.socket) -> object:
    sock.sendall(b"x" * MANY)
    sock.shutdown(socket.SHUT_WR)
    return read(sock)


# what clients do


def ping(sock: socket.socket) -> object:
    sock.sendall(b"ping")
    got = sock.recv(10)
    sock.close()
    return got


def listen(sock: socket.socket) -> object:
    return read(sock)


def listen_then_speak(sock: socket.socket) -> object:
    heard = read(sock)
    sock.sendall(b"after you")
    return heard


def speak_then_listen(sock: socket.socket) -> object:
    sock.sendall(b"x" * 1000)
    sock.shutdown(socket.SHUT_WR)
    return read(sock)


def much(sock: socket.socket) -> object:
    def speak() -> None:
        sock.sendall(b"0123456789" * (MANY // 10))
        sock.shutdown(socket.SHUT_WR)

    speaker = Thread(target=speak)
    speaker.start()
    heard = read(sock)
    speaker.join()
    return heard


def speak_and_wait(sock: socket.socket) -> object:
    sock.sendall(b"ping")
    return sock.recv(10), read(sock)


def provoke(sock: socket.socket) -> object:
    sock.sendall(b"x")
    return read(sock)


def break_off(sock: socket.socket) -> object:
    sock.sendall(b"ping")
    sock.recv(10)
    reset(sock)
    return None


@dataclass(frozen=True)
class Exchange:
    """What a client does at a listener of its own, and what the endpoints behind it do (``None``: nobody listens there)."""

    client: Script
    endpoints: tuple[Script | None, ...]
    proxy: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)


EXCHANGES = {
    "echo": Exchange(ping, (echoes,)),
    "echo of much": Exchange(much, (echoes,)),
    "the endpoint speaks and ends first": Exchange(listen_then_speak, (greets,)),
    "the endpoint hangs up": Exchange(listen, (hangs_up,)),
    "the client ends first": Exchange(speak_then_listen, (answers_at_the_end,)),
    "much comes": Exchange(listen, (sends_much,)),
    "the endpoint resets": Exchange(provoke, (resets,)),
    "the client resets": Exchange(break_off, (echoes,)),
    "refused": Exchange(listen, (None,)),
    "refused three times": Exchange(listen, (None, None), {"max_connect_attempts": 3}),
    "refused, but not by all": Exchange(ping, (None, None, echoes), {"max_connect_attempts": 9}),
    "no endpoints": Exchange(listen, ()),
    "all of them ill": Exchange(listen, (echoes,), {}, {"ill": True}),
    "idle": Exchange(speak_and_wait, (echoes,), {"idle_timeout": "0.4s"}),
    "too long": Exchange(speak_and_wait, (echoes,), {"max_downstream_connection_duration": "0.4s"}),
    "no connections": Exchange(listen, (echoes,), {}, {"circuit_breakers": {"thresholds": [{"max_connections": 0}]}}),
    "by weight": Exchange(ping, (echoes,), {"weighted_clusters": {"clusters": [{"name": "by weight", "weight": 5}]}}),
}
UNREACHED = ("all of them ill", "no connections")
BY_CHANCE = ("refused, but not by all",)
"""Here it is chance how many attempts it takes."""


class Endpoint:
    """A server that does as a script says with every connection; ``heard`` is what came of each."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._socket.getsockname()[1]
        self.heard: Queue[object] = Queue()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            with sock:
                sock.settimeout(PATIENCE)
                try:
                    self.heard.put(self._script(sock))
                except OSError as error:
                    self.heard.put(type(error).__name__)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@dataclass(frozen=True)
class View:
    """What came of one exchange."""

    client: object
    endpoints: tuple[object, ...]
    logged: str
    counted: dict[str, int]


class Side:
    """One of the two proxies."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.ports = {name: stack.enter_context(ReservedPort()).port for name in EXCHANGES}
        self.endpoints: dict[str, list[Endpoint]] = {name: [] for name in EXCHANGES}
        self._logs = {name: directory / f"{name}.log" for name in EXCHANGES}
        self._listeners, self._clusters = [], []
        for name, exchange in EXCHANGES.items():
            ports = []
            for script in exchange.endpoints:
                if script is None:
                    ports.append(stack.enter_context(ReservedPort()).port)
                    continue
                endpoint = Endpoint(script)
                stack.callback(endpoint.close)
                self.endpoints[name].append(endpoint)
                ports.append(endpoint.port)
            more = dict(exchange.cluster)
            ill = more.pop("ill", False)
            made = cluster(name, *ports, **more)
            if ill:
                made["common_lb_config"] = {"healthy_panic_threshold": {"value": 0}}
                made["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["health_status"] = "UNHEALTHY"
            self._clusters.append(made)
            self._listeners.append(self._listener(name, exchange))

    def _listener(self, name: str, exchange: Exchange) -> dict[str, Any]:
        log = {"@type": FILE_LOG_TYPE, "path": str(self._logs[name]), "log_format": {"text_format_source": {"inline_string": LOG}}}
        proxy = {"@type": TCP_PROXY_TYPE, "stat_prefix": name, "access_log": [{"name": "file", "typed_config": log}], **exchange.proxy}
        if "weighted_clusters" not in proxy:
            proxy["cluster"] = name
        filters = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
        return {"name": name, "address": address(self.ports[name]), "filter_chains": [{"filters": filters}]}

    def configuration(self, admin: int) -> dict[str, Any]:
        return bootstrap(admin, self._listeners, self._clusters)

    def views(self, admin: int) -> dict[str, View]:
        """Make all exchanges, several at a time; then see what is known of them."""
        with ThreadPoolExecutor(6) as pool:
            clients = dict(zip(EXCHANGES, pool.map(self._client, EXCHANGES), strict=True))
        return {name: View(clients[name], self._heard(name), self._logged(name), self._counted(name, admin)) for name in EXCHANGES}

    def _client(self, name: str) -> object:
        with socket.create_connection(("127.0.0.1", self.ports[name]), PATIENCE) as sock:
            return EXCHANGES[name].client(sock)

    def _heard(self, name: str) -> tuple[object, ...]:
        reached = name not in UNREACHED
        return tuple(endpoint.heard.get(timeout=PATIENCE) for endpoint in self.endpoints[name] if reached)

    def _logged(self, name: str) -> str:
        """The line of the exchange, which is the last thing that comes of it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            line = self._logs[name].read_text()
            if line.endswith("\n"):
                return line
            time.sleep(0.02)
        raise AssertionError(f"no line for {name}")

    def _counted(self, name: str, admin: int) -> dict[str, int]:
        deadline = time.monotonic() + PATIENCE
        while True:
            with Wire(admin) as wire:
                path = f"/stats?format=json&filter=%5E(tcp%7Ccluster)%5C.{name.replace(' ', '%20')}%5C."
                found = json.loads(wire.ask("GET", path, host="localhost").body)
            stats = {one["name"]: one["value"] for one in found["stats"] if "value" in one}
            if not stats[f"cluster.{name}.upstream_cx_active"] or time.monotonic() > deadline:
                break
        kept = {key: value for key, value in stats.items() if value and not any(word in key for word in UNEQUAL)}
        return {key: value for key, value in kept.items() if key.startswith(f"tcp.{name}.") or ".upstream_" in key}


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, View], dict[str, View]]]:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    directory = tmp_path_factory.mktemp("tcp")
    with ExitStack() as stack:
        envoy, shifter = Side(stack, directory / "envoy"), Side(stack, directory / "shifter")
        admin = stack.enter_context(ReservedPort()).port
        stack.enter_context(running_envoy(program, yaml.safe_dump(envoy.configuration(admin)), admin, directory))
        proxy = stack.enter_context(Proxy(directory / "shifter"))
        proxy.start(shifter.configuration(proxy.admin))
        yield envoy.views(admin), shifter.views(proxy.admin)


@pytest.mark.parametrize("name", EXCHANGES)
def test_shifter_does_as_envoy_does(views: tuple[dict[str, View], dict[str, View]], name: str) -> None:
    envoy, shifter = (one[name] for one in views)
    if name in BY_CHANCE:
        assert (shifter.client, shifter.endpoints) == (envoy.client, envoy.endpoints)
    else:
        assert shifter == envoy
