"""``google.protobuf.Any`` where it can be one of many messages: the field holds the node, and its ``@type`` is looked at later."""

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from shifter.config.document import MapNode, Plain, plain
from shifter.config.schema.base import kind, wrong


def _message(value: object) -> object:
    if not isinstance(value, MapNode):
        raise wrong(f"a mapping is wanted here, not {kind(value)}", 'begin with "@type":')
    return value


def _written(value: object) -> Plain:
    assert isinstance(value, MapNode)
    return plain(value)


AnyMessage = Annotated[object, BeforeValidator(_message), PlainSerializer(_written, return_type=object)]
"""See the module: the value is a ``MapNode``."""
