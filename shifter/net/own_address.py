"""Which address others know this machine by."""

import socket

_ELSEWHERE = ("192.0.2.1", 9)
"""An address of nobody's (RFC 5737); nothing is sent there."""


def own_address() -> str:
    """Return the address that this machine would use to talk to others, that of loopback when it is alone."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(_ELSEWHERE)  # looks up the way there, and no more
        except OSError:
            return "127.0.0.1"
        host: str = sock.getsockname()[0]
        return host
