"""PING in intervals, and who does not answer is gone."""

import pytest

from shifter.model.http2 import ConnectionKeepalive
from shifter.wire.h2_keepalive import Keepalive


class Pinged:
    def __init__(self) -> None:
        self.count = 0

    def ping(self) -> None:
        self.count += 1


def keepalive(**options: float) -> Keepalive:
    return Keepalive(ConnectionKeepalive(**{"timeout": 5.0, "interval": 10.0, **options}), 0.0, lambda: 0.0)


def test_a_ping_each_interval() -> None:
    peer, one = Pinged(), keepalive()
    for now in range(1, 31):
        received = 17 * peer.count  # it answers at once, which is heard a second later
        assert one.step(peer, received, float(now))
    assert peer.count == 2


def test_who_does_not_answer_is_gone() -> None:
    peer, one = Pinged(), keepalive()
    assert one.step(peer, 0, 10.0) and peer.count == 1
    assert one.step(peer, 0, 14.0)
    assert not one.step(peer, 0, 15.0)
    assert peer.count == 1


def test_any_byte_is_a_sign_of_life() -> None:
    peer, one = Pinged(), keepalive()
    one.step(peer, 0, 10.0)
    assert one.step(peer, 1, 16.0)
    assert one.step(peer, 1, 25.0) and peer.count == 1
    assert one.step(peer, 1, 26.0) and peer.count == 2


@pytest.mark.parametrize(("chance", "due"), [(0.0, 10.0), (1.0, 11.5)])
def test_jitter(chance: float, due: float) -> None:
    peer = Pinged()
    one = Keepalive(ConnectionKeepalive(timeout=5.0, interval=10.0), 0.0, lambda: chance)
    one.step(peer, 0, due - 0.1)
    assert peer.count == 0
    one.step(peer, 0, due + 0.1)
    assert peer.count == 1


def test_a_ping_before_the_first_request_behind_a_pause() -> None:
    peer = Pinged()
    one = Keepalive(ConnectionKeepalive(timeout=5.0, connection_idle_interval=3.0), 0.0, lambda: 0.0)
    one.used_after(2.9, peer, 10.0)
    assert peer.count == 0
    one.used_after(3.0, peer, 10.0)
    one.used_after(3.0, peer, 10.0)
    assert peer.count == 1
    assert not one.step(peer, 0, 15.0)
    assert one.step(peer, 9, 15.0)
