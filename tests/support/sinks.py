"""Where log lines go in tests: files that are written when they are told to, and what takes nothing."""

import errno


class Direct:
    """A file that is written at once, and not by a thread of its own."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (whoever opens a log closes it)

    def write(self, data: bytes, /) -> int:
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()


class Full:
    """Takes nothing, as a disk that is full."""

    def __init__(self, path: str) -> None:
        self.path = path

    def write(self, data: bytes, /) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    def close(self) -> None: ...
