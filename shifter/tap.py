"""``twistd shifter``: the plugin's options and service.

Importing this module while no reactor is installed installs ours (`shifter.net.reactor`): twistd imports it when it parses
its command line, before it needs a reactor. Whoever chose another one (``twistd --reactor asyncio``) keeps it.
"""

import gc
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


class Options(usage.Options):
    """Command line options of ``twistd shifter``."""

    optParameters = [  # noqa: RUF012  # Twisted declares it as an instance attribute
        ["config", "c", None, "configuration file, in Envoy's spelling (YAML or JSON)"],
        ["dns-resolver", None, None, "HOST:PORT of the name server for clusters that do not name their own"],
    ]

    def postOptions(self) -> None:
        if not self["config"]:
            raise usage.UsageError("--config FILE is missing")
        self.dns_servers = resolver_addresses(self["dns-resolver"])


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

        from shifter.service.app import CANNOT, ShifterService
        from shifter.service.sources import FileSource
    source = FileSource(options["config"])
    candidate = source.read()
    if candidate.text:
        print(candidate.text, file=sys.stderr)
    if candidate.bootstrap is None:
        raise SystemExit(1)
    try:
        return ShifterService(reactor, source, candidate, options.dns_servers, monotonic=time.monotonic, wall=time.time)
    except CANNOT as error:
        print(f"shifter: {error}", file=sys.stderr)
        raise SystemExit(1) from None
