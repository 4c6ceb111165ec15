"""Handshakes that come to nothing, and those that come to something."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from shifter.model.tls import CertificateValidation
from shifter.net.tls import ClientContext, ClientTls, ServerContexts, TlsTransport
from shifter.net.transport import ConnectOptions
from tests.support.tls_ends import (
    PEER,
    Client,
    Server,
    Stdlib,
    authority,
    carry,
    downstream,
    leaf,
    stdlib_client,
    talk,
    upstream,
)
from tests.support.transports import FakeNetwork
from tests.support.turns import Recorder

CONTEXTS = ServerContexts(downstream())


# handshakes that come to nothing


@pytest.mark.parametrize(
    ("said", "name", "words"),
    [
        (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP_REQUEST", "it was spoken to in plain HTTP"),
        (b"\x00\xff" * 50, "WRONG_VERSION_NUMBER", "the other end does not speak TLS, or no version that is allowed here"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "WRONG_VERSION_NUMBER", "the other end does not speak TLS, or no version that is allowed here"),
    ],
)
def test_what_is_not_tls_is_told(said: bytes, name: str, words: str) -> None:
    server = Server(FakeNetwork(Clock()), CONTEXTS)
    server.below.say(said)
    [failure] = server.failures
    assert f":{name}:TLS_error_end" in failure.reason
    assert (failure.kind, str(failure)) == ("connection_error", words)
    assert server.transport is None
    server.below.network.clock.advance(2.0)
    server.below.network.tick()
    assert server.below.lost == "closed locally"
    assert len(server.failures) == 1


@given(st.binary(min_size=1, max_size=200))
@settings(deadline=None, max_examples=60)
def test_garbage_is_no_trouble(said: bytes) -> None:
    server = Server(FakeNetwork(Clock()), CONTEXTS)
    server.below.say(said)
    server.below.hang_up()
    assert len(server.failures) == 1
    assert server.failures[0].kind in ("connection_error", "closed")


def test_a_handshake_has_its_time() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS, timeout=3.0)
    network.clock.advance(2.9)
    assert server.failures == []
    network.clock.advance(0.2)
    network.run()
    assert [str(failure) for failure in server.failures] == ["the handshake took longer than 3 s"]
    assert server.failures[0].kind == "timeout"
    assert network.clock.getDelayedCalls() == []


def test_time_ends_with_the_handshake() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    assert len(network.clock.getDelayedCalls()) == 1
    Stdlib(server.below, stdlib_client()).shake()
    assert network.clock.getDelayedCalls() == []
    assert server.tls.tls is not None


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_peer_that_goes_away_meanwhile(how: str) -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS)
    server.below.hang_up(how)
    assert [failure.kind for failure in server.failures] == ["closed"]
    client = Client(network, ClientContext(upstream()))
    client.below.establish()
    client.below.hang_up(how)
    assert client.handler.saw == [f"lost {how}"]
    assert [failure.reason for failure in client.failures] == [""]


def test_a_server_that_is_not_wanted_after_all() -> None:
    network = FakeNetwork(Clock())
    server = Server(network, CONTEXTS, refuse=True)
    Stdlib(server.below, stdlib_client()).shake()
    assert server.below.lost == "aborted"
    assert server.failures == []


def test_closing_before_it_is_done_aborts() -> None:
    network = FakeNetwork(Clock())
    client = Client(network, ClientContext(upstream()))
    client.below.establish()
    client.tls.close()
    network.run()
    assert client.handler.saw == ["lost aborted"]


def test_what_is_written_before_it_is_done_waits() -> None:
    network = FakeNetwork(Clock())
    client, server = Client(network, ClientContext(upstream())), Server(network, CONTEXTS)
    client.tls.write(b"first ")
    client.tls.half_close()  # not before it is made
    carry(client, server)
    client.tls.write(b"second")
    carry(client, server)
    assert server.handler.data == b"first second"


def test_a_client_refuses_a_certificate_that_it_cannot_trust_and_both_hear_of_it() -> None:
    client, server = talk(client=upstream(CertificateValidation(trusted_ca=authority("Other CA").pem)))
    assert client.handler.saw[-1].startswith("lost TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:")
    assert client.failures[0].kind == "fail_verify_error"
    assert str(client.failures[0]) == (
        "the certificate of CN=a.example for a.example, signed by CN=Test CA, is signed by an authority that is not known here, CN=Test CA"
    )
    assert server.failures[0].kind == "connection_error"
    assert str(server.failures[0]) == "the other end does not know who signed our certificate"


def test_a_refused_connection_never_shakes_hands() -> None:
    network = FakeNetwork(Clock())
    client = Client(network, ClientContext(upstream()))
    client.below.refuse()
    assert client.handler.saw == ["lost refused"]


def test_an_address_is_no_server_name() -> None:
    client, server = talk(downstream(leaf("192.0.2.9")), server_name="192.0.2.9")
    assert client.tls.tls is not None
    assert client.tls.tls.verified
    assert server.tls.tls is not None
    assert server.tls.tls.server_name == ""
    client, _ = talk(downstream(leaf("192.0.2.9")), server_name="")
    assert client.handler.saw == ["made"]
    client, _ = talk(downstream(leaf("192.0.2.8")), server_name="")
    assert client.failures[0].kind == "fail_verify_san"


@pytest.mark.parametrize("name", ["", "x" * 300, "a\0b", "\udcff.example", "a..b.\u00e4", "." * 10])
def test_names_that_cannot_be_asked_for_are_nobodys(name: str) -> None:
    client, server = talk(server_name=name)
    assert client.failures[0].kind == "fail_verify_san"
    assert server.failures


def test_names_beyond_ascii_are_asked_for_as_dns_has_them() -> None:
    client, server = talk(downstream(leaf("xn--mller-kva.example")), server_name="m\u00fcller.example")
    assert client.handler.saw == ["made"]
    assert server.tls.tls is not None
    assert server.tls.tls.server_name == "xn--mller-kva.example"


def test_the_race_is_over_when_hands_were_shaken() -> None:
    network = FakeNetwork(Clock())
    how = ConnectOptions(tls=ClientTls(ClientContext(upstream()), "a.example"))
    handler = Recorder()
    secured = network.connect(PEER, handler, how)
    assert isinstance(secured, TlsTransport)
    assert repr(secured) == "<TlsTransport 192.0.2.9:443 shaking hands queued=0>"
    network.outgoing[-1].establish()
    assert handler.saw == []
