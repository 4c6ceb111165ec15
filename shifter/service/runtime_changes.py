"""What changes between two runtimes, in words.                                                                        (pure)

Rule 1. What counts is the value that holds, whichever layer it comes from.
"""

from collections.abc import Iterable, Iterator

from shifter.config.build_runtime import text_of
from shifter.model.bootstrap import Bootstrap, LayerKind, RuntimeLayer

_LONG = 40


def runtime_lines(old: Bootstrap, new: Bootstrap) -> Iterator[str]:
    """Iterate over what is to be said about going from the runtime of *old* to that of *new*."""
    if old.runtime == new.runtime:
        return
    layers = [[layer.name for layer in config.runtime if layer.kind is not LayerKind.DISK] for config in (old, new)]
    if layers[0] != layers[1]:
        yield f"~ runtime layers: {', '.join(layers[0]) or 'none'} -> {', '.join(layers[1]) or 'none'}"
    before, after = values_in(old.runtime), values_in(new.runtime)
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was != now:
            yield f"~ runtime {key}: {'none' if was is None else _short(was)} -> {'none' if now is None else _short(now)}"


def values_in(layers: Iterable[RuntimeLayer]) -> dict[str, str]:
    """Return the values that hold, by key, as they are written."""
    found: dict[str, str] = {}
    for layer in layers:
        found |= texts_in(layer)
    return found


def texts_in(layer: RuntimeLayer) -> dict[str, str]:
    """Return the values of *layer* as they are written, or would be."""
    return {key: layer.texts[key] if key in layer.texts else text_of(value) for key, value in layer.values.items()}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 3]}..."
