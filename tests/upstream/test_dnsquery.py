"""What counts in an answer. The questions themselves are in tests/live/test_dns.py."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns

from shifter.upstream.dnsquery import AAAA, A, Answer, addresses_of, is_whole_answer


def address(owner: str, host: str, ttl: int = 60) -> dns.RRHeader:
    kind, payload = (AAAA, dns.Record_AAAA(host)) if ":" in host else (A, dns.Record_A(host))
    return dns.RRHeader(owner.encode(), kind, dns.IN, ttl, payload)


def alias(owner: str, target: str, ttl: int = 60) -> dns.RRHeader:
    return dns.RRHeader(owner.encode(), dns.CNAME, dns.IN, ttl, dns.Record_CNAME(target.encode()))


def test_each_address_counts_once() -> None:
    assert addresses_of(b"a", A, [address("a", "10.0.0.2"), address("A", "10.0.0.1"), address("a", "10.0.0.2")]) == Answer(
        ("10.0.0.2", "10.0.0.1"), 60.0
    )


def test_only_the_kind_that_was_asked_for() -> None:
    records = [address("a", "10.0.0.1"), address("a", "::1"), dns.RRHeader(b"a", dns.TXT, payload=dns.Record_TXT(b"10.0.0.2"))]
    assert addresses_of(b"a", AAAA, records).addresses == ("::1",)
    assert addresses_of(b"a", A, records).addresses == ("10.0.0.1",)


def test_aliases_may_come_in_any_order_and_the_shortest_life_counts() -> None:
    records = [address("C", "10.0.0.1", 50), alias("B", "c", 20), alias("a", "b", 30), address("x", "10.0.0.2", 1)]
    assert addresses_of(b"a", A, records) == Answer(("10.0.0.1",), 20.0)


def test_aliases_in_a_circle_have_no_address() -> None:
    assert addresses_of(b"a", A, [alias("a", "b"), alias("b", "a"), address("x", "10.0.0.1")]) == Answer()


def test_a_ttl_with_the_highest_bit_is_none() -> None:
    """RFC 2181 section 8."""
    assert addresses_of(b"a", A, [address("a", "10.0.0.1", 1 << 31)]).ttl == 0.0


def answer(count: int, trunc: bool = False, answer: bool = True) -> bytes:
    message = dns.Message(7, answer=answer, trunc=trunc, maxSize=0)
    message.queries = [dns.Query(b"a.test")]
    message.answers = [address("a.test", f"10.0.0.{i}") for i in range(count)]
    data: bytes = message.toStr()
    return data


def test_whole_answers() -> None:
    assert is_whole_answer(answer(0), may_be_cut=False)
    assert is_whole_answer(answer(3), may_be_cut=False)
    assert not is_whole_answer(answer(3, answer=False), may_be_cut=True)
    assert is_whole_answer(answer(3, trunc=True), may_be_cut=True)
    assert not is_whole_answer(answer(3, trunc=True), may_be_cut=False)


@given(st.integers(1, 5), st.data())
def test_what_is_cut_is_not_whole(count: int, data: st.DataObject) -> None:
    whole = answer(count)
    assert not is_whole_answer(whole[: data.draw(st.integers(0, len(whole) - 1))], may_be_cut=False)


@given(st.binary() | st.binary(max_size=80).map(lambda noise: answer(2)[:4] + noise), st.booleans())
def test_noise_does_no_harm(data: bytes, may_be_cut: bool) -> None:
    assert is_whole_answer(data, may_be_cut) in (True, False)
