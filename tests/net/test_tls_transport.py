"""TLS as a transport: it keeps the rules of TCP, and bytes are cut anywhere."""

import contextlib
import ssl
import weakref
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.task import Clock

from shifter.model.tls import CertificateValidation, TlsParameters, TlsVersion
from shifter.net import tls_engine, tls_transport
from shifter.net.tls import ClientContext, ServerContexts, TlsTransport
from shifter.net.transport import Transport
from tests.support.tls_ends import (
    Client,
    Server,
    Stdlib,
    authority,
    carry,
    downstream,
    leaf,
    stdlib_client,
    stdlib_server,
    talk,
    upstream,
)
from tests.support.transports import FakeNetwork
from tests.support.turns import Recorder

CONTEXTS = ServerContexts(downstream())


def pieces_of(sizes: list[int]):  # type: ignore[no-untyped-def]  # a function for `Stdlib`
    def cut(data: bytes) -> list[bytes]:
        out = []
        for size in sizes:
            out.append(data[:size])
            data = data[size:]
        return [one for one in (*out, data) if one]

    return cut


def test_it_is_a_transport() -> None:
    client, server = talk()
    transport: Transport = server.tls
    assert (repr(transport), repr(client.tls)) == (
        "<TlsTransport 192.0.2.7:4711 open queued=0>",
        "<TlsTransport 192.0.2.9:443 open queued=0>",
    )
    assert (transport.peer, transport.direct_peer, transport.local) == (server.below.peer, server.below.peer, server.below.local)
    assert client.handler.saw == ["made"]
    assert server.handler.saw == []


@pytest.mark.parametrize("version", [TlsVersion.TLSv1_2, TlsVersion.TLSv1_3])
def test_both_ends_exchange_bytes(version: TlsVersion) -> None:
    client, server = talk(downstream(parameters=TlsParameters(version, version)))
    client.tls.write(b"a question")
    client.tls.write(b", and another")
    carry(client, server)
    assert (server.handler.saw, server.handler.data) == (["data"], b"a question, and another")
    server.tls.write(b"x" * 100_000)
    carry(client, server)
    assert client.handler.data == b"x" * 100_000
    assert (client.tls.bytes_sent, server.tls.bytes_received) == (23, 23)
    assert (server.tls.bytes_sent, client.tls.bytes_received) == (100_000, 100_000)


@given(st.lists(st.integers(1, 400), max_size=60), st.integers(0, 40_000), st.binary(min_size=1, max_size=100))
@settings(deadline=None, max_examples=40)
def test_cuts_do_not_matter(sizes: list[int], padding: int, text: bytes) -> None:
    """A stranger's handshake and data, in packets of any size."""
    server = Server(FakeNetwork(Clock()), CONTEXTS)
    cut = pieces_of(sizes)
    stranger = Stdlib(server.below, stdlib_client()).shake(cut)
    assert stranger.done, (stranger.failure, server.failures)
    stranger.write(text, cut)
    stranger.write(b"y" * (padding + 1), cut)
    assert server.handler.data == text + b"y" * (padding + 1)
    server.tls.write(text * 3)
    server.below.network.run()
    stranger.turn()
    assert stranger.data == text * 3


def test_byte_by_byte() -> None:
    server = Server(FakeNetwork(Clock()), CONTEXTS)
    stranger = Stdlib(server.below, stdlib_client()).shake(lambda data: [data[at : at + 1] for at in range(len(data))])
    stranger.write(b"hello", lambda data: [data[at : at + 1] for at in range(len(data))])
    stranger.write(b"again")
    assert server.handler.data == b"helloagain"


def test_what_came_before_is_part_of_it() -> None:
    """Who looked at the first bytes hands them over, and data may come with the end of the handshake."""
    network = FakeNetwork(Clock())
    spare = Server(network, CONTEXTS)
    stranger = Stdlib(spare.below, stdlib_client())
    with pytest.raises(ssl.SSLWantReadError):
        stranger.ssl.do_handshake()
    server = Server(network, CONTEXTS, first=stranger._out.read())
    stranger.below = server.below
    network.run()
    stranger._in.write(server.below.take())
    stranger.ssl.do_handshake()
    stranger.ssl.write(b"early bird")
    stranger.send()
    assert server.handler.data == b"early bird"


def test_a_client_of_ours_with_a_server_that_is_not() -> None:
    network = FakeNetwork(Clock())
    client = Client(network, ClientContext(upstream(alpn_protocols=(b"http/1.1",))))
    client.below.establish()
    stranger = Stdlib(client.below, stdlib_server(leaf("a.example")), server=True).shake()
    assert (client.handler.saw, stranger.done) == (["made"], True)
    stranger.write(b"hello")
    assert client.handler.data == b"hello"
    client.tls.write(b"x" * 50_000)
    network.run()
    stranger.turn()
    assert stranger.data == b"x" * 50_000


# when it leaves


def test_small_writes_of_a_turn_leave_in_one_record() -> None:
    _, server = talk()
    server.tls.write(b"a" * 100)
    server.tls.write(b"b" * 100)
    assert server.below.written == b""
    server.below.network.run()
    assert len(server.below.written) == 200 + 22
    assert server.below.written[:3] == b"\x17\x03\x03"


def test_large_writes_leave_at_once_in_full_records() -> None:
    _, server = talk()
    server.tls.write(b"a")
    server.tls.write(b"b" * 40_000)
    assert len(server.below.written) == 40_001 + 3 * 22
    server.below.network.run()
    assert len(server.below.written) == 40_001 + 3 * 22


def test_many_writes_leave_before_the_turn_ends() -> None:
    _, server = talk()
    for _ in range(tls_transport._MANY_WRITES):
        server.tls.write(b"abc")
    server.below.network.flush()
    assert len(server.below.written) == 3 * tls_transport._MANY_WRITES + 22


def test_a_slow_peer_blocks_the_writer_once_and_nothing_is_held_twice() -> None:
    client, server = talk()
    server.below.room = 1000
    server.tls.write(b"x" * 100_000)
    assert server.handler.saw == ["blocked"]
    below = server.below.waiting
    server.tls.write(b"y" * 50_000)
    server.below.network.run()
    assert server.handler.saw == ["blocked"]
    assert server.below.waiting == below
    server.below.drain(10_000)
    assert server.handler.saw == ["blocked"]
    server.below.drain(100_000)  # all of the first, some of the second
    assert server.handler.saw == ["blocked"]
    server.below.drain()
    assert server.handler.saw == ["blocked", "drained"]
    carry(client, server)
    assert client.handler.data == b"x" * 100_000 + b"y" * 50_000


def test_who_rests_gets_nothing() -> None:
    client, server = talk()
    server.tls.pause()
    client.tls.write(b"hello")
    carry(client, server)
    assert server.handler.saw == []
    server.tls.resume()
    server.tls.resume()
    carry(client, server)
    assert server.handler.data == b"hello"


def test_who_rests_as_soon_as_the_handshake_is_done_gets_nothing() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    established = server._established

    def rest(transport: TlsTransport) -> Recorder | None:
        handler = established(transport)
        transport.pause()
        return handler

    server.below.handler._role._established = rest  # type: ignore[attr-defined]
    stranger = Stdlib(server.below, stdlib_client())
    network.run()
    stranger.turn()
    stranger._in.write(server.below.take())
    stranger.ssl.do_handshake()
    stranger.ssl.write(b"with the end of the handshake")
    stranger.send()
    assert server.handler.saw == []
    server.tls.resume()
    assert server.handler.saw == []
    network.run()
    assert server.handler.data == b"with the end of the handshake"


def last_flight(server: Server, text: bytes, unwrap: bool = False) -> Stdlib:
    """A client that says *text*, and with *unwrap* that it ends, in one piece with the end of its handshake."""
    stranger = Stdlib(server.below, stdlib_client())
    server.below.network.run()
    stranger.turn()
    stranger._in.write(server.below.take())
    stranger.ssl.do_handshake()
    stranger.done = True
    stranger.ssl.write(text)
    if unwrap:
        with contextlib.suppress(ssl.SSLWantReadError):
            stranger.ssl.unwrap()
    stranger.send()
    return stranger


def test_who_rests_hears_of_an_end_behind_what_came_before_it() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    established = server._established

    def rest(transport: TlsTransport) -> Recorder | None:
        transport.peer_ended = lambda: server.handler.saw.append("ended")
        transport.pause()
        return established(transport)

    server.below.handler._role._established = rest  # type: ignore[attr-defined]
    last_flight(server, b"all of it", unwrap=True)
    assert server.handler.saw == []
    server.tls.resume()
    network.run()
    assert (server.handler.data, server.handler.saw) == (b"all of it", ["data", "ended"])


@pytest.mark.parametrize("end", [False, True])
def test_large_first_words_cost_nothing_of_what_came_with_the_handshake(end: bool) -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    established = server._established

    def greet(transport: TlsTransport) -> Recorder | None:
        transport.write(b"g" * 40_000)
        if end:
            transport.half_close()
        return established(transport)

    server.below.handler._role._established = greet  # type: ignore[attr-defined]
    stranger = last_flight(server, b"at once")
    network.run()
    stranger.turn()
    assert (server.handler.data, stranger.data, stranger.ended) == (b"at once", b"g" * 40_000, end)
    stranger.write(b", and later")
    assert server.handler.data == b"at once, and later"


def test_who_closes_as_soon_as_the_handshake_is_done_hears_nothing_more() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    established = server._established

    def leave(transport: TlsTransport) -> Recorder | None:
        transport.close()
        return established(transport)

    server.below.handler._role._established = leave  # type: ignore[attr-defined]
    last_flight(server, b"too late")
    network.run()
    assert server.handler.saw == ["lost closed locally"]


def test_who_rests_before_the_handshake_is_done_does_not_hold_it_up() -> None:
    network = FakeNetwork(Clock())
    client, server = Client(network, ClientContext(upstream())), Server(network, CONTEXTS)
    client.tls.pause()
    carry(client, server)
    assert client.handler.saw == ["made"]
    server.tls.write(b"later")
    carry(client, server)
    assert client.handler.data == b""
    client.tls.resume()
    carry(client, server)
    assert client.handler.data == b"later"


def test_who_gets_blocked_by_the_handshake_is_told_when_it_is_done() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    client = Client(network, ClientContext(upstream()))
    client.below.establish()
    server.below.say(client.below.take())
    client.below.room = 10
    client.below.say(server.below.take())
    assert client.handler.saw == ["made", "blocked"]
    client.below.drain()
    assert client.handler.saw == ["made", "blocked", "drained"]


# how it ends


def test_closing_says_so_to_the_peer() -> None:
    client, server = talk()
    server.tls.write(b"the last")
    server.tls.close()
    server.tls.close()
    server.tls.write(b"ignored")
    carry(client, server)
    assert client.handler.data == b"the last"
    assert client.handler.saw[-1] == "lost closed"
    assert client.tls.tls is not None
    assert not client.tls.tls.truncated
    assert server.handler.saw == ["lost closed locally"]
    assert repr(server.tls).endswith(" closed queued=0>")


def test_closing_while_the_peer_is_slow_keeps_what_is_queued_and_ends_in_time() -> None:
    client, server = talk()
    server.below.room = 10
    server.tls.write(b"x" * 20_000)
    server.tls.write(b"y" * 20_000)
    server.tls.close(1.0)
    server.below.drain()
    carry(client, server)
    assert client.handler.data == b"x" * 20_000 + b"y" * 20_000
    assert server.handler.saw[-1] == "lost closed locally"


def test_a_peer_that_does_not_say_so_has_closed_and_is_known_to_have_cut() -> None:
    _, server = talk()
    server.below.hang_up()
    assert server.handler.saw == ["lost closed"]
    assert server.tls.tls is not None
    assert server.tls.tls.truncated


def test_a_reset_is_a_reset() -> None:
    _, server = talk()
    server.below.hang_up("reset")
    assert server.handler.saw == ["lost reset"]


def test_aborting() -> None:
    client, server = talk()
    server.tls.write(b"never")
    server.tls.abort()
    carry(client, server)
    assert server.handler.saw == ["lost aborted"]
    assert client.handler.saw == ["made", "lost reset"]
    server.tls.write(b"ignored")
    server.tls.flush()


def test_it_is_known_whether_something_waits_to_be_read() -> None:
    client, server = talk()
    assert not server.tls.unread()
    client.tls.write(b"question")
    client.below.network.run()
    record = client.below.take()
    server.below.say(record[:3])
    assert server.tls.unread()  # the rest of a record is on its way
    server.below.arrive(record[3:])
    assert server.tls.unread()
    server.below.network.run()
    assert server.handler.data == b"question"
    assert not server.tls.unread()


def test_half_of_it_can_end() -> None:
    client, server = talk()
    ended = []
    server.tls.peer_ended = lambda: ended.append("server")
    client.tls.write(b"all of it")
    client.tls.half_close()
    client.tls.half_close()
    client.tls.write(b"ignored")
    carry(client, server)
    assert (server.handler.data, ended, client.handler.saw) == (b"all of it", ["server"], ["made"])
    server.tls.write(b"an answer")
    carry(client, server)
    assert client.handler.data == b"an answer"
    server.tls.half_close()
    carry(client, server)
    assert client.handler.saw[-1] == "lost closed"
    assert server.handler.saw[-1] == "lost closed"


def test_half_of_it_can_end_without_words_of_tls() -> None:
    _, server = talk()
    ended = []
    server.tls.peer_ended = lambda: ended.append("server")
    server.below.hang_up()
    assert ended == ["server"]
    assert server.tls.tls is not None
    assert server.tls.tls.truncated
    server.tls.write(b"still")
    server.below.network.run()
    assert server.below.written


def test_nothing_is_kept_of_what_follows_the_end() -> None:
    client, server = talk()
    server.tls.peer_ended = lambda: None
    client.tls.half_close()
    carry(client, server)
    for _ in range(10):
        server.below.say(b"\x17\x03\x03\x10\0" + bytes(4096))
    assert tls_engine.BIO_read(server.tls.engine.inward, tls_engine.SCRATCH, tls_engine.SIZE) <= 0


def test_a_forged_record_ends_it() -> None:
    client, server = talk()
    client.tls.write(b"hello")
    client.below.network.run()
    record = bytearray(client.below.take())
    record[-1] ^= 1
    server.below.say(bytes(record))
    assert server.handler.saw == [
        "lost TLS_error:|268435596:SSL routines:OPENSSL_internal:DECRYPTION_FAILED_OR_BAD_RECORD_MAC:TLS_error_end"
    ]
    assert server.below.closing


def in_pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def test_the_largest_record_may_come_in_the_smallest_pieces() -> None:
    client, server = talk()
    client.tls.write(b"x" * 16384)
    client.below.network.run()
    server.below.say(*in_pieces(client.below.take(), 100))
    assert server.handler.data == b"x" * 16384


def test_bytes_without_data_end_it_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_transport, "_IDLE_BYTES", 5000)
    client, server = talk()
    for _ in range(2):
        client.tls.write(b"x" * 4000)
        client.below.network.run()
        server.below.say(*in_pieces(client.below.take(), 100))
    assert server.handler.data == b"x" * 8000
    client.tls.write(b"x" * 16384)
    client.below.network.run()
    server.below.say(*in_pieces(client.below.take(), 100))
    assert "TOO_MANY_EMPTY_FRAGMENTS" in server.handler.saw[-1]
    assert server.below.closing


@pytest.mark.parametrize("size", [5, 100_000])
def test_what_openssl_does_not_take_sends_nothing_and_ends_it(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    _, server = talk()
    monkeypatch.setattr(tls_transport, "SSL_write", lambda *_: -1)
    server.tls.write(b"x" * size)
    server.below.network.flush()
    assert server.below.written == b""
    assert server.handler.saw == ["lost TLS_error:|268435456:SSL routines:OPENSSL_internal:INTERNAL_ERROR:TLS_error_end"]


def test_what_is_known_stays_known_when_the_connection_is_gone() -> None:
    client, server = talk(
        downstream(validation=CertificateValidation(trusted_ca=authority().pem)), upstream(certificate=leaf("client.example"))
    )
    session = server.tls.tls
    assert session is not None
    server.below.hang_up()
    assert not hasattr(server.tls, "engine")
    for gone in (session, client.tls.tls):
        assert gone is not None
        assert (gone.version, gone.cipher, len(gone.session_id) % 64) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256", 0)
    assert [one.subject for one in session.peer_chain] == ["CN=client.example"]
    assert session.peer_certificate is session.peer_certificate
    assert session.local_certificate is not None
    assert session.local_certificate.subject == "CN=a.example"
    session.end()
    server.tls.write(b"ignored")
    server.tls.flush()
    server.tls.close()


def test_openssl_gives_its_memory_back_at_once() -> None:
    client, server = talk()
    openssl = [weakref.ref(end.tls.engine.connection) for end in (client, server)]
    client.tls.close()
    carry(client, server)
    assert [one() for one in openssl] == [None, None]


# what a peer of ill will does


def test_nobody_renegotiates_and_who_goes_on_trying_is_thrown_out() -> None:
    """TLS 1.2: a handshake within a connection is refused, and costs the other end its patience only so often."""
    server = Server(FakeNetwork(Clock()), CONTEXTS)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    end = SSL.Connection(context, None)
    end.set_connect_state()

    def turn(act: Callable[[], object]) -> None:
        for _ in range(3):
            with contextlib.suppress(SSL.Error):
                act()
            with contextlib.suppress(SSL.Error):
                server.below.say(end.bio_read(1 << 16))
            if said := server.below.take():
                end.bio_write(said)

    turn(end.do_handshake)
    assert server.tls.tls is not None
    end.send(b"hello")
    turn(lambda: None)
    assert server.handler.data == b"hello"
    for _ in range(500):
        with contextlib.suppress(SSL.Error):
            end.renegotiate()
        turn(end.do_handshake)
        if server.below.closing:
            break
    assert server.below.closing
    assert server.handler.saw[-1].startswith("lost TLS_error")
    assert server.handler.data == b"hello"
