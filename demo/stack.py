"""The tutorial's stack on one machine, without containers and without root: ``make run``.

Each service stands on a loopback address of its own (127.0.1.1 and up), which plays the part of its machine: there it
listens, and there listens its sidecar, under the port that ``etc/service.yaml`` names. A name server tells the front
proxy where they are. ``etc/front.yaml`` is used as it stands; the sidecars get a copy each with the addresses replaced.
"""

import argparse
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater
from twisted.web.client import Agent, ResponseFailed
from twisted.web.http_headers import Headers

from demo.addresses import ADMIN, FRONT, SERVICE, SIDECAR, Address, rebind
from demo.crew import LOOK_AGAIN, ROOT, CannotStart, Crew, Member, Program, Run, proxy, python, say
from demo.running import Front, announce, withdraw

SERVICES = ("1", "1a", "2")
CANARY = "1a"
WELL_AT_FIRST = 100  # requests that a failing canary serves before it fails
START_LIMIT = 60.0  # seconds until the stack must answer

BANNER = """\
The tutorial's stack is up. Ctrl-C ends it.

    front proxy  http://localhost:{port}  ({config}, process {pid})
    admin        http://localhost:{admin}  (the live page; /help lists the rest)

Now try, in another terminal:

    curl localhost:{port}/service/1
        Three times in four:  Hello from behind shifter (service 1)! hostname: service1 resolvedhostname: {host}.1
        once in four:         Hello from behind shifter (service 1a)! hostname: service1a resolvedhostname: {host}.2

    curl -H 'x-canary-version: service1a' localhost:{port}/service/1
        Always service 1a: the header chooses the new version.

    curl localhost:{port}/service/2
        Always service 2.

    for i in $(seq 400); do curl -s localhost:{port}/service/1; done | sort | uniq -c
        About 300 from service 1 and 100 from service 1a.

To shift traffic, change the two weights in {config}: that takes effect as you save it. Or leave the file as it is:

    .venv/bin/shifter weight{asked} /service/1 service1a=50

or watch it being done, from 1 % to 100 %:

    make shift{ports}

The front proxy's log follows.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stack stands. ``network`` is the first three numbers of the services' loopback addresses."""

    front: int
    admin: int
    names: Address
    network: str

    def host(self, service: str) -> str:
        return f"{self.network}.{SERVICES.index(service) + 1}"

    def sockets(self) -> Iterator[tuple[str, Address, socket.SocketKind]]:
        """Everything that will listen: who, where, how."""
        yield "the front proxy", FRONT._replace(port=self.front), socket.SOCK_STREAM
        yield "the front proxy's admin", ADMIN._replace(port=self.admin), socket.SOCK_STREAM
        yield "the name server", self.names, socket.SOCK_STREAM
        yield "the name server", self.names, socket.SOCK_DGRAM
        for service in SERVICES:
            yield f"service{service}'s sidecar", Address(self.host(service), SIDECAR.port), socket.SOCK_STREAM
            yield f"service{service}", Address(self.host(service), SERVICE.port), socket.SOCK_STREAM


def refuse_taken_ports(place: Place) -> None:
    """Raise ``CannotStart`` that names every address that cannot be listened on, before anything is started."""
    taken = []
    for who, address, kind in place.sockets():
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                if kind is socket.SOCK_STREAM:
                    probe.listen(1)
            except OSError as error:
                taken.append(f"    {address} for {who}: {error.strerror}")
    if taken:
        remedy = "End what listens there, or choose other places: make run PORT=9000 ADMIN_PORT=9001 DNS_PORT=9053 NETWORK=127.0.2"
        raise CannotStart("\n".join(["Cannot listen on", *dict.fromkeys(taken), "", remedy]))


class Stack:
    """Knows what to start, and when it is up. Services take about ``takes`` milliseconds to answer, and ``failing`` per cent of the
    requests to the new version fail, before long."""

    takes = 0.0
    failing = 0.0

    def __init__(self, reactor: PosixReactorBase, crew: Crew, place: Place, twistd: Path, directory: Path) -> None:
        self._reactor = reactor
        self._crew = crew
        self._place = place
        self._twistd = twistd
        self._directory = directory
        self._announced = False

    async def start(self) -> tuple[Path, Member]:
        """Start everything, and wait until the front proxy reaches every service; return its configuration, and who it is."""
        refuse_taken_ports(self._place)
        say("Starting: a name server, three services, their sidecars, the front proxy …")
        return await Deferred.fromCoroutine(self._start()).addTimeout(START_LIMIT, self._reactor, self._too_slow)

    async def up(self) -> None:
        """`start`, and say how to use it."""
        config, front = await self.start()
        place = self._place
        shown = config.relative_to(Path.cwd()) if config.is_relative_to(Path.cwd()) else config
        ports = "" if place.front == FRONT.port else f" PORT={place.front}"
        asked = "" if place.admin == ADMIN.port else f" --admin localhost:{place.admin}"
        assert front.pid is not None  # it has just answered
        with suppress(OSError):  # in a checkout that cannot be written there is no `make shift`
            announce(place.front, Front(front.pid, config, place.admin))
            self._announced = True
        say(BANNER.format(port=place.front, admin=place.admin, host=place.network, config=shown, pid=front.pid, ports=ports, asked=asked))
        front.show = say

    def down(self) -> None:
        """Take back what `up` told others."""
        if self._announced:
            withdraw(self._place.front)

    async def _start(self) -> tuple[Path, Member]:
        services = [program for service in SERVICES for program in self._service(service)]
        self._crew.start(self._nameserver(), *services)
        behind = [address for _, address, kind in self._place.sockets() if kind is socket.SOCK_STREAM][2:]
        await gatherResults([Deferred.fromCoroutine(self._crew.accepts(address)) for address in behind], consumeErrors=True)
        config = self._front_config()
        front_proxy = proxy(self._twistd, "front", config, "--dns-resolver", str(self._place.names))
        [front] = self._crew.start(replace(front_proxy, directory=ROOT))  # a configuration may name files as `etc/…`
        await self._crew.accepts(Address("127.0.0.1", self._place.front))
        for path, headers in ("/service/1", {}), ("/service/1", {"x-canary-version": ["service1a"]}), ("/service/2", {}):
            await self._answers(path, Headers(headers))
        return config, front

    def _too_slow(self, result: object, seconds: float) -> NoReturn:
        raise CannotStart(f"The stack did not answer within {seconds:g} seconds.\n\n{self._crew.last_words()}")

    async def _answers(self, path: str, headers: Headers) -> None:
        """Return once the front proxy has an endpoint for *path*: until then it says 503."""
        agent = Agent(self._reactor)
        while True:
            try:
                response = await agent.request(b"GET", f"http://127.0.0.1:{self._place.front}{path}".encode(), headers)
            except (ConnectError, ResponseFailed):
                pass  # if it has ended, the crew says so
            else:
                if response.code != 503:
                    return
            await deferLater(self._reactor, LOOK_AGAIN, lambda: None)

    def _nameserver(self) -> Program:
        names = [f"service{service}={self._place.host(service)}" for service in SERVICES]
        return python("nameserver", "nameserver.py", "--listen", str(self._place.names), *names)

    def _service(self, service: str) -> Iterator[Program]:
        name, host = f"service{service}", self._place.host(service)
        listen = str(Address(host, SERVICE.port))
        said: tuple[str, ...] = ("--listen", listen, "--hostname", name, "--resolved", host)
        if self.takes:
            said += ("--takes", f"{self.takes:g}")
        if service == CANARY and self.failing:
            said += ("--failing", f"{self.failing:g}", "--failing-after", str(WELL_AT_FIRST))
        yield python(name, "service.py", *said, SERVICE_NAME=service)
        moves = {SIDECAR: Address(host, SIDECAR.port), SERVICE: Address(host, SERVICE.port)}
        copy = self._directory / f"sidecar{service}.yaml"
        copy.write_text(rebind((ROOT / "etc/service.yaml").read_text(), moves))
        yield proxy(self._twistd, f"sidecar{service}", copy)

    def _front_config(self) -> Path:
        """``etc/front.yaml`` itself where its ports will do, so that it can be edited and reloaded."""
        original = ROOT / "etc/front.yaml"
        if (self._place.front, self._place.admin) == (FRONT.port, ADMIN.port):
            return original
        copy = self._directory / "front.yaml"
        moves = {FRONT: FRONT._replace(port=self._place.front), ADMIN: ADMIN._replace(port=self._place.admin)}
        copy.write_text(rebind(original.read_text(), moves))
        return copy


def add_place(arguments: argparse.ArgumentParser) -> None:
    """Add the options that say where the stack stands (`place_of`), and with which ``twistd``."""
    arguments.add_argument("--port", type=int, default=FRONT.port, help="of the front proxy (default: %(default)s)")
    arguments.add_argument("--admin-port", type=int, default=ADMIN.port, help="of its admin listener (default: %(default)s)")
    arguments.add_argument("--dns-port", type=int, default=8053, help="of the name server (default: %(default)s)")
    arguments.add_argument("--network", default="127.0.1", help="where the services stand: NETWORK.1 and up (default: %(default)s)")
    arguments.add_argument("--twistd", type=Path, default=Path(sys.executable).with_name("twistd"), help="which one to run shifter with")


def place_of(options: argparse.Namespace) -> Place:
    """Return where *options* have the stack stand."""
    return Place(options.port, options.admin_port, Address("127.0.0.1", options.dns_port), options.network)


def main() -> int:
    arguments = argparse.ArgumentParser(description="The tutorial's stack on one machine.")
    add_place(arguments)
    options = arguments.parse_args()
    place = place_of(options)
    reactor = cast(PosixReactorBase, installed_reactor)
    with tempfile.TemporaryDirectory(prefix="shifter-") as directory:
        crew = Crew(reactor, Path(directory))
        stack = Stack(reactor, crew, place, options.twistd.absolute(), Path(directory))
        try:
            return Run(reactor, crew).main(stack.up, on_hangup=reactor.stop)
        finally:
            stack.down()


if __name__ == "__main__":
    sys.exit(main())
