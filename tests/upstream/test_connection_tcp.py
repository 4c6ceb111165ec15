"""A connection of bytes: its user, its two directions, and how it serves a CONNECT."""

import pytest

from shifter.model.cluster import Cluster
from shifter.upstream.connection_tcp import TcpConnection
from shifter.upstream.interfaces import UpstreamStream
from shifter.upstream.pool_tcp import TcpPool
from shifter.wire.events import RequestHead
from tests.support.transports import FakeTransport
from tests.support.upstreams import ADDRESS, AnyEndpoint, RecordingListener
from tests.upstream.test_pool_tcp import User

CONNECT = RequestHead(b"CONNECT", b"", b"a:80")


def connected() -> tuple[AnyEndpoint[TcpPool], TcpConnection, FakeTransport]:
    one = AnyEndpoint(TcpPool, Cluster("c"), ADDRESS)
    leased = one.lease()
    other_end = one.connections[0]
    other_end.establish()
    assert isinstance(leased.stream, TcpConnection)
    return one, leased.stream, other_end


def test_nothing_is_read_before_somebody_uses_it() -> None:
    one, connection, other_end = connected()
    other_end.say(b"220 ready")
    assert other_end.paused
    user = User()
    connection.use(user)
    one.network.run()
    assert user.saw == [b"220 ready"]


def test_each_direction_ends_by_itself() -> None:
    _, connection, other_end = connected()
    user = User()
    connection.use(user)
    connection.write(b"question")
    connection.end()
    other_end.say(b"answer")
    assert (other_end.take(), other_end.ended) == (b"question", True)
    other_end.hang_up()
    assert user.saw == [b"answer", "lost closed"]


@pytest.mark.parametrize("we_end_last", [True, False])
def test_who_ended_last_has_closed_it(we_end_last: bool) -> None:
    one, connection, other_end = connected()
    connection.use(User())
    if not we_end_last:
        connection.end()
        one.network.run()
    other_end.hang_up()
    connection.end()
    one.network.run()
    stats = one.stats
    assert (stats.upstream_cx_destroy_local, stats.upstream_cx_destroy_remote) == ((1, 0) if we_end_last else (0, 1))


def test_it_says_when_the_endpoint_takes_no_more() -> None:
    _, connection, other_end = connected()
    user = User()
    connection.use(user)
    other_end.room = 1
    connection.write(b"xx")
    connection.pool.network.flush()  # type: ignore[attr-defined]  # the one in memory
    assert connection.blocked
    other_end.drain()
    assert not connection.blocked
    assert user.saw == ["blocked", "writable"]


def test_reading_can_rest() -> None:
    one, connection, other_end = connected()
    user = User()
    connection.use(user)
    connection.pause()
    other_end.say(b"x")
    assert user.saw == []
    connection.resume()
    one.network.run()
    assert user.saw == [b"x"]


def asked(data: bytes = b"") -> tuple[AnyEndpoint[TcpPool], UpstreamStream, FakeTransport, RecordingListener]:
    one, connection, other_end = connected()
    listener = RecordingListener()
    connection.send(CONNECT, data, False, listener)
    assert listener.saw == []
    one.network.run()
    return one, connection, other_end, listener


def test_connect_is_answered_here_and_its_content_is_the_bytes() -> None:
    one, stream, other_end, listener = asked(b"early")
    assert listener.saw == ["head 200"]
    other_end.say(b"hello")
    stream.send_data(b"more", True)
    one.network.run()
    assert (other_end.take(), other_end.ended, listener.body) == (b"earlymore", True, b"hello")
    other_end.hang_up()
    assert listener.saw == ["head 200", "data", "end"]


def test_what_comes_at_once_comes_behind_the_head() -> None:
    """With TLS the first words of an endpoint may come in one piece with the end of the handshake."""
    one, connection, other_end = connected()
    listener = RecordingListener()
    connection.send(CONNECT, b"", False, listener)
    connection.data_received(b"220 ready")
    one.network.run()
    assert (listener.saw, listener.body) == (["head 200", "data"], b"220 ready")
    other_end.hang_up()
    assert listener.saw == ["head 200", "data", "end"]


@pytest.mark.parametrize("reason", ["closed", "reset"])
def test_an_end_that_comes_at_once_comes_behind_the_head(reason: str) -> None:
    _, connection, _ = connected()
    listener = RecordingListener()
    connection.send(CONNECT, b"", True, listener)
    connection.connection_lost(reason)
    assert listener.saw == ["head 200", "end" if reason == "closed" else "failed CONNECTION_TERMINATION ANSWER_BEGUN"]


def test_trailers_are_an_end() -> None:
    one, stream, other_end, _ = asked()
    stream.send_trailers(b"\r\nx: y")
    one.network.run()
    assert (other_end.take(), other_end.ended) == (b"", True)


def test_the_endpoint_may_end_first() -> None:
    one, stream, other_end, listener = asked()
    other_end.hang_up()
    assert listener.saw == ["head 200", "end"]
    stream.send_data(b"last words", True)
    one.network.run()
    assert other_end.take() == b"last words"
    assert listener.saw == ["head 200", "end"]
    assert one.stats.upstream_rq_active == 0


def test_a_connection_that_breaks_is_no_end() -> None:
    _, _, other_end, listener = asked()
    other_end.hang_up("reset")
    assert listener.saw == ["head 200", "failed CONNECTION_TERMINATION ANSWER_BEGUN"]


def test_nothing_is_told_to_who_has_lost_interest() -> None:
    one, connection, other_end = connected()
    listener = RecordingListener()
    connection.send(CONNECT, b"x", False, listener)
    connection.cancel()
    one.network.run()
    assert listener.saw == []
    assert other_end.lost == "aborted"
    assert one.stats.upstream_rq_active == 0


def test_blocked_and_writable_are_passed_on() -> None:
    one, stream, other_end, listener = asked()
    other_end.room = 0
    stream.send_data(b"x", False)
    one.network.run()
    other_end.drain()
    assert listener.saw == ["head 200", "blocked", "writable"]
