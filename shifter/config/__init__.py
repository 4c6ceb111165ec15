"""YAML text to the model, or every problem at once.

``load`` is the whole room: ``document`` reads nodes with places, ``legacy`` brings old spellings up to date, ``schema`` (through
``explain``) checks types and ranges, ``check`` looks across, ``build`` makes the frozen model. A configuration that is not fully
understood has no model.
"""

from dataclasses import dataclass
from typing import Any

from shifter.config.assignment import LoadedAssignment, load_assignment
from shifter.config.build import build
from shifter.config.check import check
from shifter.config.document import MapNode
from shifter.config.explain import validate
from shifter.config.judge import CustomFilters, Judge
from shifter.config.legacy import modernise
from shifter.config.report import Place, Problem, Report, ShifterError, render
from shifter.config.schema.bootstrap import Bootstrap as BootstrapSchema
from shifter.config.secrets import LoadedSecrets, load_secrets
from shifter.config.standalone import build_routes, is_routes, root_of
from shifter.model.bootstrap import Bootstrap
from shifter.model.route import RouteConfiguration

__all__ = [
    "CustomFilters",
    "Judge",
    "Loaded",
    "LoadedAssignment",
    "LoadedSecrets",
    "Place",
    "Problem",
    "ShifterError",
    "load",
    "load_assignment",
    "load_secrets",
    "render",
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a text.

    ``bootstrap`` is ``None`` when there is any error among ``problems``. ``document`` is the checked configuration in v3
    spelling, plain dicts and lists (empty when there is no model). ``routes`` is set instead of ``bootstrap`` when the text was a
    route configuration alone, and that was allowed.
    """

    bootstrap: Bootstrap | None
    problems: list[Problem]
    document: dict[str, Any]
    routes: RouteConfiguration | None = None


def load(
    text: str | bytes,
    name: str,
    judge: Judge | None = None,
    *,
    routes_alone: bool = False,
) -> Loaded:
    """Read the configuration *text* that came from *name*. Never raises for what stands in the text.

    :param judge: who is asked about files and about texts that other rooms understand; nobody is, when there is none
    :param routes_alone: a route configuration may stand in the place of a whole configuration
    """
    report = Report(name)
    judge = Judge() if judge is None else judge
    root = root_of(text, report, "a configuration", "static_resources")
    if routes_alone and root is not None and is_routes(root):
        routes = build_routes(root, report, judge)
        return Loaded(None, report.problems(), {}, routes)
    model, document = _load(root, report, judge) if root is not None else (None, {})
    return Loaded(None if report.failed else model, report.problems(), {} if report.failed else document)


def _load(root: MapNode, report: Report, judge: Judge) -> tuple[Bootstrap | None, dict[str, Any]]:
    modernise(root, report)
    config = validate(BootstrapSchema, root, report)
    sources = check(root, report, judge)
    if config is None or report.failed:
        return None, {}
    return build(config, root, sources), config.model_dump(mode="json", by_alias=True, exclude_unset=True)
