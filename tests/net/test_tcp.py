"""Real sockets, turned by hand: what leaves when, and how connections end.

Over 600 lines, for a connection has one life: made, read, blocked, half closed and ended, all on one pair of sockets.
"""

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from shifter.model.address import Address, Pipe, SocketAddress
from shifter.model.cluster import TcpKeepalive, UpstreamConnectionOptions
from shifter.net import tcp
from shifter.net.socket_options import IP_FREEBIND
from shifter.net.tcp import Network, TcpTransport
from shifter.net.transport import ConnectOptions, Transport
from tests.support.turns import PATIENCE, HandDriven, Recorder, listening


class Pair:
    """An outgoing connection that is established, and its other end."""

    def __init__(self, lean: bool = True) -> None:
        self.reactor = HandDriven(lean)
        self.network = Network(self.reactor, self.reactor.seconds)
        self.handler = Recorder()
        server, address = listening()
        with server:
            self.transport = self.network.connect(address, self.handler)
            self.peer, _ = server.accept()
        self.peer.settimeout(PATIENCE)
        self.reactor.turn()
        assert self.handler.saw.pop() == "made"

    def sent(self) -> bytes:
        """What has arrived at the other end and was not read there."""
        self.peer.setblocking(False)
        try:
            return self.peer.recv(1 << 20)
        except BlockingIOError:
            return b""
        finally:
            self.peer.settimeout(PATIENCE)

    def fill(self) -> int:
        """Write until the kernel takes no more; return how much that was."""
        size = 0
        while self.handler.saw[-1:] != ["blocked"]:
            self.transport.write(b"x" * (1 << 20))
            size += 1 << 20
        return size

    def read_some(self, size: int) -> bytes:
        """Read what the kernels hold, of *size* bytes at most, without the transport sending more."""
        got = b""
        while len(got) < size and (piece := self.sent()):
            got += piece
        return got

    def read_all(self, size: int) -> bytes:
        """Read *size* bytes at the other end while the transport sends them."""
        got = bytearray()
        while len(got) < size:
            got += self.sent()
            self.reactor.turn(0)
        return bytes(got)

    def close(self) -> None:
        self.peer.close()
        self.transport.abort()
        self.network.flush()
        self.network.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()
    assert not made.reactor.readers
    assert not made.reactor.writers


def test_it_is_a_transport(pair: Pair) -> None:
    transport: Transport = pair.transport
    assert repr(transport).endswith(" open queued=0>")
    assert (pair.transport.logPrefix(), pair.transport.fileno()) == ("tcp", pair.transport.sock.fileno())


def test_both_ends_have_an_address(pair: Pair) -> None:
    ours = pair.peer.getpeername()
    assert pair.transport.local == SocketAddress(ours[0], ours[1])
    pair.transport.abort()
    pair.network.flush()
    assert pair.transport.local == SocketAddress("", 0)


def test_small_writes_of_a_turn_leave_together(pair: Pair) -> None:
    pair.transport.write(b"a")
    pair.transport.write(b"bc")
    assert pair.sent() == b""
    assert pair.transport.bytes_sent == 0
    pair.network.flush()
    assert pair.peer.recv(10) == b"abc"
    assert pair.transport.bytes_sent == 3
    assert pair.network.dirty == []
    pair.network.flush()
    assert pair.sent() == b""


def test_large_writes_leave_at_once(pair: Pair) -> None:
    pair.transport.write(b"a")
    pair.transport.write(b"b" * tcp._LARGE_WRITE)
    assert pair.peer.recv(1) == b"a"
    pair.network.flush()
    assert pair.transport.bytes_sent == 1 + tcp._LARGE_WRITE
    pair.transport.write(b"c")
    pair.network.flush()
    assert pair.read_all(tcp._LARGE_WRITE + 1)[-1:] == b"c"


def test_an_ordinary_reactor_is_asked_to_flush_once_a_turn() -> None:
    pair = Pair(lean=False)
    try:
        pair.transport.write(b"a")
        pair.transport.write(b"b")
        calls = pair.reactor.getDelayedCalls()
        assert len(calls) == 1
        pair.reactor.advance(0)
        assert pair.peer.recv(10) == b"ab"
        pair.transport.write(b"c")
        pair.reactor.advance(0)
        assert pair.peer.recv(10) == b"c"
    finally:
        pair.close()


def test_our_own_reactor_flushes_by_itself(pair: Pair) -> None:
    assert pair.reactor.flushes == [pair.network.flush]
    pair.transport.write(b"a")
    assert pair.reactor.getDelayedCalls() == []
    pair.reactor.turn(0)
    assert pair.peer.recv(10) == b"a"


def test_reading(pair: Pair) -> None:
    pair.peer.sendall(b"hello")
    pair.reactor.turn()
    assert (pair.handler.saw, pair.handler.data, pair.transport.bytes_received) == (["data"], b"hello", 5)
    pair.transport.doRead()  # nothing there
    assert pair.handler.saw == ["data"]


def test_a_paused_connection_is_not_read(pair: Pair) -> None:
    pair.transport.pause()
    pair.transport.pause()
    pair.peer.sendall(b"hello")
    assert pair.transport not in pair.reactor.readers
    pair.transport.resume()
    pair.transport.resume()
    pair.reactor.turn()
    assert pair.handler.data == b"hello"


def test_reads_grow_with_what_comes_and_shrink_again(pair: Pair) -> None:
    pair.peer.sendall(b"x" * 400_000)
    while len(pair.handler.data) < 400_000:
        pair.reactor.turn()
    assert pair.transport._size > tcp._SMALL_READ
    assert len(pair.handler.saw) < 400_000 / tcp._SMALL_READ
    pair.peer.sendall(b"y")
    pair.reactor.turn()
    assert pair.transport._size == tcp._SMALL_READ


def test_a_peer_that_does_not_read_blocks_and_drains(pair: Pair) -> None:
    size = pair.fill()
    pair.transport.write(b"y" * 100)
    pair.transport.write(b"z" * tcp._LARGE_WRITE)  # while the rest waits nothing is tried
    assert pair.handler.saw == ["blocked"]
    assert pair.transport in pair.reactor.writers
    got = pair.read_all(size + 100 + tcp._LARGE_WRITE)
    assert got == b"x" * size + b"y" * 100 + b"z" * tcp._LARGE_WRITE
    assert pair.handler.saw == ["blocked", "drained"]
    assert pair.transport not in pair.reactor.writers
    assert pair.transport.bytes_sent == len(got)
    pair.transport.write(b"after")
    pair.network.flush()
    assert pair.peer.recv(10) == b"after"


def test_room_made_before_the_reactor_says_so_is_not_overlooked(pair: Pair) -> None:
    """Written to while blocked: the writer must still be told when all has left."""
    size = pair.fill()
    left = size - len(pair.read_some(size))
    pair.transport.write(b"w" * tcp._LARGE_WRITE)
    assert pair.handler.saw == ["blocked"]
    pair.read_all(left + tcp._LARGE_WRITE)
    assert pair.handler.saw == ["blocked", "drained"]
    assert pair.reactor.writers == set()


def test_small_writes_block_at_the_end_of_the_turn(pair: Pair) -> None:
    pair.transport.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    size = 0
    while not pair.handler.saw:
        pair.transport.write(b"s" * 1000)
        size += 1000
        pair.network.flush()
    pair.transport.write(b"s" * 1000)
    assert len(pair.read_all(size + 1000)) == size + 1000
    assert pair.handler.saw == ["blocked", "drained"]


def test_the_peer_closes(pair: Pair) -> None:
    pair.peer.sendall(b"bye")
    pair.peer.close()
    pair.reactor.turn()
    pair.reactor.turn()
    assert pair.handler.saw == ["data", "lost closed"]
    pair.transport.write(b"x")
    pair.transport.write(b"x" * tcp._LARGE_WRITE)
    pair.transport.close()
    pair.transport.abort()
    pair.transport.pause()
    pair.transport.resume()
    pair.network.flush()
    assert pair.handler.saw == ["data", "lost closed"]
    assert "closed" in repr(pair.transport)


def test_the_peer_resets(pair: Pair) -> None:
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tcp._RESET)
    pair.peer.close()
    pair.reactor.turn()
    assert pair.handler.saw == ["lost reset"]


@pytest.mark.parametrize("size", [1, tcp._LARGE_WRITE])
def test_writing_to_a_peer_that_reset_fails_at_the_end_of_the_turn(pair: Pair, size: int) -> None:
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tcp._RESET)
    pair.peer.close()
    pair.reactor.ready(PATIENCE)
    pair.transport.write(b"x" * size)
    pair.transport.write(b"y" * size)
    assert pair.handler.saw == []
    pair.network.flush()
    assert pair.handler.saw == ["lost reset"]


def test_close_sends_what_is_queued_first(pair: Pair) -> None:
    pair.transport.write(b"last")
    pair.transport.close()
    pair.transport.close()
    pair.transport.write(b"too late")
    assert pair.handler.saw == []
    pair.network.flush()
    assert pair.handler.saw == ["lost closed locally"]
    assert pair.peer.recv(10) == b"last"
    assert pair.peer.recv(10) == b""


def test_close_waits_for_a_slow_peer(pair: Pair) -> None:
    size = pair.fill()
    pair.transport.close()
    pair.transport.write(b"too late")
    pair.network.flush()
    assert pair.handler.saw == ["blocked"]
    assert len(pair.read_all(size)) == size
    assert pair.handler.saw == ["blocked", "lost closed locally"]


def test_lingering_gives_the_peer_time_to_close_first(pair: Pair) -> None:
    pair.transport.pause()
    pair.transport.write(b"last")
    pair.transport.close(linger=1.0)
    pair.network.flush()
    assert pair.peer.recv(10) == b"last"
    assert pair.peer.recv(10) == b""
    pair.peer.sendall(b"what it still had to say")
    pair.reactor.turn()
    assert pair.handler.saw == []  # read and dropped
    pair.peer.close()
    pair.reactor.turn()
    assert pair.handler.saw == ["lost closed locally"]
    assert pair.network.lingering == {}


def test_lingering_ends_in_time(pair: Pair) -> None:
    pair.transport.close(linger=1.0)
    pair.network.flush()
    pair.reactor.advance(0.9)
    pair.network.tick()
    assert pair.handler.saw == []
    pair.reactor.advance(0.1)
    pair.network.tick()
    assert pair.handler.saw == ["lost closed locally"]
    assert pair.network.now == pair.reactor.seconds()


def test_lingering_ends_with_a_peer_that_takes_nothing(pair: Pair) -> None:
    pair.fill()
    pair.transport.close(linger=1.0)
    pair.reactor.advance(59)
    pair.network.tick()
    assert pair.handler.saw == ["blocked"]  # what is queued is not thrown away because its reader is slow
    pair.reactor.advance(1)
    pair.network.tick()
    assert pair.handler.saw == ["blocked", "lost closed locally"]


def test_abort_resets(pair: Pair) -> None:
    pair.transport.write(b"never sent")
    pair.transport.abort()
    pair.transport.abort()
    assert pair.handler.saw == []
    pair.network.flush()
    assert pair.handler.saw == ["lost aborted"]
    with pytest.raises(ConnectionResetError):
        pair.peer.recv(10)


def test_abort_ends_lingering_and_blocked_ones_too(pair: Pair) -> None:
    pair.fill()
    pair.transport.close(linger=5)
    pair.transport.abort()
    pair.peer.sendall(b"x")
    pair.reactor.turn(0)
    assert pair.handler.saw == ["blocked", "lost aborted"]
    assert pair.network.lingering == {}


def test_nothing_is_heard_after_close(pair: Pair) -> None:
    pair.peer.sendall(b"x")
    pair.reactor.ready(PATIENCE)
    pair.transport.close()
    pair.transport.resume()
    assert pair.transport not in pair.reactor.readers
    pair.transport.doRead()  # an event that was under way already
    assert pair.handler.saw == []


def test_a_failing_handler_does_not_cost_others_their_bytes(pair: Pair, logged_failures: list[object]) -> None:
    broken = Mock()
    broken.flush.side_effect = ZeroDivisionError
    pair.network.mark(broken)
    pair.transport.write(b"x")
    pair.network.flush()
    assert pair.peer.recv(10) == b"x"
    assert len(logged_failures) == 1
    logged_failures.clear()


def test_what_the_reactor_sees_fail_is_lost(pair: Pair) -> None:
    pair.transport.connectionLost(None)
    pair.transport.connectionLost(None)
    assert pair.handler.saw == ["lost closed"]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_writing_before_the_connection_is_there(family: int) -> None:
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    try:
        server, address = listening(family)
    except OSError:
        pytest.skip("no IPv6 on the loopback")
    with server:
        transport = network.connect(address, handler)
        assert repr(transport) == f"<TcpTransport {address} connecting queued=0>"
        transport.write(b"early")
        transport.write(b"x" * tcp._LARGE_WRITE)
        transport.resume()
        network.flush()
        assert handler.saw == []
        peer, _ = server.accept()
        reactor.turn()
        assert handler.saw == ["made"]
        assert peer.recv(5) == b"early"
        peer.close()
        transport.abort()
        network.flush()


def unused() -> SocketAddress:
    server, address = listening()
    server.close()
    return address


def test_refused() -> None:
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    network.connect(unused(), handler)
    assert handler.saw == []
    reactor.turn()
    assert handler.saw == ["lost refused"]
    assert not reactor.writers


def test_refused_as_the_reactor_may_tell_it() -> None:
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    transport = network.connect(unused(), handler)
    reactor.ready(PATIENCE)
    transport.connectionLost(None)  # epoll: HUP and ERR
    assert handler.saw == ["lost refused"]


def test_an_address_that_cannot_be_reached_at_all_fails_at_the_end_of_the_turn() -> None:
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    transport = network.connect(SocketAddress("255.255.255.255", 80), handler)
    assert handler.saw == []
    transport.write(b"x")
    network.flush()
    assert len(handler.saw) == 1
    assert handler.saw[0].startswith("lost ")


@pytest.mark.parametrize("how", ["", "close", "abort", "resume", "write"])
def test_without_a_descriptor_a_connection_fails_at_the_end_of_the_turn(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    monkeypatch.setattr(socket, "socket", full)
    transport: TcpTransport = network.connect(SocketAddress("127.0.0.1", 80), handler)
    assert (handler.saw, transport.local) == ([], SocketAddress("", 0))
    if how:
        getattr(transport, how)(*[b"x"] * (how == "write"))
    network.flush()
    network.flush()
    assert handler.saw == ["lost aborted" if how in ("close", "abort") else "lost too many open files"]
    assert not reactor.readers
    assert not reactor.writers


@pytest.mark.parametrize("how", ["close", "abort"])
def test_giving_up_while_connecting(how: str) -> None:
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    server, address = listening()
    with server:
        transport: TcpTransport = network.connect(address, handler)
        getattr(transport, how)()
        assert handler.saw == []
        reactor.turn(0)
    assert handler.saw == ["lost aborted"]
    assert not reactor.writers
    assert not reactor.readers


def test_closing_the_network_ends_what_lingers(pair: Pair) -> None:
    pair.transport.close(linger=9)
    pair.network.flush()
    pair.network.close()
    assert pair.handler.saw == ["lost closed locally"]
    assert pair.reactor.flushes == []
    pair.reactor.flushes.append(pair.network.flush)


@pytest.mark.parametrize(
    ("code", "word"), [(errno.ECONNREFUSED, "refused"), (errno.EPIPE, "reset"), (errno.EHOSTUNREACH, "no route to host")]
)
def test_reasons(code: int, word: str) -> None:
    assert tcp._words(code) == word


def test_what_the_peer_said_before_it_reset_is_heard(pair: Pair) -> None:
    pair.transport.start()
    pair.peer.sendall(b"413, keep it")
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tcp._RESET)
    pair.peer.close()
    pair.transport.write(b"more of an upload")
    pair.network.flush()
    assert pair.handler.saw == ["data", "lost reset"]
    assert pair.handler.data == b"413, keep it"


# how a connection is made


def connected(options: ConnectOptions, address: Address | None = None, server: socket.socket | None = None) -> tuple[socket.socket, str]:
    """Connect with *options*; return our socket and what the handler heard first."""
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    listener, at = listening() if server is None else (server, address)
    assert at is not None
    with listener:
        transport = network.connect(at, handler, options)
        network.flush()
        if not handler.saw:
            listener.accept()[0].close()
            reactor.turn()
        ours = transport.sock
        heard = handler.saw[0]
        values = ours.dup() if heard == "made" else ours
        transport.abort()
        network.flush()
        network.close()
    return values, heard


def test_keepalive_is_set_as_the_cluster_says() -> None:
    def read(keepalive: TcpKeepalive | None) -> list[int]:
        sock, heard = connected(ConnectOptions(UpstreamConnectionOptions(tcp_keepalive=keepalive)))
        assert heard == "made"
        with sock:
            names = (socket.TCP_KEEPCNT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
            return [
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(sock.getsockopt(socket.IPPROTO_TCP, name) for name in names),
            ]

    off, *system = read(None)
    assert off == 0
    assert read(TcpKeepalive()) == [1, *system]
    assert read(TcpKeepalive(3, 40, 5)) == [1, 3, 40, 5]


def test_the_source_address_is_the_first_of_the_family() -> None:
    sources = (SocketAddress("::1", 0), SocketAddress("127.0.0.7", 0), SocketAddress("127.0.0.8", 0))
    sock, heard = connected(ConnectOptions(UpstreamConnectionOptions(source_addresses=sources)))
    with sock:
        assert (heard, sock.getsockname()[0]) == ("made", "127.0.0.7")


def test_a_source_address_that_is_not_ours_is_a_connection_that_fails() -> None:
    options = UpstreamConnectionOptions(source_addresses=(SocketAddress("192.0.2.77", 0),))
    assert connected(ConnectOptions(options))[1] == "lost cannot assign requested address"


@pytest.mark.parametrize("freebind", [False, True])
def test_a_source_address_may_be_one_that_will_be_ours(freebind: bool) -> None:
    options = UpstreamConnectionOptions(source_addresses=(SocketAddress("127.0.0.7", 0),), freebind=freebind)
    sock, heard = connected(ConnectOptions(options))
    with sock:
        assert heard == "made"
        assert sock.getsockopt(socket.IPPROTO_IP, IP_FREEBIND) == freebind


@pytest.mark.parametrize("abstract", [False, True])
def test_a_unix_domain_socket(abstract: bool, tmp_path: Path) -> None:
    name = "@shifter-test" if abstract else str(tmp_path / "s")
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind("\0" + name[1:] if abstract else name)
    server.listen()
    options = ConnectOptions(UpstreamConnectionOptions(TcpKeepalive(), (SocketAddress("127.0.0.7", 0),)))
    sock, heard = connected(options, Pipe(name), server)
    sock.close()
    assert heard == "made"
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    handler = Recorder()
    transport = network.connect(Pipe(str(tmp_path / "nothing")), handler)
    assert transport.peer == SocketAddress(str(tmp_path / "nothing"), 0)
    network.flush()
    assert handler.saw == ["lost no such file or directory"]
    network.close()


# what is read at a time


class Pieces(Recorder):
    """Remembers how large what it read was."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def data_received(self, data: bytes) -> None:
        self.sizes.append(len(data))


@pytest.mark.parametrize(("limit", "largest"), [(0, 256 * 1024), (1 << 20, 256 * 1024), (200_000, 100_000), (10_000, 5000), (1, 1)])
def test_a_piece_is_never_larger_than_the_buffer(limit: int, largest: int) -> None:
    reactor = HandDriven()
    network = Network(reactor, reactor.seconds)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    handler = Pieces()
    transport = TcpTransport(network, ours, handler, SocketAddress("", 0), limit)
    transport.start()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    theirs.setblocking(False)
    for _ in range(12):
        with contextlib.suppress(BlockingIOError):
            theirs.send(b"x" * (1 << 20))
        transport.doRead()
    assert max(handler.sizes) <= largest
    if largest <= 5000:
        assert set(handler.sizes) == {largest}
    transport.abort()
    network.flush()
    theirs.close()
    network.close()


def half_closing(pair: Pair) -> list[str]:
    """Have *pair* do with half a connection; what it hears of that."""

    def ended() -> None:
        pair.handler.saw.append("ended")

    pair.transport.peer_ended = ended
    return pair.handler.saw


def test_it_is_known_whether_something_waits_to_be_read(pair: Pair) -> None:
    assert not pair.transport.unread()
    pair.peer.sendall(b"question")
    assert pair.transport.unread()
    assert pair.transport.unread()  # nothing was taken
    pair.reactor.turn()
    assert not pair.transport.unread()
    pair.peer.close()
    assert not pair.transport.unread()
    pair.reactor.turn()
    assert not pair.transport.unread()


def test_a_peer_that_has_ended_its_direction_still_hears_us(pair: Pair) -> None:
    saw = half_closing(pair)
    pair.peer.sendall(b"question")
    pair.peer.shutdown(socket.SHUT_WR)
    pair.reactor.turn()
    pair.reactor.turn()
    assert saw == ["data", "ended"]
    assert not pair.reactor.readers
    pair.transport.resume()
    assert not pair.reactor.readers  # there is nothing to come
    pair.transport.write(b"answer")
    pair.network.flush()
    assert pair.peer.recv(10) == b"answer"
    pair.transport.half_close()
    pair.network.flush()
    assert pair.peer.recv(10) == b""
    assert saw == ["data", "ended", "lost closed"]


def test_we_end_our_direction_behind_what_is_queued_and_go_on_reading(pair: Pair) -> None:
    saw = half_closing(pair)
    size = pair.fill()
    pair.transport.half_close()
    pair.transport.half_close()
    assert len(pair.read_all(size)) == size
    pair.reactor.turn(0)
    assert pair.peer.recv(10) == b""
    pair.peer.sendall(b"answer")
    pair.reactor.turn()
    pair.peer.close()
    pair.reactor.turn()
    assert saw == ["blocked", "data", "lost closed"]


def test_both_may_end_at_once(pair: Pair) -> None:
    saw = half_closing(pair)
    pair.transport.write(b"a")
    pair.transport.half_close()
    pair.peer.shutdown(socket.SHUT_WR)
    pair.network.flush()
    assert pair.peer.recv(10) == b"a"
    assert pair.peer.recv(10) == b""
    pair.reactor.turn()
    assert saw == ["lost closed"]
    pair.transport.half_close()


def test_a_connection_that_broke_has_no_half(pair: Pair) -> None:
    saw = half_closing(pair)
    pair.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tcp._RESET)
    pair.peer.close()
    pair.transport.half_close()
    pair.network.flush()
    assert saw == ["lost reset"]


def test_what_is_closed_needs_no_half(pair: Pair) -> None:
    saw = half_closing(pair)
    pair.transport.close(1.0)
    pair.network.flush()
    pair.peer.close()
    pair.reactor.turn()
    assert saw == ["lost closed locally"]
