"""Does a release fit a configuration: its clusters, its route, and where that leads.                                      (pure)

Rule 1. A release is of one route, which leads to its baseline, or to its baseline and its canary, and nowhere else: whatever goes to a
        third cluster would be neither version's.
Rule 2. What is found is named for good (`release_route.canonical`): more routes in the file do not make it mean another.
Rule 3. Whether endpoints are healthy is not a matter of texts; who starts a release asks that then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shifter.config.release_route import FoundRoute, RouteReferenceError, canonical, find_routes
from shifter.config.releases import place_in
from shifter.config.report import Place, Problem, Report, shown
from shifter.model.bootstrap import Bootstrap
from shifter.model.release import ReleaseSpec
from shifter.model.route import RouteAction, WeightedCluster


@dataclass(frozen=True, slots=True)
class CheckedRelease:
    """What became of a check. ``spec`` has its route named for good; ``None`` when there is any error among ``problems``. ``found`` are the
    places where the route stands."""

    spec: ReleaseSpec | None
    problems: list[Problem]
    found: Sequence[FoundRoute] = ()


def check_release(spec: ReleaseSpec, bootstrap: Bootstrap) -> CheckedRelease:
    """Check *spec* against *bootstrap*, which is what files say, with the places in the text of *spec*."""
    report = Report(spec.source)
    clusters = [cluster.name for cluster in bootstrap.clusters]
    for key, name, other in (("baseline", spec.baseline, spec.canary), ("canary", spec.canary, spec.baseline)):
        if name not in clusters:
            near = report.did_you_mean(name, [one for one in clusters if one != other])  # it cannot be both
            report.error(place_in(spec, key), f"no cluster is called `{shown(name)}`", near)
    if report.failed:
        return CheckedRelease(None, report.problems())
    try:
        found = find_routes(bootstrap, spec.route, (spec.baseline, spec.canary))
    except RouteReferenceError as error:
        report.error(_place_of_route(spec, error.part), error.message, error.hint)
        return CheckedRelease(None, report.problems())
    _check_route(spec, found[0], report)
    if report.failed:
        return CheckedRelease(None, report.problems(), found)
    return CheckedRelease(replace(spec, route=canonical(found)), report.problems(), found)


def _check_route(spec: ReleaseSpec, found: FoundRoute, report: Report) -> None:
    action = found.route.action
    assert isinstance(action, RouteAction)
    at = _place_of_route(spec, "route")
    weights = {entry.name: entry.weight for entry in action.clusters if entry.name}
    pair = (spec.baseline, spec.canary)
    others = [f"`{shown(entry.name)}`" if entry.name else _named_by(entry) for entry in action.clusters if entry.name not in pair]
    if others:
        listed = ", ".join(others)
        message = f"`{shown(found.name)}` also leads to {listed}: a release is between two clusters"
        report.error(at, message, f"take {'it' if len(others) == 1 else 'them'} out of the route before the release")
    elif spec.baseline not in weights:
        message = f"`{shown(found.name)}` does not lead to `{shown(spec.baseline)}`, but to {_shares(weights)}"
        turned = spec.canary in weights
        report.error(at, message, "are `baseline` and `canary` the wrong way round?" if turned else "a release begins with the baseline")
    elif len(action.clusters) > len(weights):
        report.error(at, f"`{shown(found.name)}` has the same cluster twice", "a release cannot tell them apart: give it once")
    else:
        if weights.get(spec.canary):
            now = f"`{shown(found.name)}` leads to {_shares(weights)}"
            report.warn(at, f"{now}: the release begins with 0 % for `{shown(spec.canary)}`", "from there it goes up as the steps say")
        if action.runtime_key_prefix:
            report.warn(at, f"runtime (`{shown(action.runtime_key_prefix)}`) has no say in the route's weights while the release holds it")


def _place_of_route(spec: ReleaseSpec, part: str) -> Place:
    if part != "route":
        return place_in(spec, "route", part)
    key = spec.route.kind or ("name" if spec.route.name else "called")
    return place_in(spec, "route", key)


def _shares(weights: Mapping[str, int]) -> str:
    total = sum(weights.values())
    if len(weights) < 2 or not total:
        return ", ".join(f"`{shown(name)}`" for name in weights) or "a cluster that a request names"
    return ", ".join(f"`{shown(name)}` ({weight * 100 / total:.4g} %)" for name, weight in weights.items())


def _named_by(entry: WeightedCluster) -> str:
    return f"the cluster that the request names in `{(entry.cluster_header or b'').decode('utf-8', 'replace')}`"
