"""Route tests, from the checked schema to the frozen model.

Rule 1. Dynamic metadata for a namespace that has some is dropped, unless ``allow_overwrite``; then it is merged as the filter
        ``set_metadata`` does: mappings key by key, lists one behind the other, and of anything else the later value stays.
"""

from collections.abc import Mapping, Sequence

from shifter.config.build_common import header_matcher, pairs
from shifter.config.document import MapNode
from shifter.config.report import Report
from shifter.config.schema import routetest as schema
from shifter.model.routetest import RouteExpectation, RouteMetadata, RouteTest, RouteTestInput, RouteTests


def build_tests(config: schema.RouteTests, root: MapNode, report: Report) -> RouteTests:
    """Return *config*, which stands at *root*, as the model."""
    runtime = config.runtime if isinstance(config.runtime, dict) else {}
    values = {str(key): value for key, value in runtime.items() if isinstance(value, bool | int | float | str)}
    return RouteTests(tuple(_test(item, str(report.place(at))) for item, at in pairs(config.tests, root, "tests")), values)


def _test(config: schema.RouteTestItem, place: str) -> RouteTest:
    return RouteTest(config.test_name, _input(config.input), _expectation(config.expected), place)


def _input(config: schema.RouteTestInput) -> RouteTestInput:
    return RouteTestInput(
        authority=config.authority.encode(),
        path=config.path.encode(),
        method=config.method.encode(),
        ssl=config.ssl,
        internal=config.internal,
        random_value=config.random_value,
        runtime=config.runtime,
        request_headers=_headers(config.additional_request_headers),
        response_headers=_headers(config.additional_response_headers),
        metadata=_metadata(config.dynamic_metadata),
    )


def _headers(written: Sequence[schema.RouteTestHeader]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((header.key.lower().encode(), header.value.strip(" \t").encode()) for header in written)


def _metadata(written: Sequence[schema.DynamicMetadata]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for item in written:
        value = item.value if isinstance(item.value, dict) else {}
        known = found.get(item.metadata_namespace)
        if known is None:
            found[item.metadata_namespace] = dict(value)
        elif item.allow_overwrite:
            _merge(known, value)
    return found


def _merge(known: dict[str, object], more: Mapping[str, object]) -> None:
    for key, value in more.items():
        old = known.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            known[key] = old = dict(old)
            _merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            known[key] = old + value
        else:
            known[key] = value


def _expectation(config: schema.RouteExpectation) -> RouteExpectation:
    return RouteExpectation(
        cluster_name=config.cluster_name,
        virtual_cluster_name=config.virtual_cluster_name,
        virtual_host_name=config.virtual_host_name,
        path_rewrite=config.path_rewrite,
        host_rewrite=config.host_rewrite,
        path_redirect=config.path_redirect,
        code_redirect=config.code_redirect,
        timeout=config.timeout,
        request_headers=tuple(map(header_matcher, config.request_header_matches)),
        response_headers=tuple(map(header_matcher, config.response_header_matches)),
        route_metadata=tuple(RouteMetadata(item.namespace, item.key, item.value) for item in config.route_metadata),
    )
