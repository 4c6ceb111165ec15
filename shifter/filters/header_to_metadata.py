"""``envoy.filters.http.header_to_metadata``: what fields and cookies say, for formats and for other filters.

Rule 1. A value that cannot be read as what the rule wants is left out.
Rule 2. The route has been found by then and stays, as in Envoy.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from math import isfinite
from typing import cast

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, dynamic_metadata
from shifter.model.http_filter import HeaderToMetadata, MetadataRule, MetadataType, MetadataValue
from shifter.routing.cookies import first_cookie
from shifter.routing.regex import compile_substitution
from shifter.wire.events import RequestHead, ResponseHead, values, without

_LONGEST = 8 * 1024
_EXACT = 1 << 53


def _number(text: bytes) -> int | float | None:
    """Return the number that *text* is; ``None`` where JSON, in which it may be shown, has none for it."""
    try:
        number = float(text)
    except ValueError:
        return None
    if b"_" in text or not isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


class _Rule:
    """A rule, compiled."""

    __slots__ = ("_substitutions", "config")

    def __init__(self, config: MetadataRule) -> None:
        self.config = config
        self._substitutions: dict[MetadataValue, Callable[[bytes], bytes]] = {
            one: compile_substitution(one.rewrite.pattern, one.rewrite.substitution)
            for one in (config.present, config.missing)
            if one is not None and one.rewrite is not None
        }

    def value_in(self, block: bytes) -> bytes | None:
        if self.config.cookie:
            return first_cookie(block, self.config.cookie)
        found = values(block, self.config.header)
        return b",".join(found) if found else None

    def metadata(self, given: bytes | None) -> tuple[MetadataValue, object] | None:
        """Return what is to be kept, and where; ``None`` for nothing."""
        wanted = self.config.missing if given is None else self.config.present
        if wanted is None:
            return None
        value = given or b""
        if wanted.value:
            value = wanted.value.encode()
        elif given is not None and wanted in self._substitutions:
            value = self._substitutions[wanted](value)
        if wanted.base64 and not wanted.value:
            try:
                value = b64decode(value, validate=True)
            except (Base64Error, ValueError):
                return None
        if len(value) > _LONGEST:
            return None
        if wanted.type is MetadataType.NUMBER:
            number = _number(value)
            return (wanted, number) if number is not None else None
        return wanted, value.decode("utf-8", "replace")


class _Rules:
    __slots__ = ("request", "response")

    def __init__(self, config: HeaderToMetadata) -> None:
        self.request = [_Rule(one) for one in config.request_rules]
        self.response = [_Rule(one) for one in config.response_rules]


class HeaderToMetadataFactory(FilterFactory[HeaderToMetadata]):
    """Makes `HeaderToMetadataFilter`."""

    def __init__(self, config: HeaderToMetadata, context: FactoryContext) -> None:
        super().__init__(config, context)
        self._rules = _Rules(config)

    def compile_override(self, config: object) -> object:
        return _Rules(cast(HeaderToMetadata, config))

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter:
        return HeaderToMetadataFilter(stream, self._rules if override is None else cast(_Rules, override))


class HeaderToMetadataFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_rules", "_stream")

    def __init__(self, stream: FilterStream, rules: _Rules) -> None:
        self._stream = stream
        self._rules = rules

    def on_request_head(self, head: RequestHead, end: bool) -> None:
        self._apply(self._rules.request, head)

    def on_response_head(self, head: ResponseHead, end: bool) -> None:
        self._apply(self._rules.response, head)

    def _apply(self, rules: Iterable[_Rule], head: RequestHead | ResponseHead) -> None:
        for rule in rules:
            given = rule.value_in(head.block)
            found = rule.metadata(given)
            if found is not None:
                where, value = found
                dynamic_metadata(self._stream.head, where.namespace)[where.key] = value
            if given is not None and rule.config.remove and rule.config.header:
                head.block = without(head.block, rule.config.header)
