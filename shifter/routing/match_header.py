"""Conditions on header fields (``route.v3.HeaderMatcher``), compiled into functions of a request head.

Rule 1. A condition on a field looks for bytes in the field block, whose lines are canonical; it never builds a mapping.
Rule 2. Repeated lines are tried one by one, and one that fits is enough; ``invert_match`` turns the answer of all of them.
        A few fields that Envoy keeps as one value (`JOINED`) are looked at as one, joined with a comma.
Rule 3. A missing field fits no condition on a value, inverted or not, unless ``treat_missing_header_as_empty``.
Rule 4. Bytes are searched with ``rfind``: ``in`` first tries to read its operand as a number (four times the cost), and
        ``rfind`` looks for the first byte of a needle, a CR, which is rare in a block, where ``find`` looks for its last.
"""

from collections.abc import Callable

from shifter.model.route import HeaderMatcher, StringMatcher, StringMatchKind
from shifter.routing.regex import compile_regex
from shifter.wire.events import RequestHead, values

__all__ = ["JOINED", "Matcher", "always", "compile_header", "compile_string", "header_values", "integer", "never"]

Matcher = Callable[[RequestHead], bool]
_Test = Callable[[bytes], bool]

JOINED = frozenset(
    b"accept accept-encoding access-control-request-headers access-control-request-method access-control-request-private-network "
    b"authorization cache-control content-encoding content-type expect grpc-accept-encoding grpc-timeout if-match if-modified-since "
    b"if-none-match origin pragma proxy-status referer user-agent via x-client-trace-id x-envoy-attempt-count "
    b"x-envoy-decorator-operation x-envoy-downstream-service-cluster x-envoy-downstream-service-node x-envoy-expected-rq-timeout-ms "
    b"x-envoy-external-address x-envoy-is-timeout-retry x-envoy-original-host x-envoy-original-path x-forwarded-for "
    b"x-forwarded-host x-forwarded-port x-forwarded-proto x-request-id".split()
)
"""Request fields of which Envoy's header map holds one value: repeated lines are joined with a comma, without a space."""

_INT64_DIGITS = 19


def never(head: RequestHead) -> bool:
    """The condition that no request fits."""
    return False


def always(head: RequestHead) -> bool:
    """The condition that every request fits."""
    return True


def compile_header(matcher: HeaderMatcher) -> Matcher:
    """Return a function that says whether a request fits one ``HeaderMatcher``. Raises `RoutingError` for a bad regex."""
    name = matcher.name.lower()
    if name.startswith(b":") or name == b"host":
        return _general(matcher, header_values(name))
    if matcher.string is None and matcher.range is None:
        return _presence(matcher, b"\r\n" + name + b": ")
    thorough = _general(matcher, header_values(name))
    quick = _quick(matcher, name)
    if quick is None:
        return thorough
    if name in JOINED:
        line = b"\r\n" + name + b": "
        return lambda head: quick(head) if head.block.count(line) < 2 else thorough(head)
    return quick


def _quick(matcher: HeaderMatcher, name: bytes) -> Matcher | None:
    """Return the search for one string of bytes that does for a plain ``exact`` or ``prefix``, if *matcher* is one."""
    string = matcher.string
    if string is None or string.ignore_case or matcher.invert or (matcher.treat_missing_as_empty and not string.text):
        return None
    if string.kind not in (StringMatchKind.EXACT, StringMatchKind.PREFIX) or b"\r" in string.text or b"\n" in string.text:
        return None
    needle = b"\r\n" + name + b": " + string.text
    if string.kind is StringMatchKind.PREFIX:
        return lambda head: head.block.rfind(needle) >= 0
    size = len(needle)
    line = needle + b"\r\n"

    def exact(head: RequestHead) -> bool:
        block = head.block
        at = block.rfind(needle)
        if at < 0:
            return False
        end = at + size
        return end == len(block) or block.startswith(b"\r\n", end) or block.rfind(line) >= 0

    return exact


def _presence(matcher: HeaderMatcher, line: bytes) -> Matcher:
    wanted = (matcher.present is not False) != matcher.invert
    if matcher.treat_missing_as_empty:
        return always if wanted else never
    return (lambda head: head.block.rfind(line) >= 0) if wanted else (lambda head: head.block.rfind(line) < 0)


def _general(matcher: HeaderMatcher, values_of: Callable[[RequestHead], list[bytes]]) -> Matcher:
    """Return the condition in the terms of the rules above, for what has no shorter form."""
    invert = matcher.invert
    missing = [b""] if matcher.treat_missing_as_empty else []
    if matcher.string is None and matcher.range is None:
        wanted = (matcher.present is not False) != invert
        return lambda head: bool(values_of(head) or missing) is wanted
    test = compile_string(matcher.string) if matcher.string is not None else _range_test(matcher)

    def fits(head: RequestHead) -> bool:
        found = values_of(head) or missing
        if not found:
            return False
        return any(map(test, found)) is not invert

    return fits


def header_values(name: bytes) -> Callable[[RequestHead], list[bytes]]:
    """Return a function that gives the values of a request that conditions on *name* (lower case) look at."""
    if name.startswith(b":") or name == b"host":
        return _pseudo(name)
    if name in JOINED:

        def joined(head: RequestHead) -> list[bytes]:
            found = values(head.block, name)
            return found if len(found) < 2 else [b",".join(found)]

        return joined
    return lambda head: values(head.block, name)


def _pseudo(name: bytes) -> Callable[[RequestHead], list[bytes]]:
    if name == b":method":
        return lambda head: [head.method]
    if name == b":path":
        return lambda head: [head.path]
    if name == b":scheme":
        return lambda head: [head.scheme]
    if name in (b":authority", b"host"):
        return lambda head: [head.authority] if head.authority else []
    return lambda head: []


def compile_string(string: StringMatcher) -> _Test:
    """Return a function that says whether a value fits *string*. Raises `RoutingError` for a bad regex."""
    text = string.text
    if string.kind is StringMatchKind.SAFE_REGEX:
        return compile_regex(text)
    if string.ignore_case:
        plain = compile_string(StringMatcher(string.kind, text.lower()))
        return lambda value: plain(value.lower())
    if string.kind is StringMatchKind.EXACT:
        return lambda value: value == text
    if string.kind is StringMatchKind.PREFIX:
        return lambda value: value.startswith(text)
    if string.kind is StringMatchKind.SUFFIX:
        return lambda value: value.endswith(text)
    return lambda value: text in value


def _range_test(matcher: HeaderMatcher) -> _Test:
    bounds = matcher.range
    assert bounds is not None
    start, end = bounds.start, bounds.end

    def in_range(value: bytes) -> bool:
        number = integer(value)
        return number is not None and start <= number < end

    return in_range


def integer(value: bytes) -> int | None:
    """Return *value* as a 64-bit integer the way Envoy reads one: a sign, digits, nothing else; ``None`` if it is none."""
    digits = value[1:] if value[:1] in (b"+", b"-") else value
    if not digits.isdigit() or len(digits.lstrip(b"0")) > _INT64_DIGITS:
        return None
    number = int(digits.lstrip(b"0") or b"0")
    if value.startswith(b"-"):
        number = -number
    return number if -(2**63) <= number < 2**63 else None
