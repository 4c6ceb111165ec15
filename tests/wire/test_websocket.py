"""The signature of WebSocket's handshake (RFC 6455 sections 1.3 and 4)."""

from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shifter.wire.websocket import accept_of, new_key, signed, unsigned

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_example_of_the_rfc() -> None:
    assert accept_of(KEY) == ACCEPT


@given(st.integers(0, (1 << 63) - 1))
def test_a_key_is_sixteen_bytes(random: int) -> None:
    assert len(b64decode(new_key(random), validate=True)) == 16


@pytest.mark.parametrize("accept", [b"", b"\r\nsec-websocket-accept: theirs"])
def test_an_answer_is_signed_once(accept: bytes) -> None:
    block = b"\r\na: b" + accept
    assert signed(block, KEY) == (block if accept else block + b"\r\nsec-websocket-accept: " + ACCEPT)
    assert unsigned(block) == b"\r\na: b"
