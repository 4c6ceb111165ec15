"""Where a candidate configuration comes from."""

import gc
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shifter.config import CustomFilters, Judge, Loaded, load, render
from shifter.config.document import MAX_CHARACTERS
from shifter.filters.custom import custom_filters, custom_problem
from shifter.filters.registry import filter_problem
from shifter.model.bootstrap import Bootstrap
from shifter.observe.logformat import FormatError, compile_format, template_problem
from shifter.routing.errors import RoutingError
from shifter.routing.regex import RegexError, compile_substitution, regex_problem
from shifter.routing.template import compile_template, compile_template_rewrite
from shifter.service.disk_values import DiskValues, read_values

MAX_BYTES = 4 * MAX_CHARACTERS + 1
"""More bytes than any configuration that is not refused for its size."""


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
    texts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What its files said, by path, the main file first: what it takes to serve it again."""
    disk: Mapping[str, DiskValues] = field(default_factory=dict, repr=False)
    """What the files of runtime values said, by their directory."""


class FileSource:
    """A configuration file, read anew each time."""

    def __init__(self, path: str) -> None:
        self.path = path

    def read(self) -> Candidate:
        """Read and check the file; whatever is wrong with it is in the candidate, nothing is raised."""
        return read(self.path)


def read(path: str) -> Candidate:
    """Read and check the configuration file *path*."""
    try:
        text = read_bounded(path)
    except (OSError, ValueError) as error:
        problem = f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        return Candidate(path, None, None, (problem,), (), problem)
    return loaded_again({path: text})


def loaded_again(texts: Mapping[str, bytes]) -> Candidate:
    """Return the candidate that files with these *texts* make, by path, the main file first."""
    path, text = next(iter(texts.items()))
    loaded = load_checked(text, path)
    errors = [str(problem) for problem in loaded.problems if problem.level == "error"]
    warnings = [str(problem) for problem in loaded.problems if problem.level != "error"]
    page = render(loaded.problems, text.decode("utf-8", "replace"))
    return Candidate(path, loaded.bootstrap, loaded.document, errors, warnings, page, texts, read_values(loaded.bootstrap))


def load_checked(text: bytes, name: str, *, routes_alone: bool = False) -> Loaded:
    """Load a configuration as it will be used: with what other rooms say of patterns and formats, and with files.

    With *routes_alone* it may be a route configuration and nothing else (``Loaded.routes``).
    """
    collecting = gc.isenabled()
    gc.disable()  # a large configuration is a hundred thousand objects, none of them garbage: looking for some takes half the time
    try:
        return load(text, name, judge_of_all(), routes_alone=routes_alone)
    finally:
        if collecting:
            gc.enable()


def judge_of_all() -> Judge:
    """Return who is asked what other rooms say of patterns and formats, and about files."""
    return Judge(
        files=read_bounded,
        environment=os.environ.get,
        readable_by_others=_readable_by_others,
        now=time.time,  # noqa: TID251 (certificates expire by the wall clock)
        regex_problem=regex_problem,
        format_problem=format_problem,
        rewrite_problem=rewrite_problem,
        template_problem=template_problem,
        uri_template_problem=uri_template_problem,
        uri_rewrite_problem=uri_rewrite_problem,
        resource_problem=resource_problem,
        filter_problem=filter_problem,
        custom_filters=CustomFilters(custom_filters, custom_problem),
    )


def read_bounded(path: str) -> bytes:
    """Return the content of a file, but no more than a configuration may have and one byte.

    Raises ``OSError`` when it cannot be read and ``ValueError`` when *path* cannot be the name of a file.
    """
    with Path(path).open("rb") as stream:
        return stream.read(MAX_BYTES)


def _readable_by_others(path: str) -> bool:
    try:
        return bool(Path(path).stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def format_problem(text: str) -> str | None:
    """Say what is wrong with an access log format, ``None`` if nothing."""
    try:
        compile_format(text)
    except FormatError as error:
        return str(error)
    return None


def rewrite_problem(pattern: bytes, substitution: bytes) -> str | None:
    """Say what is wrong with a ``regex_rewrite``, ``None`` if nothing."""
    try:
        compile_substitution(pattern, substitution)
    except RegexError as error:
        return str(error)
    return None


def uri_template_problem(template: bytes) -> str | None:
    """Say what is wrong with the template of a ``path_match_policy``, ``None`` if nothing."""
    try:
        compile_template(template)
    except RoutingError as error:
        return str(error)
    return None


def uri_rewrite_problem(template: bytes, rewrite: bytes) -> str | None:
    """Say what is wrong with the template *rewrite* of a ``path_rewrite_policy``, ``None`` if nothing.

    Nothing is when it is *template* itself, which was matched, that cannot be used.
    """
    if uri_template_problem(template) is not None:
        return None
    try:
        compile_template_rewrite(template, rewrite)
    except RoutingError as error:
        return str(error)
    return None


def resource_problem(name: str) -> str | None:
    """Say what is wrong with the name of a ``twisted.web`` resource, ``None`` if nothing."""
    from shifter.proxy import webresource  # it brings all of twisted.web, which most checks can do without

    return webresource.resource_problem(name)
