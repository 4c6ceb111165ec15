"""What a running stack tells other programs of this checkout: a small file in ``.run/``, named by the front proxy's port.

It lies in the checkout, not in a folder that everyone may write to: whoever reads it will edit the file and signal the
process that it names.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demo.crew import ROOT

DIRECTORY = ROOT / ".run"


@dataclass(frozen=True, slots=True)
class Front:
    """The front proxy of a running stack: its process, its configuration file, the port of its admin listener."""

    pid: int
    config: Path
    admin: int


def _file(port: int, directory: Path) -> Path:
    return directory / f"front-{port}.json"


def announce(port: int, front: Front, directory: Path = DIRECTORY) -> None:
    """Say that *front* serves *port*."""
    directory.mkdir(exist_ok=True)
    _file(port, directory).write_text(json.dumps({"pid": front.pid, "config": str(front.config), "admin": front.admin}) + "\n")


def withdraw(port: int, directory: Path = DIRECTORY) -> None:
    """Say that nobody serves *port* any more."""
    _file(port, directory).unlink(missing_ok=True)
    with suppress(OSError):  # another stack is in there, or it never was
        directory.rmdir()


def find(port: int, directory: Path = DIRECTORY) -> Front | None:
    """Return who said last that it serves *port*; it may have ended without taking its word back."""
    try:
        said = json.loads(_file(port, directory).read_text())
        return Front(int(said["pid"]), Path(said["config"]), int(said["admin"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
