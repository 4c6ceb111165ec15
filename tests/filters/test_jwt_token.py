"""Reading tokens, and the keys that may have signed them. The expected words are those of real Envoy 1.40."""

import contextlib
import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from shifter.filters.jwt_token import JwtRefused, KeySet, Token, check_audiences, check_times, plain_audience, read_token

SECRET = b"0123456789abcdef" * 4
OCT = {"kty": "oct", "k": urlsafe_b64encode(SECRET).decode().rstrip("=")}
NOW = 1_000_000.0


def section(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> Token:
    return read_token(jwt.encode(claims, key, algorithm, {"kid": kid} if kid else None).encode())


def refusal(call: Any, *arguments: Any) -> tuple[int, str]:
    with pytest.raises(JwtRefused) as caught:
        call(*arguments)
    return caught.value.status, str(caught.value)


HEADER = section(b'{"alg":"HS256"}')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"abc", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
        (b"a.b.", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
        (b"!.b.c", "Jwt header is an invalid Base64url encoded"),
        (b"a.b.c", "Jwt header is an invalid Base64url encoded"),
        (section(b"xx") + b".e30.AA", "Jwt header is an invalid JSON"),
        (section(b"[]") + b".e30.AA", "Jwt header is an invalid JSON"),
        (section(b"[" * 100_000) + b".e30.AA", "Jwt header is an invalid JSON"),
        (b"e30.e30.AA", "Jwt header [alg] field is required and must be a string"),
        (section(b'{"alg":1}') + b".e30.AA", "Jwt header [alg] field is required and must be a string"),
        (section(b'{"alg":"none"}') + b".e30.AA", "Jwt header [alg] is not supported"),
        (HEADER + b".!!.AA", "Jwt payload is an invalid Base64url encoded"),
        (HEADER + b".AA.AA", "Jwt payload is an invalid JSON"),
        (HEADER + b"." + section(b'{"exp":"x"}') + b".AA", "Jwt payload [exp] field is not an integer"),
        (HEADER + b"." + section(b'{"exp":-1}') + b".AA", "Jwt payload [exp] field is not a positive 64 bit integer"),
        (HEADER + b"." + section(b'{"exp":1e30}') + b".AA", "Jwt payload [exp] field is not a positive 64 bit integer"),
        (HEADER + b"." + section(b'{"aud":5}') + b".AA", "Jwt payload [aud] field is not a string or string list"),
        (HEADER + b"." + section(b'{"aud":["a",5]}') + b".AA", "Jwt payload [aud] field is not a string or string list"),
        (HEADER + b"." + section(b'{"iss":1}') + b".AA", "Jwt payload [iss] field is not a string"),
        (HEADER + b".e30.A", "Jwt signature is an invalid Base64url encoded"),
    ],
)
def test_what_is_no_token_is_told(text: bytes, reason: str) -> None:
    assert refusal(read_token, text) == (401, reason)


@given(st.binary(max_size=80) | st.text("abcXYZ019-_.=", max_size=80).map(str.encode))
def test_reading_raises_nothing_else(text: bytes) -> None:
    with contextlib.suppress(JwtRefused):
        read_token(text)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"exp":1' + b"0" * 400 + b"}",
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":1e999}',
        b'{"sub":"\\ud800"}',
        b'{"sub":{"\\udc00":1}}',
        b'{"sub":"a","sub":"b"}',
        '{"sub":"a"}'.encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"a":' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"a":' + b'{"b":' * 100 + b"1" + b"}" * 100 + b"}",
    ],
)
def test_what_not_every_reader_would_read_alike_is_no_json(payload: bytes) -> None:
    assert refusal(read_token, HEADER + b"." + section(payload) + b".AA") == (401, "Jwt payload is an invalid JSON")


def test_what_only_looks_like_it_is_json() -> None:
    payload = b'{"sub":"\\ud83d\\ude00","a":' + b"[" * 99 + b"]" * 99 + b',"b":[' + b"[]," * 200 + b"[]]}"
    assert read_token(HEADER + b"." + section(payload) + b".AA").payload["sub"] == "\U0001f600"


def test_times_give_and_take_the_skew() -> None:
    check_times(signed(exp=NOW - 59, nbf=NOW + 59), NOW, 60, True, None)
    assert refusal(check_times, signed(exp=NOW - 61), NOW, 60, False, None)[1] == "Jwt is expired"
    assert refusal(check_times, signed(nbf=NOW + 61), NOW, 60, False, None)[1] == "Jwt not yet valid"
    check_times(signed(), NOW, 60, False, None)
    assert refusal(check_times, signed(), NOW, 60, True, None)[0] == 401
    assert refusal(check_times, signed(exp=NOW + 1000), NOW, 60, False, 100.0)[0] == 401
    check_times(signed(exp=NOW + 100), NOW, 60, False, 100.0)


@pytest.mark.parametrize(
    ("given_audience", "fits"), [("svc", True), ("https://svc/", True), (["x", "svc"], True), ("x", False), ([], False)]
)
def test_audiences(given_audience: Any, fits: bool) -> None:
    token = signed(aud=given_audience)
    if fits:
        check_audiences(token, frozenset([plain_audience("http://svc")]))
    else:
        assert refusal(check_audiences, token, frozenset(["svc"])) == (403, "Audiences in Jwt are not allowed")


def key_set(*keys: dict[str, Any]) -> KeySet:
    return KeySet(json.dumps({"keys": keys}).encode())


RSA = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
EDWARDS = ed25519.Ed25519PrivateKey.generate()
RSA_JWK = RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True)
PUBLIC = key_set(RSA_JWK, ECAlgorithm.to_jwk(CURVE.public_key(), as_dict=True), OKPAlgorithm.to_jwk(EDWARDS.public_key(), as_dict=True))


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS512"), (CURVE, "ES256"), (EDWARDS, "EdDSA")])
def test_signatures_of_public_keys(key: Any, algorithm: str) -> None:
    token = signed(key, algorithm, sub="ann")
    PUBLIC.verify(token)
    forged = Token(token.header, token.payload, token.payload_section, token.signed + b"x", token.signature)
    assert refusal(PUBLIC.verify, forged) == (401, "Jwt verification fails")


def test_which_key_may_have_signed() -> None:
    keys = key_set(OCT | {"kid": "one", "alg": "HS256"})
    keys.verify(signed(kid="one"))
    keys.verify(signed())
    for token in (signed(kid="two"), signed(algorithm="HS384")):
        assert refusal(keys.verify, token) == (401, "Jwks doesn't have key to match kid or alg from Jwt")
    assert refusal(keys.verify, signed(b"x" * 64)) == (401, "Jwt verification fails")


def test_a_public_key_is_never_a_shared_secret() -> None:
    token = Token({"alg": "HS256"}, {}, b"", b"a.b", b"c")
    assert refusal(key_set(RSA_JWK).verify, token)[1] == "Jwks doesn't have key to match kid or alg from Jwt"


@pytest.mark.parametrize("jwks", [b"", b"{", b"[]", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "oct"}]}', b'{"keys": 5}', b"\xff"])
def test_keys_that_cannot_be_used_are_refused(jwks: bytes) -> None:
    with pytest.raises(ValueError, match="no JWK set"):
        KeySet(jwks)
