"""An access log as the requests of a release: those of its route, and what became of each.                              (pure)

Rule 1. A log says what clients got, after retries; a release counts first tries. With retries a bad canary is found a little earlier than
        is told here.
Rule 2. A request whose client went away says nothing of whoever would have answered it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shifter.model.release import ReleaseSpec, RouteReference
from shifter.observe.logreader import Logged, in_order
from shifter.release.simulate import Request

_CLIENT_GONE = frozenset(("DC", "DR", "DPE"))
_TIMEOUTS = frozenset(("UT", "SI", "UPE", "DT"))
_NOT_CONNECTED = frozenset(("UF", "UH"))


@dataclass(slots=True)
class Replay:
    """The requests of *spec*'s route. What is counted meanwhile: ``requests`` that were replayed, ``failed`` ones of them, ``elsewhere``
    those of other routes, ``left`` those whose client went away; ``first`` and ``last`` are when they began."""

    spec: ReleaseSpec
    requests: int = 0
    failed: int = 0
    elsewhere: int = 0
    left: int = 0
    first: float | None = None
    last: float | None = None

    def of(self, logged: Iterable[Logged]) -> Iterator[Request]:
        """Iterate over them, in the order in which they began."""
        fits, errors = fitting(self.spec.route), self.spec.verdict.errors
        for one in in_order(logged):
            if not fits(one.path):
                self.elsewhere += 1
                continue
            failed = fails(one, errors)
            if failed is None:
                self.left += 1
                continue
            self.requests += 1
            self.failed += failed
            self.first = one.at if self.first is None else self.first
            self.last = one.at
            yield Request(one.at, failed, one.ms)

    @property
    def seconds(self) -> float:
        """How long the requests took to come."""
        return self.last - self.first if self.first is not None and self.last is not None else 0.0


def fails(logged: Logged, errors: frozenset[str]) -> bool | None:
    """Say whether *logged* is a failure as *errors* (`model.release.ERROR_KINDS`) count it; ``None`` if nobody knows what it would have
    come to."""
    flags = frozenset(logged.flags.split(","))
    status = logged.status
    if flags & _NOT_CONNECTED:
        return "connect_failure" in errors
    if flags & _TIMEOUTS or status == 504:
        return "timeout" in errors
    if status >= 500:
        return "5xx" in errors
    if status >= 400:
        return "4xx" in errors
    if status:
        return False
    return None if flags & _CLIENT_GONE or not flags - {"-"} else "reset" in errors


def fitting(route: RouteReference) -> Callable[[str], bool]:
    """Return what says whether a request for a path (with its query) is one of *route*, as far as a path tells that. Lines without a
    path are."""
    text = route.text
    if route.kind is None:  # the name that weights have: the virtual host, and what the route matches
        text = text.partition("/")[2]
        if not text.startswith("/"):
            return _anything
    elif route.kind == "safe_regex":
        return _anything
    if route.kind == "path":
        return lambda path: not path or path.partition("?")[0] == text
    if route.kind == "path_separated_prefix":
        return lambda path: not path or (path.partition("?")[0] + "/").startswith(text.rstrip("/") + "/")
    return lambda path: not path or path.startswith(text)


def _anything(path: str) -> bool:
    return True
