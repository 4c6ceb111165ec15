"""JSON Web Tokens: reading one, and the keys that may have signed it (RFC 7519, RFC 7515, RFC 7517).

Rule 1. The signature is checked by PyJWT over ``cryptography``; this module reads what is around it, and says what is wrong in
        Envoy's words.
Rule 2. A key is only ever used with the algorithms of its own type, so that a public key cannot be taken for a shared secret.
"""

import json
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

from jwt import PyJWKSet
from jwt.algorithms import Algorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

_FAMILIES = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "oct": ("HS256", "HS384", "HS512"),
    "OKP": ("EdDSA",),
}
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
SUPPORTED = frozenset((*_FAMILIES["RSA"], *_FAMILIES["oct"], *_FAMILIES["OKP"], *_CURVES.values()))
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]+")
_SECTIONS = 3
_PADDING = 4
_DEEPEST = 100
_LATEST = 1 << 64
_MOST_DIGITS = 308
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class JwtRefused(Exception):
    """This token does not do; ``str`` says why, ``status`` is for the client."""

    def __init__(self, reason: str, status: int = _UNAUTHORIZED) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was read, not yet believed. ``payload_section`` is the payload as it came, in base64url."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    payload_section: bytes
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        issuer = self.payload.get("iss", "")
        return issuer if isinstance(issuer, str) else ""


def read_token(text: bytes) -> Token:
    """Return the token that *text* spells. Raises `JwtRefused`."""
    sections = text.split(b".")
    if len(sections) != _SECTIONS or not all(sections):
        raise JwtRefused("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
    header = _object(sections[0], "header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise JwtRefused("Jwt header [alg] field is required and must be a string")
    if algorithm not in SUPPORTED:
        raise JwtRefused("Jwt header [alg] is not supported")
    if not isinstance(header.get("kid", ""), str):
        raise JwtRefused("Jwt header [kid] field is not a string")
    payload = _object(sections[1], "payload")
    for name in ("iss", "sub"):
        if not isinstance(payload.get(name, ""), str):
            raise JwtRefused(f"Jwt payload [{name}] field is not a string")
    for name in ("iat", "nbf", "exp"):
        value = payload.get(name, 0)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise JwtRefused(f"Jwt payload [{name}] field is not an integer")
        if not 0 <= value < _LATEST:
            raise JwtRefused(f"Jwt payload [{name}] field is not a positive 64 bit integer")
    audiences = payload.get("aud", "")
    if not isinstance(audiences, str) and not (isinstance(audiences, list) and all(isinstance(one, str) for one in audiences)):
        raise JwtRefused("Jwt payload [aud] field is not a string or string list")
    signature = _decoded(sections[2], "signature")
    return Token(header, payload, sections[1], sections[0] + b"." + sections[1], signature)


def _decoded(section: bytes, name: str) -> bytes:
    try:
        if _BASE64URL.fullmatch(section):
            return b64decode(section + b"=" * (-len(section) % _PADDING), b"-_", validate=True)
    except (Base64Error, ValueError):
        pass
    raise JwtRefused(f"Jwt {name} is an invalid Base64url encoded")


def _object(section: bytes, name: str) -> Mapping[str, Any]:
    encoded = _decoded(section, name)
    try:
        text = encoded.decode()
        found = json.loads(text, object_pairs_hook=_members, parse_constant=_no_number, parse_float=_fraction, parse_int=_integer)
        if "\\u" in text or text.count("[") + text.count("{") > _DEEPEST:
            _check(found, _DEEPEST)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise JwtRefused(f"Jwt {name} is an invalid JSON")
    return cast("dict[str, Any]", found)


# What Python reads beyond RFC 8259, and what two readers may read in two ways, is no JSON here.


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _fraction(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _no_number(text)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else _no_number(text)


def _check(value: object, left: int) -> None:
    """Raise ``ValueError`` when *value* is nested in more than *left* levels, or has text that is none (half a surrogate pair)."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, dict | list):
        if not left:
            raise ValueError("this is nested too deeply")
        for one in value:
            _check(one, left - 1)
        if isinstance(value, dict):
            for one in value.values():
                _check(one, left - 1)


def check_times(token: Token, now: float, skew: float, required: bool, lifetime: float | None) -> None:
    """Check ``nbf`` and ``exp`` against *now*, give or take *skew*; with *required* there must be an ``exp``, with *lifetime* it
    may be no further away than that. All are seconds. Raises `JwtRefused`."""
    payload = token.payload
    expires = payload.get("exp", 0)
    if payload.get("nbf", 0) > now + skew:
        raise JwtRefused("Jwt not yet valid")
    if expires and now > expires + skew:
        raise JwtRefused("Jwt is expired")
    if (required or lifetime is not None) and not expires:
        raise JwtRefused("Jwt has no expiration")
    if lifetime is not None and expires - now > lifetime + skew:
        raise JwtRefused("Jwt lives too long")


def plain_audience(name: str) -> str:
    """Return an audience without the scheme and the slash at its end, which do not count."""
    for scheme in ("https://", "http://"):
        name = name.removeprefix(scheme)
    return name.removesuffix("/")


def check_audiences(token: Token, allowed: frozenset[str]) -> None:
    """Check that one of the token's audiences is *allowed* (`plain_audience`). Raises `JwtRefused`."""
    given = token.payload.get("aud", [])
    if not any(plain_audience(name) in allowed for name in ([given] if isinstance(given, str) else given)):
        raise JwtRefused("Audiences in Jwt are not allowed", _FORBIDDEN)


@dataclass(frozen=True, slots=True)
class _Key:
    kid: str
    alg: str
    algorithms: tuple[str, ...]
    key: Any


class KeySet:
    """The keys of a provider. Raises ``ValueError`` when *jwks* is no JWK set or holds no key that can be used."""

    __slots__ = ("_algorithms", "_keys")

    def __init__(self, jwks: bytes) -> None:
        try:
            found = PyJWKSet.from_json(jwks.decode())
        except (PyJWTError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"this is no JWK set that can be used: {error}") from None
        self._keys = []
        for jwk in found.keys:
            kind = jwk.key_type or ""
            algorithms = _FAMILIES.get(kind, ())
            if kind == "EC":
                name = _CURVES.get(str(jwk._jwk_data.get("crv", "P-256")))
                algorithms = (name,) if name else ()
            self._keys.append(_Key(jwk.key_id or "", str(jwk._jwk_data.get("alg") or ""), algorithms, jwk.key))
        self._algorithms: dict[str, Algorithm] = get_default_algorithms()

    def verify(self, token: Token) -> None:
        """Check the signature. Raises `JwtRefused`."""
        kid, name = token.header.get("kid", ""), token.header["alg"]
        fitting = [
            one
            for one in self._keys
            if name in one.algorithms and (not kid or not one.kid or kid == one.kid) and (not one.alg or one.alg == name)
        ]
        if not fitting:
            raise JwtRefused("Jwks doesn't have key to match kid or alg from Jwt")
        algorithm = self._algorithms[name]
        if not any(algorithm.verify(token.signed, one.key, token.signature) for one in fitting):
            raise JwtRefused("Jwt verification fails")
