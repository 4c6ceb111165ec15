"""What an internal caller asks of the proxy for one request, in ``x-envoy-*`` fields (Envoy's router).

Rule 1. Whoever is not internal has no such fields any more when a route is looked for (`forwarded`); what is here is believed.
Rule 2. They are meant for this proxy, and go no further.
Rule 3. What cannot be read is as if it were not there.
"""

from shifter.routing.weighted_clusters import uint64
from shifter.wire.events import RequestHead, block_of, fields, joined_value

RETRY_WORDS = frozenset(
    (
        *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "refused-stream", "retriable-4xx"),
        *("retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure"),
    )
)
"""What ``x-envoy-retry-on`` may name, and ``retry_on`` besides the following."""
RETRY_GRPC_WORDS = frozenset(["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"])
"""What ``x-envoy-retry-grpc-on`` may name."""

TAKEN = frozenset(
    b"x-envoy-retry-on x-envoy-retry-grpc-on x-envoy-max-retries x-envoy-retriable-status-codes x-envoy-retriable-header-names "
    b"x-envoy-hedge-on-per-try-timeout x-envoy-upstream-rq-timeout-ms x-envoy-upstream-rq-per-try-timeout-ms "
    b"x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-stream-duration-ms x-envoy-upstream-alt-stat-name".split()
)
"""The fields that end here. (Statistics under another name are not kept.)"""


class Wishes:
    """See the module. Times are seconds, 0 for none; ``None`` where nothing is asked.

    ``timeout`` and ``per_try_timeout`` take the place of the route's, as does ``hedge``; ``try_duration`` bounds a whole try.
    ``alt_response``: a timeout is answered with 204. ``retry_on``, ``retriable_status_codes`` and ``retriable_header_names`` come on
    top of the policy's.
    """

    __slots__ = (
        "alt_response", "hedge", "max_retries", "per_try_timeout", "retriable_header_names", "retriable_status_codes", "retry_on",
        "timeout", "try_duration",
    )  # fmt: skip

    def __init__(self, block: bytes) -> None:
        self.timeout = _seconds(block, b"x-envoy-upstream-rq-timeout-ms")
        self.per_try_timeout = _seconds(block, b"x-envoy-upstream-rq-per-try-timeout-ms")
        self.try_duration = _seconds(block, b"x-envoy-upstream-stream-duration-ms")
        self.hedge = {b"true": True, b"false": False}.get(joined_value(block, b"x-envoy-hedge-on-per-try-timeout") or b"")
        self.alt_response = joined_value(block, b"x-envoy-upstream-rq-timeout-alt-response") is not None
        self.retry_on = frozenset(
            [word for word in _words(block, b"x-envoy-retry-on") if word in RETRY_WORDS]
            + [word for word in _words(block, b"x-envoy-retry-grpc-on") if word in RETRY_GRPC_WORDS]
        )
        self.max_retries = _number(block, b"x-envoy-max-retries")
        codes = [uint64(word.encode("latin-1")) for word in _words(block, b"x-envoy-retriable-status-codes")]
        self.retriable_status_codes = frozenset(code for code in codes if code is not None)
        self.retriable_header_names = tuple(
            name.lower().encode("latin-1") for name in _words(block, b"x-envoy-retriable-header-names") if name
        )


def take_wishes(head: RequestHead) -> Wishes | None:
    """Take the fields out of *head*, and return what they ask for; ``None`` when there is none of them."""
    block = head.block
    rest = [(name, value) for name, value in fields(block) if name not in TAKEN]
    if len(rest) == block.count(b"\r\n"):
        return None
    head.block = block_of(rest)
    return Wishes(block)


def _words(block: bytes, name: bytes) -> list[str]:
    value = joined_value(block, name)
    return [] if value is None else [word.strip(" \t") for word in value.decode("latin-1").split(",")]


def _number(block: bytes, name: bytes) -> int | None:
    value = joined_value(block, name)
    return None if value is None else uint64(value)


def _seconds(block: bytes, name: bytes) -> float | None:
    number = _number(block, name)
    return None if number is None else number / 1000
