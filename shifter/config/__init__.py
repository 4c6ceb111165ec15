"""YAML text to the model, or every problem at once.

``load`` is the whole room: ``document`` reads nodes with places, ``legacy`` brings old spellings up to date, ``discovered`` reads the
files of clusters, listeners and routes that are named, ``schema`` (through ``explain``) checks types and ranges, ``check`` looks across,
``build`` makes the frozen model. A configuration that is not fully understood has no model.
"""

from dataclasses import dataclass
from typing import Any

from shifter.config.assignment import LoadedAssignment, load_assignment
from shifter.config.build import build
from shifter.config.check import check
from shifter.config.discovered import Discovered, Read, ResourceFile, ResourceKind
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
    "LoadedFile",
    "LoadedSecrets",
    "Place",
    "Problem",
    "ResourceKind",
    "ShifterError",
    "load",
    "load_assignment",
    "load_secrets",
    "render",
]


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """A file of clusters, listeners or routes that a configuration names.

    ``version`` is its ``version_info``; ``resources`` are what stands in it, as the schema has it, each plain dicts and lists with its
    ``@type`` (none when there is no model). ``readable`` and ``scopes`` are those of `discovered.ResourceFile`.
    """

    kind: ResourceKind
    path: str
    readable: bool
    version: str
    scopes: tuple[str, ...]
    resources: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a text.

    ``bootstrap`` is ``None`` when there is any error among ``problems``. ``document`` is the checked configuration in v3
    spelling, plain dicts and lists (empty when there is no model). ``routes`` is set instead of ``bootstrap`` when the text was a
    route configuration alone, and that was allowed. ``files`` are those with clusters, listeners and routes that it names.
    """

    bootstrap: Bootstrap | None
    problems: list[Problem]
    document: dict[str, Any]
    routes: RouteConfiguration | None = None
    files: tuple[LoadedFile, ...] = ()


def load(
    text: str | bytes,
    name: str,
    judge: Judge | None = None,
    *,
    routes_alone: bool = False,
    resources: Read | None = None,
) -> Loaded:
    """Read the configuration *text* that came from *name*. Never raises for what stands in the text.

    :param judge: who is asked about files and about texts that other rooms understand; nobody is, when there is none
    :param resources: reads the files of clusters, listeners and routes that the text names; without it, *judge* does
    :param routes_alone: a route configuration may stand in the place of a whole configuration
    """
    report = Report(name)
    judge = Judge() if judge is None else judge
    root = root_of(text, report, "a configuration", "static_resources")
    if routes_alone and root is not None and is_routes(root):
        routes = build_routes(root, report, judge)
        return Loaded(None, report.problems(), {}, routes)
    discovered = Discovered(report, judge.files if resources is None else resources)
    model, document = _load(root, report, judge, discovered) if root is not None else (None, {})
    files = tuple(_file(one, model is not None) for one in discovered.files)
    return Loaded(model, report.problems(), document, files=files)


def _load(root: MapNode, report: Report, judge: Judge, discovered: Discovered) -> tuple[Bootstrap | None, dict[str, Any]]:
    modernise(root, report)
    discovered.look(root)
    alone = "dynamic_resources" in root and "static_resources" not in root
    if alone:
        at = root.key("dynamic_resources")
        root["static_resources"] = MapNode(at.line, at.column, at.width)
    config = validate(BootstrapSchema, root, report)
    discovered.validate()
    sources = check(root, report, judge, discovered)
    if config is None or report.failed:
        return None, {}
    model = build(config, root, sources, discovered)
    if report.failed:
        return None, {}
    document: dict[str, Any] = config.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if alone:
        del document["static_resources"]
    return model, document


def _file(file: ResourceFile, with_resources: bool) -> LoadedFile:
    found = file.messages if with_resources else ()
    resources = tuple(message.model_dump(mode="json", by_alias=True, exclude_unset=True) for message in found)
    return LoadedFile(file.kind, file.path, file.readable, file.version, tuple(file.scopes), resources)
