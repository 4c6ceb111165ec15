"""URI templates (``extensions.path.match.uri_template``, ``extensions.path.rewrite.uri_template``).

Rule 1. ``*`` is one segment or the part of one, at least a character; ``**`` is anything, also nothing, also across slashes.
        ``{name}`` is a ``*`` that is remembered, ``{name=x/*}`` remembers what its own pattern covers. Text may stand before
        and behind a variable in its segment. Behind a ``**`` there is no other wildcard.
Rule 2. What a wildcard stands for is made of the characters of a path segment (RFC 3986 section 3.3) as they were sent:
        escapes are not undone. The path is compared as a whole, without its query, and case always counts.
Rule 3. A ``*`` within a segment's text is refused: Envoy takes it, and means "the letter before, any number of times".
Rule 4. Segments cannot overlap and at most one ``**`` is there, so that to match is linear in the path.
"""

import re
from collections.abc import Callable

from shifter.routing.errors import RoutingError

__all__ = ["Template", "compile_template", "compile_template_rewrite"]

_LITERAL = re.compile(rb"[A-Za-z0-9\-._~%!$&'()+,;:@=]+")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]{0,15}")
_SEGMENT = rb"[A-Za-z0-9\-._~%!$&'()+,;:@=*]+"
_ANYTHING = rb"[A-Za-z0-9\-._~%!$&'()+,;:@=*/]*"
_REWRITE_TEXT = re.compile(rb"[A-Za-z0-9\-._~%!$&'()+,;:@=*/]+")
_MAX_VARIABLES = 5


class Template:
    """A compiled template. ``names`` are its variables in order, ``prefix`` is how every path begins that fits it."""

    __slots__ = ("_fullmatch", "names", "prefix")

    def __init__(self, pattern: bytes, names: tuple[str, ...], prefix: bytes) -> None:
        self._fullmatch = re.compile(pattern).fullmatch
        self.names = names
        self.prefix = prefix

    def fits(self, path: bytes) -> bool:
        """Say whether *path*, without its query, fits."""
        return self._fullmatch(path) is not None

    def match(self, path: bytes) -> dict[str, bytes] | None:
        """Return what the variables stand for in *path* (without its query), or ``None`` when it does not fit."""
        found = self._fullmatch(path)
        return None if found is None else found.groupdict()


def compile_template(text: bytes) -> Template:
    """Compile the template of a ``path_match_policy``. Raises `RoutingError`."""
    return _Parser(text).template()


def compile_template_rewrite(match_text: bytes, rewrite_text: bytes) -> Callable[[bytes], bytes]:
    """Return a function that turns a path (without its query) that fits the template *match_text* into *rewrite_text*, with
    the variables replaced; a path that does not fit stays. Raises `RoutingError`."""
    template = compile_template(match_text)
    if not rewrite_text.startswith(b"/"):
        raise RoutingError(f"the template {_shown(rewrite_text)} must begin with /")
    if b"//" in rewrite_text:
        raise RoutingError(f"the template {_shown(rewrite_text)} has an empty segment")
    parts: list[bytes | str] = []
    rest = rewrite_text
    while rest:
        literal, brace, behind = rest.partition(b"{")
        if literal:
            if _REWRITE_TEXT.fullmatch(literal) is None:
                raise RoutingError(f"{_shown(literal)} in the template {_shown(rewrite_text)} has a character that paths may not have")
            parts.append(literal)
        if not brace:
            break
        name, closed, rest = behind.partition(b"}")
        if not closed:
            raise RoutingError(f"the template {_shown(rewrite_text)} has a {{ without its }}")
        if name.decode("latin-1") not in template.names:
            raise RoutingError(f"the template {_shown(match_text)} has no variable {_shown(name)}")
        parts.append(name.decode("ascii"))

    def rewrite(path: bytes) -> bytes:
        found = template.match(path)
        if found is None:
            return path
        return b"".join([found[part] if isinstance(part, str) else part for part in parts])

    return rewrite


def _shown(text: bytes) -> str:
    return repr(text.decode("utf-8", "replace"))


class _Parser:
    """Reads one template from left to right and writes down the same as a regular expression."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._names: list[str] = []
        self._pattern = b""
        self._prefix: bytes | None = None  # decided at the first wildcard
        self._open_ended = False  # a ** was there

    def template(self) -> Template:
        text = self._text
        if not text.startswith(b"/"):
            raise self._bad("must begin with /")
        rest = text[1:]
        self._pattern = b"/"
        literal_so_far = b"/"
        while rest:
            before = self._pattern
            rest = self._segment(rest)
            if self._prefix is None:
                if self._names or self._pattern[len(before) :].find(b"[") >= 0:
                    self._prefix = literal_so_far
                else:
                    literal_so_far = text[: len(text) - len(rest)]
            if rest == b"/":
                self._pattern += b"/"
                literal_so_far += b"/"
                break
            if rest:
                self._pattern += b"/"
                literal_so_far += b"/"
                rest = rest[1:]
        return Template(self._pattern, tuple(self._names), self._prefix if self._prefix is not None else literal_so_far)

    def _segment(self, rest: bytes) -> bytes:
        """Read one segment and return what follows it: nothing, or text that begins with a slash."""
        if rest.startswith(b"*"):
            size = 2 if rest.startswith(b"**") else 1
            self._wildcard(rest[:size])
            suffix = rest[size:]
            if suffix and not suffix.startswith(b"/"):
                if b"/" in suffix:
                    raise self._bad("has text behind a * that is not at its end")
                self._literal(suffix)
                return b""
            return suffix
        if not rest.startswith(b"{"):
            segment, slash, behind = rest.partition(b"/")
            prefix, brace, _ = segment.partition(b"{")
            if not brace:
                self._literal(segment)
                return slash + behind
            self._literal(prefix)
            if b"}" not in segment:
                raise self._bad("has a { without its }")
            rest = rest[len(prefix) :]
        variable, closed, rest = rest[1:].partition(b"}")
        if not closed:
            raise self._bad("has a { without its }")
        self._variable(variable)
        if rest and not rest.startswith(b"/"):
            suffix, slash, rest = rest.partition(b"/")
            self._literal(suffix)
            rest = slash + rest
        return rest

    def _variable(self, text: bytes) -> None:
        name, equals, pattern = text.partition(b"=")
        if _NAME.fullmatch(name) is None:
            raise self._bad(f"has a variable {_shown(name)}; a name is a letter and at most 15 letters, digits and underscores")
        if name.decode() in self._names:
            raise self._bad(f"has the variable {_shown(name)} twice")
        if len(self._names) == _MAX_VARIABLES:
            raise self._bad(f"has more than {_MAX_VARIABLES} variables")
        if equals and not pattern:
            raise self._bad(f"has no pattern behind the = of {_shown(name)}")
        self._names.append(name.decode())
        self._pattern += b"(?P<%b>" % name
        for number, item in enumerate(pattern.split(b"/") if equals else [b"*"]):
            if number:
                self._pattern += b"/"
            if item in (b"*", b"**"):
                self._wildcard(item)
            else:
                self._literal(item)
        self._pattern += b")"

    def _wildcard(self, text: bytes) -> None:
        if self._open_ended:
            raise self._bad("has a wildcard behind a **")
        self._open_ended = text == b"**"
        self._pattern += _ANYTHING if self._open_ended else _SEGMENT

    def _literal(self, text: bytes) -> None:
        if b"*" in text:
            raise self._bad(f"has a * within {_shown(text)}; a wildcard is a segment of its own, or a variable")
        if not text:
            raise self._bad("has an empty segment")
        if _LITERAL.fullmatch(text) is None:
            raise self._bad(f"has a character in {_shown(text)} that a segment may not have")
        self._pattern += re.escape(text)

    def _bad(self, why: str) -> RoutingError:
        return RoutingError(f"the template {_shown(self._text)} {why}")
