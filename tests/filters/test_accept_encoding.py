"""Which coding an answer gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.filters.accept_encoding import HeaderStat, choose, weights


@pytest.mark.parametrize(
    ("value", "coding", "stat"),
    [
        (b"gzip", b"gzip", HeaderStat.USED),
        (b"br", b"br", HeaderStat.USED),
        (b"gzip, br", b"gzip", HeaderStat.USED),
        (b"br;q=0.5, gzip;q=0.7", b"gzip", HeaderStat.USED),
        (b"gzip;q=0", b"identity", HeaderStat.NOT_VALID),
        (b"*", b"gzip", HeaderStat.WILDCARD),
        (b"gzip;q=0, *", b"br", HeaderStat.WILDCARD),
        (b"deflate, gzip;q=0.5, *", b"gzip", HeaderStat.WILDCARD),
        (b"identity, gzip;q=0.5", b"identity", HeaderStat.IDENTITY),
        (b"deflate", b"identity", HeaderStat.NOT_VALID),
        (b"GZIP", b"identity", HeaderStat.NOT_VALID),
        (b"", b"identity", HeaderStat.NOT_VALID),
        (b"gzip;q=x", b"identity", HeaderStat.NOT_VALID),
        (b"gzip; q=0.2 , br ; Q = 0.1", b"gzip", HeaderStat.USED),
    ],
)
def test_the_heaviest_wins_and_the_first_of_equals(value: bytes, coding: bytes, stat: HeaderStat) -> None:
    assert choose(value, [(b"gzip", False), (b"br", False)]) == (coding, stat)


def test_a_compressor_may_ask_to_be_preferred_among_equals() -> None:
    assert choose(b"gzip, br", [(b"gzip", False), (b"br", True)]) == (b"br", HeaderStat.USED)


@given(st.binary(max_size=60))
def test_whatever_a_client_sends_is_answered_with_something_on_offer(value: bytes) -> None:
    coding, _ = choose(value, [(b"gzip", False), (b"br", True), (b"zstd", False)])
    assert coding in (b"identity", b"gzip", b"br", b"zstd")
    if coding != b"identity":
        assert any(name in (coding, b"*") and weight for name, weight in weights(value))
