"""Where a redirect leads (``route.v3.RedirectAction``): always an absolute URL.

Rule 1. What the action does not name is as in the request. ``path_redirect`` keeps the query, unless it has one itself; so do
        ``prefix_rewrite`` and ``regex_rewrite``, unless ``strip_query``. A path that ``regex_rewrite`` would empty stays.
Rule 2. A port of the request's authority goes when the scheme changes and it was the old scheme's own (80, 443); it stays
        when the scheme stays. ``host_redirect`` and ``port_redirect`` are taken as they are written.
"""

from collections.abc import Callable

from shifter.model.route import RedirectAction, RouteMatch
from shifter.routing.errors import RoutingError
from shifter.routing.hosts import without_port
from shifter.routing.match import path_only
from shifter.routing.rewrite import path_substitution, replaced_prefix, visible
from shifter.wire.events import RequestHead

Location = Callable[[RequestHead], bytes]

_OWN_PORT = {b"http": b":80", b"https": b":443"}


def compile_redirect(match: RouteMatch, action: RedirectAction) -> Location:
    """Return a function that makes the ``location`` for a request that fits *match*.

    Raises `RoutingError` for text that cannot stand in a URL.
    """
    for text in (action.scheme_redirect, action.host_redirect, action.path_redirect, action.prefix_rewrite):
        if text is not None and not visible(text):
            raise RoutingError("a redirect may hold visible ASCII only")
    if action.prefix_rewrite and not action.prefix_rewrite.startswith(b"/"):
        raise RoutingError("prefix_rewrite must begin with /")
    wanted_scheme = b"https" if action.https_redirect else action.scheme_redirect
    wanted_host = action.host_redirect
    wanted_port = b":%d" % action.port_redirect if action.port_redirect else b""
    path_of = _path_of(match, action)

    def where(head: RequestHead) -> bytes:
        scheme = wanted_scheme or head.scheme
        if wanted_host:
            host = wanted_host
        else:
            host = head.authority
            if wanted_port:
                host = without_port(host)
            elif wanted_scheme and wanted_scheme != head.scheme:
                host = host.removesuffix(_OWN_PORT.get(head.scheme, b""))
        return scheme + b"://" + host + wanted_port + path_of(head.path)

    return where


def _path_of(match: RouteMatch, action: RedirectAction) -> Callable[[bytes], bytes]:
    strip = action.strip_query
    if action.path_redirect:
        path = action.path_redirect if action.path_redirect.startswith(b"/") else b"/" + action.path_redirect
        if strip or b"?" in path:
            return lambda target: path
        return lambda target: path + target[len(path_only(target)) :]
    prefix = action.prefix_rewrite
    if prefix:
        replaced = replaced_prefix(match, prefix)
        return lambda target: _or_same(replaced, path_only(target) if strip else target)
    if action.regex_rewrite is not None:
        return _substituted(path_substitution(action.regex_rewrite), strip)
    return path_only if strip else lambda target: target


def _or_same(replaced: Callable[[bytes], bytes | None], target: bytes) -> bytes:
    changed = replaced(target)
    return target if changed is None else changed


def _substituted(substitute: Callable[[bytes], bytes], strip: bool) -> Callable[[bytes], bytes]:
    def path_of(target: bytes) -> bytes:
        before = path_only(target)
        after = substitute(before) or before
        if not after.startswith(b"/"):
            after = b"/" + after
        return after if strip else after + target[len(before) :]

    return path_of
