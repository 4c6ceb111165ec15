"""Conditions on the path and the method (the path specifiers of ``route.v3.RouteMatch``).

Rule 1. The path is compared without its query, so a text with ``?`` or ``#`` in it fits no path; a plain prefix does not look
        for the query, because a prefix without ``?`` cannot reach into it.
Rule 2. Every kind says how each path begins that fits it (`PathCondition.prefix`), so that a table finds its routes by that.
Rule 3. ``case_sensitive: false`` folds ASCII letters, for ``prefix``, ``path`` and ``path_separated_prefix``; patterns and
        templates do not know it.
Rule 4. With ``ignore_path_parameters_in_path_matching`` the path is compared without ``;`` and what follows it in each segment, so
        that no parameter hides a segment; templates see them. A text with ``;`` in it then fits no path.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shifter.model.route import PathMatchKind, RouteMatch
from shifter.routing.match_header import Matcher
from shifter.routing.regex import compile_regex, prefix_of_regex
from shifter.routing.template import compile_template
from shifter.wire.events import RequestHead

__all__ = ["ENDS", "PathCondition", "compared_path", "compile_path", "path_matcher", "path_only"]

ENDS = b"?#"
"""Bytes at which the path of a target ends."""

_PARAMETERS = re.compile(rb";[^/]*")


@dataclass(frozen=True, slots=True)
class PathCondition:
    """What a path, as it is compared (`compared_path`), must be like: it begins with ``prefix`` (lower-cased before, if
    ``folded``), ends behind that if ``exact``, and the request fits ``rest`` if there is one. ``rest`` holds nothing that the
    other three say already."""

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


def _without_parameters(target: bytes) -> bytes:
    path = path_only(target)
    return path if path.find(b";") < 0 else _PARAMETERS.sub(b"", path)


def compared_path(ignore_parameters: bool) -> Callable[[bytes], bytes]:
    """Return a function that takes from a target all that is not compared."""
    return _without_parameters if ignore_parameters else path_only


def compile_path(match: RouteMatch, ignore_parameters: bool = False) -> PathCondition | None:
    """Return what *match* says about the path; ``None`` when no path fits. Raises `RoutingError` for a bad regex or template."""
    text, kind = match.text, match.kind
    if kind is PathMatchKind.CONNECT:
        return PathCondition(b"", rest=is_connect)
    if kind is PathMatchKind.URI_TEMPLATE:
        template = compile_template(text)
        # it ends with a slash, so that leaving parameters out of it is leaving them out of the path
        begin = _without_parameters(template.prefix) if ignore_parameters else template.prefix
        return PathCondition(begin, rest=lambda head: template.fits(path_only(head.path)))
    bare = compared_path(ignore_parameters)
    if kind is PathMatchKind.SAFE_REGEX:
        fits = compile_regex(text)
        return PathCondition(prefix_of_regex(text), rest=lambda head: fits(bare(head.path)))
    if len(text.translate(None, ENDS)) != len(text) or (ignore_parameters and b";" in text):
        return None
    folded = not match.case_sensitive and text.lower() != text.upper()
    prefix = text.lower() if folded else text
    if kind is PathMatchKind.PATH_SEPARATED_PREFIX:
        return PathCondition(prefix, folded=folded, rest=_parted_at(len(text), ignore_parameters))
    return PathCondition(prefix, exact=kind is PathMatchKind.PATH, folded=folded)


def is_connect(head: RequestHead) -> bool:
    """The condition ``connect_matcher``."""
    return head.method == b"CONNECT"


def path_matcher(condition: PathCondition, ignore_parameters: bool = False) -> tuple[bytes, Matcher | None]:
    """Return *condition* as a prefix that is compared with targets byte by byte, and the rest of it."""
    prefix, rest, exact = condition.prefix, condition.rest, condition.exact
    if ignore_parameters:
        return b"", _on_compared_path(condition)
    if not exact and not condition.folded:
        return prefix, rest
    size = len(prefix)

    def ends_there(head: RequestHead) -> bool:
        path = head.path
        return len(path) == size or path[size] in ENDS

    if not condition.folded:
        return prefix, ends_there

    def folded(head: RequestHead) -> bool:
        path = head.path
        if path[:size].lower() != prefix or (exact and len(path) != size and path[size] not in ENDS):
            return False
        return rest is None or rest(head)

    return b"", folded


def _on_compared_path(condition: PathCondition) -> Matcher:
    prefix, rest, exact, folded = condition.prefix, condition.rest, condition.exact, condition.folded

    def fits(head: RequestHead) -> bool:
        path = _without_parameters(head.path)
        if folded:
            path = path.lower()
        return (path == prefix if exact else path.startswith(prefix)) and (rest is None or rest(head))

    return fits


def _parted_at(size: int, ignore_parameters: bool) -> Matcher:
    ends = ENDS + b"/"
    bare = _without_parameters if ignore_parameters else None

    def parted(head: RequestHead) -> bool:
        path = head.path if bare is None else bare(head.path)
        return len(path) == size or path[size] in ends

    return parted
