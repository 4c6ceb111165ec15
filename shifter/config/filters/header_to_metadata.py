"""``envoy.filters.http.header_to_metadata``."""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.build_common import Sources, given, regex_rewrite
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Bool, Choice, Ignored, MatchedName, Name, OneOf, Text, Typed, word
from shifter.config.schema.core import RegexMatchAndSubstitute
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.header_to_metadata.v3."


class Encoding(Enum):
    """``Config.ValueEncode``."""

    NONE = "NONE"
    BASE64 = "BASE64"


class KeyValuePair(Choice):
    """``Config.KeyValuePair``."""

    envoy = _PACKAGE + "Config.KeyValuePair"
    one_of = (OneOf(("value", "regex_value_rewrite")),)

    metadata_namespace: Text = ""
    key: Name
    value: Text = ""
    regex_value_rewrite: RegexMatchAndSubstitute | None = None
    type: Annotated[model.MetadataType, word(model.MetadataType, "PROTOBUF_VALUE")] = model.MetadataType.STRING
    encode: Annotated[Encoding, word(Encoding)] = Encoding.NONE


class Rule(Choice):
    """``Config.Rule``."""

    envoy = _PACKAGE + "Config.Rule"
    one_of = (OneOf(("header", "cookie"), (), "this rule names neither a header nor a cookie"),)

    header: MatchedName | None = None
    cookie: Name | None = None
    on_header_present: KeyValuePair | None = None
    on_header_missing: KeyValuePair | None = None
    remove: Bool = False


class Config(Typed):
    """``header_to_metadata.v3.Config``."""

    envoy = _PACKAGE + "Config"

    request_rules: list[Rule] = Field(default_factory=list)
    response_rules: list[Rule] = Field(default_factory=list)
    stat_prefix: Ignored = None


def build(config: Config, sources: Sources) -> model.HeaderToMetadata:
    """Return *config* as the model. Raises ``ValueError`` for a rule without effect, or one that is against itself."""
    return model.HeaderToMetadata(tuple(map(_rule, config.request_rules)), tuple(map(_rule, config.response_rules)))


def _rule(config: Rule) -> model.MetadataRule:
    name = config.header or config.cookie or ""
    if config.on_header_present is None and config.on_header_missing is None:
        raise ValueError(f"the rule for {name!r} says neither on_header_present nor on_header_missing")
    if config.on_header_missing is not None and not config.on_header_missing.value:
        raise ValueError(f"the rule for {name!r} has no `value` in on_header_missing")
    if config.cookie is not None and config.remove:
        raise ValueError(f"the cookie {name!r} cannot be removed")
    return model.MetadataRule(
        header=(config.header or "").lower().encode(),
        cookie=(config.cookie or "").encode(),
        present=_value(config.on_header_present),
        missing=_value(config.on_header_missing),
        remove=config.remove,
    )


def _value(config: KeyValuePair | None) -> model.MetadataValue | None:
    if config is None:
        return None
    return model.MetadataValue(
        key=config.key,
        value=config.value,
        rewrite=regex_rewrite(config.regex_value_rewrite),
        type=config.type,
        base64=config.encode is Encoding.BASE64,
        **given(namespace=config.metadata_namespace or None),
    )


KIND = FilterKind("envoy.filters.http.header_to_metadata", Config, build, Config, build)
