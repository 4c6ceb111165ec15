"""Names to addresses: the hosts file, the search list and several name servers, over `dnsquery`.

Rule 1. A lookup ends in one of three ways, and the difference decides over traffic: with addresses; with `NameNotFound`,
        when somebody who knows said that there are none; with `ResolutionFailed`, when nobody could say.
Rule 2. "There are none" needs everybody's word. A server that fails, or one part of the search that nobody answered, makes
        it `ResolutionFailed`, unless addresses turned up elsewhere.
Rule 3. Nothing blocks but the reading of two small local files, when they have changed.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred

from shifter.model.cluster import DnsLookupFamily
from shifter.upstream.dnsquery import AAAA, A, Answer, NoAnswer, ResolutionFailed, Server, ShifterError, query
from shifter.upstream.resolvconf import FileValue, is_address, parse_hosts, parse_resolv_conf

__all__ = ["Answer", "NameNotFound", "ResolutionFailed", "Resolver", "ShifterError"]

Ask = Callable[[Any, Server, str, int, float], Coroutine[Any, Any, Answer]]
"""``dnsquery.query``, or its double."""

_IN_TURN = {
    DnsLookupFamily.AUTO: (AAAA, A),
    DnsLookupFamily.V4_PREFERRED: (A, AAAA),
    DnsLookupFamily.V4_ONLY: (A,),
    DnsLookupFamily.V6_ONLY: (AAAA,),
}
_LOOPBACK = ("::1", "127.0.0.1")


class NameNotFound(ShifterError):
    """The name does not exist, or has no address of the family that was asked for."""


class Resolver:
    """Looks names up as the C library does, without a thread.

    ``servers`` (IP address, port) take the place of the system's name servers (Envoy ``dns_resolvers``); the search list is
    the system's either way; with ``search=False`` every name is complete (``no_default_search_domain``). ``timeouts``: seconds to
    wait for each server, once through the list for each number.
    ``None`` for a file means not to read it. Raises ``ValueError`` for a server that is not an IP address.
    """

    def __init__(
        self,
        reactor: Any,
        servers: Iterable[Server] = (),
        *,
        search: bool = True,
        timeouts: Sequence[float] | None = None,
        resolv_conf: str | None = "/etc/resolv.conf",
        hosts: str | None = "/etc/hosts",
        ask: Ask = query,
    ) -> None:
        self._reactor = reactor
        self._servers = tuple((str(ip_address(host)), port) for host, port in servers)
        self._search = search
        self._timeouts = timeouts
        self._resolv_conf = FileValue(resolv_conf, parse_resolv_conf)
        self._hosts = FileValue(hosts, parse_hosts)
        self._ask = ask
        self._lookups: set[Deferred[Answer]] = set()

    def lookup(self, name: str, family: DnsLookupFamily) -> Deferred[Answer]:
        """Look *name* up. Fires with at least one address or fails with `NameNotFound` or `ResolutionFailed`.

        An IP address is its own answer. ``localhost`` is this machine even when no file says so (RFC 6761 section 6.3).
        """
        lookup = Deferred.fromCoroutine(self._lookup(name, family))
        if not lookup.called:
            self._lookups.add(lookup)
            lookup.addBoth(self._ended, lookup)
        return lookup

    def _ended(self, result: Answer, lookup: Deferred[Answer]) -> Answer:
        self._lookups.discard(lookup)
        return result

    def close(self) -> None:
        """Cancel what is being looked up."""
        for lookup in tuple(self._lookups):
            lookup.cancel()

    async def _lookup(self, name: str, family: DnsLookupFamily) -> Answer:
        if is_address(name):
            return Answer((name,))
        local = _of_family(self._on_this_machine(name.lower().removesuffix(".")), family)
        if local:
            return Answer(local)
        failure: ResolutionFailed | None = None
        for candidate in self._resolv_conf.read().candidates(name) if self._search else (name.removesuffix("."),):
            try:
                answer = await self._ask_for(candidate, family)
            except NoAnswer:
                raise
            except ResolutionFailed as error:
                # As the C library does: one domain of the search list that fails does not hide the others.
                failure = failure or error
            else:
                if answer.addresses:
                    return answer
        raise failure or NameNotFound(f"{name!r} does not exist or has no addresses")

    def _on_this_machine(self, name: str) -> tuple[str, ...]:
        addresses = self._hosts.read().get(name, ())
        return addresses or (_LOOPBACK if name == "localhost" or name.endswith(".localhost") else ())

    async def _ask_for(self, name: str, family: DnsLookupFamily) -> Answer:
        """Ask for the kinds of addresses that *family* wants. The answer is empty when there are none for certain."""
        if family is DnsLookupFamily.ALL:
            both = [Deferred.fromCoroutine(self._outcome(name, kind)) for kind in (AAAA, A)]
            try:
                return _together([await outcome for outcome in both])
            finally:
                for outcome in both:
                    outcome.addErrback(lambda cancelled: None)
                    outcome.cancel()
        failure: ResolutionFailed | None = None
        for kind in _IN_TURN[family]:
            said = await self._outcome(name, kind)
            if isinstance(said, ResolutionFailed):
                failure = said
            elif said.addresses:
                return said
        return _together([failure] if failure else [])

    async def _outcome(self, name: str, kind: int) -> Answer | ResolutionFailed:
        """Ask one server after the other until one answers; give one that fails no second chance, one that is silent more time."""
        conf = self._resolv_conf.read()
        servers = list(self._servers or [(host, 53) for host in conf.nameservers])
        failure = ResolutionFailed("there is no name server")
        for timeout in self._timeouts or conf.timeouts:
            for server in tuple(servers):
                try:
                    return await self._ask(self._reactor, server, name, kind, timeout)
                except NoAnswer as error:
                    failure = error
                except ResolutionFailed as error:
                    failure = error
                    servers.remove(server)
        return failure


def _together(outcomes: Iterable[Answer | ResolutionFailed]) -> Answer:
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer) and outcome.addresses]
    if answers:
        return Answer(tuple(address for answer in answers for address in answer.addresses), min(answer.ttl for answer in answers))
    for outcome in outcomes:
        if isinstance(outcome, ResolutionFailed):
            raise outcome
    return Answer()


def _of_family(addresses: Iterable[str], family: DnsLookupFamily) -> tuple[str, ...]:
    v6 = tuple(address for address in addresses if ":" in address)
    v4 = tuple(address for address in addresses if ":" not in address)
    match family:
        case DnsLookupFamily.AUTO:
            return v6 or v4
        case DnsLookupFamily.V4_PREFERRED:
            return v4 or v6
        case DnsLookupFamily.V4_ONLY:
            return v4
        case DnsLookupFamily.V6_ONLY:
            return v6
        case DnsLookupFamily.ALL:
            return v6 + v4
