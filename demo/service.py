"""The service that the tutorial deploys: says hello, and which version of it answers.

    SERVICE_NAME=1a python demo/service.py --listen 127.0.1.2:8091

Its name comes from the environment because that is what the compose file sets for each container.
For ``make demo-release`` it takes ``--takes`` milliseconds to answer, sometimes less and sometimes more. With ``--failing 3`` it answers
three requests in a hundred with 500, once it has served ``--failing-after`` of them: a release that goes wrong.
"""

import argparse
import math
import os
import random
import re
import socket
from typing import cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.task import deferLater, react
from twisted.web.http import INTERNAL_SERVER_ERROR, NOT_FOUND
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

SPREAD = 0.4
"""Of the time that answers take (the sigma of a lognormal distribution)."""


class Hello(Resource):
    """Greets on ``/service/<number>``, whatever the number: which service that is was the front proxy's choice.

    Answers take about ``takes`` seconds. ``failing`` per cent of the requests behind the first ``failing_after`` are answered with 500.
    """

    isLeaf = True

    takes = 0.0
    failing = 0.0
    failing_after = 0

    def __init__(self, clock: IReactorTime, name: str, hostname: str, resolved: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types for it
        self._clock = clock
        self._greeting = f"Hello from behind shifter (service {name})! hostname: {hostname} resolvedhostname: {resolved}\n".encode()

    def render_GET(self, request: Request) -> bytes | int:
        answer = self._answer(request)
        if not self.takes:
            return answer
        later = deferLater(self._clock, random.lognormvariate(math.log(self.takes), SPREAD), request.write, answer)
        gone = request.notifyFinish()
        later.addCallback(lambda _: request.finish()).addErrback(lambda failure: failure.trap(CancelledError))
        gone.addErrback(lambda _: later.cancel())
        return NOT_DONE_YET

    def _answer(self, request: Request) -> bytes:
        if re.fullmatch(rb"/service/[^/]+", request.path) is None:
            request.setResponseCode(NOT_FOUND)
            return b"Not found: ask for /service/1\n"
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        self.failing_after -= 1
        if self.failing_after < 0 and random.random() < self.failing / 100:
            request.setResponseCode(INTERNAL_SERVER_ERROR)
            return b"Something in the new version is broken\n"
        return self._greeting


async def main(reactor: IReactorTCP) -> None:
    arguments = argparse.ArgumentParser(description="The tutorial's service.")
    arguments.add_argument("--listen", default="127.0.0.1:8091", metavar="HOST:PORT")
    arguments.add_argument("--hostname", default=socket.gethostname(), help="what it calls itself (default: this machine's name)")
    arguments.add_argument("--resolved", help="the address of that name (default: looked up)")
    arguments.add_argument("--takes", type=float, default=0.0, metavar="MS", help="to answer, about (default: no time)")
    arguments.add_argument("--failing", type=float, default=0.0, metavar="PERCENT", help="of the requests (default: none)")
    arguments.add_argument("--failing-after", type=int, default=0, metavar="COUNT", help="requests that are served well at first")
    options = arguments.parse_args()
    host, _, port = options.listen.rpartition(":")
    resolved = options.resolved or socket.gethostbyname(options.hostname)
    greeter = Hello(cast(IReactorTime, reactor), os.environ.get("SERVICE_NAME", "1"), options.hostname, resolved)
    greeter.takes, greeter.failing, greeter.failing_after = options.takes / 1000, options.failing, options.failing_after
    await TCP4ServerEndpoint(reactor, int(port), interface=host).listen(Site(greeter))
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
