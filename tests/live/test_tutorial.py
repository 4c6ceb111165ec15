"""The tutorial as printed in 2018 and as it is spelled today: names from a DNS server, sidecars behind HTTP/2, services behind those."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.names import dns

from tests.support.backend import Backend
from tests.support.dns import NameServer
from tests.support.load import Load
from tests.support.programs import ROOT
from tests.support.proxy import Proxy, bootstrap, cluster, listener, route
from tests.support.wireclient import ask

SERVICES = {"service1": "127.0.1.1", "service1a": "127.0.1.2", "service2": "127.0.1.3"}


@pytest_twisted.async_yield_fixture
async def names() -> AsyncIterator[NameServer]:
    names = NameServer({name: [host] for name, host in SERVICES.items()})
    names.listen(reactor)
    yield names
    await names.stop()


class Tutorial:
    """The stack: services, sidecars in one process, and room for a front proxy."""

    def __init__(self, front: Proxy, sidecars: Proxy) -> None:
        self.front = front
        self.port = front.reserve("0.0.0.0")
        services = {name: front.own(Backend(name)) for name in SERVICES}
        listeners = [listener(self.port, [route("/service", name)], name, host) for name, host in SERVICES.items()]
        sidecars.start(bootstrap(sidecars.admin, listeners, [cluster(name, one.port) for name, one in services.items()]))

    def config(self, name: str, weights: tuple[int, int] = (25, 75)) -> str:
        """One of the configurations in ``etc``, on our ports."""
        text = (ROOT / "etc" / name).read_text()
        ours = {
            "address: 0.0.0.0": "address: 127.0.0.1",
            "port_value: 8000": f"port_value: {self.front.port}",
            "port_value: 8001": f"port_value: {self.front.admin}",
            "port_value: 8090": f"port_value: {self.port}",
            "weight: 25": f"weight: {weights[0]}",
            "weight: 75": f"weight: {weights[1]}",
        }
        for theirs, here in ours.items():
            assert theirs in text
            text = text.replace(theirs, here)
        return text

    def answers(self, path: str, count: int, *fields: str) -> Counter[str]:
        """Which service answered how often."""
        services: Counter[str] = Counter()
        with self.front.connect() as wire:
            for _ in range(count):
                answer = wire.ask("GET", path, *fields)
                assert answer.status == 200
                services[answer.body.decode().split('"')[3]] += 1
        return services


@pytest.mark.parametrize("name", ["front-2018.yaml", "front.yaml"])
@pytest_twisted.ensureDeferred
async def test_as_printed(names: NameServer, tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    def story() -> None:
        with (
            Proxy(tmp_path_factory.mktemp("sidecars")) as sidecars,
            Proxy(tmp_path_factory.mktemp("front"), "--dns-resolver", "{}:{}".format(*names.address)) as front,
        ):
            tutorial = Tutorial(front, sidecars)
            front.start(tutorial.config(name))
            assert len(front.lines("old spelling")) >= 3 if "2018" in name else not front.lines("warning")
            assert tutorial.answers("/service/1", 200, "x-canary-version: service1a") == {"service1a": 200}
            assert tutorial.answers("/service/2", 20) == {"service2": 20}
            assert tutorial.answers("/service/2", 20, "x-canary-version: service1a") == {"service2": 20}
            shared = tutorial.answers("/service/1", 2000)
            assert shared.keys() == {"service1", "service1a"}
            assert abs(shared["service1a"] - 500) <= 77  # four standard deviations of a binomial distribution
            assert ask(front.port, "GET", "/service/1", "x-canary-version: SERVICE1A").status == 200
            assert ask(front.port, "GET", "/nothing").status == 404
            assert front.stats()["cluster.service1.upstream_cx_http2_total"] >= 1
            for weights, winner in (((100, 0), "service1a"), ((0, 100), "service1")):
                front.reload(tutorial.config(name, weights))
                assert tutorial.answers("/service/1", 500) == {winner: 500}

    await deferToThread(story)


def in_reactor(change: Any) -> None:
    """Have the reactor's thread make *change*, and wait for what comes of it."""
    from twisted.internet.threads import blockingCallFromThread

    blockingCallFromThread(reactor, change)


@pytest_twisted.ensureDeferred
async def test_names_change_while_it_serves(names: NameServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    def asked_again() -> Deferred[None]:
        """Fires with the second question from now on: what came of the first is in force."""
        return names.wait_for(len(names.asked) + 2)

    def change(hosts: list[str] | None = None, rcode: int | None = None) -> None:
        def make() -> Deferred[None]:
            names.rcodes = {} if rcode is None else {"service1": rcode}
            names.records = {} if hosts is None else {"service1": hosts}
            return asked_again()

        in_reactor(make)

    def story() -> None:
        with Proxy(tmp_path_factory.mktemp("front"), "--dns-resolver", "{}:{}".format(*names.address)) as front:
            port = front.reserve("0.0.0.0")
            one, two = (front.own(Backend(name, host, port)) for name, host in (("one", "127.0.1.1"), ("two", "127.0.1.2")))
            dns_options = {"type": "STRICT_DNS", "dns_refresh_rate": "0.05s", "dns_lookup_family": "V4_ONLY"}
            failure_rate = {"dns_failure_refresh_rate": {"base_interval": "0.05s", "max_interval": "0.05s"}}
            front.front([route("/", "service1")], [cluster("service1", ("service1", port), **dns_options, **failure_rate)])
            with Load(front.port, "one|two") as load:
                assert load.answers.keys() == {"one"}
                change(["127.0.1.1", "127.0.1.2"])
                load.more(50)
                assert load.answers["two"] > 10
                change(["127.0.1.2"])
                one.wait(lambda backend: backend.open == 0)  # what it carried is finished, nothing new comes
                before = load.answers["one"]
                for rcode in (dns.ESERVER, dns.EREFUSED):
                    change(rcode=rcode)
                    load.more(50)
                in_reactor(lambda: names.silent.add("service1"))
                load.more(50)
                in_reactor(names.silent.clear)
                assert load.answers["one"] == before
            assert not load.wrong
            assert load.reconnects == 3

            change()  # NXDOMAIN
            refused = ask(front.port, "GET", "/name/nobody")
            assert (refused.status, refused.body) == (503, b"no healthy upstream")
            assert front.logged("/name/nobody")[3] == "UH"
            two.wait(lambda backend: backend.open == 0)
            change([])
            assert ask(front.port, "GET", "/name").status == 503
            change(["127.0.1.1"])
            assert ask(front.port, "GET", "/name").body == b"one /name"

    await deferToThread(story)
