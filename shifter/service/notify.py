"""What the service manager is told (systemd's ``sd_notify``), where there is one that wants to know.

Rule 1. It is told in one datagram each time, and never waited for: what it does not take is lost, and costs nothing.
Rule 2. While nobody wants to know, nothing happens.
"""

import os
import socket
from collections.abc import Mapping

from twisted.logger import Logger

_log = Logger()


class Notify:
    """See the module. *environment* says where to (``NOTIFY_SOCKET``), and how often a sign of life is wanted (``WATCHDOG_USEC``)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        name = environment.get("NOTIFY_SOCKET", "")
        self._where = f"\0{name[1:]}" if name.startswith("@") else name if name.startswith("/") else ""
        self._failed = False
        pid, usec = environment.get("WATCHDOG_PID", ""), environment.get("WATCHDOG_USEC", "")
        wanted = self._where and usec.isdigit() and pid in ("", str(os.getpid()))
        self.watchdog = int(usec) / 1e6 if wanted else 0.0
        """Seconds within which a sign of life is wanted; 0.0 for never."""

    def tell(self, *lines: str) -> None:
        """Send *lines*, such as ``READY=1`` (see ``man 3 sd_notify``)."""
        if not self._where:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sending:
                sending.sendto("\n".join(lines).encode(), self._where)
        except OSError as error:
            if not self._failed:
                _log.warn("the service manager is not told how we are: {reason}", reason=error.strerror or str(error))
            self._failed = True

    def status(self, words: str, *lines: str) -> None:
        """Say in *words* what is being done (``systemctl status`` shows them), with more *lines*."""
        self.tell(*lines, f"STATUS={' '.join(words.split())}")
