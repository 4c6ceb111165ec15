"""Where a candidate configuration comes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shifter.config import Loaded, load
from shifter.config.report import render
from shifter.model.bootstrap import Bootstrap
from shifter.observe.logformat import FormatError, compile_format
from shifter.routing.regex import regex_problem


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a source came up with: a configuration, or why there is none. ``warnings`` and ``problems`` are for reading."""

    source: str
    bootstrap: Bootstrap | None
    document: object
    problems: Sequence[str]
    warnings: Sequence[str]
    text: str
    """All of them as one page, with the lines they are about."""


class FileSource:
    """A configuration file, read anew each time."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> Candidate:
        """Read and check the file; whatever is wrong with it is in the candidate, nothing is raised."""
        return read(self.path)


def format_problem(text: str) -> str | None:
    """Say what is wrong with an access log format, ``None`` if nothing."""
    try:
        compile_format(text)
    except FormatError as error:
        return str(error)
    return None


def read(path: str, loader: Callable[..., Loaded] = load) -> Candidate:
    """Read and check the configuration file *path*."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problem = f"{path}: {reason}"
        return Candidate(path, None, None, (problem,), (), problem)
    loaded = loader(text, path, files=lambda name: Path(name).read_bytes(), regex_problem=regex_problem, format_problem=format_problem)
    errors = [str(problem) for problem in loaded.problems if problem.level == "error"]
    warnings = [str(problem) for problem in loaded.problems if problem.level != "error"]
    return Candidate(path, loaded.bootstrap, loaded.document, errors, warnings, render(loaded.problems, text))
