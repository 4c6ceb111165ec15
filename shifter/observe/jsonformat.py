"""``json_format``: plain data whose texts are formats, as one JSON object.

Rule 1. A text that is one operator and nothing else keeps the operator's type: numbers stay numbers, what is not known is
        ``null``. Any other text is a text.
Rule 2. Keys are sorted, there are no blanks, and a line end closes it, as in Envoy.
Rule 3. Where no key can be missing, all but the values is put together once, and what is left is one function (rule 3 of `logformat`).
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import cast

from shifter.model.format import Json
from shifter.observe.formatcode import Code, Finder
from shifter.observe.logentry import LogEntry
from shifter.observe.logformat import Formatter, argument, compile_template, find_field
from shifter.observe.operators import Kind, Operator, asks_for_more, split

_Maker = Callable[[LogEntry], Json]

_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str).encode
_PLAIN = bytes(byte for byte in range(0x20, 0x7F) if byte not in b'"\\')


def compile_json(
    data: dict[str, Json],
    *,
    omit_empty: bool = False,
    hostname: str | None = None,
    find: Finder | None = None,
    log_type: bytes = b"NotSet",
) -> Formatter:
    """Return what makes the JSON text of an entry. With *omit_empty* keys and items that are not known are left out, and so are objects
    that nothing is left of. The rest is as in `logformat.compile_format`.

    Raises `errors.FormatError`.
    """
    made = _Made(hostname or os.uname().nodename, find or find_field, log_type)
    if omit_empty:
        make = made.maker(data)
        return lambda entry: _bytes(make(entry) or {}) + b"\n"
    return made.whole(data)


def json_asks_for_more(data: Json) -> bool:
    """`operators.asks_for_more` of all formats in *data*. Raises `errors.FormatError`."""
    return any(map(asks_for_more, _formats(data)))


def _formats(data: Json) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for one in data.values() if isinstance(data, dict) else data:
            yield from _formats(one)


class _Made:
    """Makes functions that know these things."""

    def __init__(self, hostname: str, find: Finder, log_type: bytes) -> None:
        self._hostname = hostname
        self._find = find
        self._log_type = log_type

    def _code(self) -> Code:
        code = Code(self._find, self._hostname, self._log_type)
        code.constants |= {"quoted": _quoted, "as_json": _bytes}
        return code

    # all in one

    def whole(self, data: dict[str, Json]) -> Formatter:
        """Return one function for all of *data*."""
        code = self._code()
        arguments: list[str] = []
        form = self._form(data, code, arguments) + b"\n"
        if not arguments:
            constant = form.replace(b"%%", b"%")
            return lambda entry: constant
        return cast(Formatter, code.function(f"return {code.constant(form)} % ({', '.join(arguments)},)"))

    def _form(self, data: Json, code: Code, arguments: list[str]) -> bytes:
        """Return *data* as JSON for ``%``, whose *arguments* are added."""
        if isinstance(data, dict):
            pairs = [_literal(key) + b":" + self._form(data[key], code, arguments) for key in sorted(data)]
            return b"{" + b",".join(pairs) + b"}"
        if isinstance(data, list):
            return b"[" + b",".join([self._form(one, code, arguments) for one in data]) + b"]"
        pieces = split(data) if isinstance(data, str) else []
        operators = [piece for piece in pieces if isinstance(piece, Operator)]
        if not operators:
            return _literal("".join(map(str, pieces)) if isinstance(data, str) else data)
        if len(pieces) == 1:
            conversion, made = self._typed(operators[0], code)
        else:
            conversion, made = b"%b", self._joined(pieces, code)
        arguments.append(made)
        return conversion

    def _typed(self, operator: Operator, code: Code) -> tuple[bytes, str]:
        kind, expression = code.operand(operator)
        if kind is Kind.NUMBER:
            return b"%d", expression
        if kind is Kind.FIGURE:
            value = code.value()
            code.emit(f"{value} = {expression}")
            return b"%b", f"b'null' if {value} is None else b'%d' % {value}"
        if kind is Kind.DATA:
            return b"%b", f"as_json({expression})"
        return b"%b", f"quoted({expression}{' or None' if kind is Kind.WORD else ''})"

    def _joined(self, pieces: list[str | Operator], code: Code) -> str:
        form = b""
        arguments = []
        for piece in pieces:
            if isinstance(piece, str):
                form += piece.encode("utf-8", "replace").replace(b"%", b"%%")
                continue
            conversion, made = argument(code, piece, b"-")
            form += conversion
            arguments.append(made)
        return f"quoted({code.constant(form)} % ({', '.join(arguments)},))"

    # piece by piece

    def maker(self, data: Json) -> _Maker:
        """Return what makes the value that *data* stands for, without what is not known."""
        if isinstance(data, dict):
            pairs = [(key, self.maker(value)) for key, value in data.items()]
            return lambda entry: {key: made for key, make in pairs if (made := make(entry)) is not None} or None
        if isinstance(data, list):
            makers = [self.maker(value) for value in data]
            return lambda entry: [made for make in makers if (made := make(entry)) is not None]
        if not isinstance(data, str):
            return lambda entry: data
        pieces = split(data)
        if len(pieces) == 1 and isinstance(pieces[0], Operator):
            return self._typed_maker(pieces[0])
        text = compile_template(data, lines=True, hostname=self._hostname)
        return lambda entry: text(entry).decode("utf-8", "replace")

    def _typed_maker(self, operator: Operator) -> _Maker:
        """Return what makes the value of one operator in its own type."""
        code = self._code()
        kind, expression = code.operand(operator)
        if kind in (Kind.NUMBER, Kind.FIGURE, Kind.DATA):
            return cast(_Maker, code.function(f"return {expression}"))
        value = code.value()
        code.emit(f"{value} = {expression}" + (" or None" if kind is Kind.WORD else ""))
        return cast(_Maker, code.function(f"return None if {value} is None else {value}.decode('utf-8', 'replace')"))


def _bytes(value: object) -> bytes:
    """Return plain data as JSON."""
    return _encode(value).encode("utf-8", "replace")


def _literal(value: Json) -> bytes:
    """Return plain data as JSON, for ``%``."""
    return _bytes(value).replace(b"%", b"%%")


def _quoted(value: bytes | None) -> bytes:
    """Return a text, or what is not known, as JSON."""
    if value is None:
        return b"null"
    if value.translate(None, _PLAIN):
        return _bytes(value.decode("utf-8", "replace"))
    return b'"%b"' % value
