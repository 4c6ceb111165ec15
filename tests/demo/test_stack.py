"""``make run``: the stack starts, does what the tutorial says, and leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from demo.addresses import Address
from demo.stack import Place
from tests.support.programs import BIN, PATIENCE, ROOT, free_ports, running, stopped, until

HELLO = re.compile(r"Hello from behind shifter \(service (\w+)\)! hostname: service\1 resolvedhostname: 127\.\d+\.\d+\.\d+\n")


@pytest.fixture
def place() -> Place:
    """Ports and loopback addresses that no other test and no running stack uses."""
    front, admin, names = free_ports(3)
    return Place(front, admin, Address("127.0.0.1", names), f"127.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}")


def command(place: Place, twistd: Path = BIN / "twistd") -> list[str]:
    ports = ["--port", str(place.front), "--admin-port", str(place.admin), "--dns-port", str(place.names.port)]
    return [sys.executable, "-m", "demo.stack", *ports, "--network", place.network, "--twistd", str(twistd)]


class Stack:
    """The stack, up: its process, and what its banner said."""

    def __init__(self, process: "subprocess.Popen[str]", banner: str) -> None:
        self.process = process
        self.banner = banner

    def said(self, pattern: str) -> str:
        """The one thing in the banner that *pattern* has a group for."""
        [found] = set(re.findall(pattern, self.banner))
        return str(found)


@pytest.fixture
def stack(place: Place) -> Iterator[Stack]:
    with running(command(place), ROOT) as process:
        assert process.stdout is not None
        banner = ""
        for line in process.stdout:
            banner += line
            if line.startswith("The front proxy's log follows"):
                break
        else:
            raise AssertionError(banner)
        yield Stack(process, banner)


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


def test_tutorial(place: Place, stack: Stack) -> None:
    assert f"curl localhost:{place.front}/service/1\n" in stack.banner
    assert f"curl -H 'x-canary-version: service1a' localhost:{place.front}/service/1\n" in stack.banner
    assert answers(place, "/service/1", 200, x_canary_version="service1a") == {"1a": 200}
    assert answers(place, "/service/2", 20) == {"2": 20}
    shared = answers(place, "/service/1", 2000)
    assert shared.keys() == {"1", "1a"}
    # 500 of 2000 expected, standard deviation 19.4: five of those either way, which chance passes once in two million.
    assert abs(shared["1a"] - 500) < 97


def test_release_is_finished_and_taken_back(place: Place, stack: Stack) -> None:
    config = Path(stack.said(r"change the two weights in (\S+): that"))
    original = config.read_text()

    def only(winner: str) -> Callable[[], Counter[str]]:
        def ask() -> Counter[str]:
            services = answers(place, "/service/1", 50)
            if services.keys() != {winner}:
                raise BlockingIOError("not yet served")
            return services

        return ask

    for canary, stable, winner in (100, 0, "1a"), (0, 100, "1"):
        config.write_text(original.replace("weight: 25", f"weight: {canary}").replace("weight: 75", f"weight: {stable}"))
        until(stack.process, only(winner))
        assert answers(place, "/service/1", 500) == {winner: 500}


def test_ends_on_ctrl_c_and_leaves_nobody_behind(stack: Stack) -> None:
    pid = stack.process.pid
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    assert len(children) == 8
    status, said = stopped(stack.process, signal.SIGINT)
    assert status == 0, said
    assert not [child for child in children if Path(f"/proc/{child}").exists()]


def test_ends_with_its_terminal_and_frees_its_ports(place: Place, stack: Stack) -> None:
    status, said = stopped(stack.process, signal.SIGHUP)
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
    assert refused.stdout == ""


def test_program_that_ends_stops_the_stack_and_is_quoted(place: Place, tmp_path: Path) -> None:
    broken = tmp_path / "twistd"
    broken.write_text("#!/bin/sh\necho front.yaml:3:1: no good\nexit 3\n")
    broken.chmod(0o755)
    failed = subprocess.run(command(place, broken), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert failed.returncode == 1
    assert re.search(r"sidecar\w+ has ended, so everything stops", failed.stderr)
    assert "front.yaml:3:1: no good" in failed.stderr
    assert "exit code 3" in failed.stderr
