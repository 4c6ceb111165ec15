"""What several builders need: header fields to change, texts to match, places where data comes from."""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shifter.config.build_filters import FoundFilters
from shifter.config.document import MapNode, maps
from shifter.config.report import Report
from shifter.config.schema import core, match
from shifter.model.format import SubstitutionFormat
from shifter.model.route import (
    FractionalPercent,
    HeaderMatcher,
    HeaderMutations,
    HeaderValueOption,
    RangeMatcher,
    RegexRewrite,
    RuntimeFraction,
    StringMatcher,
    StringMatchKind,
)

DENOMINATORS = {core.Denominator.HUNDRED: 100, core.Denominator.TEN_THOUSAND: 10_000, core.Denominator.MILLION: 1_000_000}
"""What the words for a denominator mean."""
_NO_CHANGES = HeaderMutations()


@dataclass(frozen=True, slots=True)
class Sources:
    """What a builder needs beside the words of a message: where nodes stand, contents of the files and values of the
    variables that were named, and what was said to filters."""

    report: Report
    files: Mapping[str, bytes]
    environment: Mapping[str, str] = field(default_factory=dict)
    filters: FoundFilters = field(default_factory=FoundFilters)

    def place(self, node: MapNode) -> str:
        """Return the place of *node* as text."""
        return str(self.report.place(node))

    def data(self, source: core.DataSource) -> bytes:
        """Return what *source* stands for."""
        if source.filename is not None:
            return self.files[source.filename]
        if source.environment_variable is not None:
            return self.environment[source.environment_variable].encode()
        return b64decode(source.inline_bytes) if source.inline_bytes is not None else (source.inline_string or "").encode()


def pairs(items: list[Any], owner: MapNode, key: str) -> Iterable[tuple[Any, MapNode]]:
    """Return each of *items*, which stand at *key* in *owner*, with its node."""
    return zip(items, maps(owner.get(key)), strict=True)


def given(**values: object) -> dict[str, Any]:
    """Return what was given: the rest is for the model to say."""
    return {name: value for name, value in values.items() if value is not None}


def encoded(text: str | None) -> bytes | None:
    """Return *text* as UTF-8; ``None`` when there is none, or nothing in it."""
    return text.encode() if text else None


def lower(name: str | None) -> bytes | None:
    """Return a header name in lower case; ``None`` when there is none."""
    return name.lower().encode() if name else None


def names(written: list[str]) -> tuple[bytes, ...]:
    """Return header names in lower case."""
    return tuple(name.lower().encode() for name in written)


def header_changes(config: core.HeaderChanges) -> HeaderMutations:
    """Return the four lists of *config*."""
    if not config.model_fields_set.isdisjoint(core.HeaderChanges.model_fields):
        return HeaderMutations(
            request_add=header_options(config.request_headers_to_add),
            request_remove=names(config.request_headers_to_remove),
            response_add=header_options(config.response_headers_to_add),
            response_remove=names(config.response_headers_to_remove),
        )
    return _NO_CHANGES


def header_options(written: list[core.HeaderValueOption]) -> tuple[HeaderValueOption, ...]:
    """Return headers to add."""
    return tuple(map(_header_option, written))


def _header_option(config: core.HeaderValueOption) -> HeaderValueOption:
    value = config.header.value.strip(" \t").encode()
    return HeaderValueOption(config.header.key.lower().encode(), value, config.append_action, config.keep_empty_value)


def header_matcher(config: match.HeaderMatcher) -> HeaderMatcher:
    """Return a condition on a header field."""
    text, span, present = config.string_match, config.range_match, config.present_match
    return HeaderMatcher(
        name=config.name.lower().encode(),
        string=string_matcher(text) if text is not None else None,
        range=RangeMatcher(span.start, span.end) if span is not None else None,
        present=True if text is None and span is None and present is None else present,
        invert=config.invert_match,
        treat_missing_as_empty=config.treat_missing_header_as_empty,
    )


def string_matcher(config: core.StringMatcher) -> StringMatcher:
    """Return a condition on a text."""
    written = {
        StringMatchKind.EXACT: config.exact,
        StringMatchKind.PREFIX: config.prefix,
        StringMatchKind.SUFFIX: config.suffix,
        StringMatchKind.CONTAINS: config.contains,
        StringMatchKind.SAFE_REGEX: config.safe_regex.regex if config.safe_regex is not None else None,
    }
    kind, text = next((kind, text) for kind, text in written.items() if text is not None)
    return StringMatcher(kind, text.encode(), config.ignore_case)


def regex_rewrite(config: core.RegexMatchAndSubstitute | None) -> RegexRewrite | None:
    """Return what replaces matches of a pattern; ``None`` when nothing does."""
    return RegexRewrite(config.pattern.regex.encode(), config.substitution.encode()) if config is not None else None


def fractional_percent(config: core.FractionalPercent) -> FractionalPercent:
    """Return a share."""
    return FractionalPercent(config.numerator, DENOMINATORS[config.denominator])


def runtime_fraction(config: core.RuntimeFractionalPercent | None) -> RuntimeFraction | None:
    """Return a share that runtime may change; ``None`` when there is none."""
    return RuntimeFraction(fractional_percent(config.default_value), config.runtime_key) if config is not None else None


def metadata(config: core.Metadata | None) -> dict[str, dict[str, Any]]:
    """Return values by namespace."""
    return config.filter_metadata if config is not None else {}


def lb_metadata(config: core.Metadata | None) -> dict[str, Any] | None:
    """Return what *config* says to load balancers; ``None`` when it says nothing."""
    return metadata(config).get("envoy.lb")


def substitution_format(config: core.SubstitutionFormatString | None, sources: Sources) -> SubstitutionFormat | None:
    """Return how a body is made; ``None`` when nothing says so."""
    if config is None:
        return None
    text = config.text_format
    if config.text_format_source is not None:
        text = sources.data(config.text_format_source).decode()
    return SubstitutionFormat(text, config.json_format, config.content_type, config.omit_empty_values)
