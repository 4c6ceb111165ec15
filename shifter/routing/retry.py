"""May a request that failed be made again at once, on a fresh connection, without anybody having asked for retries?

Rule 1. Yes, when it cannot have been acted on: not a byte of it was sent.
Rule 2. Yes, when a connection that had been kept open closed before any byte of an answer, as it does when the server gave
        it up at that moment (RFC 9112 section 9.3.1), and making the request twice is the same as making it once
        (RFC 9110 section 9.2.2).
Rule 3. Never, when the body cannot be sent again, or when the client has seen a part of an answer.
"""

from enum import Enum


class Reached(Enum):
    """How far a try got."""

    NOTHING_SENT = "nothing sent"
    REQUEST_SENT = "request sent"
    ANSWER_BEGUN = "answer begun"


IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""RFC 9110 section 9.2.2. Extension methods that are idempotent by their own specification are not counted in."""


def may_repeat(method: bytes, reached: Reached, connection_reused: bool, body_replayable: bool) -> bool:
    """Say whether the same request may be sent again.

    *connection_reused*: the connection had carried an exchange before. *body_replayable*: there is no body, or all of it
    is still at hand.
    """
    if not body_replayable or reached is Reached.ANSWER_BEGUN:
        return False
    if reached is Reached.NOTHING_SENT:
        return True
    return connection_reused and method in IDEMPOTENT
