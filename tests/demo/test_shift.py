"""``make shift``: the steps it takes, what it reads, and the whole of it on a running stack."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.addresses import Address
from demo.shift import CANARY, HEADING, STABLE, STEPS, CannotShift, answered_by, row, steps_from
from demo.stack import Place
from tests.support.programs import BIN, PATIENCE, ROOT, free_ports, running


@pytest.mark.parametrize(
    ("words", "steps"),
    [([], STEPS), ([""], STEPS), (["1", "50"], (1, 50)), (["1 5 100"], (1, 5, 100)), (["0,10%", "100"], (0, 10, 100))],
)
def test_steps(words: list[str], steps: tuple[int, ...]) -> None:
    assert steps_from(words) == steps


@pytest.mark.parametrize("word", ["101", "-1", "1.5", "ten", "²", "0x1", "9" * 5000])
def test_steps_that_are_none(word: str) -> None:
    with pytest.raises(CannotShift, match="A step is a whole number from 0 to 100"):
        steps_from(["1", word])


@pytest.mark.parametrize(
    ("body", "service"),
    [
        (b"Hello from behind shifter (service 1)! hostname: service1 resolvedhostname: 127.0.1.1\n", "service1"),
        (b"Hello from behind shifter (service 1a)! hostname: service1a resolvedhostname: 127.0.1.2\n", "service1a"),
        (b"no healthy upstream", None),
        (b"", None),
    ],
)
def test_who_answered(body: bytes, service: str | None) -> None:
    assert answered_by(body) == service


@given(step=st.integers(0, 100), counts=st.lists(st.integers(0, 10**9), min_size=3, max_size=3))
def test_rows_stand_below_their_heading(step: int, counts: list[int]) -> None:
    line = row(step, Counter({CANARY: counts[0], STABLE: counts[1], None: counts[2]}))
    assert len(line) == len(HEADING)
    assert list(map(int, re.findall(r"[0-9]+", line))) == [step, *counts]


def test_without_a_stack_it_says_how_to_start_one() -> None:
    [port] = free_ports(1)
    refused = shift(port, "50")
    assert refused.returncode == 1
    assert refused.stderr == f"No stack of this checkout runs on port {port}. Start it in another terminal: make run PORT={port} …\n"


def test_shifts_a_running_stack_and_puts_everything_back() -> None:
    front, admin, names = free_ports(3)
    place = Place(front, admin, Address("127.0.0.1", names), f"127.{os.getpid() >> 8 & 63 | 64}.{os.getpid() & 255}")
    ports = ["--port", str(place.front), "--admin-port", str(place.admin), "--dns-port", str(place.names.port)]
    command = [sys.executable, "-m", "demo.stack", *ports, "--network", place.network, "--twistd", str(BIN / "twistd")]
    with running(command, ROOT) as stack:
        assert stack.stdout is not None
        banner = ""
        for line in stack.stdout:
            banner += line
            if line.startswith("The front proxy's log follows"):
                break
        said = re.search(r"change the two weights in (\S+): that", banner)
        assert said is not None, banner
        config = Path(said[1])
        before = config.read_bytes()
        assert weights(place.admin) == {"service1a": 25, "service1": 75}
        done = shift(place.front, "0", "100", "--requests", "60")
        assert done.returncode == 0, done.stderr
        assert row(0, {STABLE: 60}) in done.stdout.splitlines()
        assert row(100, {CANARY: 60}) in done.stdout.splitlines()
        assert config.read_bytes() == before
        assert weights(place.admin) == {"service1a": 25, "service1": 75}
        stack.terminate()
        stack.communicate(timeout=PATIENCE)
    assert shift(place.front).returncode == 1


def weights(admin: int) -> dict[str, int]:
    with urlopen(f"http://127.0.0.1:{admin}/weights") as answer:
        [route] = json.load(answer)["routes"]
    assert route["override"] is None
    return {entry["name"]: entry["weight"] for entry in route["clusters"]}


def shift(port: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "demo.shift", "--port", str(port), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
