"""A backend says that it will go, goes, comes back and says so, under load: nobody notices, and a reload in between changes nothing."""

import socket
from contextlib import ExitStack, suppress
from threading import Thread

from tests.support.backend import Backend
from tests.support.load import Load
from tests.support.proxy import Config, Proxy, address, bootstrap, listener, route


class Word:
    """What answers the checks of a backend, on a port of its own: whether it is ``well``."""

    def __init__(self) -> None:
        self.well = True
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # a check that a reload gives up
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % (200 if self.well else 503))


def test_a_backend_that_goes_and_comes_back(proxy: Proxy) -> None:
    with ExitStack() as stack:
        word = Word()
        stack.callback(word.close)
        one, two = (stack.enter_context(Backend(name)) for name in ("one", "two"))

        def config(timeout: str) -> Config:
            checked = {"address": address(one.port), "health_check_config": {"port_value": word.port}}
            unchecked = {"address": address(two.port), "health_check_config": {"disable_active_health_check": True}}
            hosts = [{"endpoint": checked}, {"endpoint": unchecked}]
            check = {
                "http_health_check": {"path": "/hc"},
                "timeout": "5s",
                "interval": "0.02s",
                "no_traffic_interval": "0.02s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 2,
                "reuse_connection": False,
            }
            cluster = {
                "name": "both",
                "connect_timeout": timeout,
                "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
                "health_checks": [check],
                "load_assignment": {"cluster_name": "both", "endpoints": [{"lb_endpoints": hosts}]},
            }
            return bootstrap(proxy.admin, [listener(proxy.port, [route("/", "both")])], [cluster])

        def flags() -> str:
            [line] = [line for line in proxy.page("/clusters").splitlines() if f":{one.port}::health_flags::" in line]
            return line.rpartition("::")[2]

        proxy.start(config("1s"))
        assert flags() == "healthy"
        with Load(proxy.port, "one|two") as load:
            word.well = False
            proxy.until(lambda stats: stats["cluster.both.membership_healthy"] == 1)
            assert flags() == "/failed_active_hc"
            load.more(10)  # what was under way
            without = load.answers["one"]
            one.close()
            load.more(200)
            proxy.reload(config("2s"))
            assert flags() == "/failed_active_hc"
            load.more(200)
            assert load.answers["one"] == without
            stack.enter_context(Backend("one", port=one.port))
            word.well = True
            proxy.until(lambda stats: stats["cluster.both.membership_healthy"] == 2)
            load.more(50)
            assert load.answers["one"] > without
        assert not load.wrong
        stats = proxy.at_rest()
        assert stats["cluster.both.health_check.failure"] >= 1
        assert stats["cluster.both.upstream_cx_connect_fail"] == 0
