"""``header_mutation``: what is done to fields, in which order, and what each level adds."""

import pytest

from shifter.filters.header_mutation import HeaderMutationFactory, HeaderMutationFilter
from shifter.model.http_filter import HeaderMutation, Mutation, Mutations
from shifter.model.route import AppendAction, HeaderValueOption, StringMatcher, StringMatchKind
from shifter.wire.events import RequestHead, ResponseHead
from tests.support.filters import Bench, FakeStream


def add(name: bytes, value: bytes, action: AppendAction = AppendAction.APPEND_IF_EXISTS_OR_ADD) -> HeaderValueOption:
    return HeaderValueOption(name, value, action)


def filter_for(config: HeaderMutation, *levels: HeaderMutation, block: bytes = b"") -> HeaderMutationFilter | None:
    factory = HeaderMutationFactory(config, Bench().context)
    override = factory.compile_overrides(levels) if levels else None
    one = factory.filter_for(FakeStream(RequestHead(b"GET", b"/", b"a", block)), override)
    assert one is None or isinstance(one, HeaderMutationFilter)
    return one


def requested(*mutations: Mutation, block: bytes = b"") -> bytes:
    one = filter_for(HeaderMutation(Mutations(request=mutations)), block=block)
    assert one is not None
    head = RequestHead(b"GET", b"/", b"a", block)
    one.on_request_head(head, True)
    return head.block


@pytest.mark.parametrize(
    ("mutations", "block", "after"),
    [
        ([add(b"x", b"1"), add(b"x", b"2")], b"", b"\r\nx: 1\r\nx: 2"),
        ([add(b"x", b"1"), b"x"], b"\r\nx: 0", b""),
        ([b"x", add(b"x", b"1")], b"\r\nx: 0\r\ny: 1", b"\r\ny: 1\r\nx: 1"),
        ([add(b"x", b"1", AppendAction.ADD_IF_ABSENT), add(b"x", b"2", AppendAction.ADD_IF_ABSENT)], b"", b"\r\nx: 1"),
        ([add(b"x", b"1", AppendAction.OVERWRITE_IF_EXISTS)], b"", b""),
        ([StringMatcher(StringMatchKind.PREFIX, b"x-")], b"\r\nx-a: 1\r\ny: 2\r\nx-b: 3\r\nx: 4", b"\r\ny: 2\r\nx: 4"),
        ([StringMatcher(StringMatchKind.CONTAINS, b"e")], b"\r\ncontent-length: 3\r\nte: x", b"\r\ncontent-length: 3"),
        ([StringMatcher(StringMatchKind.SAFE_REGEX, b"a+")], b"\r\naa: 1\r\nb: 1", b"\r\nb: 1"),
    ],
)
def test_mutations_follow_each_other(mutations: list[Mutation], block: bytes, after: bytes) -> None:
    assert requested(*mutations, block=block) == after


def test_values_are_formats() -> None:
    assert requested(add(b"x-was", b"%REQ(X-A)%"), block=b"\r\nx-a: 1") == b"\r\nx-a: 1\r\nx-was: 1"


def test_answers_and_trailers() -> None:
    config = HeaderMutation(Mutations(response=(b"x-a",), request_trailers=(b"x-b",), response_trailers=(add(b"x-c", b"1"),)))
    one = filter_for(config)
    assert one is not None
    head = ResponseHead(200, b"\r\nx-a: 1\r\nx-b: 1")
    one.on_response_head(head, True)
    assert head.block == b"\r\nx-b: 1"
    assert one.on_request_trailers(b"\r\nx-b: 1\r\nx-d: 1") == b"\r\nx-d: 1"
    assert one.on_response_trailers(b"") == b"\r\nx-c: 1"
    asked = RequestHead(b"GET", b"/", b"a", b"\r\nx-a: 1")
    one.on_request_head(asked, True)
    assert asked.block == b"\r\nx-a: 1"


@pytest.mark.parametrize(("wins", "order"), [(False, b"own route host"), (True, b"own host route")])
def test_every_level_has_its_say(wins: bool, order: bytes) -> None:
    own, route, host = (HeaderMutation(Mutations(request=(add(b"x", name),)), wins) for name in (b"own", b"route", b"host"))
    one = filter_for(own, route, host)
    assert one is not None
    head = RequestHead(b"GET", b"/", b"a")
    one.on_request_head(head, True)
    assert head.block == b"".join(b"\r\nx: " + name for name in order.split())


def test_what_does_nothing_is_not_there() -> None:
    assert filter_for(HeaderMutation()) is None
    assert filter_for(HeaderMutation(), HeaderMutation()) is None
