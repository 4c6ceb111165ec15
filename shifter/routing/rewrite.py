"""How a route changes path and host of what it forwards (``route.v3.RouteAction``).

Rule 1. The part of the path that the match covered (``prefix_rewrite``), or every match of a pattern in it
        (``regex_rewrite``), is replaced, or the path is made anew from what its variables stand for (``path_rewrite_policy``);
        a query stays. The result is not tidied: ``/strip/a`` with prefix ``/strip`` and rewrite ``/`` is ``//a``, as in Envoy.
Rule 2. What was there before is told upstream in ``x-envoy-original-path`` and ``x-envoy-original-host``, also when the
        rewrite happens to change nothing; what a client said in those fields is overwritten.
Rule 3. A rewrite runs after the route's header edits, so that these cannot forge the two fields, and can set the one that
        ``host_rewrite_header`` reads.
Rule 4. What goes upstream stays a request: a path without its first slash gets it back, what is no host is not made one.
Rule 5. The host comes first, so that one that is made of the path (``host_rewrite_path_regex``) is made of what the client
        asked for. The host of a weighted entry is only a new start for that: nothing is told of the one it replaces.
"""

import re
from collections.abc import Callable

from shifter.model.route import PathMatchKind, RegexRewrite, RouteAction, RouteMatch
from shifter.routing.errors import RoutingError
from shifter.routing.match import path_only
from shifter.routing.regex import compile_substitution
from shifter.routing.template import compile_template_rewrite
from shifter.wire.events import RequestHead, first_value, values, without

Rewrite = Callable[[RequestHead], None]

_ORIGINAL_PATH = b"x-envoy-original-path"
_ORIGINAL_HOST = b"x-envoy-original-host"
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::[0-9]{0,5})?")


def replaced_prefix(match: RouteMatch, replacement: bytes) -> Callable[[bytes], bytes | None]:
    """Return a function that puts *replacement* in the place of what *match* covers of a path that fits it: its prefix, or all
    but the query. For a path that fits only because its parameters do not count the function returns ``None``, for it stays as
    it is, as in Envoy.

    Raises `RoutingError` for a template, which covers no part that could be replaced.
    """
    if match.kind is PathMatchKind.URI_TEMPLATE:
        raise RoutingError("prefix_rewrite cannot be used with path_match_policy; use regex_rewrite")
    if match.kind in (PathMatchKind.SAFE_REGEX, PathMatchKind.CONNECT):
        return lambda path: replacement + path[len(path_only(path)) :]
    text, size = match.text, len(match.text)
    if match.case_sensitive:
        return lambda path: replacement + path[size:] if path.startswith(text) else None
    folded = text.lower()
    return lambda path: replacement + path[size:] if path[:size].lower() == folded else None


def compile_rewrite(match: RouteMatch, action: RouteAction, keep_original: bool = True, entry_host: bytes | None = None) -> Rewrite | None:
    """Return a function that edits ``path``, ``authority`` and ``block`` of a head, or ``None`` where nothing is rewritten.

    *entry_host* is the ``host_rewrite_literal`` of the weighted entry. Without *keep_original* (``suppress_envoy_headers``)
    the original path and host are not told. Raises `RoutingError` for a rewrite that would make a request line or a host that
    is none.
    """
    steps: list[Rewrite] = []
    if entry_host:
        steps.append(_entry_step(_checked_host(entry_host)))
    host_of = _new_host(action)
    if host_of is not None:
        steps.append(_host_step(host_of, action.append_x_forwarded_host, keep_original))
    change = _path_change(match, action)
    if change is not None:
        steps.append(_path_step(change, keep_original))
    if not steps:
        return None
    if len(steps) == 1:
        return steps[0]

    def every(head: RequestHead) -> None:
        for step in steps:
            step(head)

    return every


def _new_host(action: RouteAction) -> Callable[[RequestHead], bytes | None] | None:
    if action.host_rewrite_literal:
        host = _checked_host(action.host_rewrite_literal)
        return lambda head: host
    if action.host_rewrite_header:
        return _host_in(action.host_rewrite_header.lower())
    if action.host_rewrite_path_regex is not None:
        return _host_from_path(action.host_rewrite_path_regex)
    return None


def _path_change(match: RouteMatch, action: RouteAction) -> Callable[[bytes], bytes | None] | None:
    if action.prefix_rewrite:
        return _prefix_change(match, action.prefix_rewrite)
    if action.regex_rewrite is not None:
        return _regex_change(action.regex_rewrite)
    if action.path_rewrite_template:
        return _template_change(match, action.path_rewrite_template)
    return None


def visible(text: bytes) -> bool:
    """Say whether *text* is visible ASCII only, so that it may stand in a request line or a ``host`` field."""
    return all(0x20 < byte < 0x7F for byte in text)


def _path_step(change: Callable[[bytes], bytes | None], keep_original: bool) -> Rewrite:
    def rewrite_path(head: RequestHead) -> None:
        path = head.path
        changed = change(path)
        if changed is None:
            return
        if keep_original:
            head.original_path = path
            head.block = _put(head.block, _ORIGINAL_PATH, path)
        head.path = changed

    return rewrite_path


def _prefix_change(match: RouteMatch, rewrite: bytes) -> Callable[[bytes], bytes | None]:
    if not rewrite.startswith(b"/") or b"#" in rewrite or not visible(rewrite):
        raise RoutingError("prefix_rewrite must begin with / and hold visible ASCII only, without #")
    return replaced_prefix(match, rewrite)


def _regex_change(rewrite: RegexRewrite) -> Callable[[bytes], bytes]:
    substitute = path_substitution(rewrite)

    def change(path: bytes) -> bytes:
        before = path_only(path)
        after = substitute(before)
        if not after.startswith(b"/"):
            after = b"/" + after
        return after + path[len(before) :]

    return change


def path_substitution(rewrite: RegexRewrite) -> Callable[[bytes], bytes]:
    """Return the function that applies *rewrite* to a path without its query. Raises `RoutingError`."""
    if b"#" in rewrite.substitution or not visible(rewrite.substitution):
        raise RoutingError("the substitution of regex_rewrite may hold visible ASCII only, without #")
    return compile_substitution(rewrite.pattern, rewrite.substitution)


def _template_change(match: RouteMatch, template: bytes) -> Callable[[bytes], bytes]:
    if match.kind is not PathMatchKind.URI_TEMPLATE:
        raise RoutingError("path_rewrite_policy needs a path_match_policy in the match")
    rewrite = compile_template_rewrite(match.text, template)

    def change(path: bytes) -> bytes:
        before = path_only(path)
        return rewrite(before) + path[len(before) :]

    return change


def _checked_host(host: bytes) -> bytes:
    if _HOST.fullmatch(host) is None:
        raise RoutingError("host_rewrite_literal must be a host or host:port")
    return host


def _host_in(name: bytes) -> Callable[[RequestHead], bytes | None]:
    def host_of(head: RequestHead) -> bytes | None:
        host = first_value(head.block, name)
        return host if host and _HOST.fullmatch(host) else None

    return host_of


def _host_from_path(rewrite: RegexRewrite) -> Callable[[RequestHead], bytes | None]:
    substitute = compile_substitution(rewrite.pattern, rewrite.substitution)

    def host_of(head: RequestHead) -> bytes | None:
        host = substitute(path_only(head.path))
        return host if _HOST.fullmatch(host) else None

    return host_of


def _entry_step(host: bytes) -> Rewrite:
    def rewrite_host(head: RequestHead) -> None:
        head.authority = host

    return rewrite_host


def _host_step(host_of: Callable[[RequestHead], bytes | None], append_forwarded: bool, keep_original: bool) -> Rewrite:
    def rewrite_host(head: RequestHead) -> None:
        host = host_of(head)
        if host is None:
            return
        replace_host(head, host, append_forwarded, keep_original)

    return rewrite_host


def replace_host(head: RequestHead, host: bytes, append_forwarded: bool, keep_original: bool) -> None:
    """Make *host* the host of *head*, and tell of the one before as rule 2 says, and in ``x-forwarded-host`` if that is wanted."""
    before = head.authority
    if keep_original:
        head.block = _put(head.block, _ORIGINAL_HOST, before)
    if append_forwarded and before:
        head.block = _append_forwarded_host(head.block, before)
    head.authority = host


def _append_forwarded_host(block: bytes, host: bytes) -> bytes:
    """Add *host* to the chain in ``x-forwarded-host`` unless it is its last element already."""
    chain = b",".join(values(block, b"x-forwarded-host"))
    if chain.rpartition(b",")[2] == host:
        return block
    return _put(block, b"x-forwarded-host", chain + b"," + host if chain else host)


def _put(block: bytes, name: bytes, value: bytes) -> bytes:
    """Return *block* with *name* once, with *value*, at the end."""
    line = b"\r\n" + name + b": "
    return (without(block, name) if block.rfind(line) >= 0 else block) + line + value
