"""Envoy's formats, compiled into one function each: access log lines, and texts for header values and local replies.

Rule 1. One request makes one line. Whatever a client or a server sent is printed so that it cannot end the line, close a
        quotation or move a terminal's cursor: ``"`` and ``\\`` are led by ``\\``, every byte outside visible ASCII becomes
        ``\\xNN`` (as in nginx, unlike Envoy, which prints it as it came).
Rule 2. In a template's text (`compile_template`) nothing is escaped; what operators yield loses its control characters, so that
        no value can become a second field.
Rule 3. What a format does not ask for costs nothing: the function is generated from tables of fixed expressions (`operators`).
"""

import os
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias, cast

from shifter.observe.errors import FormatError, ShifterError
from shifter.observe.formatcode import Code, Finder
from shifter.observe.logentry import LogEntry
from shifter.observe.operators import OPERATORS, Kind, Operator, asks_for_more, split

__all__ = [
    "OPERATORS", "Finder", "FormatError", "Formatter", "LogEntry", "ShifterError", "Template", "asks_for_more", "compile_format",
    "compile_template", "template_problem",
]  # fmt: skip

Formatter: TypeAlias = Callable[[LogEntry], bytes]

_SAFE = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')
_ESCAPES = {byte: b"\\x%02x" % byte for byte in range(256) if not 0x20 <= byte < 0x7F} | {0x22: b'\\"', 0x5C: b"\\\\"}
_UNSAFE = re.compile(rb"[^ !#-\[\]-~]")
_CONTROLS = bytes(byte for byte in range(0x20) if byte != 0x09) + b"\x7f"


def compile_format(
    text: str, *, hostname: str = "-", find: Finder | None = None, log_type: bytes = b"DownstreamEnd", unknown: bytes = b"-"
) -> Formatter:
    """Return a function that makes the log line of an entry in the format *text* (Envoy's command operators).

    *hostname* is what ``%HOSTNAME%`` prints, *find* a faster finder than this room's own, *log_type* what ``%ACCESS_LOG_TYPE%`` prints
    (``TcpConnectionEnd`` for connections), *unknown* stands for what is not known. Raises `FormatError`.
    """
    parts = _Parts(text, unknown, Code(find or find_field, hostname, log_type))
    code = parts.code
    code.constants |= {"FORMAT": parts.form, "SAFE": _SAFE, "EXPECTED": parts.literals.translate(None, _SAFE), "escaped": _escaped}
    made = code.function(
        f"a = {parts.arguments}",
        "r = FORMAT % a",
        # Whatever is left besides the format's own quotes came from outside.
        "return r if r.translate(None, SAFE) == EXPECTED else FORMAT % escaped(a)",
    )
    return cast(Formatter, made)


class Template:
    """A compiled text: call it with a `LogEntry`. ``constant`` is what it always says, ``None`` when it has operators."""

    __slots__ = ("_made", "constant")

    def __init__(self, made: Formatter, constant: bytes | None) -> None:
        self._made = made
        self.constant = constant

    def __call__(self, entry: LogEntry) -> bytes:
        return self._made(entry)

    def __repr__(self) -> str:
        return f"<Template {'with operators' if self.constant is None else self.constant!r}>"


@lru_cache(maxsize=4096)  # the routes of a table mostly say the same, and making a function takes a while
def compile_template(text: str, *, unknown: bytes = b"", lines: bool = False, hostname: str | None = None) -> Template:
    """Return what makes the text of an entry that the format *text* describes, for a header's value or a local reply.

    *unknown* stands for what is not known. With *lines* the body of a local reply (``%LOCAL_REPLY_BODY%``) keeps its line ends.
    *hostname* is this machine's own unless given. Raises `FormatError`.
    """
    if "%" not in text:
        plain = text.encode("utf-8", "replace")
        return Template(lambda entry: plain, plain)
    parts = _Parts(text, unknown, Code(find_field, hostname or os.uname().nodename, b"NotSet"))
    if not parts.operators:
        constant = parts.literals
        return Template(lambda entry: constant, constant)
    code = parts.code
    code.constants |= {"FORMAT": parts.form, "cleaned": _cleaned, "CONTROLS": _CONTROLS}
    if parts.literals.translate(None, _CONTROLS) == parts.literals and not lines:
        made = code.function(f"return (FORMAT % {parts.arguments}).translate(None, CONTROLS)")
    else:
        made = code.function(f"return FORMAT % cleaned({parts.arguments}, {parts.bodies if lines else ()})")
    return Template(cast(Formatter, made), None)


def template_problem(text: str) -> str | None:
    """Say why `compile_template` refuses *text*, ``None`` if it does not."""
    try:
        compile_template(text)
    except FormatError as error:
        return str(error)
    return None


class _Parts:
    """A format for ``%``: ``form``, the tuple of its ``arguments`` as code, and all literal text of it in ``literals``.

    ``bodies`` are the places of arguments that are the bodies of local replies.
    """

    def __init__(self, text: str, unknown: bytes, code: Code) -> None:
        self.code = code
        self.operators = 0
        self.literals = b""
        self.form = b""
        self.bodies: tuple[int, ...] = ()
        arguments = ""
        for piece in split(text):
            if isinstance(piece, Operator) and piece.name == "HOSTNAME":
                _, name = code.operand(piece)
                piece = cast(bytes, code.constants[name]).decode()
            if isinstance(piece, str):
                literal = piece.encode("utf-8", "replace")
                self.literals += literal
                self.form += literal.replace(b"%", b"%%")
                continue
            if piece.name == "LOCAL_REPLY_BODY":
                self.bodies = (*self.bodies, self.operators)
            self.operators += 1
            conversion, value = argument(code, piece, unknown)
            self.form += conversion
            arguments += f"{value}, "
        self.arguments = f"({arguments})"


def argument(code: Code, operator: Operator, unknown: bytes) -> tuple[bytes, str]:
    """Return the conversion for an operator's value, and the code of what is converted."""
    kind, expression = code.operand(operator, repr(unknown))
    if kind is Kind.NUMBER:
        return b"%d", expression
    if kind is Kind.FIELD:
        return b"%b", expression
    if kind is Kind.WORD:
        return b"%b", repr(unknown) if expression == "None" else f"{expression} or {unknown!r}"
    value = code.value()
    made = f"b'%d' % {value}" if kind is Kind.FIGURE else f"operands.text({value})"
    code.emit(f"{value} = {expression}", f"{value} = {unknown!r} if {value} is None else {made}")
    return b"%b", value


def find_field(block: bytes, name: bytes) -> bytes | None:
    """Return the first value of the field called *name* in a field block, or ``None``."""
    at = block.find(b"\r\n" + name + b": ")
    if at < 0:
        return None
    at += len(name) + 4
    # A value holds no CR (rule 1 of wire.events), and one byte is found faster than two.
    end = block.find(b"\r", at)
    return block[at:] if end < 0 else block[at:end]


def _cleaned(arguments: tuple[object, ...], whole: tuple[int, ...]) -> tuple[object, ...]:
    return tuple(one.translate(None, _CONTROLS) if isinstance(one, bytes) and at not in whole else one for at, one in enumerate(arguments))


def _escaped(arguments: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(_UNSAFE.sub(lambda found: _ESCAPES[found[0][0]], one) if isinstance(one, bytes) else one for one in arguments)
