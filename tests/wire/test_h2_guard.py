"""Frames are counted by their headers, and Envoy's limits on them hold however bytes were cut."""

from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.http2 import Http2ProtocolOptions
from shifter.wire import h2_guard
from shifter.wire.h2_guard import FrameGuard
from tests.support import h2frames as raw

PING = raw.frame(raw.PING, payload=bytes(8))
PRIORITY = raw.frame(raw.PRIORITY, stream=1, payload=bytes(5))
HEADERS = raw.headers()
EMPTY = raw.data(b"")
FLOODS = {
    "inbound_priority_frames_flood": (PRIORITY, 100),
    "inbound_window_update_frames_flood": (raw.window_update(1), 5),
    "inbound_empty_frames_flood": (EMPTY, 1),
    "outbound_control_flood": (PING, 1000),
    "header_overflow": (raw.frame(raw.CONTINUATION, stream=1, payload=b"x"), 8),
}


def admitted(guard: FrameGuard, data: bytes) -> int:
    """How many frames of *data* are let through."""
    guard.admit(data, 0)
    return guard.count


@pytest.mark.parametrize("limit", FLOODS)
def test_so_many_and_no_more(limit: str) -> None:
    frame, most = FLOODS[limit]
    guard = FrameGuard()
    assert admitted(guard, frame * most) == most
    assert guard.flood == ""
    assert admitted(guard, frame + HEADERS) == 0
    assert guard.flood == limit


def test_streams_and_what_was_sent_give_more_room() -> None:
    guard = FrameGuard()
    assert admitted(guard, HEADERS + PRIORITY * 201) == 201
    guard = FrameGuard()
    guard.wrote(1)
    assert admitted(guard, HEADERS + raw.window_update(1) * 100) == 1 + 5 + 2 * (1 + 10)


def test_what_was_sent_waits_no_more() -> None:
    guard = FrameGuard()
    assert admitted(guard, PING * 1000) == guard.unsent == 1000
    guard.wrote(17)
    assert admitted(guard, PING * 1000 + raw.frame(raw.PING, raw.ACK, payload=bytes(8))) == 1001


def test_limits_are_those_of_the_configuration() -> None:
    limits = Http2ProtocolOptions(max_outbound_frames=3, max_consecutive_inbound_frames_with_empty_payload=5)
    guard = FrameGuard(limits)
    assert admitted(guard, EMPTY * 5 + raw.data(b"x") + EMPTY * 5) == 11
    assert admitted(guard, PING * 4) == 3
    assert guard.flood == "outbound_flood"


def test_resets_wait_like_any_answer() -> None:
    guard = FrameGuard(Http2ProtocolOptions(max_outbound_control_frames=2))
    assert guard.reset() and guard.reset()
    assert not guard.reset()
    assert guard.flood == "outbound_control_flood"


@pytest.mark.parametrize(
    ("frame", "empty"),
    [
        (raw.data(b"", end=True), False),
        (raw.frame(raw.DATA, raw.PADDED, 1, b"\x03\0\0\0"), True),
        (raw.frame(raw.DATA, raw.PADDED, 1, b"\x02x\0\0"), False),
        (raw.frame(raw.DATA, raw.PADDED, 1, b"\xffx"), True),
        (raw.frame(raw.CONTINUATION, raw.END_HEADERS, 1), True),
        (raw.frame(raw.HEADERS, 0, 1), True),
    ],
)
def test_padding_is_nothing(frame: bytes, empty: bool) -> None:
    guard = FrameGuard()
    admitted(guard, frame * 2)
    assert bool(guard.flood) is empty


@given(st.lists(st.sampled_from([HEADERS, EMPTY, PING, PRIORITY, raw.data(b"abc"), raw.window_update(1)]), max_size=12), st.data())
def test_cuts_do_not_matter(frames: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(frames)
    at_once, bit_by_bit = FrameGuard(), FrameGuard()
    count = admitted(at_once, whole)
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)))))
    unfed, taken = b"", 0
    for start, end in zip([0, *places], [*places, len(whole)], strict=True):
        unfed += whole[start:end]
        unfed = unfed[bit_by_bit.admit(unfed, 0) :]
        taken += bit_by_bit.count
        if bit_by_bit.flood:
            break
    assert (taken, bit_by_bit.flood) == (count, at_once.flood)
    with patch.object(h2_guard, "plain_frames", h2_guard._no_plain_frames):
        pure = FrameGuard()
        assert (admitted(pure, whole), pure.flood, pure._streams, pure._empty) == (count, at_once.flood, at_once._streams, at_once._empty)


def test_what_is_too_long_goes_on_to_the_engine() -> None:
    guard = FrameGuard()
    head = raw.frame(raw.DATA, stream=1, length=16385)
    assert guard.admit(head, 0) == len(head)
    assert guard.admit(raw.frame(raw.DATA, stream=1, length=16384), 0) == 0
