"""JSON in pieces is the same JSON."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shifter.admin import jsontext
from shifter.admin.jsontext import pieces

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(values)
def test_it_is_what_json_says(value: Any) -> None:
    assert "".join(pieces(value)) == json.dumps(value, indent=1) + "\n"


def test_pieces_are_small_whatever_the_shape() -> None:
    deep: Any = []
    for number in range(500):
        deep = [number, deep]
    for value in ([*range(10_000)], {str(number): [number] for number in range(5000)}, deep):
        found = list(pieces(value))
        assert "".join(found) == json.dumps(value, indent=1) + "\n"
        assert max(piece.count("\n") for piece in found) <= 3 * jsontext.VALUES


def test_secrets_are_not_told() -> None:
    hidden = {
        "private_key": {"inline_string": "hush"},
        "users": [{"inline_bytes": "hush"}],
        "generic_secret": {"secret": {"inline_bytes": "hush"}},
    }
    shown = {"private_key": {"filename": "/etc/key"}, "body": {"inline_string": "hello"}, "certificate_chain": {"inline_string": "public"}}
    text = "".join(pieces({"hidden": hidden, "shown": shown, "after": {"inline_string": "fine"}}))
    assert "hush" not in text
    assert text.count("[redacted]") == 3
    assert json.loads(text)["shown"] == shown and json.loads(text)["after"] == {"inline_string": "fine"}
