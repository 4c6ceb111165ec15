"""An authoritative name server for a handful of names.

    python demo/nameserver.py --listen 127.0.0.1:8053 service1=127.0.1.1 service1a=127.0.1.2

A name may have several addresses (``service1=127.0.1.1,127.0.1.4``). It answers over UDP and TCP: ``NXDOMAIN`` for a
name it was not given, no records for a type it does not have.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import react
from twisted.names import dns
from twisted.names.common import ResolverBase
from twisted.names.error import AuthoritativeDomainError
from twisted.names.server import DNSServerFactory

Records: TypeAlias = list[dns.RRHeader]


class Names(ResolverBase):
    """Answers from a fixed table of IPv4 addresses.

    ``ttl`` is in seconds: how long others may remember an answer.
    """

    def __init__(self, addresses: Mapping[str, Sequence[str]], ttl: int = 5) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types for it
        self._ttl = ttl
        self._addresses = {name.lower().encode(): tuple(hosts) for name, hosts in addresses.items()}

    def _lookup(self, name: bytes, cls: int, type: int, timeout: Sequence[int] | None) -> Deferred[tuple[Records, Records, Records]]:
        hosts = self._addresses.get(name.lower())
        if hosts is None:
            return fail(AuthoritativeDomainError(name))
        wanted = hosts if type in (dns.A, dns.ALL_RECORDS) else ()
        answers = [dns.RRHeader(name, dns.A, dns.IN, self._ttl, dns.Record_A(host, self._ttl), auth=True) for host in wanted]
        return succeed((answers, [], []))


async def main(reactor: PosixReactorBase) -> None:
    arguments = argparse.ArgumentParser(description="An authoritative name server for a handful of names.")
    arguments.add_argument("--listen", default="127.0.0.1:8053", metavar="HOST:PORT")
    arguments.add_argument("name", nargs="+", metavar="NAME=ADDRESS[,ADDRESS…]")
    options = arguments.parse_args()
    host, _, port = options.listen.rpartition(":")
    names = Names({name: hosts.split(",") for name, _, hosts in (word.partition("=") for word in options.name)})
    factory = DNSServerFactory(clients=[names])
    reactor.listenUDP(int(port), dns.DNSDatagramProtocol(factory), interface=host)
    reactor.listenTCP(int(port), factory, interface=host)
    await Deferred()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
