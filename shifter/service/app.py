"""The service that ``twistd shifter`` and ``shifter run`` start.

Rule 1. It leads: it reads configurations, hands them to the data path, serves the admin listener, and reacts to signals.
        It holds nothing that a request needs.
Rule 2. It wires together and decides nothing: changes are `controller`'s, the end is `ending`'s, what is told is `view`'s.
Rule 3. SIGHUP reads the configuration again; so does a file of it that has changed. SIGUSR1 opens the log files anew, besides what
        twistd does then with its own. SIGUSR2 starts a new process that takes over (`service.handover`).
"""

import random
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger

from shifter import __version__
from shifter.model.address import SocketAddress
from shifter.model.change import Actor, ChangeResult
from shifter.observe.server_stats import ServerStats
from shifter.service.admin_port import AdminPort
from shifter.service.admin_token import AdminToken
from shifter.service.assignments import broken_assignments
from shifter.service.collector import Collector
from shifter.service.controller import CANNOT as CANNOT_SERVE
from shifter.service.controller import Controller
from shifter.service.ending import BY_DEFAULT, Ending, EndingOptions
from shifter.service.handover import HandoverError, hears
from shifter.service.journal import Journal, MemoryJournal
from shifter.service.plane import DataPlane
from shifter.service.release_path import ReleasePath
from shifter.service.release_rates import Rates
from shifter.service.release_reading import read_again
from shifter.service.release_store import MemoryStore, ReleaseStore
from shifter.service.releasing import releases_of
from shifter.service.reloading import Reloading
from shifter.service.sources import Candidate, FileSource
from shifter.service.steering import Steering
from shifter.service.succession import Succession, ignores
from shifter.service.view import ServiceView

CANNOT = (*CANNOT_SERVE, HandoverError)
"""Why a service is not made, although its configuration was read without problems."""

_log = Logger()


class ShifterService(MultiService):
    """See the module. *first* is the candidate that was read, and found good, before the service was made.

    Raises one of `CANNOT` when it cannot be served: a service that cannot start is not made.
    """

    def __init__(
        self,
        reactor: Any,
        source: FileSource,
        first: Candidate,
        dns_servers: Sequence[SocketAddress] = (),
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        journal: Journal | None = None,
        ending: EndingOptions = BY_DEFAULT,
        succession: Succession | None = None,
        admin_token: AdminToken | None = None,
        releases: ReleaseStore | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted has no types there
        self._reactor = reactor
        self._source = source
        self._stats = ServerStats(__version__, wall())
        self._journal = journal if journal is not None else MemoryJournal()
        self._monotonic = monotonic
        self._succession = succession = succession or Succession(reactor, {}, None)
        self._plane = DataPlane(
            *(reactor, monotonic, wall, partial(random.getrandbits, 63), self._stats, dns_servers, socket.gethostname()),
            listen=succession.listen,
            drain_time=ending.listener_drain_time,
        )
        self._admin = AdminPort(reactor, lambda: self._view, admin_token)
        self._collector = Collector()
        self._controller = Controller(self._plane, self._journal, self._stats, wall, self._admin.serve, self._collector, succession.listen)
        self._ending = Ending(reactor, self._plane, self._controller, self._stats, ending, succession.notify)
        self._reloading = Reloading(reactor, monotonic, wall, source, first, self._controller, self._stats, self.reload)
        self._steering = Steering(reactor, self._controller, self._journal, source.again, self._plane.splits)
        path = ReleasePath(self._controller, self._plane)
        store = releases if releases is not None else MemoryStore(read_again)
        rates = Rates(reactor, monotonic, self._plane)
        self._releases = releases_of(reactor, (monotonic, wall), self._controller, path, store, rates.of, lambda: self._admin.address)
        self._stats.releases = self._releases.reports
        self._view = ServiceView(
            *(reactor, self._plane, self._controller, self._journal, self._stats, wall, self._ending, self.reload, self._steering),
            restart=self.restart,
            releases=self._releases,
        )
        succession.wire(self._plane, self._admin, self._controller, self._ending, self._stats, self._releases, left=self._left)
        self._old_handlers: list[tuple[int, Any]] = []
        self._releases.load()
        self._begin = self._controller.lay_out(first)
        clusters = first.bootstrap.clusters if first.bootstrap is not None else ()
        succession.check(lambda: [*self._plane.lacking_secrets(), *broken_assignments(clusters), *self._controller.lost_holds])
        self.started: Deferred[None] = Deferred()
        """Fires when the first configuration is being served."""

    # twisted.application

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._plane.start()
        self._catch(signal.SIGHUP, partial(self.reload, Actor("operator", origin="SIGHUP")))
        self._catch(signal.SIGUSR1, self._plane.reopen_logs, signal.getsignal(signal.SIGUSR1))
        self._catch(signal.SIGUSR2, self.restart)
        self._catch(signal.SIGTERM, self._ending.terminate)
        if not ignores(signal.SIGINT):
            self._catch(signal.SIGINT, self._ending.terminate)
        # a reactor that starts puts its own handler for SIGTERM in place of whatever is there
        self._reactor.callWhenRunning(self._catch, signal.SIGTERM, self._ending.terminate)
        hears()
        self._begin().addCallback(self._begun)

    def stopService(self) -> Deferred[None]:
        self._controller.close()
        self._succession.close()
        done = maybeDeferred(super().stopService)
        done.addCallback(lambda _: self._view.feed.stop())
        done.addCallback(lambda _: self._releases.stop())
        done.addCallback(lambda _: self._steering.stop())
        done.addCallback(lambda _: self._reloading.stop())
        done.addCallback(lambda _: self._view.levels.close())
        done.addCallback(lambda _: self._admin.serve(None))
        done.addCallback(lambda _: self._plane.stop())
        done.addCallback(lambda _: self._journal.close())
        return done.addBoth(self._catch_no_more)

    def _catch_no_more(self, result: Any) -> Any:
        """Have signals do what they did before; those that only ask for something, such as SIGHUP, nothing: the program is about to end by
        itself, and must not be said to have been killed."""
        for number, handler in reversed(self._old_handlers):
            asks = handler is signal.SIG_DFL and number not in (signal.SIGTERM, signal.SIGINT)
            signal.signal(number, signal.SIG_IGN if asks else handler)
        self._old_handlers = []
        return result

    def _catch(self, number: int, react: Callable[[], object], before: Any = None) -> None:
        """Have the reactor call *react* on a signal, as Twisted does for its own; *before* is a handler that has its turn first."""

        def caught(*details: Any) -> None:
            if callable(before):
                before(*details)
            self._reactor.callFromThread(react)

        try:
            old = signal.signal(number, caught)
        except ValueError:
            return  # not the main thread: signals are somebody else's business
        self._old_handlers.append((number, old))

    def _left(self) -> None:
        """Another process has taken over."""
        self._view.feed.stop()
        self._releases.stop()

    def _begun(self, _: object) -> None:
        self._collector.settle()
        self._stats.state = "LIVE"
        if self._admin.address is not None:
            self._view.feed.start()
        self._succession.started()
        self._reloading.start()
        _log.info("shifter {version} serves {source}", version=__version__, source=self._source.path)
        self.started.callback(None)

    # changing the configuration

    def reload(self, actor: Actor) -> Deferred[ChangeResult]:
        """Read the configuration again and serve it if it is good. Wishes that come before it is read are the same one."""
        over = self._succession.reloading(partial(self.reload, actor), self._monotonic())

        def done(found: Any) -> Any:
            over()
            return found

        return self._reloading.reload(actor).addBoth(done)  # also when who asked has gone

    def restart(self) -> Deferred[str]:
        """Have a new process take over; fires with why that did not come about, or with nothing when it did."""
        return self._succession.restart()

    @property
    def addresses(self) -> dict[str, SocketAddress]:
        """Where each listener really listens."""
        return self._plane.addresses

    @property
    def admin_address(self) -> SocketAddress | None:
        """Where the admin listener really listens."""
        return self._admin.address
