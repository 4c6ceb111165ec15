"""Request ids: random UUIDs (RFC 9562 version 4) as text, many at a time, for one is wanted for every request."""

from shifter.wire.heads import IMPLEMENTATION

__all__ = ["pure_uuids", "uuids"]


def pure_uuids(random: bytes) -> list[bytes]:
    """Return one UUID for each 16 bytes of *random*."""
    digits = random.hex()
    return [
        f"{d[:8]}-{d[8:12]}-4{d[13:16]}-{'89ab'[int(d[16], 16) & 3]}{d[17:20]}-{d[20:]}".encode("ascii")
        for d in (digits[at : at + 32] for at in range(0, len(digits) - 31, 32))
    ]


if IMPLEMENTATION == "compiled":
    from shifter.wire._heads import uuids
else:
    uuids = pure_uuids
