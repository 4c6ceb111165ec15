"""What a route and an internal caller want of time and retries, for those who tell about it.

Rule 1. The caller's wishes are read off the head that they stand in; who asks gives a copy of it, for they are taken out.
"""

from dataclasses import dataclass

from shifter.model.retry import RetryPolicy
from shifter.model.route import RouteAction
from shifter.routing.caller_wishes import take_wishes
from shifter.routing.retry_policy import RetryRules, per_try
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead


@dataclass(frozen=True, slots=True)
class Tries:
    """How a request is tried: within ``timeout`` seconds as a whole and ``per_try`` each (0 for none), and up to ``retries`` times more
    for the reasons that the ``words`` of ``retry_on`` name. ``expected`` is what the first endpoint is told that it has."""

    timeout: float
    per_try: float
    expected: float
    retries: int
    words: tuple[str, ...]


def tries_of(action: RouteAction, timeout: float, head: RequestHead, runtime: Runtime) -> Tries:
    """Return how the request *head* is tried by a route whose timeout is *timeout*. Raises `RoutingError` for a bad regex."""
    policy = action.retry or RetryPolicy()
    wishes = take_wishes(head)
    one = policy.per_try_timeout
    hedge = action.hedge is not None and action.hedge.hedge_on_per_try_timeout
    words = policy.retry_on
    if wishes is not None:
        timeout = timeout if wishes.timeout is None else wishes.timeout
        one = one if wishes.per_try_timeout is None else wishes.per_try_timeout
        hedge = hedge if wishes.hedge is None else wishes.hedge
        words |= wishes.retry_on
    one = per_try(one, timeout)
    state = RetryRules(policy, runtime).for_request(head, wishes)
    retries = state.remaining if state is not None else 0
    # With hedging, a slow try goes on beside the next.
    return Tries(timeout, one, timeout if hedge else one or timeout, retries, tuple(sorted(words)) if retries else ())
