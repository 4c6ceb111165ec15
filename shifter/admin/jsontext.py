"""JSON in Envoy's layout, a little at a time: a large answer is made between other things.                             (pure)

Rule 1. What comes out joined is what ``json.dumps(value, indent=1)`` says and a line feed, for values made of dicts with text keys,
        lists, tuples, text, numbers, booleans and ``None``.
Rule 2. A piece is `VALUES` values, whatever the shape of the whole.
Rule 3. What was put into a configuration to be kept secret is not told: a user, a key, a password. Where a file has it, its name is.
"""

import json
from collections.abc import Iterator
from typing import Any

from shifter.model.steps import Steps

VALUES = 200
"""Values in one piece: a fraction of a millisecond."""

_SECRET = frozenset(
    ("users", "local_jwks", "private_key", "password", "pkcs12", "session_ticket_keys", "generic_secret", "token_secret", "hmac_secret")
)
_INLINE = frozenset(("inline_string", "inline_bytes"))
_HIDDEN = "[redacted]"
_END = object()


def pieces(value: Any) -> Iterator[str]:
    """Iterate over the text of *value*."""
    write = json.dumps
    out: list[str] = []
    open_ones: list[
        tuple[Iterator[Any], bool, bool]
    ] = []  # what is left of each container, whether it has keys, whether all of it is secret
    secret = False
    count = 0
    while True:
        keyed = isinstance(value, dict)
        if value and (keyed or isinstance(value, list | tuple)):
            rest = iter(value.items() if keyed else value)
            open_ones.append((rest, keyed, secret))
            out.append("{\n" if keyed else "[\n")
            first = True
        else:
            out.append(write(value))
            first = False
        found: Any = _END
        while open_ones:
            rest, keyed, secret = open_ones[-1]
            found = next(rest, _END)
            if found is not _END:
                break
            open_ones.pop()
            out.append(f"\n{' ' * len(open_ones)}{'}' if keyed else ']'}")
        if found is _END:
            out.append("\n")
            yield "".join(out)
            return
        out.append(" " * len(open_ones) if first else ",\n" + " " * len(open_ones))
        if keyed:
            key, value = found
            out.append(f"{write(key)}: ")
            if secret and key in _INLINE:
                value = _HIDDEN
            secret = secret or key in _SECRET
        else:
            value = found
        count += 1
        if count % VALUES == 0:
            yield "".join(out)
            out.clear()


def written(value: object) -> Steps[str]:
    """Write the text of *value* between other things."""
    text: list[str] = []
    for piece in pieces(value):
        text.append(piece)
        yield
    return "".join(text)
