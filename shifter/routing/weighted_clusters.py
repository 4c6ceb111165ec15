"""Which entry of a route with several clusters serves a request (``route.v3.WeightedCluster``).

Rule 1. A number decides, by the entries' weights (`weights.Split`): the request's random number, or the one that it carries in
        the field ``header_name``, or its hash (``use_hash_policy``). One without a number of its own gets the random one.
Rule 2. Where the hash policy gives cookies, who comes is to stay, also when weights move: then not a number decides but who
        draws best for the hash (`sticky.Rendezvous`), and who comes without a cookie gets one. Envoy gives none there, and
        moves users between all entries.
Rule 3. How is decided once, for the route; what a route does not use is not looked at.
Rule 4. Where an entry cannot serve, the same rules choose among those that can (*alive*).
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from shifter.model.route import RouteAction
from shifter.routing.hash_policy import Newcomer, asks_for_client, compile_hash, gives_cookies
from shifter.routing.match_header import header_values
from shifter.routing.runtime import Runtime
from shifter.routing.sticky import Rendezvous
from shifter.routing.weights import Split, Weighed, weights_now
from shifter.wire.events import RequestHead

T = TypeVar("T")

Pick = Callable[[RequestHead, bytes, Newcomer], T]
"""Returns the entry for a request from the client at an address (text, without a port; it may be left empty where
`needs_client` says so). What a newcomer's answer has to carry is noted in the third argument."""

_UINT64 = 2**64
_UINT64_DIGITS = 20
_BLANKS = b" \t\n\v\f\r"


def is_plain(action: RouteAction) -> bool:
    """Say whether the random number and the configured weights decide alone."""
    return not (action.random_value_header or action.runtime_key_prefix or is_by_hash(action))


def needs_client(action: RouteAction) -> bool:
    """Say whether the client's address matters."""
    return is_by_hash(action) and asks_for_client(action.hash_policy)


def is_sticky(action: RouteAction) -> bool:
    """Say whether users get a cookie and stay where they are (rule 2)."""
    return is_by_hash(action) and gives_cookies(action.hash_policy)


def is_by_hash(action: RouteAction) -> bool:
    """Say whether a hash of the request decides."""
    return action.use_hash_policy and bool(action.hash_policy) and not action.random_value_header


def compile_pick(action: RouteAction, entries: Sequence[T], runtime: Runtime, alive: Callable[[T], bool] | None = None) -> Pick[T]:
    """Return the function that picks one of *entries*, which stand for ``action.clusters``; one of those that are *alive*, while any
    is. Raises `RoutingError`."""
    if is_sticky(action):
        return _sticky_pick(action, entries, runtime, alive)
    split = _weighed(action, runtime, lambda weights: Split(list(zip(entries, weights, strict=True))))

    def at(number: int) -> T:
        return split().at(number) if alive is None else split().among(number, alive)

    if action.random_value_header:
        number_in = compile_number(action.random_value_header)

        def by_header(head: RequestHead, client: bytes, newcomer: Newcomer) -> T:
            number = number_in(head)
            return at(head.random if number is None else number)

        return by_header
    if not is_by_hash(action):
        return lambda head, client, newcomer: at(head.random)
    hash_of = compile_hash(action.hash_policy)

    def by_hash(head: RequestHead, client: bytes, newcomer: Newcomer) -> T:
        number = hash_of(head, client, newcomer)
        return at(head.random if number is None else number)

    return by_hash


def _sticky_pick(action: RouteAction, entries: Sequence[T], runtime: Runtime, alive: Callable[[T], bool] | None) -> Pick[T]:
    hash_of = compile_hash(action.hash_policy)
    names = [entry.name.encode() or b":" + (entry.cluster_header or b"") for entry in action.clusters]
    rendezvous = _weighed(action, runtime, lambda weights: Rendezvous(list(zip(entries, names, weights, strict=True))))

    def sticky(head: RequestHead, client: bytes, newcomer: Newcomer) -> T:
        key = hash_of(head, client, newcomer)
        return rendezvous().of(head.random if key is None else key, alive)

    return sticky


def _weighed(action: RouteAction, runtime: Runtime, make: Callable[[Sequence[int]], T]) -> Callable[[], T]:
    configured = [entry.weight for entry in action.clusters]
    if action.runtime_key_prefix:
        return Weighed(make, lambda: weights_now(action, runtime), configured)
    made = make(configured)
    return lambda: made


def compile_number(header: bytes) -> Callable[[RequestHead], int | None]:
    """Return the function that reads the number which a request carries in the field *header*; ``None`` if there is no good one."""
    values_of = header_values(header.lower())

    def number_in(head: RequestHead) -> int | None:
        found = values_of(head)
        return uint64(found[0]) if len(found) == 1 else None

    return number_in


def uint64(text: bytes) -> int | None:
    """Return *text* as a 64-bit number the way Envoy reads one (``absl::SimpleAtoi``); ``None`` if it is none."""
    digits = text.strip(_BLANKS).removeprefix(b"+")
    if not digits.isdigit():
        return None
    digits = digits.lstrip(b"0")
    if len(digits) > _UINT64_DIGITS:
        return None
    number = int(digits or b"0")
    return number if number < _UINT64 else None
