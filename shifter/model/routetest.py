"""Tests of a route table (the ``Validation`` messages of Envoy's router check tool).

Rule 1. What a test does not mention is not checked; an empty text says that there must be none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shifter.model.bootstrap import RuntimeValue
from shifter.model.route import HeaderMatcher


@dataclass(frozen=True, slots=True)
class RouteTestInput:
    """The request of a test. ``ssl`` says by which scheme it came, ``internal`` that it carries ``x-envoy-internal: true``.

    ``random_value`` decides all random choices. ``runtime`` is the one runtime key whose fractions may let the request through;
    all others let nothing through. ``metadata`` is what filters before the router are taken to have left, by their names.
    """

    authority: bytes
    path: bytes
    method: bytes
    ssl: bool = False
    internal: bool = False
    random_value: int = 0
    runtime: str = ""
    request_headers: tuple[tuple[bytes, bytes], ...] = ()
    response_headers: tuple[tuple[bytes, bytes], ...] = ()
    metadata: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteMetadata:
    """A value that the route's own metadata must hold under ``key`` of ``namespace``."""

    namespace: str
    key: str
    value: object


@dataclass(frozen=True, slots=True)
class RouteExpectation:
    """What must come of the request.

    ``path_rewrite`` and ``host_rewrite`` are path and host as they go upstream, rewritten or not; ``path_redirect`` is the
    location of a redirect, ``code_redirect`` its status or that of a direct response; ``timeout`` is in seconds. Header
    conditions hold for the request as it goes upstream, and for an answer, after the route table has edited them.
    """

    cluster_name: str | None = None
    virtual_cluster_name: str | None = None
    virtual_host_name: str | None = None
    path_rewrite: str | None = None
    host_rewrite: str | None = None
    path_redirect: str | None = None
    code_redirect: int | None = None
    timeout: float | None = None
    request_headers: tuple[HeaderMatcher, ...] = ()
    response_headers: tuple[HeaderMatcher, ...] = ()
    route_metadata: tuple[RouteMetadata, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteTest:
    """One test. ``place`` is its ``file:line:column``."""

    name: str
    input: RouteTestInput
    expected: RouteExpectation
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class RouteTests:
    """A file of tests. ``runtime`` are values that hold for all of them."""

    tests: tuple[RouteTest, ...]
    runtime: Mapping[str, RuntimeValue] = field(default_factory=dict)
