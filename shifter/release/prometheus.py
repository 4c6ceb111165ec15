"""Checks against a Prometheus server, where somebody wants those beside shifter's own verdict.

Rule 1. A figure outside its bounds is a bad answer; ``failures`` of them in a row speak against the release. No answer is no bad answer,
        nor is one without a figure: they change nothing of what was known, and are told (`Check.problem`).
Rule 2. A check is asked again ``every`` seconds after its last answer, so no two questions of one are under way.
"""

import json
from collections.abc import Mapping
from math import isnan
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from shifter.model.release import PrometheusCheck
from shifter.release.webhook import NotDelivered, Sender, first_line, host_of, resolved

_log = Logger()
_SHOWN = 5
_OK = 200


class NoFigure(Exception):
    """An answer that is no single figure."""


def query_url(base: str, query: str) -> str:
    """Return the URL of the instant *query* on the server at *base*, a path of which is kept."""
    parts = urlsplit(base)
    said = f"{parts.query}&" if parts.query else ""
    path = parts.path.rstrip("/") + "/api/v1/query"
    return urlunsplit(parts._replace(path=path, query=f"{said}query={quote(query, safe='')}", fragment=""))


def figure_of(status: int, body: bytes) -> float:
    """Return the figure that a Prometheus answer has: a scalar, or a vector of one. Raises `NoFigure`."""
    try:
        figure = _figure_of(json.loads(body))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise NoFigure("this is no answer of Prometheus" if status == _OK else f"HTTP {status}") from None
    if isnan(figure):
        raise NoFigure("the result is no number (NaN)")
    return figure


def _figure_of(said: Any) -> float:
    if said["status"] != "success":
        raise NoFigure(first_line(f"the query failed: {said.get('error', 'no reason was given')}"))
    kind, result = said["data"]["resultType"], said["data"]["result"]
    if kind == "vector":
        if len(result) != 1:
            raise NoFigure(f"the query has {len(result)} results instead of one" if result else "the query has no result")
        result = result[0]["value"]
    elif kind != "scalar":
        raise NoFigure(first_line(f"the result is no figure, but a {kind}"))
    return float(result[1])


class Check:
    """One check of a release, under way from the beginning until `close`."""

    def __init__(self, check: PrometheusCheck, sender: Sender) -> None:
        self.check = check
        self.value: float | None = None
        """The last figure."""
        self.at: float | None = None
        """When that was (wall clock)."""
        self.bad: list[float] = []
        """The last bad figures in a row."""
        self.in_a_row = 0
        self.problem = ""
        """Why there was no figure the last time."""
        self._sender = sender
        self._work = Deferred.fromCoroutine(self._go_on())
        self._work.addErrback(self._broken)

    def close(self) -> None:
        """Ask no more."""
        self._work.cancel()

    @property
    def name(self) -> str:
        """How people call it."""
        return self.check.name or first_line(self.check.query)

    @property
    def objection(self) -> str:
        """What it has against the release, empty if nothing."""
        if self.in_a_row < self.check.failures or not self.bad:
            return ""
        figures = " and ".join(filter(None, [", ".join(f"{figure:g}" for figure in self.bad[:-1]), f"{self.bad[-1]:g}"]))
        times = f", {self.in_a_row} times in a row" if self.in_a_row > 1 else ""
        return f"the check `{self.name}` gave {figures}{times}, and {self._bound(self.bad[-1])}"

    def to_dict(self) -> Mapping[str, object]:
        """Return plain JSON-able values."""
        check = self.check
        bounds = {"min": check.min, "max": check.max, "every": check.every, "failures": check.failures}
        seen = {"value": self.value, "at": self.at, "bad": self.in_a_row, "problem": self.problem}
        return {"name": self.name, "server": host_of(check.url, self._sender.environment), **bounds, **seen}

    def _bound(self, figure: float) -> str:
        if self.check.max is not None and figure > self.check.max:
            return f"may be {self.check.max:g} at most"
        return f"must be {self.check.min:g} at least"

    async def _go_on(self) -> None:
        while True:
            await self._ask()
            await self._sender.sleep(self.check.every)

    async def _ask(self) -> None:
        check = self.check
        try:
            url = query_url(resolved(check.url, self._sender.environment), check.query)
            answer = await self._sender.http.request("GET", url, timeout=check.timeout)
            figure = figure_of(answer.status, answer.body)
        except (NoFigure, NotDelivered, OSError, ValueError) as error:
            self.problem = str(error)
            return
        self.problem, self.value, self.at = "", figure, self._sender.wall()
        if (check.max is not None and figure > check.max) or (check.min is not None and figure < check.min):
            self.in_a_row += 1
            self.bad = [*self.bad[1 - _SHOWN :], figure]
        else:
            self.in_a_row, self.bad = 0, []

    def _broken(self, reason: Failure) -> None:
        """Closed, or a fault of ours."""
        if not reason.check(CancelledError):
            self.problem = "a fault of shifter's own, see its log"
            _log.failure("the check {name} has ended", reason, name=self.name)
