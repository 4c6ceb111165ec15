"""What the system says about names: ``/etc/resolv.conf`` and ``/etc/hosts``, read by us.

Twisted reads both, but uses neither the search list nor the options of the first, and goes on reading it with a timer that
nothing ends. What is not understood is passed over, as every resolver does: these files are not ours to criticise.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Generic, TypeVar

_LONGEST_NAME = 253
_DEFAULT_TIMEOUTS = (0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """``resolv.conf(5)``.

    ``timeouts`` says in seconds how long to wait for each server, once through the list for each of them. The file's own
    ``timeout`` and ``attempts`` are whole seconds, hence our shorter default for a file that is silent about them.
    """

    nameservers: tuple[str, ...] = ("127.0.0.1",)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeouts: tuple[float, ...] = _DEFAULT_TIMEOUTS

    def candidates(self, name: str) -> tuple[str, ...]:
        """Return the complete names that *name* may stand for, in the order in which to ask for them.

        A final dot says that the name is complete. A name with fewer than ``ndots`` dots is taken for a part of one first.
        """
        if name.endswith("."):
            return (name[:-1],)
        in_domains = [whole for domain in self.search if len(whole := f"{name}.{domain}") <= _LONGEST_NAME]
        return (name, *in_domains) if name.count(".") >= self.ndots else (*in_domains, name)


def parse_resolv_conf(text: str) -> ResolvConf:
    """Read the text of a ``resolv.conf``. Of several ``search`` and ``domain`` lines the last one counts."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: dict[str, int] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_] if is_address(address):
                nameservers.append(address)
            case ["domain", domain, *_]:
                search = _domains([domain])
            case ["search", *domains]:
                search = _domains(domains)
            case ["options", *words]:
                options.update(_options(words))
    return ResolvConf(
        nameservers=tuple(nameservers) or ResolvConf().nameservers,
        search=search,
        ndots=min(options.get("ndots", 1), 15),
        timeouts=_timeouts(options.get("timeout"), options.get("attempts")),
    )


def _domains(words: list[str]) -> tuple[str, ...]:
    return tuple(domain for word in words if (domain := word.strip(".")))


def _options(words: list[str]) -> dict[str, int]:
    pairs = (word.partition(":") for word in words)
    return {name: int(value) for name, _, value in pairs if value.isascii() and value.isdigit()}


def _timeouts(timeout: int | None, attempts: int | None) -> tuple[float, ...]:
    """The limits, 30 s and 5 attempts, and the default of 2 attempts are those of ``resolv.conf(5)``."""
    if timeout is not None:
        return (float(min(max(timeout, 1), 30)),) * min(max(attempts or 2, 1), 5)
    if attempts is not None:
        return (*_DEFAULT_TIMEOUTS, 2.0, 2.0)[: min(max(attempts, 1), 5)]
    return _DEFAULT_TIMEOUTS


def parse_hosts(text: str) -> Mapping[str, tuple[str, ...]]:
    """Read the text of a ``hosts(5)`` file: lower-case name -> its addresses, in the order of the file."""
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if is_address(address):
            for name in names:
                found.setdefault(name.lower().rstrip("."), {})[address] = None
    return {name: tuple(addresses) for name, addresses in found.items()}


def is_address(text: str) -> bool:
    """Is *text* an IPv4 or IPv6 address in its usual notation (an IPv6 one perhaps with ``%zone``)?"""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


T = TypeVar("T")


class FileValue(Generic[T]):
    """What a small local file says, read when made and again whenever it has been replaced or written since.

    A file that is not there is an empty one; one that can no longer be read is as it was.
    """

    def __init__(self, path: str | None, parse: Callable[[str], T]) -> None:
        self._path = path
        self._parse = parse
        self._seen: tuple[int, ...] = ()
        self._value = parse("")
        self.read()

    def read(self) -> T:
        """Return what the file says now; costs one ``stat`` while it does not change."""
        if self._path is None:
            return self._value
        try:
            status = os.stat(self._path)
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                with open(self._path, encoding="utf-8", errors="replace") as file:
                    self._value = self._parse(file.read())
                self._seen = seen
        except FileNotFoundError:
            self._value = self._parse("")
            self._seen = ()
        except OSError:
            pass
        return self._value
