"""Conditions on metadata: every kind of matcher against every kind of value."""

import pytest

from shifter.model.route import (
    AnyOf,
    DoubleMatcher,
    ListMatcher,
    MetadataMatcher,
    Presence,
    StringMatcher,
    StringMatchKind,
    ValueMatcher,
)
from shifter.routing.errors import RoutingError
from shifter.routing.metadata import MISSING, compile_metadata, compile_value, metadata_value
from shifter.wire.events import RequestHead

VALUES: dict[str, object] = {
    "null": None, "true": True, "false": False, "one": 1, "half": 0.5, "zero": 0, "text": "v", "empty": "", "list": ["v", 1], "none": [],
    "struct": {"k": "v"}, "missing": MISSING,
}  # fmt: skip
TEXT = StringMatcher(StringMatchKind.PREFIX, b"v")


@pytest.mark.parametrize(
    ("matcher", "fits"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (DoubleMatcher(1), "one"),
        (DoubleMatcher(0), "zero"),
        (DoubleMatcher(0, 1), "half zero"),
        (TEXT, "text"),
        (StringMatcher(StringMatchKind.EXACT, b""), "empty"),
        (Presence(True), "null true false one half zero text empty list none struct"),
        (Presence(False), ""),
        (ListMatcher(TEXT), "list"),
        (ListMatcher(DoubleMatcher(1)), "list"),
        (ListMatcher(True), ""),
        (AnyOf((None, True, TEXT)), "null true text"),
        (AnyOf((ListMatcher(AnyOf((TEXT, False))), DoubleMatcher(1))), "one list"),
    ],
)
def test_every_matcher_against_every_value(matcher: ValueMatcher, fits: str) -> None:
    test = compile_value(matcher)
    assert " ".join(name for name, value in VALUES.items() if test(value)) == fits


METADATA: dict[str, dict[str, object]] = {"f": {"k": {"deep": "v"}, "plain": "v", "no": None}, "g": {}}


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("f", ("plain",), "v"),
        ("f", ("k", "deep"), "v"),
        ("f", ("k",), {"deep": "v"}),
        ("f", ("no",), None),
        ("f", ("plain", "deep"), MISSING),
        ("f", ("other",), MISSING),
        ("f", ("k", "other"), MISSING),
        ("f", (), MISSING),
        ("g", ("k",), MISSING),
        ("h", ("k",), MISSING),
    ],
)
def test_values_are_found_by_their_paths(name: str, path: tuple[str, ...], value: object) -> None:
    assert metadata_value(METADATA, name, path) == value


@pytest.mark.parametrize(
    ("path", "matcher", "fits"), [(("plain",), TEXT, True), (("k",), TEXT, False), (("x",), None, False), (("x",), Presence(False), False)]
)
def test_conditions_and_their_opposites(path: tuple[str, ...], matcher: ValueMatcher, fits: bool) -> None:
    head = RequestHead(b"GET", b"/", b"")
    head.metadata = METADATA
    assert compile_metadata(MetadataMatcher("f", path, matcher))(head) is fits
    assert compile_metadata(MetadataMatcher("f", path, matcher, invert=True))(head) is not fits


def test_a_request_about_which_nothing_was_left() -> None:
    head = RequestHead(b"GET", b"/", b"")
    assert not compile_metadata(MetadataMatcher("f", ("k",), Presence(True)))(head)
    assert compile_metadata(MetadataMatcher("f", ("k",), Presence(True), invert=True))(head)


def test_a_bad_regex_is_told() -> None:
    with pytest.raises(RoutingError):
        compile_value(ListMatcher(StringMatcher(StringMatchKind.SAFE_REGEX, b"(")))
