"""A JSON Schema (draft 2020-12) of the configuration, and one of a release, for editors that complete and check while one writes.

Rule 1. Made from the messages of ``schema``, so that it says what they say: names, types, ranges, enums, which fields exclude each
        other, and their docstrings.
Rule 2. It describes today's spelling. What ``legacy`` and the validators take beside it is underlined, and that is what for.
Rule 3. Whatever it accepts may still be wrong: names that must exist, patterns, formats. That is what ``shifter check`` is for.
"""

import inspect
import re
from collections.abc import Collection
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from shifter.config.filters import KINDS
from shifter.config.http_filters import FilterConfig
from shifter.config.ignored_fields import HARMLESS
from shifter.config.schema.anymessage import AnyMessage
from shifter.config.schema.base import TYPE_PREFIX, Bool, Choice, Ignored, Message, Seconds, Struct, Variants, duration, names_of
from shifter.config.schema.bootstrap import Bootstrap
from shifter.config.schema.listener import HttpFilter, Router
from shifter.config.schema.release import OneWord, Percent, Release, ReleaseGate, Releases, Short, in_seconds, none_is_none, off_is_off

Schema = dict[str, Any]

_ADDRESS = "https://json-schema.org/draft/2020-12/schema"
_SIMPLE: dict[str, Schema] = {
    "duration": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,9})?s$", "description": "A duration in seconds: 0.25s, 90s."},
    "text": {"type": ["string", "number", "boolean"]},
    "truth": {"anyOf": [{"type": "boolean"}, {"enum": ["true", "false"]}]},
    "ignored": {"description": "This has no effect that a request could notice."},
    "struct": {"type": "object"},
    "length of time": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]{1,9})?\s*(s|ms|m|min|h|d)$", "description": "60s, 30m, 2h."},
    "percent": {
        "description": "A share in per cent: 5%, 0.25%, or the number alone.",
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 100},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*%?$"},
        ],
    },
}
_DIGITS = r"^-?(0|[1-9][0-9]*)$"


def json_schema() -> Schema:
    """Return the schema of a whole configuration, plain dicts and lists."""
    maker = _Maker()
    root = maker.reference(Bootstrap)
    maker.reference(HttpFilter)
    return {
        "$schema": _ADDRESS,
        "title": "A configuration of shifter, in Envoy's v3 spelling",
        **root,
        "$defs": dict(sorted(maker.definitions.items())),
    }


def release_schema() -> Schema:
    """Return the schema of a release, plain dicts and lists."""
    maker = _Maker()
    several, one = maker.reference(Releases), maker.reference(Release)
    return {
        "$schema": _ADDRESS,
        "title": "A release of shifter",
        "type": "object",
        "if": {"required": ["releases"]},
        "then": several,
        "else": one,
        "$defs": dict(sorted(maker.definitions.items())),
    }


class _Maker:
    """Turns message classes into definitions."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {name: {"$comment": name, **schema} for name, schema in _SIMPLE.items()}

    def reference(self, message: type[BaseModel]) -> Schema:
        """Return a reference to the definition of *message*, which is made when it is asked for first."""
        if issubclass(message, Variants):
            return self._variants(message.variants, "enum")
        name = getattr(message, "envoy", "") or message.__name__
        # Some messages of Envoy's are several classes here: what a listener and what a cluster may say.
        while name in self.definitions and self.definitions[name]["$comment"] != message.__name__:
            name += f".{message.__name__}"
        if name not in self.definitions:
            self.definitions[name] = {"$comment": message.__name__}
            self.definitions[name] |= self._message(message)
        if issubclass(message, Short):
            return {"anyOf": [_named(name), self._short(message)]}
        return _named(name)

    def _short(self, message: type[Short]) -> Schema:
        """Say what may stand for the mapping that *message* is."""
        field = message.model_fields[message.short]
        return {"enum": ["manual"]} if message is ReleaseGate else self._field(message, field)

    def _message(self, message: type[BaseModel]) -> Schema:
        properties: dict[str, Schema] = {}
        for name, field in message.model_fields.items():
            properties[field.alias or name] = self._field(message, field)
        for name in sorted(HARMLESS.get(getattr(message, "envoy", ""), frozenset()) - names_of(message)):
            properties[name] = {"description": "Envoy knows this, shifter does not: it has no effect here."}
        required = [field.alias or name for name, field in message.model_fields.items() if field.is_required()]
        found: Schema = {"description": _words(message), "type": "object", "properties": properties, "additionalProperties": False}
        if issubclass(message, Choice):
            if message.types:
                required.append("@type")
            rules = [rule for group in message.one_of for rule in _rules(group.names, group.required)]
            if rules:
                found["allOf"] = rules
        if required:
            found["required"] = required
        return found

    def _field(self, message: type[BaseModel], field: FieldInfo) -> Schema:
        if field.alias == "@type" and issubclass(message, Choice):
            return {"enum": [TYPE_PREFIX + name for name in message.types]}
        # Annotated[T, …] is taken apart by pydantic; what stood beside T is in the metadata.
        annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        found = dict(self._type(annotation))
        default = _default(field)
        return found if default is None else {**found, "default": default}

    def _type(self, annotation: Any) -> Schema:
        if annotation == AnyMessage:
            return self._any_message()
        origin = get_origin(annotation)
        if origin is Annotated:
            base, *metadata = get_args(annotation)
            return self._annotated(base, metadata)
        if origin in (Union, UnionType):
            parts = [self._type(part) for part in get_args(annotation) if part is not NoneType]
            return parts[0] if len(parts) == 1 else {"anyOf": parts}
        if origin is list:
            return {"type": "array", "items": self._type(get_args(annotation)[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self._type(get_args(annotation)[1])}
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return self.reference(annotation)
        if isinstance(annotation, type) and issubclass(annotation, Enum):
            names = [member.name for member in annotation]
            return {"enum": names + [name.lower() for name in names], "description": "In capital or small letters."}
        return _named("text") if annotation is str else {"type": ["number", "string"]} if annotation in (int, float) else {}

    def _annotated(self, base: Any, metadata: list[Any]) -> Schema:
        metadata = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
        for item in reversed(metadata):  # what is said last reads first
            simple = _READERS.get(getattr(item, "func", None))
            if simple is not None:
                return _named(simple)
            known = getattr(item, "func", None)
            if known is in_seconds:
                return _named("length of time")
            if isinstance(known, OneWord):
                return {"enum": list(known.known)}
            if known in _ALSO:
                return {"anyOf": [self._type(base), {"enum": _ALSO[known]}]}
        if base is int:
            bounds = {key: bound for item in metadata for key, bound in _bounds(item).items()}
            return {"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": _DIGITS}]}
        found = dict(self._type(base))
        for item in metadata:
            least = getattr(item, "min_length", None)
            if least is not None:
                found["minItems" if found.get("type") == "array" else "minLength"] = least
        return found

    def _variants(self, messages: Collection[type[Message]], types: str) -> Schema:
        """Say that this is one of *messages*, by its ``@type``: of no other type (*types* ``enum``) or possibly (``examples``)."""
        by_type: dict[str, type[Message]] = {f"{TYPE_PREFIX}{message.envoy}": message for message in messages}
        return {
            "type": "object",
            "required": ["@type"],
            "properties": {"@type": {"type": "string", types: sorted(by_type)}},
            "allOf": [
                {
                    "if": {"properties": {"@type": {"const": url}}, "required": ["@type"]},
                    "then": self.reference(message),
                }
                for url, message in sorted(by_type.items())
            ],
        }

    def _any_message(self) -> Schema:
        """What a filter is told: one of the messages that are known, by its ``@type``, or that of somebody's own filter."""
        name = "filter configuration"
        if name not in self.definitions:
            self.definitions[name] = {"$comment": name}
            known: list[type[Message]] = [Router, FilterConfig]
            for kind in KINDS.values():
                known += [kind.config] if kind.override is None else [kind.config, kind.override]
            self.definitions[name] |= self._variants(known, "examples")
        return _named(name)


def _reader(annotation: Any) -> Any:
    """Return the function that reads what is annotated so."""
    return next(item.func for item in get_args(annotation) if isinstance(item, BeforeValidator))


_READ = ((Seconds, "duration"), (Bool, "truth"), (Ignored, "ignored"), (Struct, "struct"), (Percent, "percent"))
_READERS = {_reader(kind): name for kind, name in _READ}
_ALSO: dict[object, list[object]] = {none_is_none: ["none"], off_is_off: ["off", "false", False]}
"""Words that stand for a mapping."""


def _named(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _rules(names: tuple[str, ...], required: str) -> list[Schema]:
    """Say that at most one of *names* may be given, and where that is so, that one must be."""
    rules: list[Schema] = [{"not": {"required": [first, second]}} for at, first in enumerate(names) for second in names[at + 1 :]]
    return [*rules, {"anyOf": [{"required": [name]} for name in names]}] if required else rules


def _bounds(item: Any) -> dict[str, int]:
    found = {"minimum": getattr(item, "ge", None), "maximum": getattr(item, "le", None)}
    return {key: bound for key, bound in found.items() if bound is not None}


def _default(field: FieldInfo) -> object:
    value = field.default
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool | int | str) and field.alias != "@type":
        return value if value != "" else None
    return duration(value) if isinstance(value, float) else None


def _words(message: type[BaseModel]) -> str:
    """Return the docstring of *message* as plain text, and its full name."""
    text = re.sub(r"\s+", " ", inspect.cleandoc(message.__doc__ or "").replace("``", "`"))
    envoy = getattr(message, "envoy", "")
    return f"{text} ({envoy})" if envoy else text
