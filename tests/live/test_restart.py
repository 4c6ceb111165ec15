"""New processes take over under load: nobody is refused, and nothing is lost."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backend import Backend
from tests.support.load import Load
from tests.support.programs import PATIENCE
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Where a service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        yield heard


@pytest.fixture
def proxy(tmp_path: Path, manager: socket.socket) -> Iterator[Proxy]:
    """One that begins as users' do: it has a command line that can be used again."""
    arguments = ("--drain-time-s", "1", "--parent-shutdown-time-s", str(PATIENCE))
    with Proxy(tmp_path, *arguments, environment={"NOTIFY_SOCKET": manager.getsockname()}) as proxy:
        yield proxy


def said(manager: socket.socket) -> list[str]:
    """What the service manager has heard of, without words for people and signs of life."""
    lines: list[str] = []
    while True:
        try:
            lines += manager.recv(10_000).decode().split("\n")
        except BlockingIOError:
            return [line for line in lines if not line.startswith(("STATUS=", "EXTEND_TIMEOUT_USEC="))]


def test_three_processes_one_after_another(backend: Backend, proxy: Proxy, manager: socket.socket) -> None:
    front = bootstrap(proxy.admin, [listener(proxy.port, [route("/", "backend", timeout="0s")])], [cluster("backend", backend.port)])
    proxy.start(front)
    expected = ["READY=1"]
    with Load(proxy.port, "backend", kept=1, fresh=1, may_close=True) as load, proxy.connect() as held:
        for epoch in (1, 2, 3):
            load.more(100)
            if epoch == 1:
                held.request("GET", "/hold")
                backend.seen(lambda request: request.path == "/hold")
                first = proxy.process
                assert proxy.act("/restart")["taken"]
                # the old one has the request still, and says how much it has left
                proxy.until(lambda stats: stats["server.hot_restart_epoch"] == 1 and stats["server.parent_connections"])
                assert first.poll() is None
                backend.release()
                assert held.answer().status == 200
                proxy.adopt()
            else:
                proxy.restart()
            expected += [f"MAINPID={proxy.pid}", "READY=1"]
            assert proxy.until(lambda stats: stats["server.live"])["server.hot_restart_epoch"] == epoch
        load.more(100)
    assert load.wrong == []
    assert '"restart_epoch": 3' in proxy.page("/server_info")
    proxy.stop()
    assert [line for line in said(manager) if not line.startswith(("RELOADING", "MONOTONIC"))][: len(expected)] == expected
