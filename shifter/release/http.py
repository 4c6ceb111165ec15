"""HTTP to servers outside: what webhooks, notifications and Prometheus checks are sent with (`interfaces.Http`).

Rule 1. It is for the control plane, and the data path does not notice it: names are looked up without threads, what a server sends beyond
        `KEPT` is not read, and no more than `AT_ONCE` requests to it are under way.
Rule 2. A server that does not answer costs only itself: nobody waits who asks another one.
Rule 3. A request is made once. Nothing is repeated, no redirect is followed, no cookie kept, no proxy of the environment used; each
        request has a connection of its own, which is gone when it is over. The certificates of https servers are verified.
Rule 4. treq and what belongs to it take 0.1 s to be imported: that happens in a thread, when the first request is made.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, cast
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, DeferredLock, DeferredSemaphore
from twisted.internet.threads import deferToThreadPool

from shifter.release.interfaces import Answer, Http
from shifter.upstream.dns import Resolver

KEPT = 65_536
"""Bytes of an answer's body that are kept."""
AT_ONCE = 16
"""Requests to one server that are under way at a time; others wait for their turn."""
_PORTS = {"http": 80, "https": 443}

_Server = tuple[str, str, int | None]
"""Its scheme, its name and its port."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """See `interfaces.Answer`."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent, and how many seconds all of it may take."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float


Exchange = Callable[[Any, Resolver, Request], Coroutine[Any, Any, HttpAnswer]]
"""``http_exchange.exchange``."""


class TreqHttp:
    """See the module. It is given the *reactor*, and a *resolver* of names where the system's own is not meant."""

    def __init__(self, reactor: Any, resolver: Resolver | None = None) -> None:
        self._reactor = reactor
        self._resolver = resolver or Resolver(reactor)
        self._turns: dict[_Server, DeferredSemaphore] = {}
        self._under_way: set[Deferred[Answer]] = set()
        self._loading = DeferredLock()
        self._exchange: Exchange | None = None

    def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> Deferred[Answer]:
        """See `interfaces.Http`. *timeout* is for all of it, from the look-up of the name to the end of the body. One that is cancelled,
        also by `close`, fails with ``CancelledError``."""
        made = Deferred.fromCoroutine(self._request(method, url, body, headers or {}, timeout))
        if not made.called:
            self._under_way.add(made)
            made.addBoth(self._over, made)
        return made

    def close(self) -> None:
        """End what is under way."""
        for made in tuple(self._under_way):
            made.cancel()
        self._resolver.close()

    def _over(self, result: Answer, made: Deferred[Answer]) -> Answer:
        self._under_way.discard(made)
        return result

    async def _request(self, method: str, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        exchange = self._exchange or await self._load()
        server = _server(url)
        turn = self._turns.setdefault(server, DeferredSemaphore(AT_ONCE))
        await turn.acquire()
        try:
            return await exchange(self._reactor, self._resolver, Request(method, url, body, headers, timeout))
        finally:
            turn.release()
            if turn.tokens == turn.limit and self._turns.get(server) is turn:  # nobody asks it anything: it is forgotten
                del self._turns[server]

    async def _load(self) -> "Exchange":
        await self._loading.acquire()
        try:
            if self._exchange is None:
                pool = self._reactor.getThreadPool()
                module = await deferToThreadPool(self._reactor, pool, import_module, "shifter.release.http_exchange")
                self._exchange = cast("Exchange", module.exchange)
            return self._exchange
        finally:
            self._loading.release()


def _server(url: str) -> _Server:
    """Return who is asked with *url*. All that are no URLs are one: they are refused at once."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None


def _proof(http: TreqHttp) -> Http:  # mypy proves that it is one
    return http
