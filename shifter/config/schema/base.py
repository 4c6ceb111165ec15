"""What every message of the schema is made of: how a text becomes a number, a duration, an enum; which fields exclude each other.

Rule 1. Field names are Envoy's. A field that stands here is either built into the model or, as ``Ignored``, has no effect that a
        request could notice. What Envoy has beyond that is in ``words`` and refused as "not supported yet".
Rule 2. Validators see nodes (``document``), report what is no reason to stop to the ``Report`` in the context, and raise ``wrong``
        for the rest. Nobody reads pydantic's own words: ``explain`` turns every error into ours.
"""

import re
from base64 import b64decode
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    PlainSerializer,
    ValidationInfo,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import with_info_plain_validator_function

from shifter.config.document import ListNode, MapNode, Plain, TextNode, plain, value_of
from shifter.config.report import Report, shown
from shifter.config.schema.words import TYPES

E = TypeVar("E", bound=Enum)

TYPE_PREFIX = "type.googleapis.com/"

_SECONDS = re.compile(r"(-?)([0-9]+(?:\.[0-9]{1,9})?)s")
_OTHER_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(us|ms|m|min|h|d|sec|seconds?)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "sec": 1.0, "second": 1.0, "seconds": 1.0}
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,19})")
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_LONGEST = 315_576_000_000.0
_LONGEST_HEADER = 16384
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FRAMING_HEADERS = frozenset(("content-length", "transfer-encoding"))
_OWN_HEADERS = _FRAMING_HEADERS | {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"}
_PSEUDO_HEADERS = (":method", ":path", ":authority", ":scheme")


def wrong(message: str, hint: str = "", at: TextNode | MapNode | ListNode | None = None) -> PydanticCustomError:
    """Return the error to raise from a validator; *at* when the problem lies deeper than the field."""
    return PydanticCustomError("shifter", "{message}", {"message": message, "hint": hint, "at": at})


def kind(node: object) -> str:
    """Return what *node* is, in the words of a message."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    return f"`{shown(str(node))}`" if node else "an empty text"


def report_of(info: ValidationInfo) -> Report:
    """Return the report that this validation writes to."""
    report = info.context
    assert isinstance(report, Report)
    return report


def _whole(value: object, info: ValidationInfo) -> int:
    if not isinstance(value, TextNode):
        raise wrong(f"a whole number is wanted here, not {kind(value)}")
    if _WHOLE.fullmatch(value):
        return int(value)
    if value.endswith("%") and _NUMBER.fullmatch(value[:-1]):
        why = ": the shares follow from the sum" if info.field_name == "weight" else ", without the sign"
        raise wrong(f"a whole number is wanted here, not {kind(value)}", f"write {value[:-1]}{why}")
    meant = value_of(TextNode(value, 0, 0, plain=True))
    # Proto JSON takes 80.0 and 8e1, too.
    if isinstance(meant, float) and meant.is_integer() and abs(meant) < 2**64:
        return int(meant)
    raise wrong(f"a whole number is wanted here, not {kind(value)}")


def _truth(value: object, info: ValidationInfo) -> bool:
    if isinstance(value, TextNode):
        if value in _TRUTHS:
            return _TRUTHS[value]
        old = value.lower() if value.plain else ""
        if old in ("yes", "on", "y", "no", "off", "n"):
            meant = old in ("yes", "on", "y")
            said = str(meant).lower()
            report_of(info).alias(value, f"`{value}` is taken for {said}", f"write {said}", said)
            return meant
    raise wrong(f"true or false is wanted here, not {kind(value)}")


def _seconds(value: object, info: ValidationInfo) -> float:
    if isinstance(value, MapNode) and value and value.keys() <= {"seconds", "nanos"}:
        return _duration_message(value, info)
    if not isinstance(value, TextNode):
        raise wrong(f"a duration is wanted here, not {kind(value)}", "write it in seconds: 0.25s")
    match = _SECONDS.fullmatch(value)
    if match is not None:
        length = float(match[2])
        if match[1] and length:
            raise wrong(f"a duration cannot be negative: {kind(value)}")
        if length > _LONGEST:
            raise wrong(f"{kind(value)} is longer than ten thousand years", "0s often means: no limit")
        return length
    other = _OTHER_UNIT.fullmatch(value)
    if other is not None:
        length = round(float(other[1]) * _UNITS[other[2]], 9)
        if length > _LONGEST:
            raise wrong(f"{kind(value)} is longer than ten thousand years", "0s often means: no limit")
        wanted = duration(length)
        report_of(info).alias(value, f"the duration {kind(value)} is taken for {wanted}", f"Envoy wants {wanted}", wanted)
        return length
    if _NUMBER.fullmatch(value):
        raise wrong(f"the duration {kind(value)} has no unit", f"write {value}s for seconds, as Envoy wants it")
    raise wrong(f"a duration is wanted here, not {kind(value)}", "write it in seconds: 0.25s")


def _duration_message(value: MapNode, info: ValidationInfo) -> float:
    """Read a ``google.protobuf.Duration`` that is written as the message it is, which Envoy takes, too."""
    seconds, nanos = (_whole(value.get(name, TextNode("0", value.line, value.column)), info) for name in ("seconds", "nanos"))
    if seconds < 0 or nanos < 0:
        raise wrong("a duration cannot be negative")
    if seconds > _LONGEST or nanos >= 10**9:
        raise wrong("this duration is too long", "nanos are less than 1000000000")
    return seconds + nanos / 10**9


def duration(seconds: float) -> str:
    """Return *seconds* as Envoy spells a duration."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def _positive(value: float) -> float:
    if value <= 0:
        raise wrong("this duration must be longer than 0s")
    return value


def word(enum: type[E], unsupported: str = "") -> BeforeValidator:
    """Return a validator for the names of *enum*, in any case; *unsupported* are further names that Envoy knows."""
    names = {member.name.upper(): member for member in enum}
    listed = ", ".join(member.name for member in enum)
    others = frozenset(unsupported.split())

    def read(value: object, info: ValidationInfo) -> Enum:
        if not isinstance(value, TextNode):
            raise wrong(f"`{info.field_name}` wants one word, not {kind(value)}", f"known: {listed}")
        upper = value.upper()
        member = names.get(upper)
        if member is not None:
            return member
        if upper in others:
            raise wrong(f"Envoy knows `{shown(value)}`, shifter does not support it yet", f"supported: {listed}")
        near = report_of(info).nearest(upper, names)
        hint = f"did you mean `{names[near].name}`? known: {listed}" if near and len(names) > 1 else f"known: {listed}"
        raise wrong(f"`{shown(value)}` is none of the values of `{info.field_name}`", hint)

    return BeforeValidator(read)


def _double(value: object) -> float:
    if isinstance(value, TextNode):
        meant = value_of(TextNode(value, 0, 0, plain=True))
        if isinstance(meant, int | float) and not isinstance(meant, bool) and abs(meant) < inf:
            return float(meant)
    raise wrong(f"a number is wanted here, not {kind(value)}")


double = BeforeValidator(_double)
"""For numbers with bounds of their own: ``Annotated[float, Field(ge=…), double]``."""


def only(wanted: bool) -> AfterValidator:
    """Return a validator for a choice of which shifter has one side."""

    def check(value: bool, info: ValidationInfo) -> bool:
        if value is not wanted:
            raise wrong(f"Envoy knows `{info.field_name}: {str(value).lower()}`, shifter does not support it yet")
        return value

    return AfterValidator(check)


def _any(value: object) -> Plain:
    assert isinstance(value, (TextNode, MapNode, ListNode))
    return plain(value)


def base64_bytes(value: object) -> str:
    """Check that *value* is base64 and return it as it is; ``build`` decodes it."""
    if isinstance(value, TextNode):
        try:
            b64decode(value, validate=True)
        except ValueError:
            pass
        else:
            return str(value)
    raise wrong(f"base64 is wanted here, not {kind(value)}")


def _header_name(value: str) -> str:
    if not value:
        raise wrong("a header name must not be empty")
    if len(value) > _LONGEST_HEADER:
        raise wrong(f"this header name is longer than {_LONGEST_HEADER} bytes")
    if not _TOKEN.fullmatch(value.removeprefix(":")):
        raise wrong(f"{kind(value)} cannot be a header name")
    return value


def _matched_name(value: str) -> str:
    if value.startswith(":") and value not in _PSEUDO_HEADERS:
        raise wrong(f"{kind(value)} is in no request", f"known: {', '.join(_PSEUDO_HEADERS)}")
    return _header_name(value)


def _copied_name(value: str) -> str:
    if value.startswith(":") or value.lower() == "host":
        raise wrong(f"{kind(value)} belongs to the request line: an answer has none")
    return _header_name(value)


def _added_name(value: str) -> str:
    if _editable_name(value).lower() in _OWN_HEADERS:
        raise wrong(f"the header {kind(value)} belongs to the connection: shifter sets it itself")
    return value


def _removed_name(value: str) -> str:
    if _editable_name(value).lower() in _FRAMING_HEADERS:
        raise wrong(f"the header {kind(value)} says where the body ends: it cannot be taken out")
    return value


def _editable_name(value: str) -> str:
    if value.startswith(":") or value.lower() == "host":
        raise wrong(f"{kind(value)} cannot be changed here: it belongs to the request line", "host_rewrite_literal changes the host")
    return _header_name(value)


def _header_value(value: str) -> str:
    if any((char < " " and char != "\t") or char == "\x7f" for char in value):
        raise wrong("a header value cannot hold control characters")
    if len(value) > _LONGEST_HEADER or len(value.encode()) > _LONGEST_HEADER:
        raise wrong(f"this header value is longer than {_LONGEST_HEADER} bytes")
    return value


_ASCII = "".join(map(chr, range(0x21, 0x7F)))


def _visible(value: str) -> str:
    """For what ends in a request line or a location: one blank and the request would have another meaning."""
    if any(char <= " " or char == "\x7f" for char in value):
        raise wrong("blanks and control characters cannot stand here", "write %20 for a blank")
    if not value.isascii():
        raise wrong(f"{kind(value)} has letters beyond ASCII, which cannot stand here", f"write {quote(value, safe=_ASCII)}")
    return value


def _struct(value: object) -> Plain:
    if not isinstance(value, MapNode):
        raise wrong(f"a mapping is wanted here, not {kind(value)}", "write name: value, one a line")
    return plain(value)


def many(least: int, most: int = 2**32) -> AfterValidator:
    """Return a validator for lists with *least* to *most* items."""

    def check(value: list[object], info: ValidationInfo) -> list[object]:
        if len(value) < least:
            raise wrong(f"`{info.field_name}` wants {least} items or more, and has {len(value)}")
        if len(value) > most:
            raise wrong(f"`{info.field_name}` wants {most} items or fewer, and has {len(value)}")
        return value

    return AfterValidator(check)


whole = BeforeValidator(_whole)
"""For whole numbers with bounds of their own: ``Annotated[int, Field(ge=…), whole]``."""

Text = str
Name = Annotated[str, Field(min_length=1)]
UInt32 = Annotated[int, Field(ge=0, le=2**32 - 1), BeforeValidator(_whole)]
UInt64 = Annotated[int, Field(ge=0, le=2**64 - 1), BeforeValidator(_whole)]
Double = Annotated[float, double]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), BeforeValidator(_whole)]
Port = Annotated[int, Field(ge=0, le=65535), BeforeValidator(_whole)]
Bool = Annotated[bool, BeforeValidator(_truth)]
Seconds = Annotated[float, BeforeValidator(_seconds), PlainSerializer(duration, return_type=str)]
PositiveSeconds = Annotated[float, AfterValidator(_positive), BeforeValidator(_seconds), PlainSerializer(duration, return_type=str)]
MatchedName = Annotated[str, AfterValidator(_matched_name)]
AddedName = Annotated[str, AfterValidator(_added_name)]
PlainHeaderName = Annotated[str, AfterValidator(_header_name)]
CopiedName = Annotated[str, AfterValidator(_copied_name)]
RemovedName = Annotated[str, AfterValidator(_removed_name)]
HeaderText = Annotated[str, AfterValidator(_header_value)]
Visible = Annotated[str, AfterValidator(_visible)]
Ignored = Annotated[object, BeforeValidator(_any)]
Struct = Annotated[dict[str, Any], BeforeValidator(_struct)]


@dataclass(frozen=True, slots=True)
class OneOf:
    """A oneof of Envoy's: at most one of ``names`` and ``others`` (which are refused for themselves) may be given."""

    names: tuple[str, ...]
    others: tuple[str, ...] = ()
    required: str = ""
    """What is missing when none is given; empty when none need be."""
    members: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", frozenset(self.names + self.others))


class Message(BaseModel):
    """A message of Envoy's API, ``envoy`` being its full name."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    envoy: ClassVar[str] = ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Within another message, have the validator of this one made when the first such message is read: there are hundreds, of
        which a configuration has a few dozen, and to make them all would take a tenth of the start."""
        if _making:

            def validate(value: object, info: ValidationInfo) -> object:
                return cls.__pydantic_validator__.validate_python(value, context=info.context)

            return with_info_plain_validator_function(validate)
        _making.append(cls)
        try:
            return handler(source)
        finally:
            _making.pop()


_making: list[type[Message]] = []
"""The message whose validator is being made, if any is."""


class Choice(Message):
    """A message with oneofs, or with an ``@type`` (one of ``types``, full names; see `Typed`)."""

    one_of: ClassVar[tuple[OneOf, ...]] = ()
    types: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _choose(cls, data: object, info: ValidationInfo) -> object:
        if isinstance(data, MapNode):
            if cls.types:
                _check_type(cls.types, data, report_of(info))
            for group in cls.one_of:
                _choose_one(cls, group, data, report_of(info))
        return data


class Typed(Choice):
    """A message that stands in an ``Any``: ``types`` are its own name where it does not say more."""

    type_url: str = Field(default="", alias="@type")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "types" not in cls.__dict__:
            cls.types = (cls.envoy,)


class Variants(Typed):
    """One of several messages, ``variants``, told apart by their ``@type``; the value is one of these, never of this class."""

    variants: ClassVar[tuple[type[Typed], ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.types = tuple(name for variant in cls.variants for name in variant.types)

    @model_validator(mode="wrap")
    @classmethod
    def _dispatch(cls, data: object, handler: ModelWrapValidatorHandler[Any], info: ValidationInfo) -> Any:
        variant = variant_of(cls, data)
        return handler(data) if variant is cls else variant.model_validate(data, context=info.context)


def variant_of(message: type[BaseModel], data: object) -> type[BaseModel]:
    """Return the message that *data*, which stands where *message* is wanted, is by its ``@type``; *message* when that says nothing."""
    url = data.get("@type") if isinstance(data, MapNode) else None
    if issubclass(message, Variants) and isinstance(url, TextNode):
        name = url.rpartition("/")[2]
        return next((variant for variant in message.variants if name in variant.types), message)
    return message


def _check_type(types: tuple[str, ...], data: MapNode, report: Report) -> None:
    """Raise unless *data* says it is one of *types*: its other fields mean nothing to us then."""
    want = f'"@type": {TYPE_PREFIX}{types[0]}'
    url = data.get("@type")
    if url is None:
        raise wrong('this has no "@type", which says what it is', f"write {want}", data)
    if not isinstance(url, TextNode):
        raise wrong(f'the "@type" must be text, not {kind(url)}', f"write {want}", url)
    name = url.rpartition("/")[2]
    if name in types:
        return
    if any(name in message.types for message in Typed.__subclasses__() if not issubclass(message, Variants)):
        near = report.nearest(name.rpartition(".")[2], [one.rpartition(".")[2] for one in types])
        here = [one for one in types if one.rpartition(".")[2] == near] or types
        raise wrong(f"`{shown(name)}` cannot stand here", f"write {' or '.join(here)}", url)
    if name in TYPES:
        raise wrong(f"Envoy knows `{shown(name)}`, shifter does not support it yet", f"supported here: {', '.join(types)}", url)
    near = report.nearest(name, types)
    raise wrong(f'`{shown(name)}` is no "@type" that is known here', f"did you mean {near}?" if near else f"known: {', '.join(types)}", url)


def _choose_one(message: type[Message], group: OneOf, data: MapNode, report: Report) -> None:
    given: Collection[str] = data.keys() & group.members
    if len(given) > 1:
        given = [key for key in data if key in group.members]
        for second in given[1:]:
            report.error(data.key(second), f"`{second}` cannot stand beside `{given[0]}`", f"give one of {_listed(group.names)}")
    elif not given and group.required and all(key in names_of(message) for key in data):
        # With an unknown word around, that word is the problem, and has been named.
        report.error(data, group.required, f"give one of {_listed(group.names)}" if len(group.names) > 1 else f"give `{group.names[0]}`")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def names_of(message: type[BaseModel]) -> frozenset[str]:
    """Return the names under which the fields of *message* are written."""
    names = _NAMES.get(message)
    if names is None:
        names = frozenset(info.alias or name for name, info in message.model_fields.items())
        _NAMES[message] = names
    return names


_NAMES: dict[type[BaseModel], frozenset[str]] = {}
