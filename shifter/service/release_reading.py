"""Texts of releases, read and checked, and those of the configuration's files as they should be; called in a thread, for a text may be long
and a table of routes longer."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from shifter.admin.release_view import Refused
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import MILLION, Progress, ReleaseSpec, State

if TYPE_CHECKING:
    from shifter.config.report import Problem

_NEEDED = ("http", "judge", "outreach", "plan_text", "runner")
"""What a release is carried out with takes 0.1 s to be imported. Here requests do not wait for that."""


@dataclass(frozen=True, slots=True)
class ReadRelease:
    """What a text says: a release whose route is named for good, or ``None`` and what is wrong. ``warnings`` are what its author should
    know of one that is good."""

    spec: ReleaseSpec | None
    problems: Sequence[str] = ()
    warnings: Sequence[str] = ()


def read_again(text: str, source: str) -> ReleaseSpec:
    """Return the release in a text that was good when it was written down. Raises ``ValueError`` when it is not any more."""
    from shifter.config.releases import read_release

    spec, problems = read_release(text.encode(), source)
    if spec is None:
        raise ValueError("; ".join(_said(problems, "error")))
    return spec


def check_new(text: str, source: str, bootstrap: Bootstrap, taken: Collection[str]) -> ReadRelease:
    """Read the release in *text* that came from *source*, and check it against *bootstrap*, which is what files say. One that says no
    name gets one that is not *taken*."""
    from shifter.config.check_release import check_release
    from shifter.config.judge import Judge
    from shifter.config.releases import read_release
    from shifter.routing.regex import regex_problem

    spec, problems = read_release(text.encode(), source, Judge(environment=os.environ.get, regex_problem=regex_problem), taken)
    if spec is not None:
        checked = check_release(spec, bootstrap)
        spec, problems = checked.spec, [*problems, *checked.problems]
    if spec is not None:
        for name in _NEEDED:
            import_module(f"shifter.release.{name}")
    return ReadRelease(spec, _said(problems, "error"), _said(problems, "warning"))


def patch_for(texts: Mapping[str, bytes], spec: ReleaseSpec, progress: Progress) -> str | Refused:
    """Return what to change in the files, which say *texts*, so that they say what became of *spec*, as a unified diff."""
    from shifter.config.release_patch import PatchError, release_patch
    from shifter.service.sources import loaded_again

    try:
        if not progress.state.over or progress.state is State.SUPERSEDED:
            raise PatchError(f"`{spec.name}` is {progress.state.value}: there is nothing yet that the file could say")
        return release_patch(texts, spec, progress.share, lambda files: loaded_again(files).bootstrap)
    except PatchError as error:
        return Refused(409, "there is no patch", str(error), {"state": progress.state.value})


def says(bootstrap: Bootstrap, spec: ReleaseSpec, progress: Progress) -> bool:
    """Whether *bootstrap*, which is what files say, gives the route of *spec* to the version that it ended with."""
    from shifter.config.release_patch import says_so

    return progress.share in (0, MILLION) and says_so(bootstrap, spec, progress.share)


def _said(problems: "Sequence[Problem]", level: str) -> list[str]:
    return [str(one) for one in problems if one.level == level]
