"""A new process takes over under load: nobody is refused, and nothing is lost; and what is wrong with the new one changes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backend import Backend
from tests.support.load import Load
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """One that begins as users' do: it has a command line that can be used again."""
    with Proxy(tmp_path, "--drain-time-s", "1", environment={}) as proxy:
        yield proxy


def test_three_processes_one_after_another(backend: Backend, proxy: Proxy) -> None:
    front = bootstrap(proxy.admin, [listener(proxy.port, [route("/", "backend", timeout="0s")])], [cluster("backend", backend.port)])
    proxy.start(front)
    with Load(proxy.port, "backend", may_close=True) as load, proxy.connect() as held:
        for epoch in (1, 2, 3):
            load.more(100)
            if epoch == 1:
                held.request("GET", "/hold")
                backend.seen(lambda request: request.path == "/hold")
                proxy.until(lambda stats: stats["http.front.downstream_rq_active"] >= 1)
                first = proxy.process
                assert proxy.act("/restart")["taken"]
                # the old one has the request still, and says how much it has left
                assert proxy.until(lambda stats: stats["server.hot_restart_epoch"] == 1 and stats["server.total_connections"] > 5)
                assert first.poll() is None
                backend.release()
                assert held.answer().status == 200
                proxy.adopt()
            else:
                proxy.restart()
            assert proxy.until(lambda stats: stats["server.live"])["server.hot_restart_epoch"] == epoch
        load.more(100)
    assert load.wrong == []
    assert '"restart_epoch": 3' in proxy.page("/server_info")
    # one that cannot begin
    proxy.write({**front, "nonsense": 1})
    refused = proxy.act("/restart")
    assert not refused["taken"] and "unknown field `nonsense`" in refused["problems"][0]
    proxy.write(front)
    with proxy.connect() as wire:
        assert wire.ask("GET", "/name/still").body == b"backend /name/still"
