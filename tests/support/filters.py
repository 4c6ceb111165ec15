"""A request as its filters see it, and what a factory is given, without a proxy around them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock

from shifter.filters.api import FactoryContext, FilterStream
from shifter.model.bootstrap import RuntimeLayer
from shifter.observe.logformat import LogEntry
from shifter.routing.runtime import Runtime
from shifter.wire.events import NO_BODY, RequestHead


class FakeStream:
    """One request."""

    def __init__(self, head: RequestHead, peer: bytes = b"192.0.2.1:5000") -> None:
        self.head = head
        self.peer = peer
        self.route_metadata: Mapping[str, Mapping[str, object]] = {}
        self.filter_state: dict[str, object] = {}
        self.flags: list[bytes] = []
        self.cleared = 0

    def clear_route_cache(self) -> None:
        self.cleared += 1

    def add_flag(self, flag: bytes) -> None:
        self.flags.append(flag)

    def describe(self) -> LogEntry:
        entry = LogEntry(0.0, self.head.method, self.head.path, self.head.authority)
        entry.request_block = self.head.block
        return entry


_: type[FilterStream] = FakeStream


class Bench:
    """What a factory is given: a clock, counters and dice that tests can look at and turn."""

    def __init__(self, **runtime: Any) -> None:
        self.clock = Clock()
        self.counters: Counter[str] = Counter()
        self.dice = 0
        self.now = 1_000_000.0
        self.context = FactoryContext(
            name="filter",
            stat_prefix="front",
            monotonic=self.clock.seconds,
            wall=lambda: self.now + self.clock.seconds(),
            call_later=self.clock.callLater,
            random=lambda: self.dice,
            runtime=Runtime([RuntimeLayer("test", runtime)]),
            count=self.count,
            count_global=self.count,
        )

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] += by


def request(path: bytes = b"/", *fields: bytes, method: bytes = b"GET", length: int = NO_BODY, authority: bytes = b"a.test") -> RequestHead:
    """Return a head with *fields* as ``name: value``."""
    return RequestHead(method, path, authority, b"".join([b"\r\n" + field for field in fields]), length)
