"""``envoy.filters.http.header_mutation``: fields that are changed before the request is routed, and before its answer is sent.

Rule 1. The listener's own mutations come first, then those of the levels of the route, the most specific first; with
        ``most_specific_header_mutations_wins`` it comes last, so that it has the last word.
Rule 2. Each mutation sees what the one before it has done.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter
from shifter.model.http_filter import HeaderMutation, Mutation
from shifter.model.route import HeaderMutations, HeaderValueOption, StringMatcher
from shifter.routing.headers import Edit, HeaderEditor, Subject
from shifter.routing.match_header import compile_string
from shifter.wire.events import RequestHead, ResponseHead, fields

_Edits = tuple[Edit | None, Edit | None, Edit | None, Edit | None]
"""What is done to the request, the answer, and the trailers of either."""


class HeaderMutationFactory(FilterFactory[HeaderMutation]):
    """Makes `HeaderMutationFilter`."""

    def __init__(self, config: HeaderMutation, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._own = _compiled([config])

    def compile_overrides(self, configs: Sequence[object]) -> _Edits:
        levels = cast("Sequence[HeaderMutation]", configs)
        return _compiled([self.config, *(reversed(levels) if self.config.most_specific_wins else levels)])

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        edits = self._own if override is None else cast(_Edits, override)
        return HeaderMutationFilter(stream, edits) if any(edits) else None


class HeaderMutationFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_edits", "_stream")

    def __init__(self, stream: FilterStream, edits: _Edits) -> None:
        self._stream = stream
        self._edits = edits

    def on_request_head(self, head: RequestHead, end: bool) -> None:
        edit = self._edits[0]
        if edit is not None:
            head.block = edit(head.block, self._stream)

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        edit = self._edits[1]
        if edit is not None:
            head.block = edit(head.block, self._stream)

    def on_request_trailers(self, block: bytes) -> bytes:
        edit = self._edits[2]
        return block if edit is None else edit(block, self._stream)

    def on_response_trailers(self, block: bytes) -> bytes:
        edit = self._edits[3]
        return block if edit is None else edit(block, self._stream)


def _compiled(levels: Sequence[HeaderMutation]) -> _Edits:
    mutations = [level.mutations for level in levels]
    return (
        _edit((one for level in mutations for one in level.request), _of_request),
        _edit((one for level in mutations for one in level.response), _of_response),
        _edit((one for level in mutations for one in level.request_trailers), _of_request),
        _edit((one for level in mutations for one in level.response_trailers), _of_response),
    )


def _edit(mutations: Iterable[Mutation], step: Callable[[HeaderValueOption | bytes], Edit]) -> Edit | None:
    steps = [_removing(one) if isinstance(one, StringMatcher) else step(one) for one in mutations]
    if not steps:
        return None

    def edit(block: bytes, subject: Subject) -> bytes:
        for one in steps:
            block = one(block, subject)
        return block

    return edit


def _of_request(mutation: HeaderValueOption | bytes) -> Edit:
    add, remove = _halves(mutation)
    return HeaderEditor([HeaderMutations(request_add=add, request_remove=remove)]).request or _nothing


def _of_response(mutation: HeaderValueOption | bytes) -> Edit:
    add, remove = _halves(mutation)
    return HeaderEditor([HeaderMutations(response_add=add, response_remove=remove)]).response or _nothing


def _halves(mutation: HeaderValueOption | bytes) -> tuple[tuple[HeaderValueOption, ...], tuple[bytes, ...]]:
    return ((), (mutation,)) if isinstance(mutation, bytes) else ((mutation,), ())


def _nothing(block: bytes, subject: Subject) -> bytes:
    return block


def _removing(names: StringMatcher) -> Edit:
    fits = compile_string(names)

    def edit(block: bytes, subject: Subject) -> bytes:
        return b"".join([b"\r\n%b: %b" % (name, value) for name, value in fields(block) if name in _KEPT or not fits(name)])

    return edit


_KEPT = frozenset((b"content-length",))
"""What says where the body ends is not for edits (`routing.headers` rule 4)."""
