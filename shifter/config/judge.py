"""What the checks of every part of a configuration share: who is asked about a text, and how a number is read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shifter.config.document import MapNode, TextNode, text_in, value_of
from shifter.config.report import Report

_NO_NUMBER = 2**64
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?s")


@dataclass(frozen=True, slots=True)
class CustomFilters:
    """HTTP filters from other packages, as far as a configuration needs to know: their names, and what is wrong with what is
    said to one (``problem(name, fields, for_a_route)``; ``None`` when nothing is)."""

    names: Callable[[], frozenset[str]]
    problem: Callable[[str, Mapping[str, object], bool], str | None]


@dataclass(frozen=True, slots=True)
class Judge:
    """What the composition root knows and this room may not: files, filters from other packages, and what other rooms say of a
    text. A ``…_problem`` says what is wrong, ``None`` if nothing; without it all texts of its kind are taken."""

    files: Callable[[str], bytes] | None = None
    """The content of a file; raises ``OSError`` when it cannot be read, ``ValueError`` when nothing can have that name."""
    environment: Callable[[str], str | None] | None = None
    """The value of an environment variable; ``None`` when there is none of that name."""
    readable_by_others: Callable[[str], bool] | None = None
    """Whether others than its owner and group may read a file."""
    now: Callable[[], float] | None = None
    """The time, seconds since 1970; without it no certificate is too old."""
    regex_problem: Callable[[bytes], str | None] | None = None
    """Of a regular expression (UTF-8, RE2 syntax)."""
    format_problem: Callable[[str], str | None] | None = None
    """Of the format of an access log line."""
    rewrite_problem: Callable[[bytes, bytes], str | None] | None = None
    """Of the pattern and the substitution of a ``regex_rewrite``."""
    otlp_problem: Callable[[], str | None] | None = None
    """Of telling about spans, in this installation."""
    template_problem: Callable[[str], str | None] | None = None
    """Of the format of a header's value, or of a body."""
    uri_template_problem: Callable[[bytes], str | None] | None = None
    """Of the template of a ``path_match_policy``."""
    uri_rewrite_problem: Callable[[bytes, bytes], str | None] | None = None
    """Of one of those, and the template of a ``path_rewrite_policy``."""
    resource_problem: Callable[[str], str | None] | None = None
    """Of the name of a ``twisted.web`` resource."""
    filter_problem: Callable[[object], str | None] | None = None
    """Of the model of a filter that shifter has, or of what a route says to one."""
    custom_filters: CustomFilters | None = None


def number(node: MapNode, key: str) -> int | None:
    """Return what the schema takes for a whole number."""
    text = text_in(node, key)
    meant = value_of(TextNode(text, 0, 0, plain=True)) if text is not None else None
    if isinstance(meant, float):
        return int(meant) if meant.is_integer() and abs(meant) < _NO_NUMBER else None
    return meant if isinstance(meant, int) and not isinstance(meant, bool) else None


def seconds(node: MapNode, key: str) -> float | None:
    """Return what the schema takes for a duration in today's spelling."""
    text = text_in(node, key)
    return float(text[:-1]) if text is not None and _SECONDS.fullmatch(text) else None


def no_effect(report: Report, node: MapNode, name: str, why: str) -> None:
    """Warn when *name* is given in *node*."""
    if name in node:
        report.warn(node.key(name), f"`{name}` has no effect", why)
