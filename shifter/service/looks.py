"""How files look from outside: enough to tell that one has changed without reading it."""

import os

Look = tuple[int, ...]
"""What tells a file from another, and from itself with another content; empty when it is not there."""
_NOT_THERE: Look = ()


def look_of(path: str) -> Look:
    """Return how the file at *path* looks now, through all links on its path."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return _NOT_THERE
    return (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
