"""Formats are taken apart once, and every word of Envoy's is known: as an operator here, or as one that is not here yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.observe.errors import FormatError
from shifter.observe.formatcode import Code
from shifter.observe.operators import ALIASES, ENVOY_ONLY, OPERATORS, Operator, asks_for_more, split
from tests.observe.test_logformat import ARGUMENTS


def names(text: str) -> list[str]:
    return [piece if isinstance(piece, str) else piece.name for piece in split(text)]


def test_texts_and_operators_in_their_order() -> None:
    assert split("a %REQ(x):3%%%b") == ["a ", Operator("REQ", "x", 3, 2, "%REQ(x):3%"), "%b"]
    assert split("") == []
    assert split("50%% sure") == ["50% sure"]
    assert names("%START_TIME(%Y-%m)%%PROTOCOL%") == ["START_TIME", "PROTOCOL"]


def test_old_words_are_read_as_what_is_written_today() -> None:
    assert names("%DOWNSTREAM_ADDRESS% %CLIENT_IP%") == [ALIASES["DOWNSTREAM_ADDRESS"], " ", ALIASES["CLIENT_IP"]]
    assert set(ALIASES.values()) <= set(OPERATORS)
    assert not set(ALIASES) & set(OPERATORS)


@pytest.mark.parametrize("name", sorted(ENVOY_ONLY))
def test_what_only_envoy_knows_is_said_to_be_that(name: str) -> None:
    assert name not in OPERATORS
    for text in (f"%{name}%", f"%{name}(a)%", f"%{name}(a):3%"):
        with pytest.raises(FormatError, match=f"Envoy knows %{name}%, shifter does not yet"):
            Code(lambda block, name: None, "", b"").operand(split(text)[0])  # type: ignore[arg-type]  # it is one operator


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("%DOWNSTREAM_REMOTE_ADDRESS%\n", True),
        ("%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT(8)%", True),
        ("%CONNECTION_ID%", True),
        ("%CLIENT_IP%", True),
        ("%TRAILER(x)% %GRPC_STATUS%", True),
        ('%COALESCE({"operators": ["CONNECTION_ID"]})%', True),
        ("%METADATA(ROUTE:a)%", True),
        ("%REQ(:METHOD)% %UPSTREAM_HOST% %RESPONSE_CODE% %DURATION%", False),
        ("%%CONNECTION_ID%%", False),
        ("%DOWNSTREAM_TLS_VERSION%", True),
        ("%TLS_JA4_FINGERPRINT%", False),
    ],
)
def test_formats_that_cost_something_to_fill_in_say_so(text: str, more: bool) -> None:
    assert asks_for_more(text) is more


@given(st.lists(st.one_of(st.text(max_size=5).map(lambda text: text.replace("%", "%%")), st.sampled_from(OPERATORS))))
def test_nothing_of_a_format_is_lost(parts: list[str]) -> None:
    text = "".join(f"%{part}{ARGUMENTS.get(part, '')}%" if part in OPERATORS else part for part in parts)
    told = "".join(piece.text if isinstance(piece, Operator) else piece.replace("%", "%%") for piece in split(text))
    assert told == text
