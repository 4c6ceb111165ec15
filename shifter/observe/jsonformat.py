"""``json_format``: plain data whose texts are formats, as one JSON object.

Rule 1. A text that is one operator and nothing else keeps the operator's type: numbers stay numbers, what is not known is
        ``null``. Any other text is a text.
Rule 2. Keys are sorted, there are no blanks, and a line end closes it, as in Envoy.
"""

import json
import os
from collections.abc import Callable
from typing import cast

from shifter.model.format import Json
from shifter.observe.formatcode import Code
from shifter.observe.logentry import LogEntry
from shifter.observe.logformat import Formatter, compile_template, find_field
from shifter.observe.operators import Kind, Operator, split

_Maker = Callable[[LogEntry], Json]


def compile_json(data: dict[str, Json], *, omit_empty: bool = False, hostname: str | None = None) -> Formatter:
    """Return what makes the JSON text of an entry. With *omit_empty* keys and items that are not known are left out.

    Raises `errors.FormatError`.
    """
    hostname = hostname or os.uname().nodename
    make = _maker(data, omit_empty, hostname)
    encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False, default=str).encode
    return lambda entry: encode(make(entry)).encode("utf-8", "replace") + b"\n"


def _maker(data: Json, omit_empty: bool, hostname: str) -> _Maker:
    """Return what makes one value."""
    if isinstance(data, dict):
        pairs = [(key, _maker(value, omit_empty, hostname)) for key, value in data.items()]

        def an_object(entry: LogEntry) -> Json:
            made = {key: make(entry) for key, make in pairs}
            return {key: value for key, value in made.items() if value is not None} if omit_empty else made

        return an_object
    if isinstance(data, list):
        makers = [_maker(value, omit_empty, hostname) for value in data]

        def a_list(entry: LogEntry) -> Json:
            return [value for value in [make(entry) for make in makers] if value is not None or not omit_empty]

        return a_list
    if not isinstance(data, str):
        return lambda entry: data
    pieces = split(data)
    if len(pieces) == 1 and isinstance(pieces[0], Operator):
        return _typed(pieces[0], hostname)
    text = compile_template(data, unknown=b"" if omit_empty else b"-", lines=True, hostname=hostname)
    return lambda entry: text(entry).decode("utf-8", "replace")


def _typed(operator: Operator, hostname: str) -> _Maker:
    """Return what makes the value of one operator in its own type."""
    code = Code(find_field, hostname, b"NotSet")
    kind, expression = code.operand(operator)
    if kind in (Kind.NUMBER, Kind.FIGURE, Kind.DATA):
        return cast(_Maker, code.function(f"return {expression}"))
    value = code.value()
    code.emit(f"{value} = {expression}" + (" or None" if kind is Kind.WORD else ""))
    return cast(_Maker, code.function(f"return None if {value} is None else {value}.decode('utf-8', 'replace')"))
