"""What a request carries after the connection manager: as Envoy's upstream saw it (the order of fields aside)."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.http_connection_manager import ForwardClientCert, HttpConnectionManager, Underscores
from shifter.model.route import RouteConfiguration
from shifter.routing.errors import RequestRefused
from shifter.routing.forwarded import CONTROL_FIELDS, EDGE_FIELDS, Forwarding, address_from_right, expected_timeout, is_loopback
from shifter.wire.events import (
    HAS_REQUEST_ID,
    HAS_UNDERSCORE,
    HAS_X_ENVOY,
    HAS_XFF,
    HAS_XFP,
    TE_TRAILERS,
    UPGRADE,
    RequestHead,
    block_of,
    fields,
)

PLAIN = HttpConnectionManager("x", RouteConfiguration())
EDGE = dataclasses.replace(PLAIN, use_remote_address=True)
FLAGS = {b"x-forwarded-for": HAS_XFF, b"x-forwarded-proto": HAS_XFP, b"x-request-id": HAS_REQUEST_ID}


def request(*sent: tuple[bytes, bytes], scheme: bytes = b"http") -> RequestHead:
    flags = 0
    for name, _ in sent:
        flags |= (
            FLAGS.get(name, 0)
            | (HAS_X_ENVOY if name.startswith((b"x-envoy-", b"x-forwarded-client-cert")) else 0)
            | (HAS_UNDERSCORE if b"_" in name else 0)
        )
    return RequestHead(b"GET", b"/", b"h.test", block_of(sent), flags=flags, scheme=scheme)


def prepared(manager: HttpConnectionManager, *sent: tuple[bytes, bytes], peer: bytes = b"127.0.0.1") -> list[tuple[bytes, bytes]]:
    head = request(*sent)
    Forwarding(manager, b"192.0.2.2").prepare(head, peer, lambda: b"new-id")
    return sorted(fields(head.block))


def edge(
    *sent: tuple[bytes, bytes], xff: bytes = b"192.0.2.2", external: bytes = b"127.0.0.1", proto: bytes = b"http"
) -> list[tuple[bytes, bytes]]:
    added = [
        (b"x-forwarded-for", xff),
        (b"x-forwarded-proto", proto),
        (b"x-envoy-external-address", external),
        (b"x-request-id", b"new-id"),
    ]
    return sorted([*sent, *added])


ADDED = [(b"x-forwarded-proto", b"http"), (b"x-request-id", b"new-id")]
XFF, XFP, ID = b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id"


def test_the_usual_request_gains_two_fields_at_its_end() -> None:
    head = request((b"user-agent", b"t/1"))
    Forwarding(PLAIN).prepare(head, b"198.51.100.7", lambda: b"new-id")
    assert head.block == b"\r\nuser-agent: t/1\r\nx-forwarded-proto: http\r\nx-request-id: new-id"


def test_what_a_client_says_is_believed_on_a_plain_listener() -> None:
    said = [(XFF, b"9.9.9.9, 8.8.8.8"), (XFP, b"https"), (ID, b"mine")]
    assert prepared(PLAIN, *said) == sorted(said)
    assert prepared(PLAIN, (XFF, b"9.9.9.9")) == sorted([(XFF, b"9.9.9.9"), *ADDED])
    assert prepared(PLAIN, (ID, b"mine")) == sorted([(ID, b"mine"), ADDED[0]])
    assert prepared(PLAIN, (ID, b"")) == ADDED
    assert prepared(PLAIN, (XFP, b"")) == ADDED
    assert prepared(PLAIN, (XFP, b"ftp")) == sorted([(XFP, b"ftp"), ADDED[1]])


def test_an_edge_listener_says_itself_who_asks_and_how() -> None:
    assert prepared(EDGE) == edge()
    assert prepared(EDGE, (XFP, b"https"), (ID, b"mine")) == edge()
    assert prepared(EDGE, (XFF, b"9.9.9.9")) == edge(xff=b"9.9.9.9,192.0.2.2")
    assert prepared(EDGE, (XFF, b"9.9.9.9"), (XFF, b"8.8.8.8")) == edge(xff=b"9.9.9.9,8.8.8.8,192.0.2.2")
    assert prepared(EDGE, (XFF, b"")) == edge()
    assert prepared(EDGE, peer=b"198.51.100.7") == edge(xff=b"198.51.100.7", external=b"198.51.100.7")
    assert prepared(EDGE, (b"x-envoy-external-address", b"1.2.3.4")) == edge()


def test_without_an_address_of_its_own_it_shows_the_loopback_client() -> None:
    head = request()
    Forwarding(EDGE).prepare(head, b"::1", lambda: b"new-id")
    assert sorted(fields(head.block)) == edge(xff=b"::1", external=b"::1")


@pytest.mark.parametrize(
    ("hops", "chain", "external"),
    [
        (1, b"1.1.1.1", b"1.1.1.1"),
        (1, b"1.1.1.1, 2.2.2.2", b"2.2.2.2"),
        (1, b"junk", b"127.0.0.1"),
        (1, b"1.1.1.1:99", b"127.0.0.1"),
        (1, b"::1, fe80::1", b"fe80::1"),
        (2, b"1.1.1.1", b"127.0.0.1"),
        (2, b"1.1.1.1,2.2.2.2,3.3.3.3", b"2.2.2.2"),
        (2, b"1.1.1.1, junk", b"1.1.1.1"),
    ],
)
def test_trusted_hops_tell_the_client(hops: int, chain: bytes, external: bytes) -> None:
    trusting = dataclasses.replace(EDGE, xff_num_trusted_hops=hops)
    assert prepared(trusting, (XFF, chain)) == edge(xff=chain + b",192.0.2.2", external=external)
    assert prepared(trusting, (XFF, chain), (XFP, b"https")) == edge(xff=chain + b",192.0.2.2", external=external, proto=b"https")
    skipping = dataclasses.replace(trusting, skip_xff_append=True)
    assert prepared(skipping, (XFF, chain)) == edge(xff=chain, external=external)


def test_nothing_is_appended_where_that_is_switched_off() -> None:
    skipping = dataclasses.replace(EDGE, skip_xff_append=True)
    assert prepared(skipping) == [pair for pair in edge() if pair[0] != XFF]
    assert prepared(skipping, (XFF, b"1.1.1.1")) == edge(xff=b"1.1.1.1")


def test_request_ids() -> None:
    preserving = dataclasses.replace(EDGE, preserve_external_request_id=True)
    assert (ID, b"mine") in prepared(preserving, (ID, b"mine"))
    assert (ID, b"new-id") in prepared(preserving)
    for manager in (PLAIN, EDGE):
        silent = dataclasses.replace(manager, generate_request_id=False)
        assert ID not in dict(prepared(silent))
        assert (ID, b"mine") in prepared(silent, (ID, b"mine"))


@pytest.mark.parametrize(
    ("manager", "said", "scheme"),
    [
        (PLAIN, b"https", b"https"),
        (PLAIN, b"HTTPS", b"https"),
        (PLAIN, b"ftp", b"http"),
        (PLAIN, b"", b"http"),
        (PLAIN, b"https,http", b"http"),
        (EDGE, b"https", b"http"),
        (dataclasses.replace(EDGE, xff_num_trusted_hops=1), b"https", b"https"),
    ],
)
def test_a_believed_protocol_is_the_scheme(manager: HttpConnectionManager, said: bytes, scheme: bytes) -> None:
    head = request((XFP, said))
    Forwarding(manager).prepare(head, b"198.51.100.7", lambda: b"new-id")
    assert head.scheme == scheme


@pytest.mark.parametrize("manager", [PLAIN, EDGE])
@pytest.mark.parametrize(("secure", "told"), [(False, b"http"), (True, b"https")])
def test_whether_a_client_came_by_tls_is_told(manager: HttpConnectionManager, secure: bool, told: bytes) -> None:
    for head in (request(), request(scheme=b"https"), request((b"x-request-id", b"1"))):
        Forwarding(manager, secure=secure).prepare(head, b"198.51.100.7", lambda: b"new-id")
        assert (XFP, told) in list(fields(head.block))


def test_requests_of_http_1_do_not_say_their_scheme() -> None:
    head, h2 = request(), request()
    h2.version = 20
    for one in (head, h2):
        Forwarding(PLAIN, secure=True).prepare(one, b"198.51.100.7", lambda: b"new-id")
    assert (head.scheme, h2.scheme) == (b"https", b"http")
    trusted = request((XFP, b"http"))
    Forwarding(PLAIN, secure=True).prepare(trusted, b"198.51.100.7", lambda: b"new-id")
    assert trusted.scheme == b"http"


def test_a_scheme_can_be_said_by_the_configuration() -> None:
    head = request((XFP, b"http"))
    Forwarding(dataclasses.replace(PLAIN, scheme_to_overwrite=b"https")).prepare(head, b"198.51.100.7", lambda: b"new-id")
    assert head.scheme == b"https"
    assert [value for name, value in fields(head.block) if name == XFP] == [b"https"]


@pytest.mark.parametrize(
    ("details", "clear", "secure"),
    [
        (ForwardClientCert.SANITIZE, False, False),
        (ForwardClientCert.SANITIZE_SET, False, False),
        (ForwardClientCert.FORWARD_ONLY, False, True),
        (ForwardClientCert.APPEND_FORWARD, False, True),
        (ForwardClientCert.ALWAYS_FORWARD_ONLY, True, True),
    ],
)
def test_a_certificate_that_somebody_else_has_seen(details: ForwardClientCert, clear: bool, secure: bool) -> None:
    for manager in (PLAIN, EDGE):
        for over_tls, kept in ((False, clear), (True, secure)):
            head = request((b"x-forwarded-client-cert", b"By=a"), (b"x-envoy-retry-on", b"5xx"))
            Forwarding(dataclasses.replace(manager, forward_client_cert=details), secure=over_tls).prepare(
                head, b"198.51.100.7", lambda: b"new-id"
            )
            assert (b"x-forwarded-client-cert" in head.block) is kept
            assert b"x-envoy-retry-on" not in head.block


def test_control_fields_are_not_believed() -> None:
    kept = [(b"x-envoy-attempt-count", b"7"), (b"x-envoy-something", b"1")]
    assert prepared(PLAIN, *((name, b"1") for name in CONTROL_FIELDS), *kept) == sorted([*kept, *ADDED])
    assert prepared(EDGE, *((name, b"1") for name in EDGE_FIELDS), *kept) == edge(*kept)
    passed = [(name, b"1") for name in EDGE_FIELDS - CONTROL_FIELDS]
    assert prepared(PLAIN, *passed) == sorted([*passed, *ADDED])


def test_a_client_certificate_that_nobody_checked_is_taken_out() -> None:
    assert prepared(PLAIN, (b"x-forwarded-client-cert", b"By=me"), (XFF, b"1.1.1.1")) == sorted([(XFF, b"1.1.1.1"), *ADDED])


def test_names_with_underscores() -> None:
    sent = [(b"x_a", b"1"), (b"x-b", b"2")]
    assert prepared(PLAIN, *sent) == sorted([*sent, *ADDED])
    dropping = dataclasses.replace(PLAIN, headers_with_underscores=Underscores.DROP_HEADER)
    assert prepared(dropping, *sent) == sorted([sent[1], *ADDED])
    with pytest.raises(RequestRefused) as refused:
        prepared(dataclasses.replace(PLAIN, headers_with_underscores=Underscores.REJECT_REQUEST), *sent)
    assert refused.value.status == 400


def test_te_trailers_goes_on_and_an_upgrade_does_not() -> None:
    head = request()
    head.flags |= TE_TRAILERS
    Forwarding(PLAIN).prepare(head, b"198.51.100.7", lambda: b"new-id")
    assert (b"te", b"trailers") in list(fields(head.block))
    head = request()
    head.flags |= UPGRADE
    with pytest.raises(RequestRefused) as refused:
        Forwarding(PLAIN).prepare(head, b"198.51.100.7", lambda: b"new-id")
    assert refused.value.status == 403


def test_the_time_that_the_upstream_may_count_on() -> None:
    assert expected_timeout(15.0) == b"\r\nx-envoy-expected-rq-timeout-ms: 15000"
    assert expected_timeout(0.25) == b"\r\nx-envoy-expected-rq-timeout-ms: 250"
    assert expected_timeout(0.0) == b""


@given(st.lists(st.sampled_from([b"1.1.1.1", b" ::1 ", b"", b"junk", b"1.1.1.1:80"]), max_size=4), st.integers(0, 4))
def test_addresses_are_counted_from_the_right(chain: list[bytes], place: int) -> None:
    given_there = chain[::-1][place].strip() if place < len(chain) else b""
    expected = given_there if given_there in (b"1.1.1.1", b"::1") else None
    assert address_from_right(b",".join(chain), place) == expected


def test_loopback() -> None:
    assert [is_loopback(address) for address in (b"127.0.0.1", b"127.9.9.9", b"::1", b"1.1.1.1", b"::2")] == [
        True,
        True,
        True,
        False,
        False,
    ]


NAMES = st.sampled_from([XFF, XFP, ID, b"x-envoy-retry-on", b"x-a", b"x_b", b"x-envoy-original-path"])


@given(st.sampled_from([PLAIN, EDGE]), st.lists(st.tuples(NAMES, st.sampled_from([b"", b"1", b"https"])), max_size=6))
def test_whatever_is_sent_the_upstream_gets_one_protocol_one_id_and_every_other_field(
    manager: HttpConnectionManager, sent: list[tuple[bytes, bytes]]
) -> None:
    said = {name for name, value in sent if value}
    seen = prepared(manager, *sent)
    names = [name for name, _ in seen]
    others = {XFF, XFP, ID, b"x-envoy-external-address", *EDGE_FIELDS}
    assert [pair for pair in seen if pair[0] not in others] == sorted(pair for pair in sent if pair[0] not in others)
    assert XFP in names
    assert ID in names
    assert b"x-envoy-retry-on" not in names
    if manager is EDGE or XFP not in said:
        assert names.count(XFP) == 1
    if manager is EDGE or ID not in said:
        assert names.count(ID) == 1


INTERNAL = dataclasses.replace(PLAIN, internal_addresses=("10.0.0.0/8", "fd00::/8"))
INTERNAL_EDGE = dataclasses.replace(EDGE, internal_addresses=("10.0.0.0/8", "127.0.0.0/8"))
WISHES = ((b"x-envoy-force-trace", b"1"), (b"x-envoy-ip-tags", b"t"), (b"x-envoy-upstream-rq-timeout-ms", b"5"))
IS_INTERNAL = (b"x-envoy-internal", b"true")


@pytest.mark.parametrize(
    ("manager", "chain", "peer", "internal"),
    [
        (INTERNAL, b"10.1.2.3", b"192.0.2.7", True),
        (INTERNAL, b"fd00::7", b"192.0.2.7", True),
        (INTERNAL, b"10.1.2.3, 10.1.2.4", b"10.0.0.1", False),
        (INTERNAL, b"192.0.2.9", b"10.0.0.1", False),
        (INTERNAL, b"nobody", b"10.0.0.1", False),
        (INTERNAL, None, b"10.0.0.1", False),
        (dataclasses.replace(INTERNAL, xff_num_trusted_hops=1), b"10.1.2.3", b"10.0.0.1", False),
        (INTERNAL_EDGE, None, b"127.0.0.1", True),
        (INTERNAL_EDGE, None, b"192.0.2.7", False),
        (INTERNAL_EDGE, b"10.1.2.3", b"127.0.0.1", False),
    ],
)
def test_who_is_internal(manager: HttpConnectionManager, chain: bytes | None, peer: bytes, internal: bool) -> None:
    sent = (*WISHES, *(((b"x-forwarded-for", chain),) if chain is not None else ()), (b"x-envoy-internal", b"maybe"))
    told = prepared(manager, *sent, peer=peer)
    assert (IS_INTERNAL in told) is internal
    assert (WISHES[0] in told) is internal
    assert (WISHES[1] in told) is internal
    assert (WISHES[2] in told) is internal, "its route takes it out"
    assert (b"x-envoy-internal", b"maybe") not in told


def test_an_internal_client_cannot_speak_for_a_certificate_that_nobody_checked() -> None:
    manager = dataclasses.replace(EDGE, internal_addresses=("10.0.0.0/8",))
    told = prepared(manager, (b"x-forwarded-client-cert", b"By=me"), WISHES[0], peer=b"10.0.0.1")
    assert WISHES[0] in told
    assert b"x-forwarded-client-cert" not in dict(told)


def test_an_internal_client_of_an_edge_keeps_its_id_and_has_no_external_address() -> None:
    told = prepared(INTERNAL_EDGE, (b"x-request-id", b"mine"))
    assert told == sorted(
        [(b"x-request-id", b"mine"), (b"x-forwarded-for", b"192.0.2.2"), (b"x-forwarded-proto", b"http"), (b"x-envoy-internal", b"true")]
    )


def test_fields_for_internal_clients_only() -> None:
    config = RouteConfiguration(internal_only_headers=(b"x-inside",))
    manager = dataclasses.replace(PLAIN, route_config=config)
    assert prepared(manager, (b"x-inside", b"1"), (b"x-outside", b"1")) == sorted([(b"x-outside", b"1"), *ADDED])
    inside = dataclasses.replace(INTERNAL, route_config=config)
    assert (b"x-inside", b"1") in prepared(inside, (b"x-inside", b"1"), (b"x-forwarded-for", b"10.0.0.1"))


@pytest.mark.parametrize(
    ("manager", "sent", "told"),
    [
        (PLAIN, None, b"8080"),
        (PLAIN, b"99", b"99"),
        (EDGE, None, b"8080"),
        (EDGE, b"99", b"8080"),
        (dataclasses.replace(EDGE, xff_num_trusted_hops=1), b"99", b"99"),
    ],
)
def test_the_port(manager: HttpConnectionManager, sent: bytes | None, told: bytes) -> None:
    head = request(*(((b"x-forwarded-port", sent),) if sent is not None else ()))
    Forwarding(dataclasses.replace(manager, append_x_forwarded_port=True), local_port=8080).prepare(head, b"192.0.2.7", lambda: b"id")
    assert [value for name, value in fields(head.block) if name == b"x-forwarded-port"] == [told]


def test_via() -> None:
    manager = dataclasses.replace(PLAIN, via=b"us")
    assert (b"via", b"us") in prepared(manager)
    assert (b"via", b"1.1 them, us") in prepared(manager, (b"via", b"1.1 them"))


@pytest.mark.parametrize(
    ("manager", "chain", "remote"),
    [
        (PLAIN, b"198.51.100.1, 203.0.113.7", b"203.0.113.7:0"),
        (PLAIN, b"2001:db8::7", b"[2001:db8::7]:0"),
        (PLAIN, b"nobody", None),
        (PLAIN, None, None),
        (dataclasses.replace(PLAIN, xff_num_trusted_hops=1), b"198.51.100.1, 203.0.113.7", b"198.51.100.1:0"),
        (EDGE, b"203.0.113.7", None),
        (dataclasses.replace(EDGE, xff_num_trusted_hops=1), b"198.51.100.1, 203.0.113.7", b"203.0.113.7:0"),
        (dataclasses.replace(EDGE, xff_num_trusted_hops=1, skip_xff_append=True), b"198.51.100.1, 203.0.113.7", b"203.0.113.7:0"),
        (dataclasses.replace(EDGE, xff_num_trusted_hops=1), None, None),
    ],
)
def test_the_clients_address(manager: HttpConnectionManager, chain: bytes | None, remote: bytes | None) -> None:
    head = request(*(((b"x-forwarded-for", chain),) if chain is not None else ()))
    forwarding = Forwarding(manager)
    forwarding.prepare(head, b"192.0.2.7", lambda: b"id")
    assert forwarding.remote(head) == remote
