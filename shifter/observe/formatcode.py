"""The code of a format's operators: expressions and statements over an entry ``e``, for functions that are generated.

Rule 1. Code is made from the fixed expressions of `operators`; text from a format reaches it only as constants.
Rule 2. An operator's value is unknown (``None``, or empty where an empty value makes no sense), never an error.
"""

import json
import os
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import TypeAlias

from shifter.observe import operands, tls_operands
from shifter.observe.errors import FormatError
from shifter.observe.operators import (
    ADDRESSES,
    ALIASES,
    ATTRIBUTES,
    BLOCKS,
    CUT,
    FIELDS,
    FIGURES,
    HEADERS,
    NOTHING,
    NUMBERS,
    TAKING,
    TIMES,
    WORDS,
    Kind,
    Operator,
)
from shifter.observe.starttime import StartTime
from shifter.observe.tls_operands import TLS_TIMES

Finder: TypeAlias = Callable[[bytes, bytes], bytes | None]
"""Finds the first value of a field in a field block."""

_HEADER = re.compile(r"(:?[A-Za-z0-9!#$&'*+.^_`|~-]+)(?:\?(:?[A-Za-z0-9!#$&'*+.^_`|~-]+)?)?")

_SOURCES = {"DYNAMIC_METADATA": "DYNAMIC", "CLUSTER_METADATA": "CLUSTER", "UPSTREAM_METADATA": "UPSTREAM_HOST"}
_METADATA = {
    "DYNAMIC": "e.metadata",
    "ROUTE": "e.route_metadata",
    "CLUSTER": "e.cluster_metadata",
    "UPSTREAM_HOST": "e.upstream_metadata",
}
"""Whose metadata there are, and where an entry has them."""


class Code:
    """A function of an entry ``e``, under construction."""

    def __init__(self, find: Finder, hostname: str, log_type: bytes) -> None:
        self._find = find
        self._hostname = hostname
        self._log_type = log_type
        self._lines: list[str] = []
        self._values = 0
        self.constants: dict[str, object] = {"find": find, "operands": operands, "tls": tls_operands}

    def emit(self, *lines: str) -> None:
        self._lines.extend(f" {line}" for line in lines)

    def value(self) -> str:
        """Return a new variable."""
        self._values += 1
        return f"v{self._values}"

    def constant(self, value: object) -> str:
        """Return a name for *value*."""
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name

    def function(self, *last: str) -> Callable[..., object]:
        """Return the function that runs what was emitted and *last*."""
        namespace = dict(self.constants)
        exec("\n".join(["def made(e):", *self._lines, *(f" {line}" for line in last)]), namespace)
        made: Callable[..., object] = namespace["made"]  # type: ignore[assignment]  # exec's namespace knows no types
        return made

    def operand(self, one: Operator, unknown: str = "None") -> tuple[Kind, str]:
        """Return an expression for the value of *one*; a ``FIELD`` that is not known yields *unknown*. Raises `FormatError`."""
        name = one.name
        if name in HEADERS:
            return Kind.FIELD, self._header(one, unknown)
        if name in TAKING:
            return self._taking(one, unknown)
        if one.argument:
            if name in ADDRESSES:
                return Kind.WORD, f"operands.masked({ADDRESSES[name]}, {_bits(one)})"
            one.check_known()
            one.refuse("this operator takes no argument")
        if one.length is not None:
            one.check_known()
            one.refuse("this operator takes no length")
        if name in NUMBERS:
            return Kind.NUMBER, NUMBERS[name]
        if name in WORDS:
            return Kind.WORD, WORDS[name]
        if name in ADDRESSES:
            return Kind.WORD, f"operands.without_port({ADDRESSES[name]})"
        if name in FIGURES:
            return Kind.FIGURE, FIGURES[name]
        if name in FIELDS:
            return Kind.FIELD, FIELDS[name]
        if name in NOTHING:
            return Kind.WORD, "None"
        one.check_known()
        raise AssertionError(name)

    def _header(self, one: Operator, unknown: str) -> str:
        """``REQ(X?Y):Z``: the first of two fields that is there, cut to Z bytes."""
        names = _HEADER.fullmatch(one.argument or "")
        if names is None:
            one.refuse("needs a header name, as in REQ(USER-AGENT) or REQ(X-FIRST?X-OTHERWISE):10")
        value = self.value()
        message = HEADERS[one.name]
        wanted = [name.lower() for name in names.groups() if name]
        for depth, name in enumerate(wanted):
            indent = " " * depth
            attribute = ATTRIBUTES[message].get(name)
            found = attribute if attribute is not None else f"find({BLOCKS[message]}, {self.constant(name.encode())})"
            self.emit(f"{indent}{value} = {found}", f"{indent}if {value} is None:")
        self.emit(f"{' ' * len(wanted)}{value} = {unknown}")
        return self._cut(value, one, unknown)

    def _cut(self, value: str, one: Operator, unknown: str) -> str:
        if one.length is None:
            return value
        return f"{value}[:{one.length}]" if unknown != "None" else f"({value} and {value}[:{one.length}])"

    def _field(self, expression: str, one: Operator, unknown: str) -> tuple[Kind, str]:
        value = self.value()
        self.emit(f"{value} = {expression}", f"if {value} is None:", f" {value} = {unknown}")
        return Kind.FIELD, self._cut(value, one, unknown)

    def _taking(self, one: Operator, unknown: str) -> tuple[Kind, str]:
        """The operators that take an argument in a way of their own."""
        name, argument = one.name, one.argument or ""
        if one.length is not None and name not in CUT:
            one.refuse("this operator takes no length")
        if name in TIMES:
            return Kind.WORD, self._time(one)
        if name in TLS_TIMES:
            whose, which = TLS_TIMES[name]
            return Kind.WORD, f"tls.when({whose}, {which!r}, {self.constant(self._clock(one))})"
        if name in ("HOSTNAME", "ACCESS_LOG_TYPE"):
            if argument:
                one.refuse("this operator takes no argument")
            return Kind.WORD, self.constant(self._hostname.encode() if name == "HOSTNAME" else self._log_type)
        if name == "ENVIRONMENT":
            if not argument:
                one.refuse("needs the name of a variable, as in ENVIRONMENT(HOME)")
            known = os.environ.get(argument)
            return self._field(self.constant(known.encode() if known is not None else b"-"), one, unknown)
        if name == "RESPONSE_CODE_DETAILS":
            return Kind.WORD, "e.details.encode()" if argument == "ALLOW_WHITESPACES" else "e.details.replace(' ', '_').encode()"
        if name == "COALESCE":
            return self._field(f"operands.first(e, {self.constant(self._choices(one))})", one, unknown)
        if name in ("METADATA", *_SOURCES):
            return Kind.DATA, self._metadata(one)
        if name == "QUERY_PARAM":
            if not argument:
                one.refuse("needs the name of a parameter, as in QUERY_PARAM(page)")
            return self._field(f"operands.query_parameter(e.path, {self.constant(argument.encode())})", one, unknown)
        if name == "REQ_WITHOUT_QUERY":
            value = self.value()
            found = self._header(Operator("REQ", one.argument, None, one.position, one.text), "None")
            self.emit(f"{value} = {found}", f"{value} = {unknown} if {value} is None else {value}.partition(b'?')[0]")
            return Kind.FIELD, self._cut(value, one, unknown)
        return self._choosing(one, argument, unknown)

    def _choosing(self, one: Operator, argument: str, unknown: str) -> tuple[Kind, str]:
        """The operators whose argument is one of a few words."""
        words = argument.split(":")
        if one.name == "GRPC_STATUS":
            form = _one_of(one, argument or "CAMEL_STRING", "CAMEL_STRING", "SNAKE_STRING", "NUMBER")
            if form == "NUMBER":
                return Kind.FIGURE, "operands.grpc_number(e)"
            return Kind.WORD, f"operands.grpc_name(e, {form == 'CAMEL_STRING'})"
        if one.name == "QUERY_PARAMS":
            decoded = _one_of(one, argument or "ORIG", "ORIG", "DECODED") == "DECODED"
            return self._field(f"operands.query(e.path, {decoded})", one, unknown)
        first, second = words[0], words[1] if len(words) > 1 else ""
        if one.name == "PATH":
            query = _one_of(one, first or "WQ", "WQ", "NQ") == "WQ"
            source = _one_of(one, second or "ORIG_OR_PATH", "ORIG", "PATH", "ORIG_OR_PATH")
            found = {"ORIG": "e.original_path", "PATH": "e.path or None", "ORIG_OR_PATH": "e.original_path or e.path or None"}[source]
            return self._field(found if query else f"operands.without_query({found})", one, unknown)
        wanted = _one_of(one, first or "SNI_ONLY", "SNI_ONLY", "SNI_FIRST", "HOST_FIRST")
        source = _one_of(one, second or "ORIG_OR_HOST", "ORIG", "HOST", "ORIG_OR_HOST")
        original = "find(e.request_block, b'x-envoy-original-host')"
        found = {"ORIG": original, "HOST": "e.authority", "ORIG_OR_HOST": f"{original} or e.authority"}[source]
        asked = "tls.server_name(e.server_name)"
        return Kind.WORD, {"SNI_ONLY": asked, "SNI_FIRST": f"{asked} or {found}", "HOST_FIRST": f"{found} or {asked}"}[wanted]

    def _clock(self, one: Operator) -> StartTime:
        try:
            local = one.name.endswith("_LOCAL")
            return StartTime(one.argument or ("%Y-%m-%dT%H:%M:%S.%3f" + ("%z" if local else "Z")), local)
        except ValueError as error:
            one.refuse(str(error))

    def _time(self, one: Operator) -> str:
        """One of the four times; the moment of logging is when the request ended."""
        clock = self._clock(one)
        when = "e.start" if one.name.startswith("START") else "(e.start + e.duration_ms / 1000)"
        value = self.value()
        self.emit(f"{value} = {self.constant(clock)}[int({when} * {clock.scale})]")
        return value

    def _metadata(self, one: Operator) -> str:
        """``DYNAMIC_METADATA(NAMESPACE:KEY:KEY):Z``, or ``METADATA(TYPE:...)``; also with the keys as a JSON list, as of old."""
        argument = one.argument or ""
        source = _SOURCES.get(one.name, "")
        if not source:
            source, _, argument = argument.partition(":")
            if source in ("LISTENER", "LISTENER_FILTER_CHAIN", "VIRTUAL_HOST"):
                one.refuse(f"Envoy knows %METADATA({source}:...)%, shifter does not yet")
            _one_of(one, source, *_METADATA)
        path = argument.split(":")
        if argument.startswith("["):
            try:
                path = [str(part) for part in json.loads(argument)]
            except ValueError:
                one.refuse("is not a list of keys")
        if not path[0]:
            one.refuse(f"needs a namespace, as in {one.name}({'ROUTE:' if one.name == 'METADATA' else ''}com.example:key)")
        return f"operands.data_at({_METADATA[source]}, {self.constant(tuple(path))}, {one.length})"

    def _choices(self, one: Operator) -> tuple[Callable[..., object], ...]:
        """The functions of ``COALESCE({"operators": [...]})``."""
        try:
            described = json.loads(one.argument or "")
            listed = described["operators"]
            choices = [self._choice(one, choice) for choice in listed]
        except (ValueError, KeyError, TypeError):
            one.refuse('needs operators, as in COALESCE({"operators": ["PROTOCOL", {"command": "REQ", "param": "x-a"}]})')
        if not choices:
            one.refuse("COALESCE without operators")
        return tuple(choices)

    def _choice(self, one: Operator, choice: object) -> Callable[..., object]:
        described = {"command": choice} if isinstance(choice, str) else choice
        if not isinstance(described, dict) or not isinstance(described["command"], str) or described["command"] == "COALESCE":
            raise ValueError
        length = described.get("max_length")
        if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 0):
            raise ValueError
        name = described["command"]
        operator = Operator(ALIASES.get(name, name), described.get("param"), None, one.position, one.text)
        code = Code(self._find, self._hostname, self._log_type)
        kind, expression = code.operand(operator)
        return code.function(f"return operands.text({expression}{' or None' if kind is Kind.WORD else ''}, {length})")


def _one_of(one: Operator, word: str, *words: str) -> str:
    if word not in words:
        near = get_close_matches(word.upper(), words, n=1)
        raise FormatError(f"takes one of {', '.join(words)}", one.position, one.text, near[0] if near else "")
    return word


def _bits(one: Operator) -> int:
    bits = one.argument or ""
    if not (bits.isascii() and bits.isdigit() and len(bits) < 4 and int(bits) <= 128):
        one.refuse("takes the length of a prefix, 0 to 32 (128 with IPv6)")
    return int(bits)
