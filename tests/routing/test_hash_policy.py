"""Hashes of requests: as Envoy 1.40 answered (what a value hashes to was read off its choice among 251 entries)."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from shifter.model.route import HashPolicy, HashSource, RegexRewrite
from shifter.routing.errors import RoutingError
from shifter.routing.hash_policy import (
    Newcomer,
    address_of,
    asks_for_client,
    compile_hash,
    gives_cookies,
)
from shifter.wire.events import RequestHead, block_of

ENTRIES = 251


def header(name: bytes = b"x-u", **more: object) -> HashPolicy:
    return HashPolicy(HashSource.HEADER, name, **more)  # type: ignore[arg-type]  # fields of the policy


def cookie(**more: object) -> HashPolicy:
    return HashPolicy(HashSource.COOKIE, b"s", **more)  # type: ignore[arg-type]  # fields of the policy


def parameter() -> HashPolicy:
    return HashPolicy(HashSource.QUERY_PARAMETER, b"a")


def newcomer() -> Newcomer:
    return Newcomer(lambda: 0x1234_5678_9ABC_DEF0)


def hash_of(policies: list[HashPolicy], *fields: tuple[bytes, bytes], path: bytes = b"/", client: bytes = b"") -> int | None:
    head = RequestHead(b"GET", path, b"h.test", block_of(fields))
    return compile_hash(policies)(head, client, newcomer())


@pytest.mark.parametrize(
    ("policies", "fields", "entry"),
    [
        ([header()], [(b"x-u", b"abc")], 48),
        ([header()], [(b"x-u", b"")], 40),
        ([header()], [(b"x-u", b"foo"), (b"x-u", b"bar")], 91),
        ([header()], [(b"x-u", b"bar"), (b"x-u", b"foo")], 91),
        ([header()], [(b"x-u", b"foo"), (b"x-u", b"bar"), (b"x-u", b"a")], 95),
        ([header(), header(b"x-v")], [(b"x-u", b"a"), (b"x-v", b"b")], 77),
        ([header(), header(b"x-v")], [(b"x-u", b"a")], 31),
        ([header(), header(b"x-v")], [(b"x-v", b"b")], 165),
        ([header(terminal=True), header(b"x-v")], [(b"x-u", b"a"), (b"x-v", b"b")], 31),
        ([header(terminal=True), header(b"x-v")], [(b"x-v", b"b")], 165),
        ([header(regex_rewrite=RegexRewrite(b"a(.)", rb"\1\1"))], [(b"x-u", b"xabacy")], 78),
        ([header(regex_rewrite=RegexRewrite(b"a(.)", rb"\1\1"))], [(b"x-u", b"ab"), (b"x-u", b"aa")], 95),
        ([header(b":authority")], [], 230),
        ([header(b"Host")], [], 230),
        ([header(b"accept")], [(b"accept", b"b"), (b"accept", b"a")], 160),
        ([cookie()], [(b"cookie", b"s=v")], 191),
        ([cookie()], [(b"cookie", b"s=v=w")], 133),
        ([cookie(ttl=0.0)], [(b"cookie", b"s=v")], 191),
    ],
)
def test_hashes_are_envoys(policies: list[HashPolicy], fields: list[tuple[bytes, bytes]], entry: int) -> None:
    found = hash_of(policies, *fields)
    assert found is not None
    assert found % ENTRIES == entry


def test_the_path_is_hashed_with_its_query_and_the_client_without_its_port() -> None:
    assert (hash_of([header(b":path")], path=b"/hpath?x") or 0) % ENTRIES == 203
    assert (hash_of([HashPolicy(HashSource.SOURCE_IP)], client=address_of(b"127.0.0.1:5000")) or 0) % ENTRIES == 221
    assert address_of(b"[::1]:80") == b"::1"
    assert asks_for_client([header(), HashPolicy(HashSource.SOURCE_IP)])
    assert not asks_for_client([header()])


@pytest.mark.parametrize("policies", [[header()], [cookie()], [parameter()], [HashPolicy(HashSource.SOURCE_IP)], [header(), cookie()]])
def test_nothing_to_hash_is_no_hash(policies: list[HashPolicy]) -> None:
    assert hash_of(policies) is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"a; s=v", b"v"),
        (b's="v"', b"v"),
        (b"s=x; s=v", b"x"),
        (b's=""', None),
        (b"s=", None),
        (b"s", None),
        (b"s =v", None),
        (b"S=v", None),
    ],
)
def test_a_cookie_counts_if_it_has_a_value(line: bytes, value: bytes | None) -> None:
    assert hash_of([cookie()], (b"cookie", line)) == (None if value is None else xxh64_intdigest(value))


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (b"/q?a=b", b"b"),
        (b"/q?a=b&a=c", b"b"),
        (b"/q?a=%62", b"%62"),
        (b"/q?a=b+c", b"b+c"),
        (b"/q?a=b=c", b"b=c"),
        (b"/q?a", b""),
        (b"/q?a=", b""),
        (b"/q?b=1&a=b", b"b"),
        (b"/q?&a=b", b"b"),
        (b"/q", None),
        (b"/q?A=b", None),
        (b"/q?%61=b", None),
        (b"/a=b", None),
    ],
)
def test_parameters_are_taken_as_they_are_written(target: bytes, value: bytes | None) -> None:
    assert hash_of([parameter()], path=target) == (None if value is None else xxh64_intdigest(value))


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (cookie(ttl=0.0), b's="%b"; HttpOnly'),
        (cookie(ttl=60.9, path=b"/a"), b's="%b"; Max-Age=60; Path=/a; HttpOnly'),
        (
            cookie(ttl=1.0, attributes=((b"SameSite", b"Lax"), (b"Secure", b""))),
            b's="%b"; Max-Age=1; SameSite=Lax; Secure; HttpOnly',
        ),
    ],
)
def test_who_comes_without_the_cookie_is_given_one(policy: HashPolicy, line: bytes) -> None:
    given_to = newcomer()
    value = b"365cfa89afc56310"
    head = RequestHead(b"GET", b"/", b"h.test")
    assert gives_cookies([policy])
    found = compile_hash([policy])(head, b"", given_to)
    assert found == xxh64_intdigest(value)
    assert given_to.lines == b"\r\nset-cookie: " + line % value
    again = newcomer()
    came_back = RequestHead(b"GET", b"/", b"h.test", b"\r\ncookie: s=" + value)
    assert compile_hash([policy])(came_back, b"", again) == found
    assert again.lines == b""


def test_no_cookie_is_given_behind_a_terminal_policy() -> None:
    policies = [header(terminal=True), cookie(ttl=5.0)]
    known, unknown = newcomer(), newcomer()
    compile_hash(policies)(RequestHead(b"GET", b"/", b"h.test", b"\r\nx-u: me"), b"", known)
    compile_hash(policies)(RequestHead(b"GET", b"/", b"h.test"), b"", unknown)
    assert (known.lines, bool(unknown.lines)) == (b"", True)
    assert not gives_cookies([header(), cookie()])


@pytest.mark.parametrize(
    "policy",
    [
        HashPolicy(HashSource.COOKIE, b"", ttl=1.0),
        HashPolicy(HashSource.COOKIE, b"a b", ttl=1.0),
        HashPolicy(HashSource.COOKIE, b"a=b", ttl=1.0),
        HashPolicy(HashSource.COOKIE, b"a\r\nx: y", ttl=1.0),
        cookie(ttl=1.0, path=b"/a;b"),
        cookie(ttl=1.0, path=b"/\r\nx: y"),
        cookie(ttl=1.0, attributes=((b"a", b"b;c"),)),
        header(regex_rewrite=RegexRewrite(b"(", b"")),
    ],
)
def test_what_cannot_stand_in_a_cookie_is_refused(policy: HashPolicy) -> None:
    with pytest.raises(RoutingError):
        compile_hash([policy])


@given(st.lists(st.binary(max_size=5).filter(lambda text: not set(text) & set(b"\r\n")), min_size=1, max_size=5), st.randoms())
def test_the_order_of_lines_does_not_matter(lines: list[bytes], random: Random) -> None:
    shuffled = lines[:]
    random.shuffle(shuffled)
    assert hash_of([header()], *[(b"x-u", line) for line in lines]) == hash_of([header()], *[(b"x-u", line) for line in shuffled])


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=20))
def test_whatever_comes_is_hashed_to_64_bits(cookies: bytes, query: bytes, value: bytes) -> None:
    policies = [header(), cookie(ttl=0.0), parameter(), HashPolicy(HashSource.SOURCE_IP)]
    found = hash_of(policies, (b"cookie", cookies), (b"x-u", value), path=b"/?" + query, client=b"192.0.2.1")
    assert found is not None
    assert 0 <= found < 2**64
