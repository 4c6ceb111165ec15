"""Which bytes may stand where in a message: one table for both protocols (RFC 9110 section 5.6, RFC 3986 section 2)."""

LOWER_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
TOKEN = LOWER_TOKEN + b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Characters of a method or a field name."""

CONTROLS = bytes(c for c in range(32) if c != 9) + b"\x7f"
"""What may not stand in a field value; obs-text may."""

VISIBLE = bytes(range(0x21, 0x7F))
"""What may stand in a request target."""

PLAIN_PATH = bytes(c for c in VISIBLE if c not in b'#%\\"<>^`{|}')
"""What stands for itself in a path. A target with anything else is ``wire.events.ODD_PATH``."""
