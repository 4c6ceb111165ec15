"""Addresses replaced in the text of a configuration."""

import pytest
import yaml

from demo.addresses import ADMIN, FRONT, SERVICE, SIDECAR, Address, rebind
from tests.support.programs import ROOT

ELSEWHERE = Address("127.9.9.9", 99)


@pytest.mark.parametrize(
    ("name", "listening"),
    [("front.yaml", (FRONT, ADMIN)), ("front-2018.yaml", (FRONT, ADMIN)), ("service.yaml", (SIDECAR, SERVICE))],
)
def test_addresses_are_those_of_the_configuration(name: str, listening: tuple[Address, ...]) -> None:
    text = (ROOT / "etc" / name).read_text()
    moved = rebind(text, dict.fromkeys(listening, ELSEWHERE))
    assert moved.count(f"{ELSEWHERE.host}\n") == len(listening)
    assert len(moved.splitlines()) == len(text.splitlines())
    assert yaml.safe_load(moved).keys() == yaml.safe_load(text).keys()


def test_address_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:80 "):
        rebind("address: 127.0.0.1\nport_value: 8000\n", {Address("127.0.0.1", 80): ELSEWHERE})


def test_both_host_and_port_must_be_meant() -> None:
    text = "address: 127.0.0.1\nport_value: 80\naddress: 127.0.0.2\nport_value: 80\n"
    assert rebind(text, {Address("127.0.0.2", 80): ELSEWHERE}) == "address: 127.0.0.1\nport_value: 80\naddress: 127.9.9.9\nport_value: 99\n"
