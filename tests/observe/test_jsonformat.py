"""Formats in JSON keep the types of what they show."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.model.format import Json
from shifter.observe.errors import FormatError
from shifter.observe.jsonformat import compile_json
from shifter.observe.operators import OPERATORS
from tests.observe.test_logformat import ARGUMENTS, an_entry


def made(data: dict[str, Json], omit_empty: bool = False, **attributes: object) -> bytes:
    return compile_json(data, omit_empty=omit_empty, hostname="vm")(an_entry(**attributes))


def test_types_stay_and_keys_are_sorted() -> None:
    data: dict[str, Json] = {
        "z": "%RESPONSE_CODE%",
        "a": "%RESPONSE_CODE% of %PROTOCOL%",
        "b": "%REQ(x-none)%",
        "c": "%REQ(x-none)% and %HOSTNAME%",
        "d": {"list": ["%DURATION%", "%REQ(x-none)%", 7, True, None], "text": "no operator 100%%"},
        "e": "%METADATA(ROUTE:own)%",
        "f": "%METADATA(ROUTE:own:n):1%",
        "g": "%UPSTREAM_CLUSTER%",
        "h": "%DOWNSTREAM_REMOTE_PORT%",
    }
    assert made(data, route_metadata={"own": {"n": 12, "l": [1, "x"]}}, peer=b"192.0.2.1:80") == (
        b'{"a":"200 of HTTP/1.1","b":null,"c":"- and vm","d":{"list":[1,null,7,true,null],"text":"no operator 100%"},'
        b'"e":{"l":[1,"x"],"n":12},"f":12,"g":null,"h":80,"z":200}\n'
    )


def test_what_is_not_known_can_be_left_out() -> None:
    data: dict[str, Json] = {
        "a": "%REQ(x-none)%",
        "b": "<%REQ(x-none)%>",
        "c": ["%REQ(x-none)%", "x"],
        "d": {"e": None},
        "f": "%REQ(accept)%",
    }
    assert made(data, True, request_block=b"\r\naccept: ") == b'{"b":"<>","c":["x"],"f":""}\n'


def test_bodies_keep_their_lines() -> None:
    assert made({"a": "%LOCAL_REPLY_BODY%", "b": "b: %LOCAL_REPLY_BODY%"}, body=b'x\n"y"') == b'{"a":"x\\n\\"y\\"","b":"b: x\\n\\"y\\""}\n'


@pytest.mark.parametrize("data", [{"a": "%NOPE%"}, {"a": ["50%"]}, {"a": {"b": "%REQ%"}}])
def test_what_is_no_format_is_refused(data: dict[str, Json]) -> None:
    with pytest.raises(FormatError):
        compile_json(data)


def test_every_operator_makes_json() -> None:
    data: dict[str, Json] = {name: f"%{name}{ARGUMENTS.get(name, '')}%" for name in OPERATORS}
    told = json.loads(made(data))
    assert told.keys() == data.keys()
    assert told["RESPONSE_CODE"] == 200
    assert told["DOWNSTREAM_TLS_VERSION"] is None


@given(st.binary(max_size=20), st.text(max_size=10))
def test_whatever_comes_it_is_json(value: bytes, key: str) -> None:
    told = made({key: "%REQ(:path)%", key + "2": "<%REQ(:path)%>"}, path=b"/" + value)
    assert told.count(b"\n") == 1
    assert json.loads(told)[key] == (b"/" + value).decode("utf-8", "replace")
