"""Datagrams to a service manager that is a socket of the test's."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from shifter.service.notify import Notify


@pytest.fixture(params=["a path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "a path" else f"@shifter-{os.getpid()}-notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0"))
        heard.setblocking(False)
        yield heard, name


def test_it_hears_what_it_is_told(manager: tuple[socket.socket, str]) -> None:
    heard, name = manager
    notify = Notify({"NOTIFY_SOCKET": name})
    notify.status("serving\nconfiguration 3", "READY=1")
    assert heard.recv(1000) == b"READY=1\nSTATUS=serving configuration 3"
    notify.tell("STOPPING=1")
    assert heard.recv(1000) == b"STOPPING=1"


def test_it_is_not_waited_for(manager: tuple[socket.socket, str]) -> None:
    _, name = manager
    notify = Notify({"NOTIFY_SOCKET": name})
    for _ in range(5000):  # nobody reads, and the socket is full soon
        notify.tell("WATCHDOG=1")


@pytest.mark.parametrize("name", ["", "/nowhere/at/all", "vsock:2:3"])
def test_nobody_need_be_there(name: str) -> None:
    Notify({"NOTIFY_SOCKET": name}).tell("READY=1")
    Notify({}).tell("READY=1")


def test_when_a_sign_of_life_is_wanted() -> None:
    wanted = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "20000000"}
    assert Notify(wanted).watchdog == 20.0
    assert Notify({**wanted, "WATCHDOG_PID": str(os.getpid())}).watchdog == 20.0
    assert Notify({**wanted, "WATCHDOG_PID": "1"}).watchdog == 0.0  # of somebody else
    assert Notify({"WATCHDOG_USEC": "20000000"}).watchdog == 0.0
    assert Notify({**wanted, "WATCHDOG_USEC": "soon"}).watchdog == 0.0
