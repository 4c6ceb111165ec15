"""The wish that the last change is taken back.

Rule 1. What was in force before it is in force again, all of it: weights, runtime values, and the texts of the files. Taking back what
        took something back does it again.
Rule 2. Files are not written. If they say something else than what is served again, that is so until one of them changes, or until
        somebody has them read again; `notice` says so meanwhile.
Rule 3. What something else would bring back at once is not taken back: files of runtime values, and the steps of a release.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from shifter.model.change import ChangeKind
from shifter.service.composition import Inputs, notice
from shifter.service.controller import Refusal, Wanted, Wish
from shifter.service.journal import FilesOverride, Former, digest
from shifter.service.sources import Candidate

DISK = "directory "
"""How the origin begins of a change that came from files of runtime values."""


class Undo:
    """The wish. *former* fires with what was before the last change, *load* with the candidate that earlier texts make."""

    kind = ChangeKind.UNDO

    def __init__(self, former: Callable[[], Deferred[Former | None]], load: Callable[[Mapping[str, bytes]], Deferred[Candidate]]) -> None:
        self._former = former
        self._load = load

    def wanted(self, now: Inputs) -> Deferred[Wanted | Refusal]:
        """See `controller.Wish`."""
        wanted: Deferred[Wanted | Refusal] = self._wanted(now)
        return wanted

    @inlineCallbacks
    def _wanted(self, now: Inputs) -> Any:
        former: Former | None = yield self._former()
        if former is None:
            return Refusal(("there is nothing to undo: nothing was changed yet",))
        why = _cannot(former)
        if why:
            return Refusal((f"change {former.entry.number} ({former.entry.target}) cannot be undone: {why}",))
        held = former.held
        assert held is not None
        texts = digest(held.texts)
        said = digest(now.candidate.texts) if now.overrides.files is None else now.overrides.files.instead_of
        candidate = now.candidate
        if texts != digest(candidate.texts):
            candidate = yield self._load(held.texts)
            if candidate.bootstrap is None:
                return Refusal(("what the files said before cannot be served now:", *candidate.problems))
        files = None if texts == said else FilesOverride(held.texts, said)
        overrides = replace(held.overrides, files=files, holds=now.overrides.holds)
        inputs = Inputs(candidate, overrides)
        warnings = (notice(overrides),) if overrides.files is not None else ()
        entry = former.entry
        return Wanted(inputs, entry.target, entry.after, entry.before, entry.number, warnings)


def _cannot(former: Former) -> str:
    entry = former.entry
    if entry.kind is ChangeKind.RELEASE:
        return "it is a step of a release, which is led by `shifter release`"
    if entry.kind is ChangeKind.RUNTIME and entry.actor.origin.startswith(DISK):
        return "the values stand in files; put them back there"
    if former.held is None:
        return "what was in force before it is not remembered any more"
    return ""


def _proof(undo: Undo) -> Wish:  # mypy proves that it is one
    return undo
