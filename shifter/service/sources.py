"""Where a candidate configuration comes from.

Rule 1. The first one is read at once: nothing is served yet that could wait for it.
Rule 2. Later ones are read while traffic is served. Small files take a few milliseconds and are loaded here; larger ones are loaded by
        another process (`load_process`).
"""

from collections.abc import Mapping
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from shifter.service.judging import read_bounded
from shifter.service.loading import Candidate, loaded_again, read_files

__all__ = ["Candidate", "FileSource", "Loader", "loaded_again"]

SMALL = 32 << 10
"""Bytes that all files together may have to be loaded in this process: about 50 ms on a slow machine, 5 on a fast one."""


class Loader(Protocol):
    """Loads files without keeping anybody waiting."""

    def load(self, path: str, good: Mapping[str, bytes]) -> Deferred[Candidate]:
        """Fire with what `loading.read_files` returns; whatever goes wrong is in the candidate, it never fails."""

    def load_again(self, texts: Mapping[str, bytes]) -> Deferred[Candidate]:
        """Fire with what `loading.loaded_again` returns; it never fails either."""


class _TooLarge(Exception):
    """The files are larger together than is read here."""


class FileSource:
    """A configuration file, read anew each time, with the files that it names. Without *loader*, large ones are loaded here, too."""

    def __init__(self, path: str, loader: Loader | None = None) -> None:
        self.path = path
        self.loader = loader

    def read(self) -> Candidate:
        """Read and check the files at once; whatever is wrong with them is in the candidate, nothing is raised."""
        return read_files(self.path)

    def fetch(self, good: Mapping[str, bytes]) -> Deferred[Candidate]:
        """Read and check the files anew. *good* are the texts of those that are served: see `read_files`."""
        if self.loader is None:
            return succeed(read_files(self.path, good))
        left = SMALL

        def read(path: str) -> bytes:
            nonlocal left
            text = read_bounded(path)
            left -= len(text)
            if left < 0:
                raise _TooLarge
            return text

        try:
            if sum(map(len, good.values())) > SMALL:
                raise _TooLarge
            return succeed(read_files(self.path, good, read))
        except _TooLarge:
            return self.loader.load(self.path, good)

    def again(self, texts: Mapping[str, bytes]) -> Deferred[Candidate]:
        """Load files that said these *texts* once more, whatever they say now."""
        if self.loader is None or sum(map(len, texts.values())) <= SMALL:
            return succeed(loaded_again(texts))
        return self.loader.load_again(texts)
