"""Conditions on the path and the method (the path specifiers of ``route.v3.RouteMatch``).

Rule 1. The path is compared without its query, so a text with ``?`` or ``#`` in it fits no path; a plain prefix does not look
        for the query, because a prefix without ``?`` cannot reach into it.
Rule 2. Every kind says how each path begins that fits it (`PathCondition.prefix`), so that a table finds its routes by that.
Rule 3. ``case_sensitive: false`` folds ASCII letters, for ``prefix``, ``path`` and ``path_separated_prefix``; patterns and
        templates do not know it.
Rule 4. With ``ignore_path_parameters_in_path_matching`` the path ends before its first ``;``; not so for templates.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shifter.model.route import PathMatchKind, RouteMatch
from shifter.routing.match_header import Matcher
from shifter.routing.regex import compile_regex, prefix_of_regex
from shifter.routing.template import compile_template
from shifter.wire.events import RequestHead

__all__ = ["PathCondition", "compile_path", "path_only"]

_QUERY = b"?#"
_QUERY_OR_PARAMETERS = b"?#;"
_SLASH = 0x2F


@dataclass(frozen=True, slots=True)
class PathCondition:
    """What a path must be like: it begins with ``prefix`` (lower-cased before, if ``folded``), ends behind that if ``exact``,
    and fits ``rest`` if there is one. ``rest`` holds nothing that the other three say already."""

    prefix: bytes
    exact: bool = False
    folded: bool = False
    rest: Matcher | None = None


def path_only(target: bytes) -> bytes:
    """Return *target* without its query (and without a fragment, which no request of a client has)."""
    at = target.find(b"?")
    if target.find(b"#") >= 0:
        return target[: min(at, target.find(b"#"))] if at >= 0 else target.partition(b"#")[0]
    return target if at < 0 else target[:at]


def ends_of_path(ignore_parameters: bool) -> bytes:
    """Return the bytes at which the part of a target ends that is compared."""
    return _QUERY_OR_PARAMETERS if ignore_parameters else _QUERY


def compile_path(match: RouteMatch, ignore_parameters: bool = False) -> PathCondition | None:
    """Return what *match* says about the path; ``None`` when no path fits. Raises `RoutingError` for a bad regex or template."""
    text, kind = match.text, match.kind
    if kind is PathMatchKind.CONNECT:
        return PathCondition(b"", rest=is_connect)
    if kind is PathMatchKind.URI_TEMPLATE:
        template = compile_template(text)
        return PathCondition(template.prefix, rest=lambda head: template.fits(path_only(head.path)))
    bare = _bare(ignore_parameters)
    if kind is PathMatchKind.SAFE_REGEX:
        fits = compile_regex(text)
        return PathCondition(prefix_of_regex(text), rest=lambda head: fits(bare(head.path)))
    ends = ends_of_path(ignore_parameters)
    if len(text.translate(None, ends)) != len(text):
        return None
    folded = not match.case_sensitive and text.lower() != text.upper()
    prefix = text.lower() if folded else text
    if kind is PathMatchKind.PATH_SEPARATED_PREFIX:
        return PathCondition(prefix, folded=folded, rest=_parted_at(len(text), ends))
    return PathCondition(prefix, exact=kind is PathMatchKind.PATH, folded=folded)


def is_connect(head: RequestHead) -> bool:
    """The condition ``connect_matcher``."""
    return head.method == b"CONNECT"


def path_matcher(condition: PathCondition, ignore_parameters: bool = False) -> tuple[bytes, Matcher | None]:
    """Return *condition* as a prefix that is compared byte by byte, and the rest of it."""
    prefix, rest = condition.prefix, condition.rest
    if not condition.exact and not condition.folded:
        return prefix, rest
    size, ends, exact = len(prefix), ends_of_path(ignore_parameters), condition.exact

    def ends_there(head: RequestHead) -> bool:
        path = head.path
        return len(path) == size or path[size] in ends

    if not condition.folded:
        return prefix, ends_there

    def folded(head: RequestHead) -> bool:
        path = head.path
        if path[:size].lower() != prefix or (exact and len(path) != size and path[size] not in ends):
            return False
        return rest is None or rest(head)

    return b"", folded


def _parted_at(size: int, ends: bytes) -> Matcher:
    ends += b"/"

    def parted(head: RequestHead) -> bool:
        path = head.path
        return len(path) == size or path[size] in ends

    return parted


def _bare(ignore_parameters: bool) -> Callable[[bytes], bytes]:
    if not ignore_parameters:
        return path_only
    return lambda target: path_only(target).partition(b";")[0]
