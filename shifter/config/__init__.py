"""YAML text to the model, or every problem at once.

``load`` is the whole room: ``document`` reads nodes with places, ``legacy`` brings old spellings up to date, ``schema`` (through
``explain``) checks types and ranges, ``check`` looks across, ``build`` makes the frozen model. A configuration that is not fully
understood has no model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shifter.config.build import build
from shifter.config.check import check
from shifter.config.document import MapNode, Refused, decode, parse
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.legacy import modernise
from shifter.config.report import Place, Problem, Report, ShifterError, render
from shifter.config.schema.base import kind
from shifter.config.schema.bootstrap import Bootstrap as BootstrapSchema
from shifter.model.bootstrap import Bootstrap

__all__ = ["Loaded", "Place", "Problem", "ShifterError", "load", "render"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a text.

    ``bootstrap`` is ``None`` when there is any error among ``problems``. ``document`` is the checked configuration in v3
    spelling, plain dicts and lists (empty when there is no model).
    """

    bootstrap: Bootstrap | None
    problems: list[Problem]
    document: dict[str, Any]


def load(
    text: str | bytes,
    name: str,
    *,
    files: Callable[[str], bytes] | None = None,
    regex_problem: Callable[[bytes], str | None] | None = None,
    format_problem: Callable[[str], str | None] | None = None,
    rewrite_problem: Callable[[bytes, bytes], str | None] | None = None,
) -> Loaded:
    """Read the configuration *text* that came from *name*. Never raises for what stands in the text.

    :param files: returns the content of a file named in the configuration (``OSError`` when it cannot); without it such files are refused
    :param regex_problem: says what is wrong with a regular expression (UTF-8, RE2 syntax), ``None`` if nothing
    :param format_problem: the same for the format of an access log line
    :param rewrite_problem: the same for the pattern and the substitution of a ``regex_rewrite``
    """
    report = Report(name)
    model, document = _load(text, report, Judge(files, regex_problem, format_problem, rewrite_problem))
    return Loaded(None if report.failed else model, report.problems(), {} if report.failed else document)


def _load(text: str | bytes, report: Report, judge: Judge) -> tuple[Bootstrap | None, dict[str, Any]]:
    if isinstance(text, bytes):
        try:
            text = decode(text)
        except Refused as refusal:
            report.error(refusal, refusal.message, refusal.hint)
            return None, {}
    root = parse(text, report)
    if not isinstance(root, MapNode):
        if root is not None:
            report.error(root, f"a configuration is a mapping, not {kind(root)}", "begin with `static_resources:`")
        elif not report.failed:
            report.error(Place(report.name, 1, 1), "the file is empty", "begin with `static_resources:`")
        return None, {}
    modernise(root, report)
    config = validate(BootstrapSchema, root, report)
    files = check(root, report, judge)
    if config is None or report.failed:
        return None, {}
    return build(config, root, report, files), config.model_dump(mode="json", by_alias=True, exclude_unset=True)
