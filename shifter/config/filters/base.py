"""What every filter's configuration module says of itself, and what its builder may ask for.

Rule 1. A message is checked before it is built: types, ranges, regular expressions and files have been looked at, with their
        places. A builder raises ``ValueError`` for what is left; its words are told at the filter's ``typed_config``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shifter.config.build_common import Sources
from shifter.config.schema.base import Message

Build = Callable[[Any, Sources], object]
"""Makes a filter's dataclass of ``model.http_filter`` from its message. ``Sources.data`` reads a ``DataSource``."""


@dataclass(frozen=True, slots=True)
class FilterKind:
    """One filter of Envoy's. ``name`` is the one that Envoy's examples give it.

    ``config`` and ``override`` are schema messages with their full name in ``envoy``; ``override`` is what routes may say in
    ``typed_per_filter_config`` (``None``: nothing but `FilterConfig`), ``build_override`` makes the model of it.
    """

    name: str
    config: type[Message]
    build: Build
    override: type[Message] | None = None
    build_override: Build | None = None
