"""When a retry policy has a request tried again, and after how long (``route.v3.RetryPolicy``; Envoy's ``RetryStateImpl``).

Rule 1. Somebody has asked for these retries: they are counted and limited, and wait before they begin. The one repetition that
        nobody has to ask for, because nobody can notice it, is another matter (`routing.retry`).
Rule 2. How many there may be, and for what, is the policy's to say; an internal caller may add words to it and set the number
        (`routing.caller_wishes`).
Rule 3. Each wait is a random part of an interval that doubles, in whole milliseconds. An endpoint that says when it will take
        requests again is believed, up to a limit, once.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum

from shifter.model.retry import ResetHeaderFormat, RetryPolicy
from shifter.model.route import HeaderMatcher
from shifter.routing.caller_wishes import Wishes
from shifter.routing.match_header import Matcher, compile_header
from shifter.routing.runtime import Runtime
from shifter.routing.weighted_clusters import uint64
from shifter.wire.events import RequestHead, first_value

_DEFAULT_BASE = RetryPolicy().back_off_base
_GRPC = {"cancelled": 1, "deadline-exceeded": 4, "resource-exhausted": 8, "internal": 13, "unavailable": 14}
_GATEWAY_ERRORS = (502, 503, 504)
_STATUS = b":status"

AnswerMatcher = Callable[[int, bytes], bool]
"""Says whether an answer, by its status and its field block, fits a condition."""


def per_try(wanted: float, timeout: float) -> float:
    """Return the time for one try (seconds, 0 for none) where all of them have *timeout*: one that is not shorter does not count."""
    return 0.0 if timeout and wanted >= timeout else wanted


class Reset(Enum):
    """Why a try has no answer, as far as retries tell one from another."""

    CONNECTION_FAILURE = "connection failure"
    REFUSED_STREAM = "refused stream"
    OVERFLOW = "overflow"
    OTHER = "other"


class RetryRules:
    """A policy, compiled; ``policy`` is the one. Raises `RoutingError` for a bad regex."""

    __slots__ = ("_conditions", "_requests", "_runtime", "policy")

    def __init__(self, policy: RetryPolicy, runtime: Runtime) -> None:
        self.policy = policy
        self._runtime = runtime
        answers = [compile_answer_header(matcher) for matcher in policy.retriable_headers]
        self._conditions = RetryConditions(policy.retry_on, policy.retriable_status_codes, answers)
        self._requests: list[Matcher] = [compile_header(matcher) for matcher in policy.retriable_request_headers]

    def for_request(self, head: RequestHead, wishes: Wishes | None) -> "RetryState | None":
        """Return what is to be kept about the retries of the request *head*, whose sender has *wishes*; ``None`` when there are
        to be none."""
        conditions = self._conditions if wishes is None else self._conditions.wider(wishes)
        if not conditions.words or (self._requests and not any(fits(head) for fits in self._requests)):
            return None
        if not head.random % 100 < self._runtime.integer("upstream.use_retry", 100):
            return None
        retries = self.policy.num_retries if wishes is None or wishes.max_retries is None else wishes.max_retries
        return RetryState(self, conditions, retries)

    def intervals(self) -> tuple[int, int]:
        """Return the first interval between two tries and the longest, in milliseconds."""
        policy = self.policy
        base = max(round(policy.back_off_base * 1000), 1)
        if policy.back_off_base == _DEFAULT_BASE and policy.back_off_max is None:
            base = max(self._runtime.integer("upstream.base_retry_backoff_ms", base), 1)
        return base, base * 10 if policy.back_off_max is None else max(round(policy.back_off_max * 1000), 1)


class RetryConditions:
    """What is to be had again: ``words`` are those of ``retry_on``, *codes* and *answers* what some of them refer to."""

    __slots__ = ("_answers", "_codes", "_grpc", "words")

    def __init__(self, words: frozenset[str], codes: frozenset[int], answers: Sequence[AnswerMatcher]) -> None:
        self.words = words
        self._codes = codes
        self._answers = answers
        self._grpc = {number for word, number in _GRPC.items() if word in words}

    def wider(self, wishes: Wishes) -> "RetryConditions":
        """Return these conditions with what a caller asks for besides."""
        answers = [*self._answers, *(compile_answer_header(HeaderMatcher(name)) for name in wishes.retriable_header_names)]
        return RetryConditions(self.words | wishes.retry_on, self._codes | wishes.retriable_status_codes, answers)

    def asks_for_answer(self, status: int, block: bytes) -> bool:
        """Say whether an answer should be had again from somebody else."""
        words = self.words
        if block.rfind(b"\r\nx-envoy-ratelimited: ") >= 0:
            return "envoy-ratelimited" in words
        if status >= 500 and ("5xx" in words or (status in _GATEWAY_ERRORS and "gateway-error" in words)):
            return True
        if status == 409 and "retriable-4xx" in words:
            return True
        if status in self._codes and "retriable-status-codes" in words:
            return True
        if "retriable-headers" in words and any(fits(status, block) for fits in self._answers):
            return True
        if self._grpc:
            said = first_value(block, b"grpc-status")
            return said is not None and uint64(said) in self._grpc
        return False

    def asks_for_reset(self, reset: Reset, nothing_sent: bool) -> bool:
        """Say whether a try that got no answer should be made again; *nothing_sent*: its head never left."""
        words = self.words
        if reset is Reset.OVERFLOW:
            return False
        if not words.isdisjoint(("reset", "5xx", "gateway-error")):
            return True
        if nothing_sent and "reset-before-request" in words:
            return True
        if reset is Reset.REFUSED_STREAM:
            return "refused-stream" in words
        return reset is Reset.CONNECTION_FAILURE and "connect-failure" in words


class RetryState:
    """What is known of the retries of one request. ``remaining`` is how many there may still be."""

    __slots__ = ("_rules", "_waits", "asks_for_answer", "asks_for_reset", "remaining")

    def __init__(self, rules: RetryRules, conditions: RetryConditions, retries: int) -> None:
        self._rules = rules
        self.asks_for_answer = conditions.asks_for_answer
        self.asks_for_reset = conditions.asks_for_reset
        self.remaining = retries
        self._waits = 0

    def wait(self, random: Callable[[], int]) -> float:
        """Return how long to wait before the next retry, in seconds; *random* returns a random whole number."""
        first, longest = self._rules.intervals()
        interval = first if not self._waits else min(first << self._waits, longest)
        self._waits += 1
        return min(random() % interval, longest) / 1000

    def wait_as_told(self, block: bytes, wall: float, random: Callable[[], int]) -> float | None:
        """Return how long to wait because the answer with the field *block* says so, up to half as long again; ``None`` when it
        says nothing that counts. *wall* is the wall clock in seconds."""
        limits = self._rules.policy.rate_limited
        if limits is None:
            return None
        for name, form in limits.reset_headers:
            said = first_value(block, name)
            number = uint64(said) if said is not None else None
            if number is None:
                continue
            seconds = number if form is ResetHeaderFormat.SECONDS else number - int(wall)
            if 0 < seconds <= limits.max_interval:
                told = seconds * 1000
                return (told + random() % (told // 2)) / 1000
        return None


def compile_answer_header(matcher: HeaderMatcher) -> AnswerMatcher:
    """Return the condition *matcher* for answers, which have ``:status`` and fields. Raises `RoutingError` for a bad regex."""
    if matcher.name.lower() == _STATUS:
        fits_status = compile_header(replace(matcher, name=b"status"))
        return lambda status, block: fits_status(RequestHead(b"", b"", b"", b"\r\nstatus: %d" % status))
    fits = compile_header(matcher)
    return lambda status, block: fits(RequestHead(b"", b"", b"", block))
