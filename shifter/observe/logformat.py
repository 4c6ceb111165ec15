"""Envoy's access log formats, compiled into one function each.

Rule 1. One request makes one line. Whatever a client or a server sent is printed so that it cannot end the line, close a
        quotation or move a terminal's cursor: ``"`` and ``\\`` are led by ``\\``, every byte outside visible ASCII becomes
        ``\\xNN`` (as in nginx, unlike Envoy, which prints it as it came).
Rule 2. A format that is not understood is refused whole; nothing of it is guessed.
Rule 3. What a format does not ask for costs nothing: the function is generated from a table of fixed expressions, and text
        from the format reaches it only as constants.
"""

import re
import time
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn, TypeAlias, cast


class LogEntry:
    """What access log lines can tell about one request.

    ``start`` is the wall clock at the request's first byte, in seconds since the epoch. ``path`` is the target as forwarded
    and ``original_path`` what ``x-envoy-original-path`` says when a route rewrote it. ``status`` is 0 when the client got no
    answer. ``flags`` are Envoy's response flags joined by commas. Bytes count bodies, not heads. ``request_block`` holds the
    fields of the request as forwarded (as received, when it was not), ``response_block`` those of the answer as sent;
    see ``shifter.wire.events`` for their form. ``upstream_host`` is ``address:port`` of the last endpoint tried,
    ``upstream_service_time`` the text of ``x-envoy-upstream-service-time``. ``peer`` is the client's ``address:port``,
    ``attempts`` how often an upstream was tried. What is empty or ``None`` is printed as ``-``.
    """

    __slots__ = (
        "attempts",
        "authority",
        "bytes_received",
        "bytes_sent",
        "cluster",
        "connection_id",
        "details",
        "duration_ms",
        "flags",
        "method",
        "original_path",
        "path",
        "peer",
        "protocol",
        "request_block",
        "response_block",
        "route",
        "scheme",
        "start",
        "status",
        "upstream_host",
        "upstream_service_time",
    )

    def __init__(self, start: float, method: bytes, path: bytes, authority: bytes) -> None:
        self.start = start
        self.method = method
        self.path = path
        self.authority = authority
        self.scheme = b"http"
        self.original_path: bytes | None = None
        self.protocol = b"HTTP/1.1"
        self.status = 0
        self.flags = b""
        self.details = ""
        self.bytes_received = 0
        self.bytes_sent = 0
        self.duration_ms = 0
        self.request_block = b""
        self.response_block = b""
        self.upstream_host: bytes | None = None
        self.upstream_service_time: bytes | None = None
        self.cluster = ""
        self.route = ""
        self.peer = b""
        self.attempts = 0
        self.connection_id = 0


Formatter: TypeAlias = Callable[[LogEntry], bytes]


class ShifterError(Exception):
    """Something about statistics or access logs cannot be done."""


class FormatError(ShifterError):
    """An access log format is not understood.

    ``position`` is the offset of the offending ``%`` in the format, ``operator`` the text there, ``hint`` the nearest operator
    that is known, or empty.
    """

    def __init__(self, reason: str, position: int, operator: str, hint: str = "") -> None:
        super().__init__(f"{reason}: {operator!r} at offset {position}" + (f"; did you mean {hint!r}?" if hint else ""))
        self.position = position
        self.operator = operator
        self.hint = hint


# Operator -> the format's conversion and an expression over the entry `e`. `b"-"` stands for what is not known.
_PLAIN = {
    "BYTES_RECEIVED": (b"%d", "e.bytes_received"),
    "BYTES_SENT": (b"%d", "e.bytes_sent"),
    "CONNECTION_ID": (b"%d", "e.connection_id"),
    "DOWNSTREAM_REMOTE_ADDRESS": (b"%b", "e.peer or b'-'"),
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": (b"%b", "e.peer.rpartition(b':')[0].strip(b'[]') or b'-'"),
    "DURATION": (b"%d", "e.duration_ms"),
    "PROTOCOL": (b"%b", "e.protocol or b'-'"),
    "RESPONSE_CODE": (b"%d", "e.status"),
    "RESPONSE_CODE_DETAILS": (b"%b", "e.details.replace(' ', '_').encode() or b'-'"),
    "RESPONSE_FLAGS": (b"%b", "e.flags or b'-'"),
    "ROUTE_NAME": (b"%b", "e.route.encode() or b'-'"),
    "UPSTREAM_CLUSTER": (b"%b", "e.cluster.encode() or b'-'"),
    "UPSTREAM_HOST": (b"%b", "e.upstream_host or b'-'"),
    "UPSTREAM_REQUEST_ATTEMPT_COUNT": (b"%d", "e.attempts"),
}
_REQUEST_ATTRIBUTES = {
    ":authority": "e.authority or None",
    ":method": "e.method or None",
    ":path": "e.path or None",
    ":scheme": "e.scheme or None",
    "host": "e.authority or None",
    "x-envoy-original-path": "e.original_path",
}
_RESPONSE_ATTRIBUTES = {
    ":status": "b'%d' % e.status",
    "x-envoy-upstream-service-time": "e.upstream_service_time",
}
OPERATORS = (*_PLAIN, "HOSTNAME", "REQ", "RESP", "START_TIME")
"""Every operator that a format may use."""

_OPERATOR = re.compile(r"%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::([0-9]+))?%")
_HEADER = re.compile(r"(:?[A-Za-z0-9!#$&'*+.^_`|~-]+)(?:\?(:?[A-Za-z0-9!#$&'*+.^_`|~-]+))?")
_SAFE = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
_ESCAPES = {byte: b"\\x%02x" % byte for byte in range(256) if not 0x20 <= byte < 0x7F} | {0x22: b'\\"', 0x5C: b"\\\\"}
_UNSAFE = re.compile(rb"[^ !#-\[\]-~]")


def asks_for_connection(text: str) -> bool:
    """Whether lines in the format *text* show ``LogEntry.peer`` or ``connection_id``, which cost something to find out."""
    return "%DOWNSTREAM_REMOTE_ADDRESS" in text or "%CONNECTION_ID%" in text


Finder: TypeAlias = Callable[[bytes, bytes], bytes | None]
"""Finds the first value of a field in a field block."""


def compile_format(text: str, *, hostname: str = "-", find: Finder | None = None) -> Formatter:
    """Return a function that makes the log line of an entry in the format *text* (Envoy's command operators).

    *hostname* is what ``%HOSTNAME%`` prints, *find* a faster finder than this room's own. Raises `FormatError`.
    """
    return _Compiler(hostname, find or _find).compile(text)


def _find(block: bytes, name: bytes) -> bytes | None:
    at = block.find(b"\r\n" + name + b": ")
    if at < 0:
        return None
    at += len(name) + 4
    # A value holds no CR (rule 1 of wire.events), and one byte is found faster than two.
    end = block.find(b"\r", at)
    return block[at:] if end < 0 else block[at:end]


class _Compiler:
    def __init__(self, hostname: str, find: Finder) -> None:
        self._hostname = hostname
        self._find = find
        self._literals: list[bytes] = []
        self._conversions: list[bytes] = []
        self._code: list[str] = []
        self._arguments: list[str] = []
        self._constants: dict[str, object] = {}
        self._values = 0

    def compile(self, text: str) -> Formatter:
        literal = ""
        at = 0
        while (found := text.find("%", at)) >= 0:
            literal += text[at:found]
            if text.startswith("%%", found):
                literal += "%"
                at = found + 2
                continue
            match = _OPERATOR.match(text, found)
            if match is None:
                raise FormatError("not an operator (a percent sign alone is written '%%')", found, text[found : found + 30])
            at = match.end()
            if match[0] == "%HOSTNAME%":
                literal += self._hostname
                continue
            conversion, expression = self._operator(match)
            self._literals.append(literal.encode())
            self._conversions.append(conversion)
            self._arguments.append(expression)
            literal = ""
        self._literals.append((literal + text[at:]).encode())
        return self._function()

    def _operator(self, match: re.Match[str]) -> tuple[bytes, str]:
        name, argument, length = match.groups()
        if name in ("REQ", "RESP"):
            return b"%b", self._field(match)
        if length is not None:
            self._refuse("only REQ and RESP take a length", match)
        if name == "START_TIME":
            return b"%b", self._start_time(argument or "%Y-%m-%dT%H:%M:%S.%3fZ")
        if name not in OPERATORS:
            near = get_close_matches(name, OPERATORS, n=1)
            raise FormatError("unknown access log operator", match.start(), name, near[0] if near else "")
        if argument is not None or name == "HOSTNAME":
            self._refuse("this operator takes no argument", match)
        return _PLAIN[name]

    @staticmethod
    def _refuse(reason: str, match: re.Match[str]) -> NoReturn:
        raise FormatError(reason, match.start(), match[0])

    def _field(self, match: re.Match[str]) -> str:
        """``REQ(X?Y):Z``: the first of two fields that is there, cut to Z bytes."""
        names = _HEADER.fullmatch(match[2] or "")
        if names is None:
            self._refuse("needs a header name, as in REQ(USER-AGENT) or REQ(X-FIRST?X-OTHERWISE):10", match)
        value = self._value()
        for indent, name in enumerate(filter(None, names.groups())):
            self._lookup(value, " " * indent, match[1] == "RESP", name.lower())
            self._emit(f"{' ' * indent}if {value} is None:")
        self._emit(f"{' ' * len(names.groups())}{value} = b'-'")
        return f"{value}[:{int(match[3])}]" if match[3] else value

    def _lookup(self, value: str, indent: str, response: bool, name: str) -> None:
        attribute = (_RESPONSE_ATTRIBUTES if response else _REQUEST_ATTRIBUTES).get(name)
        if attribute is not None:
            self._emit(f"{indent}{value} = {attribute}")
            return
        wanted = self._constant("n", name.encode())
        block = "e.response_block" if response else "e.request_block"
        self._emit(f"{indent}{value} = find({block}, {wanted})")

    def _start_time(self, form: str) -> str:
        clock = _StartTime(form)
        name = self._constant("t", clock)
        now = self._value()
        self._emit(f"{now} = {name}[int(e.start * {clock.scale})]")
        return now

    def _function(self) -> Formatter:
        pieces = [
            literal.replace(b"%", b"%%") + conversion for literal, conversion in zip(self._literals, [*self._conversions, b""], strict=True)
        ]
        self._constants |= {
            "FORMAT": b"".join(pieces),
            "SAFE": _SAFE,
            "EXPECTED": b"".join(self._literals).translate(None, _SAFE),
            "escaped": _escaped,
            "find": self._find,
        }
        source = [
            "def line(e):",
            *self._code,
            f" a = ({''.join(f'{argument}, ' for argument in self._arguments)})",
            " r = FORMAT % a",
            # Whatever is left besides the format's own quotes came from outside.
            " return r if r.translate(None, SAFE) == EXPECTED else FORMAT % escaped(a)",
        ]
        namespace = dict(self._constants)
        exec("\n".join(source), namespace)
        return cast(Formatter, namespace["line"])

    def _emit(self, *lines: str) -> None:
        self._code.extend(f" {line}" for line in lines)

    def _value(self) -> str:
        self._values += 1
        return f"v{self._values}"

    def _constant(self, letter: str, value: object) -> str:
        name = f"{letter}{len(self._constants)}"
        self._constants[name] = value
        return name


class _StartTime(dict[int, bytes]):
    """``%START_TIME(...)%`` in UTC: ``strftime`` words and Envoy's ``%s``, ``%f`` (nanoseconds) and ``%1f`` to ``%9f``.

    ``scale`` is how many different texts a second can have; the key of a text is its time in seconds times that. The last
    ones are kept: requests that end together began within a few milliseconds of each other, in any order.
    """

    __slots__ = ("_fractions", "_parts", "_second", "_template", "scale")

    _WORDS = re.compile(r"%([1-9]?f|s|%)")
    # A clock in floating point tells microseconds and no more.
    _DIGITS = 6
    _KEPT = 256

    def __init__(self, form: str) -> None:
        self._parts = self._WORDS.split(form)
        self._fractions = [int(word[:-1] or 9) for word in self._parts[1::2] if word.endswith("f")]
        self.scale = 10 ** min(self._DIGITS, max(self._fractions, default=0))
        self._second = -1
        self._template = b""
        self[0]  # a form that strftime refuses is refused now

    def __missing__(self, at: int) -> bytes:
        second, fraction = divmod(at, self.scale)
        if second != self._second:
            self._second = second
            self._template = self._of_second(second)
        micros = fraction * (10**self._DIGITS // self.scale)
        if len(self) >= self._KEPT:
            self.clear()
        text = self[at] = self._template % tuple(
            micros // 10 ** (self._DIGITS - digits) if digits <= self._DIGITS else micros * 10 ** (digits - self._DIGITS)
            for digits in self._fractions
        )
        return text

    def _of_second(self, second: int) -> bytes:
        when = time.gmtime(second)
        template = b""
        for index, part in enumerate(self._parts):
            if index % 2 == 0:
                template += time.strftime(part, when).replace("%", "%%").encode() if part else b""
            elif part == "s":
                template += b"%d" % second
            elif part == "%":
                template += b"%%"
            else:
                template += b"%%0%dd" % int(part[:-1] or 9)
        return template


def _escaped(arguments: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(_UNSAFE.sub(lambda found: _ESCAPES[found[0][0]], one) if isinstance(one, bytes) else one for one in arguments)
