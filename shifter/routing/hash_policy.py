"""The hash of a request that stays the same for the same client (``RouteAction.HashPolicy``), as Envoy computes it.

Rule 1. A value is hashed with XXH64. Lines of one field are sorted first, so that their order does not matter, and each is
        hashed with the hash of the one before as its seed.
Rule 2. The hashes of several policies are combined, each with what came before turned left by one bit, so that two equal ones
        do not cancel out. A policy that finds nothing to hash does not count; behind a ``terminal`` one, the others do not,
        once there is a hash.
Rule 3. What a client sends is hashed as it is, however long or odd: a hash chooses among what is configured, and nothing else.
"""

from collections.abc import Callable, Sequence

from xxhash import xxh64_intdigest

from shifter.model.route import HashPolicy, HashSource
from shifter.routing.cookies import first_cookie
from shifter.routing.errors import RoutingError
from shifter.routing.match_header import header_values
from shifter.routing.query import first_parameter
from shifter.routing.regex import compile_substitution
from shifter.wire.events import RequestHead

MASK = 2**64 - 1


class Newcomer:
    """What a client that comes without a cookie is given: its value is made with *random*, which returns 63 random bits;
    ``lines`` are the ``set-cookie`` lines that its answer has to carry."""

    __slots__ = ("_random", "lines")

    def __init__(self, random: Callable[[], int]) -> None:
        self._random = random
        self.lines = b""

    def give(self, before: bytes, after: bytes) -> bytes:
        """Add a line whose cookie gets a new value; return the value."""
        value = b"%016x" % ((self._random() << 1 ^ self._random()) & MASK)
        self.lines += before + value + after
        return value


Hash = Callable[[RequestHead, bytes, Newcomer], int | None]
"""Returns the hash of a request from the client at an address (text, without a port), or ``None`` when nothing in it is to be
hashed. What a newcomer has to be given is noted in the third argument."""


def compile_hash(policies: Sequence[HashPolicy]) -> Hash:
    """Return the function that hashes requests by *policies*. Raises `RoutingError` for what cannot stand in a cookie, and for
    patterns that are no good."""
    steps = [(_SOURCES[policy.source](policy), policy.terminal) for policy in policies]
    if len(steps) == 1:
        return steps[0][0]

    def combined(head: RequestHead, client: bytes, newcomer: Newcomer) -> int | None:
        sum_of_all: int | None = None
        for source, terminal in steps:
            value = source(head, client, newcomer)
            if value is not None:
                sum_of_all = value if sum_of_all is None else (sum_of_all << 1 & MASK | sum_of_all >> 63) ^ value
            if terminal and sum_of_all is not None:
                break
        return sum_of_all

    return combined


def gives_cookies(policies: Sequence[HashPolicy]) -> bool:
    """Say whether clients that come without a cookie are to be given one."""
    return any(policy.ttl is not None for policy in policies)


def asks_for_client(policies: Sequence[HashPolicy]) -> bool:
    """Say whether the client's address matters."""
    return any(policy.source is HashSource.SOURCE_IP for policy in policies)


def address_of(peer: bytes) -> bytes:
    """Return the address in ``address:port``, without the brackets of an IPv6 one."""
    return peer.rpartition(b":")[0].removeprefix(b"[").removesuffix(b"]")


def set_cookie(policy: HashPolicy) -> tuple[bytes, bytes]:
    """Return what stands before and after the value in the ``set-cookie`` line of *policy*, which has a ``ttl``. Raises `RoutingError`."""
    ttl = int(policy.ttl or 0)
    parts = [b"Max-Age=%d" % ttl] if ttl else []
    if policy.path:
        parts.append(b"Path=" + policy.path)
    parts += [name + b"=" + value if value else name for name, value in policy.attributes]
    parts.append(b"HttpOnly")
    if not policy.name or any(byte <= 0x20 or byte == 0x7F or byte in b'=";,' for byte in policy.name):
        raise RoutingError("the name of a cookie may not be empty, nor hold blanks, = or ;")
    if any(byte < 0x20 or byte == 0x7F or byte == 0x3B for part in parts for byte in part):
        raise RoutingError("the path and the attributes of a cookie may not hold ; or control characters")
    return b"\r\nset-cookie: " + policy.name + b'="', b'"; ' + b"; ".join(parts)


def _by_header(policy: HashPolicy) -> Hash:
    values_of = header_values(policy.name.lower())
    rewrite = policy.regex_rewrite
    change = compile_substitution(rewrite.pattern, rewrite.substitution) if rewrite is not None else None

    def by_header(head: RequestHead, client: bytes, newcomer: Newcomer) -> int | None:
        found = values_of(head)
        if not found:
            return None
        if change is not None:
            found = [change(value) for value in found]
        value = 0
        for one in sorted(found):
            value = xxh64_intdigest(one, value)
        return value

    return by_header


def _by_cookie(policy: HashPolicy) -> Hash:
    name = policy.name
    if policy.ttl is None:

        def by_cookie(head: RequestHead, client: bytes, newcomer: Newcomer) -> int | None:
            value = first_cookie(head.block, name)
            return xxh64_intdigest(value) if value else None

        return by_cookie
    before, after = set_cookie(policy)
    return lambda head, client, newcomer: xxh64_intdigest(first_cookie(head.block, name) or newcomer.give(before, after))


def _by_source_ip(policy: HashPolicy) -> Hash:
    return lambda head, client, newcomer: xxh64_intdigest(client) if client else None


def _by_query_parameter(policy: HashPolicy) -> Hash:
    name = policy.name

    def by_query_parameter(head: RequestHead, client: bytes, newcomer: Newcomer) -> int | None:
        value = first_parameter(head.path, name)
        return None if value is None else xxh64_intdigest(value)

    return by_query_parameter


_SOURCES: dict[HashSource, Callable[[HashPolicy], Hash]] = {
    HashSource.HEADER: _by_header,
    HashSource.COOKIE: _by_cookie,
    HashSource.SOURCE_IP: _by_source_ip,
    HashSource.QUERY_PARAMETER: _by_query_parameter,
}
