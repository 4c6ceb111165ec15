"""shifter as its users run it, ``twistd shifter`` in a process of its own, and configurations for it.

Rule 1. A test knows that something has happened because the process said so (`Proxy.says`, `Proxy.logged`) or because its
        figures show it (`Proxy.until`), never because time has passed.
Rule 2. A process that a test is done with must end as asked, with exit code 0, and must not have logged a traceback.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

import yaml

from tests.support.backend import ReservedPort
from tests.support.configs import FILE_LOG_TYPE, HCM_TYPE, ROUTER_TYPE, UPSTREAM_TYPE
from tests.support.nursery import AVAILABLE, Child, nursery
from tests.support.programs import BIN, PATIENCE
from tests.support.wireclient import Wire

Config = dict[str, Any]


class Closable(Protocol):
    def close(self) -> object: ...


Owned = TypeVar("Owned", bound=Closable)

LOG_FORMAT = (
    "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST%\n"
)
ACCESS_LOG = "/dev/fd/ACCESS"
"""Stands in a configuration for the access log that `Proxy.logged` reads."""


def cluster(name: str, *endpoints: int | tuple[str, int], **more: object) -> Config:
    """A cluster; endpoints are ports of 127.0.0.1, or (host, port)."""
    addresses = [("127.0.0.1", one) if isinstance(one, int) else one for one in endpoints]
    lb_endpoints = [{"endpoint": {"address": address(port, host)}} for host, port in addresses]
    defaults = {"name": name, "type": "STATIC", "connect_timeout": "5s"}
    return {**defaults, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": lb_endpoints}]}, **more}


def http2(**options: object) -> Config:
    """What makes a cluster speak HTTP/2."""
    explicit = {"@type": UPSTREAM_TYPE, "explicit_http_config": {"http2_protocol_options": options}}
    return {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": explicit}}


def address(port: int, host: str = "127.0.0.1") -> Config:
    return {"socket_address": {"address": host, "port_value": port}}


def route(prefix: str, cluster: str, **action: object) -> Config:
    """A route by prefix to one cluster."""
    return {"match": {"prefix": prefix}, "route": {"cluster": cluster, **action}}


def split(prefix: str, /, **weights: int) -> Config:
    """A route by prefix to weighted clusters."""
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {"match": {"prefix": prefix}, "route": {"weighted_clusters": {"clusters": clusters}}}


def listener(port: int, routes: Iterable[Config], name: str = "front", host: str = "127.0.0.1", **manager: object) -> Config:
    """A listener with an access log; *manager* are further fields of its connection manager."""
    log = {"@type": FILE_LOG_TYPE, "path": ACCESS_LOG, "log_format": {"text_format_source": {"inline_string": LOG_FORMAT}}}
    hosts = [{"name": "all", "domains": ["*"], "routes": list(routes)}]
    typed_config = {
        "@type": HCM_TYPE,
        "stat_prefix": name,
        "drain_timeout": "0.3s",  # who ends it does not want to wait for requests more
        "access_log": [{"name": "envoy.access_loggers.file", "typed_config": log}],
        "route_config": {"name": name, "virtual_hosts": hosts},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER_TYPE}}],
        **manager,
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": typed_config}]
    return {"name": name, "address": address(port, host), "filter_chains": [{"filters": filters}]}


def bootstrap(admin: int, listeners: Iterable[Config], clusters: Iterable[Config]) -> Config:
    return {"admin": {"address": address(admin)}, "static_resources": {"listeners": list(listeners), "clusters": list(clusters)}}


class Proxy:
    """One shifter. Ports are reserved when it is made; `start` needs a configuration that uses them. A context manager."""

    def __init__(self, directory: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._owned = ExitStack()
        self.port, self.admin = (self.reserve() for _ in range(2))
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.path = directory / "front.yaml"
        self._arguments = arguments
        self._environment = {**os.environ, **(environment or {})}
        self.first = ""
        """A program that the process runs before all else, where it is from the `nursery`."""
        self.exit_code = 0
        """What it must end with."""
        self.log: list[str] = []
        self.access: list[str] = []
        self._said = threading.Condition()
        self._readers: list[threading.Thread] = []
        self.from_scratch = environment is not None or not AVAILABLE
        """Whether `start` begins with an interpreter, as users do, or in the `nursery`. Who asks for its memory needs the former."""
        self.process: subprocess.Popen[str] | Child

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self.stop()
        finally:
            self.end()
            if error is not None:
                error.add_note("shifter said:\n" + "\n".join(self.log[-60:]) + "\nand logged:\n" + "\n".join(self.access[-20:]))

    def reserve(self, host: str = "127.0.0.1") -> int:
        """Return one more port that belongs to this proxy."""
        return self.own(ReservedPort(host)).port

    def own(self, thing: Owned) -> Owned:
        """Have *thing* closed when this proxy has ended."""
        self._owned.callback(thing.close)
        return thing

    # configuration

    def write(self, config: Config | str) -> None:
        """Replace the configuration file as a careful user does: whole."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(self.text(config))
        fresh.rename(self.path)

    def text(self, config: Config | str) -> str:
        """*config* as it stands in its file."""
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        return text.replace(ACCESS_LOG, f"/dev/fd/{self._access_fd}")

    def front(self, routes: Iterable[Config], clusters: Iterable[Config], **manager: object) -> "Proxy":
        """Start with one listener."""
        return self.start(bootstrap(self.admin, [listener(self.port, routes, **manager)], clusters))

    def reload(self, config: Config | str) -> None:
        """Put *config* in force by SIGHUP; returns when it is."""
        self.write(config)
        before = len(self.lines("is served"))
        self.process.send_signal(signal.SIGHUP)
        self.says("configuration .* is served", before + 1)

    def restart(self) -> None:
        """Have a new process take over, and go on with that."""
        assert self.act("/restart")["taken"]
        self.adopt()

    def adopt(self) -> None:
        """Wait for the end of the process, which has handed over; all that follows is about the one that has taken over."""
        nursery()  # with it what a process leaves behind becomes ours
        pid = int(self.says(r"process \d+ is to take over", len(self.lines("is to take over"))).split("process ")[1].split()[0])
        assert self.process.wait(PATIENCE) == 0
        assert self.process.stdout is not None
        self.process = Child(pid, self.process.stdout)

    def refuse(self, config: Config | str) -> list[str]:
        """Try to put *config* in force; return what was said when it had been refused."""
        self.write(config)
        before = len(self.log)
        refusals = len(self.lines("new configuration is refused"))
        self.process.send_signal(signal.SIGHUP)
        self.says("new configuration is refused", refusals + 1)
        return self.log[before:]

    # the process

    def start(self, config: Config | str) -> "Proxy":
        """Start it and wait until it serves."""
        reading, writing = os.pipe()
        self._access_fd = writing
        self.write(config)
        command = [str(BIN / "twistd"), "-n", "--pidfile=", "shifter", "--config", str(self.path), *self._arguments]
        if self.from_scratch:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=self._environment,
                pass_fds=[writing],
            )
        else:
            self.process = nursery().start(command, self.directory, self._environment, [writing], self.first)
        os.close(writing)
        assert self.process.stdout is not None
        for stream, lines in ((self.process.stdout, self.log), (os.fdopen(reading), self.access)):
            thread = threading.Thread(target=self._read, args=(stream, lines))
            thread.start()
            self._readers.append(thread)
        self.says("shifter .* serves ")
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; return the exit code."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join()
        return code

    def stop(self) -> None:
        """Have it end and see that it ends well (rule 2)."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        assert self.wait() == self.exit_code
        self.assert_no_traceback()

    def assert_no_traceback(self) -> None:
        assert not [line for line in self.log if "Traceback" in line or "Unhandled" in line], "\n".join(self.log)

    def end(self) -> None:
        """Leave nothing behind, however it went."""
        if hasattr(self, "process"):
            self.process.kill()
            self.wait()
        self._owned.close()

    # what it says

    def says(self, pattern: str, times: int = 1) -> str:
        """Wait until *times* lines of its log hold *pattern*; return the last of them."""
        return self._wait(self.log, pattern, times)

    def lines(self, pattern: str) -> list[str]:
        """The lines of its log, so far, that hold *pattern*."""
        with self._said:
            return [line for line in self.log if re.search(pattern, line)]

    def logged(self, path: str) -> list[str]:
        """Wait for the access log line of the request for *path* and return it as fields: method, path, status, flags, bytes
        received, bytes sent, endpoint."""
        return self._wait(self.access, f"^[A-Z]+ {re.escape(path)} ").split(" ")

    def _wait(self, lines: list[str], pattern: str, times: int = 1) -> str:
        with self._said:
            found: list[str] = []

            def enough() -> bool:
                found[:] = [line for line in lines if re.search(pattern, line)]
                return len(found) >= times or self.process.poll() is not None

            for _ in range(PATIENCE * 10):
                if self._said.wait_for(enough, 0.1):  # that it has ended is known a moment after its last line
                    break
            assert len(found) >= times, f"{pattern!r} was never said"
            return found[times - 1]

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                with self._said:
                    lines.append(line.rstrip("\n"))
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()

    # what it shows

    def page(self, path: str) -> str:
        """A page of its admin listener."""
        connection = HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"connection": "close"})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def act(self, path: str) -> Any:
        """Have its admin listener do something that it tells of in JSON."""
        connection = HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE)
        try:
            connection.request("POST", path, headers={"connection": "close"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def stats(self) -> dict[str, int]:
        """Its figures, by Envoy's names."""
        pairs = (line.split(": ") for line in self.page("/stats").splitlines())
        return {name: int(value) for name, value in pairs if value.isdigit()}

    def until(self, condition: Callable[[dict[str, int]], object]) -> dict[str, int]:
        """Return its figures once *condition* holds of them."""
        stats: dict[str, int] = {}
        for _ in range(PATIENCE * 20):
            stats = self.stats()
            if condition(stats):
                return stats
            time.sleep(0.05)  # nobody tells us when a figure changes
        raise AssertionError("\n".join(f"{name}: {value}" for name, value in stats.items() if value))

    def at_rest(self) -> dict[str, int]:
        """Wait until no request is under way, at any listener or cluster; return the figures."""
        busy = ("rq_active", "rq_pending_active")
        return self.until(lambda stats: not any(value for name, value in stats.items() if name.endswith(busy)))

    def connect(self, **options: int) -> Wire:
        """A client of the first listener."""
        return Wire(self.port, **options)

    # what it takes

    def memory(self) -> int:
        """Bytes that are its alone (USS, or RSS where the kernel does not tell)."""
        assert self.from_scratch
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return 1024 * sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB$", rollup, re.MULTILINE))

    def begin_peak(self) -> int:
        """Forget the highest resident size so far (Linux); return the present one, in bytes."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return self._status("VmRSS")

    def peak(self) -> int:
        """The highest resident size since `begin_peak`, in bytes."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(re.findall(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)[0])
