"""Runtime values in files (``RuntimeLayer.DiskLayer``).

Rule 1. As in Envoy, the path of a file below the layer's directory, with dots for slashes, is its key; lines that begin with ``#`` are
        comments; what is left, without the blanks at its end, is the value. Unlike Envoy, a file that is too large, or no text, is a
        problem of its own and hides nothing else, and so is a value that is no YAML.
Rule 2. Reading waits for the disk: at the start, or in a thread. `disk_watch` tells when to read again.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shifter.config.build_runtime import ValueTextError, runtime_value
from shifter.model.bootstrap import Bootstrap, RuntimeValue

MAX_DEPTH = 16
"""Directories below each other, as in Envoy."""
MAX_FILES = 10_000
MAX_SIZE = 64 * 1024
"""Bytes of one value's file."""

Look = tuple[tuple[object, ...], ...]
"""What tells files from others, and from themselves with other contents."""


@dataclass(frozen=True, slots=True)
class DiskValues:
    """What the files below a directory say, by key: as it is written, and what that means. ``exists``: there is such a directory."""

    exists: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, RuntimeValue] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def directories(bootstrap: Bootstrap | None) -> tuple[str, ...]:
    """Return the directories that hold values for *bootstrap*."""
    return tuple(dict.fromkeys(layer.disk.directory for layer in bootstrap.runtime if layer.disk is not None)) if bootstrap else ()


def read_values(bootstrap: Bootstrap | None) -> dict[str, DiskValues]:
    """Return what the files for *bootstrap* say, by their directory. It waits for the disk."""
    return {directory: _read(directory) for directory in directories(bootstrap)}


def _read(directory: str) -> DiskValues:
    if not os.path.isdir(directory):
        return DiskValues()
    texts: dict[str, str] = {}
    values: dict[str, RuntimeValue] = {}
    problems: list[str] = []
    for key, path in _files(directory, problems):
        try:
            with open(path, "rb") as stream:
                content = stream.read(MAX_SIZE + 1)
            if len(content) > MAX_SIZE:
                raise ValueTextError(f"it is larger than {MAX_SIZE >> 10} KiB")
            text = without_comments(content.decode("utf-8"))
            values[key] = runtime_value(text)
            texts[key] = text
        except (OSError, UnicodeDecodeError, ValueTextError) as error:
            why = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or str(error)
            problems.append(f"{path}: this is no runtime value: {why}")
    return DiskValues(True, texts, values, tuple(problems))


def without_comments(text: str) -> str:
    """Return *text* as Envoy takes it: without lines that begin with ``#``, and without blanks at the end of its last line."""
    lines = text.removesuffix("\n").split("\n")
    kept = [line.rstrip() if number == len(lines) - 1 else f"{line}\n" for number, line in enumerate(lines) if not line.startswith("#")]
    return "".join(kept)


def _files(directory: str, problems: list[str]) -> Iterator[tuple[str, str]]:
    """Iterate over the files below *directory* with their keys, in the order of the keys. Links are followed."""
    waiting = [("", directory, 1)]
    count = 0
    while waiting:
        above, path, depth = waiting.pop()
        if depth > MAX_DEPTH:
            problems.append(f"{path}: more than {MAX_DEPTH} directories stand below each other; this one is passed over")
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            problems.append(f"{path}: cannot be read: {error.strerror}")
            continue
        for name in names:
            one = f"{path}/{name}"
            try:
                mode = os.stat(one).st_mode
            except OSError:
                continue  # gone, or a link to nothing
            if stat.S_ISDIR(mode):
                waiting.append((f"{above}{name}.", one, depth + 1))
            elif stat.S_ISREG(mode):
                count += 1
                if count > MAX_FILES:
                    problems.append(f"{directory}: there are more than {MAX_FILES} files; the others are passed over")
                    return
                yield above + name, one


def look_of(wanted: tuple[str, ...]) -> Look:
    """Look at the files below the directories *wanted*."""
    return tuple((directory, os.path.isdir(directory), *_stamps(directory)) for directory in wanted)


def _stamps(directory: str) -> Iterator[tuple[object, ...]]:
    for key, path in _files(directory, []):
        try:
            status = os.stat(path)
        except OSError:
            continue
        yield key, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
