"""Who is asked, while a configuration is checked, about files and about texts that other rooms understand."""

import os
import stat
import time
from pathlib import Path

from shifter.config import CustomFilters, Judge
from shifter.config.document import MAX_CHARACTERS
from shifter.filters.custom import custom_filters, custom_problem
from shifter.filters.registry import filter_problem
from shifter.observe.logformat import FormatError, compile_format, template_problem
from shifter.routing.errors import RoutingError
from shifter.routing.regex import RegexError, compile_substitution, regex_problem
from shifter.routing.template import compile_template, compile_template_rewrite
from shifter.service import otlp

MAX_BYTES = 4 * MAX_CHARACTERS + 1
"""More bytes than any configuration that is not refused for its size."""


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
        otlp_problem=otlp.missing,
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
