"""``envoy.filters.http.buffer``: a request goes on when its body is whole, so that a slow client costs the upstream nothing.

Rule 1. A body larger than ``max_request_bytes`` is answered with 413.
Rule 2. What goes on has a ``content-length``, also when it came in chunks.
"""

from typing import cast

from shifter.filters.api import FilterFactory, FilterStream, HttpFilter, WholeBody
from shifter.model.http_filter import Buffer
from shifter.wire.events import UNTIL_END, RequestHead


class BufferFactory(FilterFactory[Buffer]):
    """Makes `BufferFilter`."""

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        config = self.config if override is None else cast(Buffer, override)
        return None if config.disabled else BufferFilter(stream, config.max_request_bytes)


class BufferFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_limit", "_stream")

    def __init__(self, stream: FilterStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    def on_request_head(self, head: RequestHead, end: bool) -> WholeBody | None:
        if not end:
            return WholeBody(self._limit)
        self._measure(0)
        return None

    def on_request_data(self, data: bytes, end: bool) -> bytes:
        self._measure(len(data))
        return data

    def _measure(self, length: int) -> None:
        head = self._stream.head
        if head.length == UNTIL_END:
            head.length = length
            head.block += b"\r\ncontent-length: %d" % length
