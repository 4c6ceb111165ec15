"""MurmurHash2 in 64 bits, as libstdc++'s ``std::hash`` and Envoy's ``MURMUR_HASH_2`` have it."""

_MULTIPLIER = 0xC6A4A7935BD1E995
_MASK = 2**64 - 1
STD_HASH_SEED = 0xC70F6907


def murmur_hash_2(key: bytes, seed: int = STD_HASH_SEED) -> int:
    """Return the hash of *key*."""
    whole = len(key) & ~7
    value = seed ^ (len(key) * _MULTIPLIER & _MASK)
    for i in range(0, whole, 8):
        word = int.from_bytes(key[i : i + 8], "little") * _MULTIPLIER & _MASK
        value = (value ^ _mixed(word) * _MULTIPLIER & _MASK) * _MULTIPLIER & _MASK
    if len(key) > whole:
        value = (value ^ int.from_bytes(key[whole:], "little")) * _MULTIPLIER & _MASK
    return _mixed(_mixed(value) * _MULTIPLIER & _MASK)


def _mixed(value: int) -> int:
    return value ^ value >> 47
