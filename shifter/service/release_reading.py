"""Texts of releases, read and checked; called in a thread, for a text may be long and a table of routes longer."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shifter.config.check_release import check_release
from shifter.config.judge import Judge
from shifter.config.releases import read_release
from shifter.config.report import Problem
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import ReleaseSpec
from shifter.routing.regex import regex_problem


@dataclass(frozen=True, slots=True)
class ReadRelease:
    """What a text says: a release whose route is named for good, or ``None`` and what is wrong. ``warnings`` are what its author should
    know of one that is good."""

    spec: ReleaseSpec | None
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()


def read_again(text: str, source: str) -> ReleaseSpec:
    """Return the release in a text that was good when it was written down. Raises ``ValueError`` when it is not any more."""
    spec, problems = read_release(text.encode(), source)
    if spec is None:
        raise ValueError("; ".join(_said(problems, "error")))
    return spec


def read_new(text: str, source: str, bootstrap: Bootstrap, taken: Collection[str]) -> ReadRelease:
    """Read the release in *text* that came from *source*, and check it against *bootstrap*, which is what files say. One that says no
    name gets one that is not *taken*."""
    judge = Judge(environment=os.environ.get, regex_problem=regex_problem)
    spec, problems = read_release(text.encode(), source, judge, taken)
    if spec is not None:
        checked = check_release(spec, bootstrap)
        spec, problems = checked.spec, [*problems, *checked.problems]
    return ReadRelease(spec, _said(problems, "error"), _said(problems, "warning"))


def _said(problems: Sequence[Problem], level: str) -> list[str]:
    return [str(one) for one in problems if one.level == level]
