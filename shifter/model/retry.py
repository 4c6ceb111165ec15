"""When a request is tried again (``route.v3.RetryPolicy``, ``route.v3.HedgePolicy``). Durations are seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shifter.model.route import HeaderMatcher


class ResetHeaderFormat(Enum):
    """``RetryPolicy.ResetHeaderFormat``: what a rate limiting endpoint's header says."""

    SECONDS = "SECONDS"
    UNIX_TIMESTAMP = "UNIX_TIMESTAMP"


@dataclass(frozen=True, slots=True)
class RateLimitedRetryBackOff:
    """``RetryPolicy.RateLimitedRetryBackOff``: the first of ``reset_headers`` (name in lower case) that an answer carries says when to try
    again; one that asks for more than ``max_interval`` does not count."""

    reset_headers: tuple[tuple[bytes, ResetHeaderFormat], ...]
    max_interval: float = 300.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``route.v3.RetryPolicy``.

    ``retry_on`` holds the known words, of HTTP and of gRPC, in lower case. ``back_off_max`` ``None`` is ten times ``back_off_base``.
    ``per_try_timeout`` and ``per_try_idle_timeout`` 0 are none. ``previous_hosts``, ``omit_canary_hosts`` and ``omit_host_metadata``
    are the ``retry_host_predicate`` of these names (the last: the ``envoy.lb`` values of hosts that are left out);
    ``host_selection_attempts`` is how often another host is looked for because of them. ``previous_priorities`` is the
    ``update_frequency`` of the ``retry_priority`` of that name, 0 for none.
    """

    retry_on: frozenset[str] = frozenset()
    num_retries: int = 1
    per_try_timeout: float = 0.0
    per_try_idle_timeout: float = 0.0
    retriable_status_codes: frozenset[int] = frozenset()
    retriable_headers: "tuple[HeaderMatcher, ...]" = ()
    retriable_request_headers: "tuple[HeaderMatcher, ...]" = ()
    back_off_base: float = 0.025
    back_off_max: float | None = None
    rate_limited: RateLimitedRetryBackOff | None = None
    previous_hosts: bool = False
    omit_canary_hosts: bool = False
    omit_host_metadata: Mapping[str, object] | None = field(default=None, hash=False)
    host_selection_attempts: int = 1
    previous_priorities: int = 0
    refresh_cluster_on_retry: bool = False


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """``route.v3.HedgePolicy``: a try that takes longer than ``per_try_timeout`` goes on while another one is made; the first good
    answer counts. (Envoy does not implement its other fields.)"""

    hedge_on_per_try_timeout: bool = False
