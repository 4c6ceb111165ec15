"""The work that every proxy is given, described once; `configs` writes it down in each proxy's own words.

Ten routes in order: eight prefixes that never match the load (a route table is asked, not only its first row), then a
prefix with a header match, then the same prefix without it, whose requests are split 25/75 between two clusters. Longer
tables have more of the eight, every fourth of them with a header match.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PATH: Final = "/service/1"
CANARY_HEADER: Final = "x-canary-version"
CANARY: Final = "service1a"
CLUSTERS: Final = ("service1", "service1a", "service2")


@dataclass(frozen=True, slots=True)
class Route:
    """A path prefix, perhaps a header that must have a value, and clusters with their weights (sum 100)."""

    prefix: str
    clusters: tuple[tuple[str, int], ...]
    header: tuple[str, str] | None = None


_OTHER: Final = (("service2", 100),)
_LAST: Final = (
    Route(PATH, ((CANARY, 100),), header=(CANARY_HEADER, CANARY)),
    Route(PATH, ((CANARY, 25), ("service1", 75))),
)
ROUTES: Final = (*(Route(f"/app{number:05d}/api", _OTHER) for number in range(8)), *_LAST)


def routes_of(count: int) -> tuple[Route, ...]:
    """A table of *count* routes, `ROUTES` for ten; what the load asks for stands at its end."""
    further = (
        Route(f"/app{number:05d}/api", _OTHER, header=None if number % 4 else (CANARY_HEADER, f"app{number}"))
        for number in range(len(ROUTES) - len(_LAST), count - len(_LAST))
    )
    return (*ROUTES[: -len(_LAST)], *further, *_LAST)


@dataclass(frozen=True, slots=True)
class Work:
    """What a proxy shall do: listen on ``port`` of loopback and route `ROUTES` to the ports of ``backends``.

    ``h2_down`` and ``h2_up``: HTTP/2 with prior knowledge, without TLS, on that side. ``access_log``: the file for the
    proxy's default access log, None for none. ``directory`` is the proxy's own, for its configuration and temporary files.
    ``tls``: a file with a certificate and its key, for TLS towards the clients, None for none. ``tcp``: as a TCP proxy, with the split
    of the last route for connections.
    """

    port: int
    backends: Mapping[str, int]
    directory: Path
    h2_down: bool = False
    h2_up: bool = False
    access_log: Path | None = None
    tls: Path | None = None
    routes: tuple[Route, ...] = field(default=ROUTES)
    tcp: bool = False
