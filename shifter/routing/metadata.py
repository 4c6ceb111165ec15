"""Conditions on what filters left about a request (``type.matcher.v3.MetadataMatcher``, ``ValueMatcher``).

Rule 1. Metadata is plain data: ``None``, ``bool``, numbers, text, lists and mappings. A matcher of one kind fits no value of
        another: ``true`` is not 1, and a number is not its text.
Rule 2. A value that is not there fits nothing, not even ``null_match`` or ``present_match: false``. ``invert`` turns that, too.
"""

from collections.abc import Callable, Mapping
from typing import Final

from shifter.model.route import (
    AnyOf,
    DoubleMatcher,
    ListMatcher,
    MetadataMatcher,
    Presence,
    StringMatcher,
    ValueMatcher,
)
from shifter.routing.match_header import Matcher, compile_string
from shifter.wire.events import RequestHead

__all__ = ["compile_metadata", "compile_value", "metadata_value"]

Test = Callable[[object], bool]


class _Missing:
    """The one value that stands for none."""


MISSING: Final = _Missing()


def metadata_value(metadata: Mapping[str, object] | None, filter_name: str, path: tuple[str, ...]) -> object:
    """Return what stands under *path* in what the filter called *filter_name* left, or `MISSING`."""
    if metadata is None or not path:
        return MISSING
    value: object = metadata.get(filter_name, MISSING)
    for key in path:
        if not isinstance(value, Mapping):
            return MISSING
        value = value.get(key, MISSING)
    return value


def compile_metadata(matcher: MetadataMatcher) -> Matcher:
    """Return a function that says whether a request fits *matcher*. Raises `RoutingError` for a bad regex."""
    name, path, invert = matcher.filter, matcher.path, matcher.invert
    test = compile_value(matcher.value)

    def fits(head: RequestHead) -> bool:
        return test(metadata_value(head.metadata, name, path)) is not invert

    return fits


def compile_value(matcher: ValueMatcher) -> Test:
    """Return a function that says whether a value fits *matcher*. Raises `RoutingError` for a bad regex."""
    if matcher is None:
        return lambda value: value is None
    if isinstance(matcher, bool):
        return lambda value: value is matcher
    if isinstance(matcher, DoubleMatcher):
        return _number(matcher)
    if isinstance(matcher, StringMatcher):
        text = compile_string(matcher)
        return lambda value: isinstance(value, str) and text(value.encode("utf-8", "surrogateescape"))
    if isinstance(matcher, Presence):
        wanted = matcher.present
        return lambda value: wanted and value is not MISSING
    if isinstance(matcher, ListMatcher):
        one = compile_value(matcher.one_of)
        return lambda value: isinstance(value, list | tuple) and any(map(one, value))
    return _any_of(matcher)


def _number(matcher: DoubleMatcher) -> Test:
    start, end = matcher.start, matcher.end

    def fits(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return value == start if end is None else start <= value < end

    return fits


def _any_of(matcher: AnyOf) -> Test:
    tests = [compile_value(one) for one in matcher.matchers]
    return lambda value: any(test(value) for test in tests)
