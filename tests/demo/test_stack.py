"""``make run``: the stack starts, does what the tutorial says, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from demo.addresses import Address
from demo.stack import Place
from tests.support.programs import BIN, PATIENCE, ROOT, free_ports, running, stopped

HELLO = re.compile(r"Hello from behind shifter \(service (\w+)\)! hostname: service\1 resolvedhostname: 127\.\d+\.\d+\.\d+\n")


@pytest.fixture
def place() -> Place:
    """Ports and loopback addresses that no other test and no running stack uses."""
    front, admin, names = free_ports(3)
    return Place(front, admin, Address("127.0.0.1", names), f"127.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}")


def command(place: Place, twistd: Path = BIN / "twistd") -> list[str]:
    ports = ["--port", str(place.front), "--admin-port", str(place.admin), "--dns-port", str(place.names.port)]
    return [sys.executable, "-m", "demo.stack", *ports, "--network", place.network, "--twistd", str(twistd)]


@pytest.fixture
def stack(place: Place) -> Iterator["subprocess.Popen[str]"]:
    """The stack, up; its banner was read."""
    with running(command(place), ROOT) as process:
        assert process.stdout is not None
        banner = ""
        for line in process.stdout:
            banner += line
            if line.startswith("The front proxy's log follows"):
                break
        else:
            raise AssertionError(banner)
        assert f"curl localhost:{place.front}/service/1\n" in banner
        assert f"curl -H 'x-canary-version: service1a' localhost:{place.front}/service/1\n" in banner
        yield process


def answers(place: Place, path: str, count: int, **headers: str) -> Counter[str]:
    """Which service answered how often. One connection carries all the requests."""
    connection = HTTPConnection("127.0.0.1", place.front, timeout=PATIENCE)
    services: Counter[str] = Counter()
    for _ in range(count):
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        hello = HELLO.fullmatch(connection.getresponse().read().decode())
        assert hello is not None
        services[hello[1]] += 1
    connection.close()
    return services


def test_tutorial(place: Place, stack: "subprocess.Popen[str]") -> None:
    assert answers(place, "/service/1", 200, x_canary_version="service1a") == {"1a": 200}
    assert answers(place, "/service/2", 20) == {"2": 20}
    shared = answers(place, "/service/1", 2000)
    assert shared.keys() == {"1", "1a"}
    # 500 of 2000 expected, standard deviation 19.4: five of those either way, which chance passes once in two million.
    assert abs(shared["1a"] - 500) < 97
    children = [int(pid) for pid in Path(f"/proc/{stack.pid}/task/{stack.pid}/children").read_text().split()]
    assert len(children) == 8
    status, said = stopped(stack, signal.SIGINT)
    assert status == 0, said
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]


def test_ends_with_the_terminal(place: Place, stack: "subprocess.Popen[str]") -> None:
    status, said = stopped(stack, signal.SIGHUP)
    assert status == 0, said
    for _, address, kind in place.sockets():
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)


def test_taken_port_is_named_before_anything_starts(place: Place) -> None:
    with socket.create_server(("127.0.0.1", place.admin)):
        refused = subprocess.run(command(place), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert refused.returncode == 1
    assert f"127.0.0.1:{place.admin} for the front proxy's admin: Address already in use" in refused.stderr
    assert "make run PORT=9000" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "Starting" not in refused.stdout


def test_program_that_ends_stops_the_stack_and_is_quoted(place: Place, tmp_path: Path) -> None:
    broken = tmp_path / "twistd"
    broken.write_text("#!/bin/sh\necho front.yaml:3:1: no good\nexit 3\n")
    broken.chmod(0o755)
    failed = subprocess.run(command(place, broken), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert failed.returncode == 1
    assert re.search(r"sidecar\w+ has ended, so everything stops", failed.stderr)
    assert "front.yaml:3:1: no good" in failed.stderr
    assert "exit code 3" in failed.stderr
