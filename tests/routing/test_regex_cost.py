"""Which patterns are proved to be linear, and the engine that is linear for all others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.routing.regex_cost import Automaton
from shifter.routing.regex_syntax import Unknown, parse, python_pattern

LINEAR = [
    rb"/service/[0-9]+/.*",
    rb"/[^/]+/[^/]+/x",
    rb"(/[^/]+)*",
    rb"([a-z0-9-]+\.)+com",
    rb".*\.(png|jpg|gif)",
    rb"^/a$",
    rb"(?i)/Foo.*",
    rb"(a|ab)*",
    rb"a{1,64}b",
    rb"/users/[0-9a-f]{8}-[0-9a-f]{4}(/.*)?",
    rb"(foo|far|fez)+",
    rb"a\bb?",
    b"|".join(b"/path/%d" % number for number in range(30)),
]

NOT_LINEAR = [
    (rb"(a*)*", "a loop in a loop"),
    (rb"(a+)+b", "a loop in a loop"),
    (rb"(a|a)*", "the same way twice"),
    (rb"(a|aa)+", "aa by two ways"),
    (rb"(x{2}|x{3})*", "six x by two ways"),
    (rb"(?:(?:ab)*)*", "a loop in a loop"),
    (rb"(\w+\s?)*", "a word may be cut anywhere"),
    (rb"(a?)*", "nothing, any number of times"),
    (rb"(a?){30}", "nothing, thirty times"),
    (rb".*x.*", "two loops, entered at each x"),
    (rb"/.*/v1/.*", "two loops"),
    (rb"[a-z]*[a-z]*", "two loops that touch"),
    (rb"[a-z]{1,64}foo", "64 places where foo may begin"),
    (rb"a?" * 30, "many ways to leave out"),
]


@pytest.mark.parametrize("pattern", LINEAR)
def test_patterns_of_usual_routes_are_linear(pattern: bytes) -> None:
    assert Automaton(parse(pattern)).is_linear()


@pytest.mark.parametrize(("pattern", "why"), NOT_LINEAR)
def test_patterns_that_could_stall_are_not(pattern: bytes, why: str) -> None:
    assert not Automaton(parse(pattern)).is_linear(), why


PIECES = st.sampled_from(
    ["a", "b", "[ab]", ".", "a*", "b+", ".*", "(?:ab)*", "(?:a|b)*", "(?:a|ab)*", "(?:aa|ab)+", "a?", "(?:a{2,3})", "x"]
)


def walks(node: bytes, text: bytes) -> int:
    """Count the walks over positions that *text* allows: what a backtracking engine may have to try."""
    automaton = Automaton(parse(node))
    here = {position: 1 for position in range(len(automaton._sets)) if automaton._first >> position & 1}
    most = sum(here.values())
    for byte in text:
        there: dict[int, int] = {}
        for position, count in here.items():
            if automaton._sets[position] >> byte & 1:
                for other in range(len(automaton._sets)):
                    if automaton._follow[position] >> other & 1:
                        there[other] = there.get(other, 0) + count
        here = there
        most = max(most, sum(here.values()))
    return most


@given(st.lists(PIECES, min_size=1, max_size=5).map(lambda pieces: "".join(pieces).encode()), st.text("abx", min_size=1, max_size=4))
def test_a_linear_pattern_has_few_walks_however_long_the_text(pattern: bytes, text: str) -> None:
    if Automaton(parse(pattern)).is_linear():
        assert walks(pattern, text.encode() * 40) <= 200


@given(
    st.lists(PIECES | st.sampled_from(["(a+)+", ".*b.*", "(?:a|a)*"]), min_size=1, max_size=4).map("".join), st.text("abx\n", max_size=9)
)
def test_the_automaton_finds_what_a_backtracking_engine_finds(pattern: str, text: str) -> None:
    tree = parse(pattern.encode())
    expected = re.fullmatch(python_pattern(tree), text.encode()) is not None
    assert Automaton(tree).fits(text.encode()) is expected


def test_the_automaton_forgets_states_and_goes_on() -> None:
    """``.*a.{14}`` has 2**15 states; few of them are kept, and the answers stay right."""
    automaton = Automaton(parse(rb".*a.{14}"))
    for number in range(2000):
        text = b"%b" % bin(number * 7919 % 65536)[2:].zfill(16).encode().translate(bytes.maketrans(b"01", b"ab"))
        assert automaton.fits(text) is (text[-15:-14] == b"a")
    assert len(automaton._states) <= 1000


@pytest.mark.parametrize("pattern", [rb"(a{1000}){1000}", rb"((){1000}){1000}", rb"a" * 1001, rb"(((){999}){999}){999}"])
def test_patterns_that_are_too_large_are_told_quickly(pattern: bytes) -> None:
    with pytest.raises(Unknown, match="google-re2"):
        Automaton(parse(pattern))


def test_conditions_in_the_middle_are_known() -> None:
    assert Automaton(parse(rb"a\bb")).has_places
    assert Automaton(parse(rb"a^b")).has_places
    assert not Automaton(parse(rb"^(?:^a|\Ab)$")).has_places
