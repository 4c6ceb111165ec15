"""``envoy.filters.http.buffer``."""

from typing import Annotated

from pydantic import Field

from shifter.config.build_common import Sources
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Bool, Message, OneOf, Typed, whole
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.buffer.v3."
_Size = Annotated[int, Field(ge=1, le=2**32 - 1), whole]


class BufferSize(Message):
    """``buffer.v3.Buffer`` inside ``BufferPerRoute``."""

    envoy = _PACKAGE + "Buffer"

    max_request_bytes: _Size


class Buffer(Typed):
    """``buffer.v3.Buffer``."""

    envoy = _PACKAGE + "Buffer"

    max_request_bytes: _Size


class BufferPerRoute(Typed):
    """``buffer.v3.BufferPerRoute``."""

    envoy = _PACKAGE + "BufferPerRoute"
    one_of = (OneOf(("disabled", "buffer"), (), "this says neither `disabled` nor `buffer`"),)

    disabled: Bool = False
    buffer: BufferSize | None = None


def build(config: Buffer, sources: Sources) -> model.Buffer:
    """Return *config* as the model."""
    return model.Buffer(config.max_request_bytes)


def build_per_route(config: BufferPerRoute, sources: Sources) -> model.Buffer:
    """Return what a route says as the model. Raises ``ValueError`` for ``disabled: false``, which says nothing."""
    if config.buffer is None:
        if not config.disabled:
            raise ValueError("`disabled: false` says nothing: write disabled: true, or buffer:")
        return model.Buffer(0, disabled=True)
    return model.Buffer(config.buffer.max_request_bytes)


KIND = FilterKind("envoy.filters.http.buffer", Buffer, build, BufferPerRoute, build_per_route)
