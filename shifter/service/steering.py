"""What can be changed while the proxy runs, beside its files: weights, runtime values; and what can be taken back.

Rule 1. Everything here is a wish to the `controller`, which carries it out or says why not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from shifter.model.bootstrap import Bootstrap, Snapshot
from shifter.model.change import Actor, ChangeResult
from shifter.model.release import MILLION
from shifter.model.steps import Steps
from shifter.routing.release_split import Splits
from shifter.routing.runtime import Runtime
from shifter.service.composition import Inputs, notice
from shifter.service.controller import Controller
from shifter.service.disk_values import DiskValues, read_values
from shifter.service.disk_watch import DiskWatch
from shifter.service.holds import as_shared, finding_held
from shifter.service.journal import Journal, Overrides
from shifter.service.runtime import ModifyRuntime, ReadDisk
from shifter.service.sources import Candidate
from shifter.service.undo import DISK, Undo
from shifter.service.weighing import SetWeights
from shifter.service.weights import Choice, as_it_is, as_set, choosing

_log = Logger()

Load = Callable[[Mapping[str, bytes]], Deferred[Candidate]]
"""Fires with the candidate that files with these texts make."""


class Steering:
    """See the module. *load* is for what is taken back, *splits* say how releases share requests out."""

    def __init__(self, reactor: Any, controller: Controller, journal: Journal, load: Load, splits: Splits | None = None) -> None:
        self._reactor = reactor
        self._controller = controller
        self._journal = journal
        self._load = load
        self._splits = splits or Splits()
        self._shown: tuple[object, Snapshot] | None = None
        self._disk = DiskWatch(reactor, self._disk_changed, self._aside)
        controller.served.append(self._served)

    def stop(self) -> None:
        """Look at no files any more."""
        self._disk.stop()

    # what holds

    def snapshot(self) -> Snapshot | None:
        """Return what is served, with routes that releases hold as they are shared out at this moment; the same as long as that is."""
        inputs, snapshot = self._controller.inputs, self._controller.snapshot
        if snapshot is None or inputs is None or not inputs.overrides.holds:
            return snapshot
        shares = tuple((name, split.share, split.forced) for name in inputs.overrides.holds for split in (self._splits.of(name),))
        if self._shown is None or self._shown[0] != shares:
            self._shown = shares, replace(snapshot, bootstrap=as_shared(snapshot.bootstrap, self._splits))
        return self._shown[1]

    def weights(self) -> Deferred[list[dict[str, object]]]:
        """Fire with the routes that have weights, as JSON has them, with what holds over the files."""
        inputs, snapshot = self._controller.inputs, self._controller.snapshot
        if inputs is None or inputs.candidate.bootstrap is None or snapshot is None:
            return succeed([])
        return self._controller.meanwhile(_listing(inputs.candidate.bootstrap, snapshot.bootstrap, inputs.overrides, self._splits))

    def notices(self) -> Sequence[str]:
        """Return what is served although the files say otherwise."""
        inputs = self._controller.inputs
        if inputs is None:
            return ()
        held = [f"weights of {name} hold over the file" for name in inputs.overrides.weights]
        held += [f"the release {name} holds {hold.route.text or 'its route'}" for name, hold in inputs.overrides.holds.items()]
        told = notice(inputs.overrides)
        return [*([told] if told else []), *held]

    # what is wished for

    def set_weights(self, route: str, weights: Mapping[str, str], actor: Actor, dry_run: bool = False) -> Deferred[ChangeResult]:
        """Have the route that *route* means have *weights*, by cluster; with none, those of the file. It never fails."""
        wish = SetWeights(route, weights, self._in_force, self._controller.meanwhile)
        return self._controller.rehearse(wish, actor) if dry_run else self._controller.change(wish, actor)

    def modify_runtime(self, values: Mapping[str, str], actor: Actor) -> Deferred[ChangeResult]:
        """Have runtime have *values* in its admin layer, and none where a text is empty. It never fails."""
        return self._controller.change(ModifyRuntime(values), actor)

    def undo(self, actor: Actor) -> Deferred[ChangeResult]:
        """Take the last change back. It never fails."""
        return self._controller.change(Undo(self._journal.former, self._load), actor)

    def _in_force(self) -> Bootstrap:
        snapshot = self._controller.snapshot
        return snapshot.bootstrap if snapshot is not None else Bootstrap()

    # files of runtime values

    def _served(self, inputs: Inputs) -> None:
        self._shown = None
        if inputs.candidate.bootstrap is not None:
            self._disk.watch(inputs.candidate.bootstrap)

    def _disk_changed(self, target: str) -> None:
        def told(result: ChangeResult) -> None:
            for problem in result.problems:
                _log.error("{problem}; the values before go on", problem=problem)

        actor = Actor("file", origin=f"{DISK}{target}")
        self._controller.change(ReadDisk(self._read), actor).addCallback(told)

    def _read(self, bootstrap: Bootstrap | None) -> Deferred[Mapping[str, DiskValues]]:
        return self._aside(read_values, bootstrap)

    def _aside(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *arguments)


def _listing(file: Bootstrap, served: Bootstrap, overrides: Overrides, splits: Splits) -> Steps[list[dict[str, object]]]:
    """Return a row for each route that has weights, or that a release holds."""
    rows: dict[str, dict[str, object]] = {}
    runtime = Runtime(served.runtime)
    every = yield from choosing(file)
    for name, choice in every.items():
        over = overrides.weights.get(name)
        said = {"instead_of": dict(over.instead_of)} if over is not None else None
        now = as_it_is(choice, runtime) if over is None else as_set(choice, over)
        rows[name] = {**now.to_dict(), "override": said, "release": None}
        yield
    for hold in overrides.holds.values():
        found = yield from finding_held(file, hold)
        share = splits.of(hold.release).share
        held = Choice(found[0].name, tuple(one.listener for one in found), {hold.baseline: MILLION - share, hold.canary: share})
        for one in found:
            rows.pop(f"{one.listener}/{one.name}", None)
        rows[held.name] = {**held.to_dict(), "override": None, "release": hold.release}
    return list(rows.values())
