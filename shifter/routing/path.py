"""One reading of a path, for the route table and for the upstream (RFC 3986 section 6.2.2, Envoy's ``normalize_path``).

Rule 1. What is matched is what is forwarded, and normalising it again changes nothing.
Rule 2. Escapes of unreserved characters are undone, other escapes stay as they were sent; characters that a URL may not hold
        are escaped; ``\\`` is read as ``/``; ``.`` and ``..`` segments are resolved, also with a ``;parameter`` that a
        lenient server would cut off.
Rule 3. A path that has no such form (a broken escape, ``%00``, bytes that are not visible ASCII, ``#``) is refused.
Rule 4. The order is Envoy's: escaped slashes, then the form above, then double slashes. The query is left as it is.

Called only for targets that need a look (``ODD_PATH``).
"""

import re

from shifter.model.http_connection_manager import EscapedSlashes, PathNormalization
from shifter.routing.errors import RequestRefused
from shifter.wire.events import CLOSE, UPGRADE, RequestHead

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ESCAPED_SLASH = re.compile(rb"%(2[fF]|5[cC])")
_SLASHES = re.compile(rb"/{2,}")
_VISIBLE = bytes(range(0x21, 0x7F)).replace(b"#", b"")
_ESCAPE_OR_UNSAFE = re.compile(rb"%.{0,2}|[\"<>^`{|}]")
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://")
_WITH_PORT = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+):[0-9]{1,5}")
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")


def _plain_forms() -> dict[bytes, bytes]:
    """Return what stands for every escape, but that of NUL, and for every character that needs one."""
    forms = {bytes((code,)): b"%%%02X" % code for code in b'"<>^`{|}'}
    for code in range(1, 256):
        for escape in {b"%%%02x" % code, b"%%%02X" % code, b"%%%x%X" % divmod(code, 16), b"%%%X%x" % divmod(code, 16)}:
            forms[escape] = bytes((code,)) if code in _UNRESERVED else escape
    return forms


_PLAIN = _plain_forms()


class PathRejected(RequestRefused):
    """The target has no canonical form, or one that this listener refuses."""


class PathRedirect(Exception):
    """The client is to ask again for ``location``, the same path without escaped slashes (307)."""

    status = 307

    def __init__(self, location: bytes) -> None:
        super().__init__(location)
        self.location = location


def split_absolute(target: bytes) -> tuple[bytes, bytes]:
    """Return authority and origin-form of an absolute-form *target* (RFC 9112 section 3.2.2).

    Raises `PathRejected` for any other scheme than http and https, user information, and a host that is none.
    """
    scheme = _SCHEME.match(target)
    if scheme is None or scheme[0].lower() not in (b"http://", b"https://"):
        raise PathRejected(400, "http1.invalid_url")
    rest = target[scheme.end() :]
    ends = [at for at in (rest.find(b"/"), rest.find(b"?"), rest.find(b"#")) if at >= 0]
    end = min(ends, default=len(rest))
    authority, path = rest[:end], rest[end:]
    if _AUTHORITY.fullmatch(authority) is None:
        raise PathRejected(400, "http1.invalid_url")
    return authority, path if path.startswith(b"/") else b"/" + path


def is_connect_target(target: bytes) -> bool:
    """Say whether *target* is what a CONNECT may have: a host and a port (RFC 9112 section 3.2.3)."""
    return _WITH_PORT.fullmatch(target) is not None


def make_canonical(head: RequestHead, rules: PathNormalization, connects: bool = False) -> None:
    """Bring the target of *head*, whose codec found it odd (``ODD_PATH``), into origin form and the form that *rules* ask for. Where some
    route *connects*, a CONNECT has its target for authority, and no path.

    Raises `RequestRefused` and `PathRedirect`.
    """
    path = head.path
    if head.method == b"CONNECT":
        if not is_connect_target(path):
            raise PathRejected(400, "http1.invalid_url")
        if not connects:
            raise RequestRefused(404, "route_not_found")  # no route takes it, whatever it matches
        head.authority = path
        head.path = b""
        head.flags |= UPGRADE | CLOSE
        return
    if path == b"*" and head.method == b"OPTIONS":
        return
    if path[:1] != b"/":
        head.authority, path = split_absolute(path)
    head.path = normalize(path, rules)


def normalize(target: bytes, rules: PathNormalization) -> bytes:
    """Return *target*, an origin-form with its query, in the form that *rules* ask for; ``*`` stays (RFC 9112 section 3.2.4).

    Raises `PathRejected` (400), or `PathRedirect` when escaped slashes were undone and *rules* want the client to know.
    """
    if target == b"*":
        return target
    if not target.startswith(b"/") or target.translate(None, _VISIBLE):
        raise PathRejected(400, "path_normalization_failed")
    path, mark, query = target.partition(b"?")
    redirect = False
    if rules.escaped_slashes is not EscapedSlashes.KEEP_UNCHANGED and path.find(b"%") >= 0 and _ESCAPED_SLASH.search(path):
        if rules.escaped_slashes is EscapedSlashes.REJECT_REQUEST:
            raise PathRejected(400, "path_normalization_failed")
        redirect = rules.escaped_slashes is EscapedSlashes.UNESCAPE_AND_REDIRECT
        path = _ESCAPED_SLASH.sub(_slash, path)
    if rules.normalize_path:
        path = _canonical(path)
    if rules.merge_slashes and path.find(b"//") >= 0:
        path = _SLASHES.sub(b"/", path)
    if redirect:
        # "//host" would be another site's address (RFC 3986 section 4.2).
        raise PathRedirect(b"/" + path.lstrip(b"/\\") + mark + query)
    return path + mark + query


def _slash(escape: re.Match[bytes]) -> bytes:
    return b"/" if escape[1].lower() == b"2f" else b"\\"


def _canonical(path: bytes) -> bytes:
    try:
        path = _ESCAPE_OR_UNSAFE.sub(_plain, path.replace(b"\\", b"/"))
    except KeyError:
        raise PathRejected(400, "path_normalization_failed") from None
    return _without_dots(path) if path.find(b"/.") >= 0 else path


def _plain(found: re.Match[bytes]) -> bytes:
    return _PLAIN[found[0]]


def _without_dots(path: bytes) -> bytes:
    """Resolve dot segments (RFC 3986 section 5.2.4)."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        plain = segment.partition(b";")[0]
        if plain == b"..":
            if kept:
                kept.pop()
        elif plain != b".":
            kept.append(segment)
    if segments[-1].partition(b";")[0] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
