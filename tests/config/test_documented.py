"""docs/configuration.md says what the schema says: the same messages, the same fields, the model's defaults."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest

from shifter.config.filters import KINDS
from shifter.config.http_filters import FilterConfig
from shifter.config.schema import core
from shifter.config.schema.base import Message, Variants, duration, names_of
from shifter.config.schema.bootstrap import Bootstrap
from shifter.config.schema.cluster import ProtocolOptions
from shifter.config.schema.listener import Router
from shifter.model import cluster, health_check, http_connection_manager, load_balancing, outlier_detection, retry, route
from tests.support.programs import ROOT

PAGE = (ROOT / "docs/configuration.md").read_text()
TITLES = {core.HeaderChanges: "Headers to add and remove", ProtocolOptions: "typed_extension_protocol_options"}
_ROW = re.compile(r"\| `([^`]+)` \|(.*?)\|.*\|")


def sections(of_filters: bool = False) -> Mapping[str, Mapping[str, str]]:
    """Title -> field -> default, of every section with a table of fields; those of one title together. The chapter about HTTP filters
    is looked at alone."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    title = ""
    wanted = not of_filters
    for line in PAGE.splitlines():
        if line.startswith("## "):
            title = ""
            wanted = (line == "## HTTP filters") is of_filters
        elif not wanted:
            continue
        elif heading := re.fullmatch(r"### (?:`([^`]+)`.*|(.+))", line):
            title = heading[1] or heading[2]
            found[title]
        elif title and (row := _ROW.fullmatch(line)):
            found[title][row[1]] = row[2].strip()
    return found


def messages(annotation: object) -> Iterator[type[Message]]:
    """The messages that a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, Variants):
        yield from annotation.variants
    elif isinstance(annotation, type) and issubclass(annotation, Message):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, UnionType, list, dict):
        for part in get_args(annotation):
            yield from messages(part)


def everything() -> set[type[Message]]:
    """Every message that a configuration can hold, but for those of filters, and what several of them have in common."""
    return reached([Bootstrap, Router], {core.HeaderChanges})


def reached(waiting: list[type[Message]], seen: set[type[Message]]) -> set[type[Message]]:
    """The messages that can stand in those of *waiting*, and these; *seen* are known already."""
    while waiting:
        message = waiting.pop()
        if message not in seen:
            seen.add(message)
            for field in message.model_fields.values():
                waiting.extend(messages(field.annotation))
    return seen


def title(message: type[Message]) -> str:
    return TITLES.get(message) or message.envoy.rpartition(".")[2]


def fields(of: set[type[Message]] | None = None) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for message in everything() if of is None else of:
        own = set(names_of(message))
        if issubclass(message, core.HeaderChanges) and message is not core.HeaderChanges:
            own -= names_of(core.HeaderChanges)
        found[title(message)] |= own
    return found


def test_every_message_has_a_section_and_no_other_has() -> None:
    assert set(sections()) == set(fields())


@pytest.mark.parametrize("name", sorted(fields()))
def test_every_field_is_documented_and_no_other_is(name: str) -> None:
    assert set(sections()[name]) == fields()[name]


def of_filters() -> set[type[Message]]:
    """The messages of filters that stand nowhere else."""
    kinds = [message for kind in KINDS.values() for message in (kind.config, kind.override) if message is not None]
    return reached([FilterConfig, *kinds], everything()) - everything()


@pytest.mark.parametrize("name", sorted(fields(of_filters())))
def test_every_field_of_a_filter_is_documented_and_no_other_is(name: str) -> None:
    assert set(sections(of_filters=True)[name]) == fields(of_filters())[name]


def test_every_message_of_a_filter_has_a_section_and_no_other_has() -> None:
    assert set(sections(of_filters=True)) == set(fields(of_filters()))


def test_nothing_was_overlooked() -> None:
    # What walks over the schema is worth nothing if it ends early.
    assert len(everything()) > 40
    assert {"HttpConnectionManager", "ClusterWeight", "CaresDnsResolverConfig"} <= fields().keys()


def shown(value: object) -> Collection[str]:
    """The ways to write *value*, which may be seconds or a share."""
    if isinstance(value, Enum):
        return (str(value.value),)
    if isinstance(value, bool):
        return (str(value).lower(),)
    if isinstance(value, float):
        return (duration(value), f"{value:g}") if value else (duration(value), f"{value:g}", "none")
    return (str(value),)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (
            http_connection_manager.HttpConnectionManager(stat_prefix="", route_config=route.RouteConfiguration()),
            ("HttpConnectionManager", "HttpProtocolOptions", "Http1ProtocolOptions", "Http2ProtocolOptions", "Router"),
        ),
        (http_connection_manager.PathNormalization(), ("HttpConnectionManager",)),
        (cluster.Cluster(""), ("Cluster", "HttpProtocolOptions")),
        (cluster.Thresholds(), ("Thresholds",)),
        (cluster.RetryBudget(), ("RetryBudget",)),
        (cluster.AssignmentPolicy(), ("Policy",)),
        (cluster.PreconnectPolicy(), ("PreconnectPolicy",)),
        (load_balancing.CommonLbConfig(), ("CommonLbConfig",)),
        (load_balancing.LeastRequestLbConfig(), ("LeastRequestLbConfig", "LeastRequest")),
        (load_balancing.LbSubsetConfig(), ("LbSubsetConfig", "Subset")),
        (load_balancing.MaglevLbConfig(), ("MaglevLbConfig", "Maglev")),
        (load_balancing.RingHashLbConfig(), ("RingHashLbConfig",)),
        (load_balancing.SlowStart(0.0), ("SlowStartConfig",)),
        (health_check.HealthCheck(health_check.TcpHealthCheck(), 1.0, 1.0, 1, 1), ("HealthCheck",)),
        (health_check.HttpHealthCheck(b"/"), ("HttpHealthCheck",)),
        (outlier_detection.OutlierDetection(), ("OutlierDetection",)),
        (retry.RetryPolicy(), ("RetryPolicy",)),
        (route.RouteAction(()), ("RouteAction",)),
        (route.RouteMatch(route.PathMatchKind.PREFIX, b""), ("RouteMatch",)),
        (route.RouteConfiguration(), ("RouteConfiguration",)),
        (route.StringMatcher(route.StringMatchKind.EXACT, b""), ("StringMatcher",)),
        (route.RedirectAction(), ("RedirectAction",)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
def test_defaults_are_those_of_the_model(model: object, names: tuple[str, ...]) -> None:
    compared = 0
    for name in names:
        for field, default in sections()[name].items():
            value = getattr(model, field, None)
            if isinstance(value, bool | int | float | Enum) and default and not field.endswith("response_code"):  # words there
                assert default.strip("`") in (*shown(value), "required"), f"{name}.{field}"
                compared += 1
    assert compared
