"""How a text becomes a value."""

from enum import Enum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shifter.config.document import ListNode, MapNode, TextNode
from shifter.config.report import Report
from shifter.config.schema.base import (
    TYPE_PREFIX,
    Bool,
    Choice,
    Double,
    HeaderText,
    OneOf,
    Seconds,
    Typed,
    UInt32,
    Variants,
    duration,
    variant_of,
    word,
)
from shifter.config.schema.transport_socket import RawBuffer


def read(kind: Any, text: str, *, plain: bool = True) -> tuple[Any, list[str]]:
    """Return the value of *text* and the warnings about it."""
    report = Report("f")
    value = TypeAdapter(kind).validate_python(TextNode(text, 1, 1, 1, plain), context=report)
    return value, [problem.hint for problem in report.problems()]


def refuse(kind: Any, text: str) -> str:
    with pytest.raises(ValidationError) as refused:
        read(kind, text)
    [error] = refused.value.errors()
    return error["msg"]


@pytest.mark.parametrize("written", ["80", "8e1", "80.0", "+8.0e1"])
def test_numbers_as_proto_json_takes_them(written: str) -> None:
    for plain in (True, False):
        assert read(UInt32, written, plain=plain) == (80, [])


@pytest.mark.parametrize("written", ["", "08", "0x50", "0o120", "8_0", "1e400", "80.5", "nan", "٨٠", "9" * 1000, "eighty", "+80", "- 1"])
def test_what_is_no_whole_number(written: str) -> None:
    assert refuse(UInt32, written).startswith("a whole number is wanted here, not ")


@given(st.integers(0, 2**32 - 1))
def test_every_number_is_what_it_is(number: int) -> None:
    assert read(UInt32, str(number)) == (number, [])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_fraction_is_what_it_is(number: float) -> None:
    assert read(Double, repr(number)) == (number, [])


@pytest.mark.parametrize("written", ["", "much", "true", "nan", "inf", "1e999", "5%", "0x5"])
def test_what_is_no_number(written: str) -> None:
    assert refuse(Double, written).startswith("a number is wanted here, not ")


@pytest.mark.parametrize(
    ("written", "value", "hint"),
    [
        ("true", True, []),
        ("False", False, []),
        ("yes", True, ["write true"]),
        ("Off", False, ["write false"]),
    ],
)
def test_truth(written: str, value: bool, hint: list[str]) -> None:
    assert read(Bool, written) == (value, hint)


def test_truth_in_quotes() -> None:
    assert read(Bool, "true", plain=False) == (True, [])
    with pytest.raises(ValidationError):
        read(Bool, "yes", plain=False)
    assert refuse(Bool, "1") == "true or false is wanted here, not `1`"


@given(st.integers(0, 10**18))
def test_durations_come_back(nanoseconds: int) -> None:
    text = duration(nanoseconds / 10**9)
    value, warnings = read(Seconds, text)
    assert warnings == [] and value == pytest.approx(nanoseconds / 10**9)
    assert duration(value) == text


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0s", 0.0), ("0.25s", 0.25), ("0.000000001s", 1e-9), ("60s", 60.0), ("-0s", 0.0), ("315576000000s", 315576000000.0)],
)
def test_durations(written: str, seconds: float) -> None:
    assert read(Seconds, written) == (seconds, [])


@pytest.mark.parametrize(
    ("written", "seconds", "envoys"),
    [
        ("250ms", 0.25, "0.25s"),
        ("1m", 60.0, "60s"),
        ("2h", 7200.0, "7200s"),
        ("1d", 86400.0, "86400s"),
        ("5us", 0.000005, "0.000005s"),
        ("3 seconds", 3.0, "3s"),
        ("0ms", 0.0, "0s"),
    ],
)
def test_other_units(written: str, seconds: float, envoys: str) -> None:
    assert read(Seconds, written) == (seconds, [f"Envoy wants {envoys}"])


@pytest.mark.parametrize(
    "written", ["3", "0.25", "-1s", "1.0000000001s", "s", "1 s", "1S", "1e3s", "", "315576000001s", "99999999999d", "∞"]
)
def test_what_is_no_duration(written: str) -> None:
    assert refuse(Seconds, written)


class Colour(Enum):
    RED = "RED"
    DARK_BLUE = "DARK_BLUE"


def test_words() -> None:
    colour = Annotated[Colour, word(Colour, "GREEN")]
    assert read(colour, "RED") == (Colour.RED, [])
    assert read(colour, "dark_blue") == (Colour.DARK_BLUE, [])
    assert refuse(colour, "green") == "Envoy knows `green`, shifter does not support it yet"
    assert "`dark-blue` is none of the values" in refuse(colour, "dark-blue")


@pytest.mark.parametrize("text", ["", "a\tb", "100% of %REQ(a)%"])
def test_header_values(text: str) -> None:
    assert read(HeaderText, text) == (text, [])


@pytest.mark.parametrize("text", ["a\nb", "\x7f"])
def test_what_is_no_header_value(text: str) -> None:
    assert refuse(HeaderText, text) == "a header value cannot hold control characters"


class Pick(Choice):
    types = ("a.B", "a.C")
    one_of = (OneOf(("one", "two"), ("three",), "nothing was picked"),)

    type_url: str = ""
    one: str = ""
    two: str = ""


def node(**fields: str) -> MapNode:
    made = MapNode(1, 1)
    made.update({TextNode(name.replace("type", "@type"), 1, 1): TextNode(value, 1, 1) for name, value in fields.items()})
    return made


def told(fields: MapNode) -> list[str]:
    report = Report("f")
    try:
        Pick.model_validate(fields, context=report)
    except ValidationError as error:
        return [problem["msg"] for problem in error.errors() if problem["type"] == "shifter"]
    finally:
        problems = [problem.message for problem in report.problems()]
    return problems


def test_one_of() -> None:
    report = Report("f")
    with pytest.raises(ValidationError):
        Pick.model_validate(node(type=TYPE_PREFIX + "a.C", one="x", three="y"), context=report)
    assert [problem.message for problem in report.problems()] == ["`three` cannot stand beside `one`"]


@pytest.mark.parametrize("url", ["a.B", "type.googleapis.com/a.B", "example.com/a.C"])
def test_types(url: str) -> None:
    assert told(node(type=url)) in ([], ["nothing was picked"])


def test_other_types() -> None:
    assert told(node()) == ['this has no "@type", which says what it is']
    assert told(node(type="x/a.D")) == ['`a.D` is no "@type" that is known here']
    known = "envoy.extensions.transport_sockets.alts.v3.Alts"
    assert told(node(type=f"x/{known}")) == [f"Envoy knows `{known}`, shifter does not support it yet"]
    elsewhere = RawBuffer.envoy
    assert told(node(type=f"x/{elsewhere}")) == [f"`{elsewhere}` cannot stand here"]
    odd = node()
    odd[TextNode("@type", 1, 1)] = ListNode(1, 1)
    assert told(odd) == ['the "@type" must be text, not a list']


class First(Typed):
    envoy = "a.First"

    one: UInt32 = 0


class Second(Typed):
    envoy = "a.Second"

    two: UInt32


class Either(Variants):
    envoy = "a.First"
    variants = (First, Second)


def test_variants_are_told_apart_by_their_type() -> None:
    assert Either.types == ("a.First", "a.Second")
    for url, fields, found in (("x/a.First", {}, First), ("a.Second", {"two": "2"}, Second)):
        assert type(Either.model_validate(node(type=url, **fields), context=Report("f"))) is found
        assert variant_of(Either, node(type=url)) is found
    assert variant_of(Either, node(type="a.Third")) is Either and variant_of(Second, node(type="a.First")) is Second


@pytest.mark.parametrize(
    ("fields", "where", "message"),
    [
        (node(type="a.Second", two="much"), ("two",), "a whole number is wanted here, not `much`"),
        (node(type="a.Third"), (), '`a.Third` is no "@type" that is known here'),
        (node(one="1"), (), 'this has no "@type", which says what it is'),
    ],
)
def test_what_is_wrong_in_a_variant_keeps_its_place(fields: MapNode, where: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Either.model_validate(fields, context=Report("f"))
    [error] = refused.value.errors()
    assert (error["loc"], error["msg"]) == (where, message)
