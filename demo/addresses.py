"""Addresses as the demo's programs take them on the command line, and as the files in ``etc/`` spell them."""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Address(NamedTuple):
    """An IPv4 address and a port. Written ``127.0.0.1:8000``."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


# Where the files in etc/ listen, and where etc/service.yaml expects its service.
FRONT = Address("0.0.0.0", 8000)
ADMIN = Address("127.0.0.1", 8001)
SIDECAR = Address("0.0.0.0", 8090)
SERVICE = Address("127.0.0.1", 8091)


def rebind(config: str, moves: Mapping[Address, Address]) -> str:
    """Return the text of a configuration with some of its socket addresses replaced.

    Text in, text out: comments and line numbers stay as they are in the file that the reader knows. Raises
    ``ValueError`` when one of the addresses is not there, for then the file and the demo no longer fit together.
    """
    for old, new in moves.items():
        spelled = re.compile(rf"(address:\s+){re.escape(old.host)}(\s+port_value:\s+){old.port}\b")
        config, found = spelled.subn(rf"\g<1>{new.host}\g<2>{new.port}", config)
        if not found:
            raise ValueError(f"no socket_address {old} in the configuration")
    return config
