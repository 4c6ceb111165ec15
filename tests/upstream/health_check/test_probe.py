"""What is common to all ways of asking."""

from hypothesis import example, given
from hypothesis import strategies as st

from shifter.upstream.health_check.probe import pieces_in

few = st.text("ab", max_size=6).map(str.encode)


@given(st.lists(few, max_size=4), st.lists(few, min_size=5, max_size=5))
@example([b"a", b"a"], [b""] * 5)
def test_pieces_with_anything_between_them_are_found(pieces: list[bytes], between: list[bytes]) -> None:
    data = b"".join(other + piece for other, piece in zip(between, pieces, strict=False)) + between[-1]
    assert pieces_in(tuple(pieces), data)


@given(st.lists(few.filter(bool), min_size=1, max_size=4), few)
def test_and_no_others(pieces: list[bytes], data: bytes) -> None:
    rest, found = data, True
    for piece in pieces:
        _, this, rest = rest.partition(piece)
        found = found and bool(this)
    assert pieces_in(tuple(pieces), data) is found
