"""Which entry serves a request: by number, by field, by hash, or where its user already is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh64_intdigest

from shifter.model.bootstrap import RuntimeLayer
from shifter.model.route import HashPolicy, HashSource, RouteAction, WeightedCluster
from shifter.routing.errors import RoutingError
from shifter.routing.hash_policy import Newcomer
from shifter.routing.runtime import Runtime
from shifter.routing.weighted_clusters import compile_pick, is_plain, is_sticky, needs_client, uint64
from shifter.wire.events import RequestHead

HEADER = HashPolicy(HashSource.HEADER, b"x-user")
COOKIE = HashPolicy(HashSource.COOKIE, b"seen")
GIVEN = HashPolicy(HashSource.COOKIE, b"seen", ttl=60.0)
SOURCE = HashPolicy(HashSource.SOURCE_IP)


def action(*weights: int, **more: Any) -> RouteAction:
    return RouteAction(tuple(WeightedCluster(f"v{at}", weight) for at, weight in enumerate(weights)), **more)


def by_hash(*policies: HashPolicy, weights: tuple[int, ...] = (25, 75)) -> RouteAction:
    return action(*weights, use_hash_policy=True, hash_policy=policies)


def head(block: bytes = b"", random: int = 0) -> RequestHead:
    made = RequestHead(b"GET", b"/", b"h.test", block)
    made.random = random
    return made


def pick(what: RouteAction, request: RequestHead, client: bytes = b"", values: Runtime | None = None) -> tuple[int, bytes]:
    newcomer = Newcomer(lambda: request.random)
    chosen = compile_pick(what, range(len(what.clusters)), values or Runtime())(request, client, newcomer)
    return chosen, newcomer.lines


def runtime(**values: int) -> Runtime:
    return Runtime([RuntimeLayer("static", {key.replace("__", "."): value for key, value in values.items()})])


def test_what_a_route_asks_for() -> None:
    assert is_plain(action(1, 2))
    assert is_plain(action(1, 2, hash_policy=(HEADER,)))
    assert is_plain(action(1, 2, use_hash_policy=True))
    assert not is_plain(action(1, 2, random_value_header=b"x"))
    assert not is_plain(action(1, 2, runtime_key_prefix="x"))
    assert not is_plain(by_hash(HEADER))
    assert [is_sticky(by_hash(*policies)) for policies in [(HEADER,), (COOKIE,), (GIVEN,), (HEADER, GIVEN)]] == [False, False, True, True]
    assert not is_sticky(action(1, 2, hash_policy=(GIVEN,)))
    assert needs_client(by_hash(SOURCE))
    assert not needs_client(by_hash(HEADER))


@pytest.mark.parametrize(
    ("block", "entry"),
    [
        (b"\r\nx-n: 24", 0),
        (b"\r\nx-n: 25", 1),
        (b"\r\nx-n: 124", 0),
        (b"\r\nx-n: +24", 0),
        (b"\r\nx-n: 18446744073709551615", 0),  # 15 modulo 100
        (b"\r\nx-n: 18446744073709551616", 1),
        (b"\r\nx-n: 5\r\nx-n: 5", 1),
        (b"\r\nx-n: -5", 1),
        (b"\r\nx-n: 0x5", 1),
        (b"\r\nx-n: ", 1),
        (b"", 1),
    ],
)
def test_a_field_may_bring_the_number(block: bytes, entry: int) -> None:
    assert pick(action(25, 75, random_value_header=b"X-N"), head(block, random=99)) == (entry, b"")


@given(st.text("0123456789+- x", max_size=24))
def test_numbers_are_read_as_envoy_reads_them(text: str) -> None:
    number = uint64(text.encode())
    bare = text.strip()
    plain = bare.removeprefix("+")
    if plain.isdecimal() and int(plain) < 2**64:
        assert number == int(plain)
    else:
        assert number is None


def test_a_hash_is_a_number_like_another() -> None:
    for user in range(50):
        value = b"user-%d" % user
        expected = 0 if xxh64_intdigest(value) % 100 < 25 else 1
        assert pick(by_hash(HEADER), head(b"\r\nx-user: " + value)) == (expected, b"")
        assert pick(by_hash(COOKIE), head(b"\r\ncookie: seen=" + value)) == (expected, b"")
        assert pick(by_hash(SOURCE), head(), client=value) == (expected, b"")


def test_who_has_no_hash_is_placed_at_random() -> None:
    assert [pick(by_hash(COOKIE), head(random=number)) for number in (24, 25)] == [(0, b""), (1, b"")]


def test_a_newcomer_gets_a_cookie_and_comes_back_to_the_same_entry() -> None:
    what = by_hash(GIVEN)
    places = set()
    for number in range(40):
        entry, lines = pick(what, head(random=number * 0x9E37_79B9_7F4A_7C15 % 2**63))
        assert lines.startswith(b'\r\nset-cookie: seen="')
        assert lines.endswith(b'"; Max-Age=60; HttpOnly')
        value = lines.split(b'"')[1]
        assert len(value) == 16
        assert pick(what, head(b"\r\ncookie: seen=" + value, random=1)) == (entry, b"")
        assert pick(what, head(b'\r\ncookie: a=b; seen="%b"' % value, random=2)) == (entry, b"")
        places.add(entry)
    assert places == {0, 1}


@given(st.binary(min_size=1, max_size=30).filter(lambda text: not set(text) & set(b'\r\n;"')), st.lists(st.integers(0, 100), max_size=6))
def test_whoever_made_the_cookie_its_user_only_follows_the_weights(value: bytes, steps: list[int]) -> None:
    request = head(b"\r\ncookie: seen=" + value)
    before, last = 0, 1
    for step in steps:
        entry, lines = pick(by_hash(GIVEN, weights=(step, 100 - step)), request)
        assert lines == b""
        assert entry == last or entry == (0 if step > before else 1)
        before, last = step, entry


def test_a_user_who_is_known_by_a_terminal_policy_gets_no_cookie_and_stays_too() -> None:
    what = by_hash(HashPolicy(HashSource.HEADER, b"x-user", terminal=True), GIVEN)
    entry, lines = pick(what, head(b"\r\nx-user: me", random=1))
    assert lines == b""
    assert pick(what, head(b"\r\nx-user: me\r\ncookie: seen=x", random=2)) == (entry, b"")


def test_everybody_gets_the_cookie_also_where_nothing_is_to_be_chosen() -> None:
    entry, lines = pick(by_hash(GIVEN, weights=(0, 100)), head())
    assert (entry, bool(lines)) == (1, True)


def test_runtime_has_the_last_word_on_weights() -> None:
    what = action(0, 100, runtime_key_prefix="shift")
    assert pick(what, head(random=24)) == (1, b"")
    assert pick(what, head(random=24), values=runtime(shift__v0=25, shift__v1=75)) == (0, b"")
    assert pick(what, head(random=25), values=runtime(shift__v0=25, shift__v1=75)) == (1, b"")
    assert pick(what, head(random=100), values=runtime(shift__v0=25)) == (1, b"")
    assert pick(what, head(random=0), values=runtime(other__v0=25)) == (1, b"")


def test_runtime_weights_count_when_the_choice_is_made() -> None:
    for what in (action(0, 100, runtime_key_prefix="shift"), by_hash_in_runtime()):
        values = runtime()
        chosen = compile_pick(what, range(2), values)
        request = head(b"\r\ncookie: seen=x", random=7)
        assert chosen(request, b"", Newcomer(lambda: 0)) == 1
        values._values = {"shift.v0": 100, "shift.v1": 0}
        assert chosen(request, b"", Newcomer(lambda: 0)) == 0
        values._values = {"shift.v0": 0, "shift.v1": 0}
        assert chosen(request, b"", Newcomer(lambda: 0)) == 0


def by_hash_in_runtime() -> RouteAction:
    return action(0, 100, runtime_key_prefix="shift", use_hash_policy=True, hash_policy=(GIVEN,))


@pytest.mark.parametrize(
    "what", [action(0, 0, runtime_key_prefix="x"), by_hash(GIVEN, weights=(0, 0)), action(0, random_value_header=b"x")]
)
def test_weights_that_choose_nobody_are_refused(what: RouteAction) -> None:
    with pytest.raises(RoutingError):
        compile_pick(what, range(len(what.clusters)), Runtime())
