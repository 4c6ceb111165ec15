"""The work that every proxy is given, described once; `configs` writes it down in each proxy's own words.

Ten routes in order: eight prefixes that never match the load (a route table is asked, not only its first row), then a
prefix with a header match, then the same prefix without it, whose requests are split 25/75 between two clusters.
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


ROUTES: Final = (
    *(Route(f"/app{number:05d}/api", (("service2", 100),)) for number in range(8)),
    Route(PATH, ((CANARY, 100),), header=(CANARY_HEADER, CANARY)),
    Route(PATH, ((CANARY, 25), ("service1", 75))),
)


@dataclass(frozen=True, slots=True)
class Work:
    """What a proxy shall do: listen on ``port`` of loopback and route `ROUTES` to the ports of ``backends``.

    ``h2_down`` and ``h2_up``: HTTP/2 with prior knowledge, without TLS, on that side. ``access_log``: the file for the
    proxy's default access log, None for none. ``directory`` is the proxy's own, for its configuration and temporary files.
    """

    port: int
    backends: Mapping[str, int]
    directory: Path
    h2_down: bool = False
    h2_up: bool = False
    access_log: Path | None = None
    routes: tuple[Route, ...] = field(default=ROUTES)
