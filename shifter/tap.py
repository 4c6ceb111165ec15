"""``twistd shifter``: the plugin's options and service.

Importing this module while no reactor is installed installs ours (`shifter.net.reactor`): twistd imports it when it parses
its command line, before it needs a reactor. Whoever chose another one (``twistd --reactor asyncio``) keeps it.
"""

import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.application.service import IService
from twisted.python import usage

from shifter.model.address import SocketAddress


@contextmanager
def unwatched() -> Iterator[None]:
    """For imports: they make a hundred thousand objects, all to stay, and the collector would spend a sixth of the start on them."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def install_reactor() -> None:
    """Install the lean reactor if the platform has epoll and nobody chose another."""
    if "twisted.internet.reactor" in sys.modules:
        return
    with unwatched():
        try:
            from shifter.net.reactor import install
        except ImportError:  # no epoll: Twisted's default will do
            return
    install()


install_reactor()


DRAIN_STRATEGIES = ("gradual", "immediate")


class Options(usage.Options):
    """Command line options of ``twistd shifter``."""

    optParameters = [  # noqa: RUF012  # Twisted declares it as an instance attribute
        ["config", "c", None, "configuration file, in Envoy's spelling (YAML or JSON)"],
        [
            "drain-time-s",
            None,
            None,
            "seconds that requests under way have at the end (30), and connections of listeners that are gone (600)",
            int,
        ],
        ["drain-strategy", None, "gradual", "how clients are told to go while connections go on to come: gradual, immediate"],
        [
            "parent-shutdown-time-s",
            None,
            None,
            "seconds that a process has to go when it has handed over (half as much again as a drain)",
            int,
        ],
        ["dns-resolver", None, None, "HOST:PORT of the name server for clusters that do not name their own"],
        ["admin-token-file", None, None, "file with the token that the admin listener wants to see [default: $SHIFTER_ADMIN_TOKEN]"],
        ["state-dir", None, None, "directory in which what is set while it runs is kept, and what was changed [default: $STATE_DIRECTORY]"],
    ]

    def postOptions(self) -> None:
        if not self["config"]:
            raise usage.UsageError("--config FILE is missing")
        for name in ("drain-time-s", "parent-shutdown-time-s"):
            if self[name] is not None and self[name] < 0:
                raise usage.UsageError(f"--{name} takes a number of seconds, not {self[name]}")
        if self["drain-strategy"] not in DRAIN_STRATEGIES:
            raise usage.UsageError(f"--drain-strategy takes {' or '.join(DRAIN_STRATEGIES)}, not {self['drain-strategy']!r}")
        self.dns_servers = resolver_addresses(self["dns-resolver"])
        named = self["state-dir"] or os.environ.get("STATE_DIRECTORY", "").split(":")[0]  # systemd puts colons between several
        self.state_dir = os.path.abspath(named) if named else None


def resolver_addresses(text: str | None) -> list[SocketAddress]:
    """Read the value of ``--dns-resolver``. Raises `usage.UsageError`."""
    if not text:
        return []
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise usage.UsageError(f"--dns-resolver takes HOST:PORT, not {text!r}")
    return [SocketAddress(host.strip("[]"), int(port))]


def makeService(options: Options) -> IService:
    """Read the configuration and make the service; a configuration with errors is explained and ends the process."""
    with unwatched():  # and not before Twisted has read its command line: a wrong option, or --help, needs none of this
        from twisted.internet import reactor

        from shifter.observe.writerthread import FileThread
        from shifter.service.admin_token import AdminToken, TokenError, given_token
        from shifter.service.app import CANNOT, ShifterService
        from shifter.service.ending import EndingOptions
        from shifter.service.handover import Predecessor
        from shifter.service.journal import NO_OVERRIDES, Journal, MemoryJournal
        from shifter.service.journal_sqlite import MIGRATIONS, SqliteJournal
        from shifter.service.printed_log import PrintedLog
        from shifter.service.release_reading import read_again
        from shifter.service.release_store import MemoryStore, ReleaseStore
        from shifter.service.release_store_sqlite import SqliteReleaseStore
        from shifter.service.sources import FileSource
        from shifter.service.state import StateDatabase
        from shifter.service.succession import Succession
    if options.parent is not None and options.parent["nodaemon"]:
        sys.stdout = PrintedLog(FileThread(os.dup(1)))  # where twistd will have its log written; it asks for it after this
    predecessor = Predecessor.from_environment(os.environ)
    source = FileSource(options["config"])
    candidate = source.read()
    if candidate.text:
        print(candidate.text, file=sys.stderr)
    if candidate.bootstrap is None:
        if predecessor is not None:
            predecessor.refuse("\n".join(candidate.problems))
        raise SystemExit(1)
    state = options.state_dir
    try:
        admin_token = AdminToken(given_token(options["admin-token-file"], os.environ), state, os.environ)
    except TokenError as error:
        if predecessor is not None:
            predecessor.refuse(str(error))
        print(f"shifter: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    held = predecessor.overrides if predecessor is not None else NO_OVERRIDES
    told = predecessor.releases if predecessor is not None else None
    journal: Journal
    releases: ReleaseStore
    if state is None:
        journal, releases = MemoryJournal(held), MemoryStore(read_again, told)
    else:
        database = StateDatabase(reactor, state, MIGRATIONS)
        journal, releases = SqliteJournal(database), SqliteReleaseStore(database, read_again)
    try:
        return ShifterService(
            *(reactor, source, candidate, options.dns_servers),
            monotonic=time.monotonic,
            wall=time.time,
            journal=journal,
            ending=EndingOptions.asked(options["drain-time-s"], options["parent-shutdown-time-s"], options["drain-strategy"]),
            succession=Succession(reactor, os.environ, predecessor),
            admin_token=admin_token,
            releases=releases,
        )
    except CANNOT as error:
        if predecessor is not None:
            predecessor.refuse(str(error))
        print(f"shifter: {error}", file=sys.stderr)
        raise SystemExit(1) from None
