"""Which events of `twisted.logger` come through: a level for each logger, changed while the process runs.

Rule 1. A logger is a namespace, as it stands in the log's lines (``shifter.service.app``). `EVERYTHING_ELSE` is one for what others log.
Rule 2. Levels are Envoy's words. Twisted has no ``trace`` and nothing is logged at it; ``off`` lets nothing through.
"""

import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from twisted.logger import FilteringLogObserver, ILogFilterPredicate, Logger, LogLevel, PredicateResult, globalLogPublisher
from zope.interface import implementer

LEVELS = ("trace", "debug", "info", "warning", "error", "critical", "off")
EVERYTHING_ELSE = "twisted"

_RANKS = {LogLevel.debug: 1, LogLevel.info: 2, LogLevel.warn: 3, LogLevel.error: 4, LogLevel.critical: 5}
_PACKAGE = "shifter."


class UnknownLogger(Exception):
    """No logger has such a name."""


@implementer(ILogFilterPredicate)
class LogLevels:
    """See the module. It decides what the observers of *publisher* see from its first change to `close`; until then all is shown, which
    is from ``info`` on: nothing here logs less.
    """

    def __init__(self, publisher: Any = globalLogPublisher) -> None:
        self._publisher = publisher
        self._default = LEVELS.index("info")
        self._ranks: dict[str, int] = {}
        self._instead: list[tuple[Any, Any]] = []

    def levels(self) -> Mapping[str, str]:
        """Return the level of each logger there is, by name, in the order of names."""
        names = sorted({EVERYTHING_ELSE, *_loggers()})
        return {name: LEVELS[self._ranks.get(name, self._default)] for name in names}

    def set_all(self, level: str) -> None:
        """Set the level of every logger."""
        self._default = LEVELS.index(level)
        self._ranks.clear()
        self._decide()

    def set(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Set levels of loggers, by name or by a pattern of names (``shifter.upstream.*``). Raises `UnknownLogger`; then none is set."""
        known = self.levels()
        ranks: dict[str, int] = {}
        for pattern, level in wanted:
            fitting = [name for name in known if fnmatchcase(name, pattern)]
            if not fitting:
                raise UnknownLogger(pattern)
            ranks.update(dict.fromkeys(fitting, LEVELS.index(level)))
        self._ranks.update(ranks)
        self._decide()

    def __call__(self, event: dict[str, Any]) -> Any:
        """Say whether *event* comes through: what `twisted.logger` calls a predicate."""
        rank = _RANKS.get(event.get("log_level"), 2)
        namespace = str(event.get("log_namespace", ""))
        least = self._ranks.get(namespace if namespace.startswith(_PACKAGE) else EVERYTHING_ELSE, self._default)
        return PredicateResult.maybe if rank >= least else PredicateResult.no

    def _decide(self) -> None:
        if self._instead:
            return
        for observer in list(self._publisher._observers):  # there is no other way to learn of those that twistd put there
            filtered = FilteringLogObserver(observer, [self])
            self._publisher.removeObserver(observer)
            self._publisher.addObserver(filtered)
            self._instead.append((observer, filtered))

    def close(self) -> None:
        """Let everything through again."""
        for observer, filtered in self._instead:
            self._publisher.removeObserver(filtered)
            self._publisher.addObserver(observer)
        self._instead = []


def _loggers() -> Iterable[str]:
    for name, module in list(sys.modules.items()):
        if name.startswith(_PACKAGE) and isinstance(logger := getattr(module, "_log", None), Logger):
            yield logger.namespace
