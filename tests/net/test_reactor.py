"""The lean reactor does what the stock one does; it runs in a process of its own, for a process has one reactor."""

import subprocess
import sys

from tests.support.programs import PATIENCE, ROOT

ECHO = """
import socket, sys
from shifter.net import reactor as lean
lean.install()
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import globalLogPublisher
from shifter.model.address import SocketAddress
from shifter.net.listen import ListeningPort, bind
from shifter.net.tcp import Network, TcpTransport

said = []
failures = []
globalLogPublisher.addObserver(lambda event: failures.append(event["log_failure"]) if "log_failure" in event else None)
network = Network(reactor, reactor.seconds)
assert type(reactor) is lean.LeanEPollReactor, reactor
assert network._flushed_by_reactor


class Echo:
    def __init__(self, transport):
        self.transport = transport
    def connection_made(self): ...
    def data_received(self, data):
        if data == b"fail":
            raise RuntimeError("a fault of ours")
        self.transport.write(data)
    def connection_lost(self, reason):
        said.append("server " + reason)
        stop_when_all_is_said()
    def write_blocked(self): ...
    def write_drained(self): ...


class Client(Echo):
    def __init__(self, words):
        self.words = words
        self.got = b""
        self.transport = network.connect(port.address, self)
    def connection_made(self):
        self.transport.write(self.words)
    def data_received(self, data):
        self.got += data
        if len(self.got) == len(self.words):
            said.append("echo %d" % len(self.got))
            self.transport.close()
    def connection_lost(self, reason):
        said.append("client " + reason)
        next_one()


class Stock(Protocol):
    # a stock protocol of Twisted beside ours
    def connectionMade(self):
        self.transport.write(b"stock")
    def dataReceived(self, data):
        said.append(data.decode())
        self.transport.loseConnection()
    def connectionLost(self, reason):
        next_one()


def stock():
    factory = Factory.forProtocol(Stock)
    from twisted.internet.endpoints import TCP4ClientEndpoint
    TCP4ClientEndpoint(reactor, "127.0.0.1", port.address.port).connect(factory)


def refused():
    free = bind(SocketAddress("127.0.0.1", 0), 1)
    address = SocketAddress(*free.getsockname())
    free.close()
    network.connect(address, Refused())


class Refused(Echo):
    def __init__(self): ...
    def connection_lost(self, reason):
        said.append("refused " + reason)
        next_one()


steps = iter([
    lambda: Client(b"small"),
    lambda: Client(b"x" * 3_000_000),
    lambda: Client(b"fail"),
    stock,
    refused,
])


def next_one():
    step = next(steps, None)
    if step is not None:
        step()
    else:
        stop_when_all_is_said()


def stop_when_all_is_said():
    if len(said) == 11:
        reactor.callLater(0, reactor.stop)


port = ListeningPort(network, bind(SocketAddress("127.0.0.1", 0), 10), Echo)
port.start()
reactor.callLater(0, next_one)
reactor.callLater(30, reactor.stop)
reactor.run()
port.stop()
network.close()
print("\\n".join(sorted(said)))
print("failures", [failure.getErrorMessage() for failure in failures])
"""


def test_connections_of_ours_and_of_twisted_run_on_it() -> None:
    done = subprocess.run([sys.executable, "-c", ECHO], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.stdout.splitlines() == [
        "client closed",
        "client closed locally",
        "client closed locally",
        "echo 3000000",
        "echo 5",
        "refused refused",
        "server closed",
        "server closed",
        "server closed",
        "server closed",
        "stock",
        "failures ['a fault of ours']",
    ], done.stdout + done.stderr


CLOCK = """
import time
wall, offset = time.time, 0.0
time.time = lambda: wall() + offset
from shifter.net import reactor as lean
lean.install()
from twisted.internet import reactor
reactor.callLater(0.01, print, "it is time")
offset = -86400.0
reactor.callLater(0.02, reactor.stop)
reactor.run()
"""


def test_timers_do_not_wait_for_a_clock_that_was_set_back() -> None:
    done = subprocess.run([sys.executable, "-c", CLOCK], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "it is time\n"
