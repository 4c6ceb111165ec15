"""Access logs read back: one request a line, as far as a line says what became of it.                                  (pure)

Rule 1. A line is text in Envoy's default format, or a JSON object with a time, a status and a duration under one of the names that people
        give them (`_TIMES`, `_STATUSES`, `_DURATIONS`). Which one it is each line says for itself.
Rule 2. What cannot be read is counted, and the first of it told with the number of the line; everything else counts.
Rule 3. Lines are taken one after the other, and as many kept as began within `WINDOW`: they are written when requests end, and asked for
        in the order in which those began.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from math import isfinite

WINDOW = 30.0
"""Seconds that a request may take without being told of too late. What took longer is told of when that is found out."""
_TOLD = 5
_LONGEST_SHOWN = 80
_TEXT = re.compile(
    r'\[(?P<time>[^\]]+)\] "(?P<method>\S+) (?P<path>(?:[^" \\]|\\.)*)[^"]*" (?P<status>\d+) (?P<flags>\S+) \S+ \S+ (?P<ms>\d+(?:\.\d+)?)'
)
_TIMES = ("start_time", "time", "timestamp", "@timestamp", "start", "ts")
_STATUSES = ("response_code", "status", "code", "status_code", "http_status")
_DURATIONS = ("duration", "duration_ms", "ms", "request_duration", "response_time")
_PATHS = ("path", ":path", "request_path", "uri", "url")
_FLAGS = ("response_flags", "flags")
_CLUSTERS = ("upstream_cluster", "cluster")
_MILLISECONDS_SINCE = 1e11  # seconds since 1970 are fewer for three thousand years


@dataclass(frozen=True, slots=True)
class Logged:
    """One request: when it began (seconds since 1970), how long it took, its status (0: there was no answer), its path with the query,
    Envoy's response flags, and the cluster, where the line has one."""

    at: float
    ms: float
    status: int
    path: str = ""
    flags: str = "-"
    cluster: str = ""


@dataclass(slots=True)
class Reading:
    """What became of a log's lines. ``told`` are the numbers of the first unreadable ones, and what is wrong with them."""

    lines: int = 0
    unreadable: int = 0
    told: list[tuple[int, str]] = field(default_factory=list)

    def requests(self, lines: Iterable[str]) -> Iterator[Logged]:
        """Iterate over the requests of *lines*, in the order of the lines."""
        for line in lines:
            self.lines += 1
            text = line.strip()
            if not text:
                continue
            try:
                yield parse(text)
            except ValueError as error:
                self.unreadable += 1
                if len(self.told) < _TOLD:
                    self.told.append((self.lines, str(error)))


def parse(line: str) -> Logged:
    """Return the request that *line* is about. Raises `ValueError`, with the reason, if it cannot be read."""
    if line.startswith("{"):
        return _from_json(line)
    found = _TEXT.match(line)
    if found is None:
        raise ValueError(f"neither Envoy's default format nor JSON: {_shown(line)}")
    return Logged(_time(found["time"]), float(found["ms"]), int(found["status"]), found["path"], found["flags"])


def in_order(requests: Iterable[Logged], window: float = WINDOW) -> Iterator[Logged]:
    """Iterate over *requests* in the order in which they began, as far as that takes no more than *window* seconds of them."""
    waiting: list[tuple[float, int, Logged]] = []
    latest = float("-inf")
    for number, request in enumerate(requests):
        heappush(waiting, (request.at, number, request))
        latest = max(latest, request.at)
        while waiting[0][0] < latest - window:
            yield heappop(waiting)[2]
    while waiting:
        yield heappop(waiting)[2]


def _from_json(line: str) -> Logged:
    try:
        data = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(f"no JSON: {_shown(line)}") from None
    status, time, ms = (_needed(data, names) for names in (_STATUSES, _TIMES, _DURATIONS))
    number = _number(status, "status")
    if not 0 <= number < 1000 or number != int(number):
        raise ValueError(f"no status: {_shown(str(status))}")
    return Logged(
        _time(time),
        max(0.0, _number(ms, "duration")),
        int(number),
        _text(data, _PATHS),
        _text(data, _FLAGS) or "-",
        _text(data, _CLUSTERS),
    )


def _needed(data: Mapping[str, object], names: tuple[str, ...]) -> object:
    for name in names:
        found = data.get(name)
        if found is not None and found != "-":
            return found
    raise ValueError(f"no {names[0]!r}, nor {', '.join(map(repr, names[1:]))}")


def _text(data: Mapping[str, object], names: tuple[str, ...]) -> str:
    return next((found for name in names if isinstance(found := data.get(name), str)), "")


def _number(value: object, what: str) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else float("nan")
    except (ValueError, OverflowError):
        number = float("nan")
    if not isfinite(number):
        raise ValueError(f"no {what}: {_shown(str(value))}")
    return number


def _time(value: object) -> float:
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value)
            return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass  # it may be a number
    number = _number(value, "time")
    return number / 1e3 if abs(number) > _MILLISECONDS_SINCE else number


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")
