"""The service that the tutorial deploys: says hello, and which version of it answers.

    SERVICE_NAME=1a python demo/service.py --listen 127.0.1.2:8091

Its name comes from the environment because that is what the compose file sets for each container.
With ``--failing 3`` it answers three requests in a hundred with 500, once it has served ``--failing-after`` of them: a release that
goes wrong, for ``make demo-release FAILING=3``.
"""

import argparse
import os
import random
import re
import socket

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.task import react
from twisted.web.http import INTERNAL_SERVER_ERROR, NOT_FOUND
from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class Hello(Resource):
    """Greets on ``/service/<number>``, whatever the number: which service that is was the front proxy's choice.

    *failing* per cent of the requests behind the first *failing_after* are answered with 500.
    """

    isLeaf = True

    def __init__(self, name: str, hostname: str, resolved: str, failing: float = 0.0, failing_after: int = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types for it
        self._failing = failing / 100
        self._healthy = failing_after
        self._greeting = f"Hello from behind shifter (service {name})! hostname: {hostname} resolvedhostname: {resolved}\n".encode()

    def render_GET(self, request: Request) -> bytes:
        if re.fullmatch(rb"/service/[^/]+", request.path) is None:
            request.setResponseCode(NOT_FOUND)
            return b"Not found: ask for /service/1\n"
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        self._healthy -= 1
        if self._healthy < 0 and random.random() < self._failing:
            request.setResponseCode(INTERNAL_SERVER_ERROR)
            return b"Something in the new version is broken\n"
        return self._greeting


async def main(reactor: IReactorTCP) -> None:
    arguments = argparse.ArgumentParser(description="The tutorial's service.")
    arguments.add_argument("--listen", default="127.0.0.1:8091", metavar="HOST:PORT")
    arguments.add_argument("--hostname", default=socket.gethostname(), help="what it calls itself (default: this machine's name)")
    arguments.add_argument("--resolved", help="the address of that name (default: looked up)")
    arguments.add_argument("--failing", type=float, default=0.0, metavar="PERCENT", help="of the requests (default: none)")
    arguments.add_argument("--failing-after", type=int, default=0, metavar="COUNT", help="requests that are served well at first")
    options = arguments.parse_args()
    host, _, port = options.listen.rpartition(":")
    resolved = options.resolved or socket.gethostbyname(options.hostname)
    greeter = Hello(os.environ.get("SERVICE_NAME", "1"), options.hostname, resolved, options.failing, options.failing_after)
    await TCP4ServerEndpoint(reactor, int(port), interface=host).listen(Site(greeter))
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
