"""``make shift``: what it changes in the file, what it reads, and the whole of it on a running stack."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.addresses import Address
from demo.shift import CANARY, HEADING, STABLE, STEPS, CannotShift, answered_by, figures, row, steps_from, with_weights
from demo.stack import Place
from tests.support.programs import BIN, PATIENCE, ROOT, free_ports, running


@given(name=st.sampled_from(["front.yaml", "front-2018.yaml"]), canary=st.integers(0, 100))
def test_only_the_two_weights_change(name: str, canary: int) -> None:
    text = (ROOT / "etc" / name).read_text()
    moved = with_weights(text, {CANARY: canary, STABLE: 100 - canary})
    before, between, after = re.split(r"(?<=weight: )(?:25|75)\n", text)
    assert moved == f"{before}{canary}\n{between}{100 - canary}\n{after}"
    assert with_weights(moved, {CANARY: 25, STABLE: 75}) == text


def test_names_that_begin_alike_are_different() -> None:
    text = "- name: service1a\n  weight: 1\n- name: service1\n  weight: 2\n- name: my-service1\n  weight: 3\n"
    assert with_weights(text, {"service1": 30}) == text.replace("weight: 2", "weight: 30")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("- name: service1\n  weight: 75\n", "no place"),
        ("- name: service1a\n  timeout: 1s\n  weight: 25\n", "no place"),
        ("- name: service1a\n  weight: 2.5\n", "no place"),
        ("- name: service1a\n  weight: 25\n- name: service1a\n  weight: 25\n", "2 places"),
    ],
)
def test_weight_that_is_not_there_once_is_refused(text: str, places: str) -> None:
    with pytest.raises(CannotShift, match=f"service1a a weight in {places}"):
        with_weights(text, {"service1a": 1})


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


def test_figures() -> None:
    page = "shifter.config.problems: 0\nshifter.config.version: 12\nhttp.ingress_http.downstream_rq_time: P0(nan,0) P25(nan,1)\n\n"
    assert figures(page) == {"shifter.config.problems": 0, "shifter.config.version": 12}


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
        said = re.search(r"change the two weights in (\S+) and say", banner)
        assert said is not None, banner
        config = Path(said[1])
        before = config.read_bytes()
        done = shift(place.front, "0", "100", "--requests", "60")
        assert done.returncode == 0, done.stderr
        assert row(0, {STABLE: 60}) in done.stdout.splitlines()
        assert row(100, {CANARY: 60}) in done.stdout.splitlines()
        assert config.read_bytes() == before
        stack.terminate()
        stack.communicate(timeout=PATIENCE)
    assert shift(place.front).returncode == 1


def shift(port: int, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "demo.shift", "--port", str(port), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
