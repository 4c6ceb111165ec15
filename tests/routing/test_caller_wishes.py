"""What internal callers ask for, and that it goes no further."""

from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.caller_wishes import TAKEN, take_wishes
from shifter.routing.forwarded import CONTROL_FIELDS
from shifter.wire.events import RequestHead, block_of, fields


def head_with(*pairs: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"GET", b"/", b"a", block_of(pairs))


def test_nothing_is_asked() -> None:
    head = head_with((b"x-a", b"1"), (b"x-envoy-force-trace", b"1"))
    before = head.block
    assert take_wishes(head) is None
    assert head.block == before


def test_everything_is_asked() -> None:
    head = head_with(
        (b"x-a", b"1"),
        (b"x-envoy-retry-on", b"5xx, cancelled,what"),
        (b"x-envoy-retry-grpc-on", b"cancelled,5xx"),
        (b"x-envoy-max-retries", b"3"),
        (b"x-envoy-upstream-rq-timeout-ms", b"1500"),
        (b"x-envoy-upstream-rq-per-try-timeout-ms", b"250"),
        (b"x-envoy-upstream-rq-timeout-alt-response", b""),
        (b"x-envoy-upstream-stream-duration-ms", b"9000"),
        (b"x-envoy-hedge-on-per-try-timeout", b"true"),
        (b"x-b", b"2"),
    )
    wishes = take_wishes(head)
    assert wishes is not None
    assert list(fields(head.block)) == [(b"x-a", b"1"), (b"x-b", b"2")]
    assert wishes.retry_on == {"5xx", "cancelled"}
    assert (wishes.max_retries, wishes.timeout, wishes.per_try_timeout, wishes.try_duration) == (3, 1.5, 0.25, 9.0)
    assert wishes.alt_response
    assert wishes.hedge is True


def test_what_cannot_be_read_is_not_there() -> None:
    wishes = take_wishes(head_with((b"x-envoy-max-retries", b"-1"), (b"x-envoy-upstream-rq-timeout-ms", b"soon")))
    assert wishes is not None
    assert (wishes.max_retries, wishes.timeout, wishes.hedge, wishes.retry_on) == (None, None, None, frozenset())


@given(
    st.lists(st.tuples(st.sampled_from(sorted(TAKEN)), st.binary(max_size=9).map(lambda value: value.translate(None, b"\r\n\0").strip())))
)
def test_anything_can_be_asked(pairs: list[tuple[bytes, bytes]]) -> None:
    head = head_with((b"x-a", b"1"), *pairs)
    assert (take_wishes(head) is None) is (not pairs)
    assert head.block == b"\r\nx-a: 1"


def test_nobody_outside_can_ask() -> None:
    assert TAKEN <= CONTROL_FIELDS
