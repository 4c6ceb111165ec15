"""Wishes about the runtime: values that are set while the proxy runs, and files of values that have changed."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from shifter.config.build_runtime import ValueTextError, runtime_value
from shifter.model.bootstrap import Bootstrap
from shifter.model.change import ChangeKind
from shifter.service.composition import Inputs, has_admin_layer
from shifter.service.controller import Refusal, Wanted, Wish
from shifter.service.disk_values import DiskValues, directories

NO_ADMIN_LAYER = "No admin layer specified"
"""Envoy's words for it."""
MAX_VALUES = 10_000

_log = Logger()


class ModifyRuntime:
    """The wish that the admin layer has other values: those of *values* by key, and none where the text is empty."""

    kind = ChangeKind.RUNTIME

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def wanted(self, now: Inputs) -> Wanted | Refusal:
        """See `controller.Wish`."""
        assert now.candidate.bootstrap is not None
        if not has_admin_layer(now.candidate.bootstrap):
            return Refusal((NO_ADMIN_LAYER,))
        problems = []
        for key, text in self._values.items():
            try:
                runtime_value(text)
            except ValueTextError as error:
                problems.append(f"{key}: {error}")
        held = now.overrides.runtime
        runtime = {key: text for key, text in {**held, **self._values}.items() if text}
        if len(runtime) > MAX_VALUES:
            problems.append(f"that would be more than {MAX_VALUES} values")
        if problems:
            return Refusal(problems)
        changed = [key for key in self._values if runtime.get(key) != held.get(key)]
        before, after = ({key: layer.get(key) for key in changed} for layer in (held, runtime))
        inputs = replace(now, overrides=replace(now.overrides, runtime=runtime)) if changed else now
        return Wanted(inputs, ", ".join(self._values), before, after)


class ReadDisk:
    """The wish that what the files of runtime values say now holds. *read* reads them for a configuration."""

    kind = ChangeKind.RUNTIME

    def __init__(self, read: Callable[[Bootstrap | None], Deferred[Mapping[str, DiskValues]]]) -> None:
        self._read = read

    def wanted(self, now: Inputs) -> Deferred[Wanted | Refusal]:
        """See `controller.Wish`."""
        bootstrap = now.candidate.bootstrap

        def found(disk: Mapping[str, DiskValues]) -> Wanted | Refusal:
            for values in disk.values():
                for problem in values.problems:
                    _log.warn("{problem}", problem=problem)
            target = ", ".join(directories(bootstrap))
            return Wanted(now if disk == now.candidate.disk else replace(now, candidate=replace(now.candidate, disk=disk)), target)

        return self._read(bootstrap).addCallback(found)


_: tuple[Wish, ...] = (ModifyRuntime({}), ReadDisk(lambda bootstrap: Deferred()))
