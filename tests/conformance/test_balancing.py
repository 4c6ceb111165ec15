"""Envoy chooses the hosts that it is recorded to choose, by which `tests/upstream/load_balancer` judges shifter."""

from pathlib import Path

import pytest

from bench.candidates import envoy_program
from tests.support.backend import ReservedPort
from tests.support.balancing import alike, ask_envoy, recorded


def test_envoy_chooses_as_recorded(tmp_path: Path) -> None:
    program = envoy_program()
    if not program:
        pytest.skip("Envoy is not installed")
    with ReservedPort() as listener, ReservedPort() as admin:
        found, expected = ask_envoy(program, listener.port, admin.port, tmp_path), recorded()
    assert (found["hashing"], found["subsets"]) == (expected["hashing"], expected["subsets"])
    for name, shares in expected["shares"].items():
        assert alike(found["shares"][name], shares), name
