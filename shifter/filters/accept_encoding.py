"""Which content coding an answer gets, of those that several compressors offer (RFC 9110 section 12.5.3).

Rule 1. The coding with the highest weight wins; of equals the one that the client names first, unless a compressor asks to be
        preferred (``choose_first``).
Rule 2. ``*`` stands for the first compressor that the client did not exclude. Names are compared as they are written, as in Envoy.
"""

from collections.abc import Iterable, Mapping
from enum import Enum


class HeaderStat(Enum):
    """What an ``accept-encoding`` came to; the value is the end of the counter's name."""

    USED = "header_compressor_used"
    OVERSHADOWED = "header_compressor_overshadowed"
    IDENTITY = "header_identity"
    WILDCARD = "header_wildcard"
    NOT_VALID = "header_not_valid"


_IDENTITY = b"identity"
_ANY = b"*"


def weights(value: bytes) -> list[tuple[bytes, float]]:
    """Return codings and their weights in the order of *value*; what is no weight leaves its coding out."""
    found = []
    for token in value.split(b","):
        coding, semicolon, parameters = token.partition(b";")
        weight = 1.0
        name, equals, number = parameters.partition(b"=")
        if semicolon and equals and name.strip().lower() == b"q":
            try:
                weight = float(number.strip())
            except ValueError:
                continue
        if coding.strip():
            found.append((coding.strip(), weight))
    return found


def choose(value: bytes, offers: Iterable[tuple[bytes, bool]]) -> tuple[bytes, HeaderStat]:
    """Return the coding for an ``accept-encoding`` of *value*, ``identity`` for none, and what it came to.

    *offers* are the codings of the compressors in the order of the configuration, each with its ``choose_first``.
    """
    allowed: dict[bytes, bool] = {}
    for coding, first in offers:
        allowed.setdefault(coding, first)
    accepted = weights(value)
    for coding, weight in accepted:
        if not weight:
            allowed.pop(coding, None)
    if not accepted or not allowed:
        return _IDENTITY, HeaderStat.NOT_VALID
    best, most = _heaviest(accepted, allowed)
    if not most:
        return _IDENTITY, HeaderStat.NOT_VALID
    if best == _IDENTITY:
        return _IDENTITY, HeaderStat.IDENTITY
    if best == _ANY:
        return next(iter(allowed)), HeaderStat.WILDCARD
    return best, HeaderStat.USED


def _heaviest(accepted: list[tuple[bytes, float]], allowed: Mapping[bytes, bool]) -> tuple[bytes, float]:
    best, most = _IDENTITY, 0.0
    for coding, weight in accepted:
        known = coding in allowed or coding in (_IDENTITY, _ANY)
        if known and (weight > most or (weight == most and allowed.get(coding, False))):
            best, most = coding, weight
    return best, most
