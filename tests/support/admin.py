"""A double for the service, and requests to the admin listener without a network."""

from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from email.parser import BytesParser
from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogPublisher

from shifter.admin import AdminSite, AdminView, ServerInfo
from shifter.admin.events import Feed
from shifter.admin.page import Stream
from shifter.admin.release_feed import ReleaseFeed
from shifter.admin.release_view import Json, Order, Refused, ReleasesView
from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.change import Actor, AuditEntry, ChangeResult
from shifter.model.release import Transition
from shifter.model.report import Part, Report
from shifter.model.steps import Steps, at_once
from shifter.observe.loglevels import LogLevels
from tests.support.reports import a_report

T = TypeVar("T")


class FixedReleases:
    """Releases that are always as they are told to be; what is wanted of them is remembered, and answered with ``refusal`` if there is."""

    def __init__(self, clock: Clock) -> None:
        self.told: dict[str, dict[str, object]] = {"r-1": {"name": "r-1", "over": True}}
        self.told_events: list[Transition] = []
        self.told_patch = "--- a\n+++ b\n"
        self.refusal: Refused | None = None
        self.done: list[tuple[object, ...]] = []
        self.feed = ReleaseFeed(self, clock)

    def start(self, text: str, source: str, actor: Actor, dry_run: bool = False) -> Deferred[Json | Refused]:
        self.done.append(("start", text, source, actor, dry_run))
        return succeed(self.refusal or {"name": "begun"})

    def listed(self) -> Sequence[Json]:
        return list(self.told.values())

    def status(self, name: str, points: int | None = None) -> Json | None:
        found = self.told.get(name)
        return None if found is None else {**found, "points": points}

    def order(self, name: str, order: Order) -> Deferred[Json | Refused]:
        self.done.append((name, order))
        return succeed(self.refusal or self.told.get(name) or Refused(404, "no such release", f"there is no release `{name}`"))

    def plan(self, name: str) -> Deferred[Json | Refused]:
        return succeed(self.refusal or {"name": name})

    def patch(self, name: str) -> Deferred[str | Refused]:
        return succeed(self.refusal or self.told_patch)

    def events(self, name: str, after: int = 0, count: int = 1000) -> Deferred[list[Transition]]:
        return succeed([one for one in self.told_events if one.release == name and one.number > after][:count])

    def history(self, count: int, before: int | None = None, name: str | None = None) -> Deferred[list[Transition]]:
        fits = [one for one in reversed(self.told_events) if name in (None, one.release) and (before is None or one.number < before)]
        return succeed(fits[:count])

    def listen(self, name: str, after: int) -> Stream | None:
        return self.feed.listen(name, after)


class FixedView:
    """A service that always says the same; tests change what it says."""

    def __init__(self) -> None:
        self.told_report: Deferred[Report] | None = None
        self.told_snapshot: Snapshot | None = Snapshot(3, Bootstrap(node_id="front-1", node_cluster="front"), "etc/front.yaml")
        self.told_state = "LIVE"
        self.told_problems: Sequence[str] = ()
        self.told_audit: list[AuditEntry] = []
        self.told_weights: list[dict[str, object]] = []
        self.told_notices: Sequence[str] = ()
        self.told_result = ChangeResult(True, 4)
        self.done: list[tuple[object, ...]] = []
        self.levels = LogLevels(LogPublisher())
        self.told_parts: list[Part] = []
        self.told_now = 1795409043.5
        self.clock = Clock()
        self.feed = Feed(self, self.clock)
        self.told_releases = FixedReleases(self.clock)

    def releases(self) -> ReleasesView:
        return self.told_releases

    def report(self) -> Deferred[Report]:
        return succeed(a_report()) if self.told_report is None else self.told_report

    def meanwhile(self, steps: Steps[T]) -> Deferred[T]:
        return succeed(at_once(steps))

    def parts(self) -> Iterator[Part]:
        return iter(self.told_parts)

    def listen(self, after: str) -> Stream | None:
        return self.feed.listen(after)

    def snapshot(self) -> Snapshot | None:
        return self.told_snapshot

    def state(self) -> str:
        return self.told_state

    def problems(self) -> Sequence[str]:
        return self.told_problems

    def info(self) -> ServerInfo:
        started = self.told_now - 5
        return ServerInfo("1.2.3", "compiled", "lean epoll", 1, 30.0, 1795409043.5, self.told_now, started=started, first_started=started)

    def audit(self, count: int, before: int | None = None) -> Deferred[list[AuditEntry]]:
        return succeed([one for one in self.told_audit if before is None or one.number < before][:count])

    def weights(self) -> Deferred[list[dict[str, object]]]:
        return succeed(self.told_weights)

    def notices(self) -> Sequence[str]:
        return self.told_notices

    def set_weights(self, route: str, weights: Mapping[str, str], actor: Actor, dry_run: bool = False) -> Deferred[ChangeResult]:
        self.done.append(("set_weights", route, dict(weights), actor, dry_run))
        return succeed(self.told_result)

    def modify_runtime(self, values: Mapping[str, str], actor: Actor) -> Deferred[ChangeResult]:
        self.done.append(("modify_runtime", dict(values), actor))
        return succeed(self.told_result)

    def undo(self, actor: Actor) -> Deferred[ChangeResult]:
        self.done.append(("undo", actor))
        return succeed(self.told_result)

    def reload(self, actor: Actor) -> Deferred[ChangeResult]:
        self.done.append(("reload", actor))
        return succeed(self.told_result)

    def restart(self) -> Deferred[ChangeResult]:
        self.done.append(("restart",))
        return succeed(self.told_result)

    def drain_listeners(self, graceful: bool, skip_exit: bool, inbound_only: bool) -> None:
        self.done.append(("drain_listeners", graceful, skip_exit, inbound_only))

    def log_levels(self) -> LogLevels:
        return self.levels

    def fail_health_checks(self, failing: bool) -> None:
        self.done.append(("fail_health_checks", failing))

    def reopen_logs(self) -> None:
        self.done.append(("reopen_logs",))

    def reset_counters(self) -> Deferred[None]:
        self.done.append(("reset_counters",))
        return succeed(None)

    def quit(self) -> None:
        self.done.append(("quit",))


_: AdminView = FixedView()  # mypy proves the double is honest


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Message
    body: str


class Asker:
    """One connection to an admin site, or to any other *site*."""

    def __init__(self, view: AdminView | None = None, names: Sequence[str] = (), site: Any = None, token: str | None = None) -> None:
        self.clock = Clock()
        site = site or AdminSite(view or FixedView(), names, self.clock, token)
        self.channel: Any = site.buildProtocol(None)
        self.transport = StringTransport()
        self.transport.abortConnection = self.transport.loseConnection  # type: ignore[method-assign]
        self.channel.makeConnection(self.transport)

    def send(self, target: str, method: str = "GET", headers: Sequence[str] = ("Host: 127.0.0.1:8001",), body: bytes = b"") -> None:
        """Send one request."""
        head = "".join(f"{line}\r\n" for line in (f"{method} {target} HTTP/1.1", *headers))
        self.transport.clear()
        self.channel.dataReceived(head.encode() + b"\r\n" + body)

    def answer(self) -> Answer:
        """Return what came since the last request."""
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        return Answer(int(line.split()[1]), BytesParser().parsebytes(fields), body.decode())

    def ask(self, target: str, method: str = "GET", headers: Sequence[str] = ("Host: 127.0.0.1:8001",), body: bytes = b"") -> Answer:
        """Send one request and return its answer."""
        self.send(target, method, headers, body)
        return self.answer()
