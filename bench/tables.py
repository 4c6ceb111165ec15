"""What it costs to find a route, by the length of the table: ``python -m bench.tables``.

In one process, without a socket: tables of several mixes and lengths are compiled, and requests for routes all over them are
located. Trying one route after the other stands beside it. Processor time counts, and of several runs the smallest.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from bench import report
from shifter.model.route import HeaderMatcher, PathMatchKind, RouteMatch, StringMatcher, StringMatchKind
from shifter.routing.match import compile_parts
from shifter.routing.table import RouteList, RouteScan
from shifter.wire.events import RequestHead, block_of

COLUMNS: Final[report.Row] = ["routes are", "routes", "compile ms", "locate ns", "one after the other ns"]
SIZES: Final = (10, 100, 1_000, 10_000)
_REQUESTS: Final = 300
_SECONDS: Final = 0.1
_FIELDS: Final = (
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"),
    (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"x-forwarded-proto", b"http"),
    (b"x-request-id", b"6fa459ea-ee8a-4ca4-894e-db77e160355e"),
)

Row = tuple[RouteMatch, RequestHead]
"""A route, and a request for it."""


def _request(path: bytes, *fields: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"GET", path, b"bench.test", block_of((*_FIELDS, *fields)))


def _prefix(number: int) -> Row:
    text = b"/app-%d/api/" % number
    return RouteMatch(PathMatchKind.PREFIX, text), _request(text + b"orders/17?page=2")


def _path(number: int) -> Row:
    text = b"/pages/%d/item-%d" % (number % 50, number)
    return RouteMatch(PathMatchKind.PATH, text), _request(text + b"?page=2")


def _header(number: int) -> Row:
    value = b"tenant-%d" % number
    matcher = HeaderMatcher(b"x-tenant", StringMatcher(StringMatchKind.EXACT, value))
    return RouteMatch(PathMatchKind.PREFIX, b"/", headers=(matcher,)), _request(b"/orders/17", (b"x-tenant", value))


def _canary(number: int) -> Row:
    match, _ = _prefix(number)
    matcher = HeaderMatcher(b"x-canary-version", StringMatcher(StringMatchKind.EXACT, b"service1a"))
    return RouteMatch(match.kind, match.text, headers=(matcher,)), _request(match.text + b"x", (b"x-canary-version", b"service1a"))


def _regex(number: int) -> Row:
    return RouteMatch(PathMatchKind.SAFE_REGEX, b"/users/u%d/[0-9]+" % number), _request(b"/users/u%d/17" % number)


def _mixed(number: int) -> Row:
    """Of ten routes four have a prefix, three a path, two a prefix and a field, one a pattern."""
    return (_prefix, _prefix, _prefix, _prefix, _path, _path, _path, _canary, _canary, _regex)[number % 10](number)


MIXES: Final[dict[str, Callable[[int], Row]]] = {"prefix": _prefix, "path": _path, "header": _header, "mixed": _mixed}


def table_of(mix: str, size: int) -> list[Row]:
    """Return *size* routes, the last one for everything, each with a request for it."""
    rows = [MIXES[mix](number) for number in range(size - 1)]
    return [*rows, (RouteMatch(PathMatchKind.PREFIX, b"/"), _request(b"/elsewhere"))]


def nanoseconds(locate: Callable[[RequestHead], object], heads: Sequence[RequestHead], seconds: float) -> float:
    """Return what *locate* takes for one of *heads*, looked at for *seconds* at least once."""
    best = float("inf")
    end = time.process_time() + seconds
    while True:
        began = time.process_time()
        for head in heads:
            locate(head)
        now = time.process_time()
        best = min(best, now - began)
        if now >= end:
            return best / len(heads) * 1e9


def measured(mix: str, size: int, seconds: float) -> report.Row:
    """Return one row: mix, size, and milliseconds to compile, nanoseconds to locate, nanoseconds one after the other."""
    rows = table_of(mix, size)
    began = time.process_time()
    table = RouteList([(match, number) for number, (match, _) in enumerate(rows)])
    compiled = time.process_time() - began
    scan = RouteScan([(*compile_parts(match), number) for number, (match, _) in enumerate(rows)])
    chosen = random.Random(size)
    heads = [chosen.choice(rows)[1] for _ in range(_REQUESTS)]
    few = heads[: max(10, _REQUESTS * 100 // size)] if size > 100 else heads
    if [table.locate(head) for head in few] != [scan.locate(head) for head in few]:
        raise AssertionError(f"the table of {size} routes ({mix}) does not answer as its routes do")
    located, scanned = nanoseconds(table.locate, heads, seconds), nanoseconds(scan.locate, few, seconds)
    return [mix, f"{size:,}", f"{compiled * 1e3:.1f}", f"{located:.0f}", f"{scanned:.0f}"]


def main() -> int:
    chosen = report.parser("bench.tables", __doc__, "tables").parse_args()
    rows = [measured(mix, size, _SECONDS) for mix in MIXES for size in SIZES]
    report.publish("tables", COLUMNS, rows, chosen.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
