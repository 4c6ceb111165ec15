"""The change of a configuration's files that makes them say what a release came to, as a unified diff.                    (pure)

Rule 1. Only numbers and names change: comments and layout stay (`edit`). Nothing is written; people apply it, and review it before.
Rule 2. What comes of it is compared with what is meant: a diff that would change anything else, as one in a text that stands in several
        places at once (an anchor) might, is not given.
Rule 3. A route with weights keeps both clusters, one of them with weight 0, so that the next release has its two versions; one with a
        single cluster gets the other one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import unified_diff

from shifter.config.document import ListNode, MapNode, Node, TextNode, decode, map_in, maps, parse, text_in
from shifter.config.edit import Edits
from shifter.config.release_route import FoundRoute, RouteReferenceError, find_routes
from shifter.config.report import Report, ShifterError, shown
from shifter.model.bootstrap import Bootstrap
from shifter.model.listener import with_managers
from shifter.model.release import MILLION, ReleaseSpec
from shifter.model.route import Route, RouteAction, RouteConfiguration, WeightedCluster

Load = Callable[[Mapping[str, bytes]], Bootstrap | None]
"""Returns what files mean, by their names; ``None`` when they mean nothing."""

_USUAL_TOTAL = 100


class PatchError(ShifterError):
    """Nobody can say how the files are to be changed; the text says why, and what to change by hand."""


def release_patch(files: Mapping[str, bytes], spec: ReleaseSpec, share: int, load: Load) -> str:
    """Return what `changed_files` does as a unified diff; empty when the files say so already. Raises `PatchError`."""
    return "".join(_diff(name, decode(files[name]), text) for name, text in changed_files(files, spec, share, load).items())


def changed_files(files: Mapping[str, bytes], spec: ReleaseSpec, share: int, load: Load) -> dict[str, str]:
    """Return the new texts of those of *files*, the configuration's own, that have to change so that the canary of *spec* gets *share*
    (0, or `MILLION`). Raises `PatchError`.

    :param load: reads files, as the proxy does
    """
    if share not in (0, MILLION):
        raise PatchError("the release is not over: there is nothing yet that the file could say")
    before = load(files)
    if before is None:
        raise PatchError("the configuration's files have errors: what they should say cannot be told")
    try:
        found = find_routes(before, spec.route, (spec.baseline, spec.canary))
    except RouteReferenceError as error:
        raise PatchError(f"the configuration's files have no such route any more: {error}") from None
    wanted = _wanted(spec, share)
    if all(_says(one.route, wanted) for one in found):
        return {}
    edited = {name: _edited(data, found, spec, wanted) for name, data in files.items()}
    changed = {name: text for name, text in edited.items() if text is not None}
    after = load({**files, **{name: text.encode("utf-8") for name, text in changed.items()}}) if changed else None
    if after is None or after.listeners != _meant(before, found, spec, wanted).listeners or after.clusters != before.clusters:
        raise PatchError(f"{_by_hand(spec, found[0], wanted)}: the file says it in a way that cannot be changed in one place")
    return changed


def says_so(bootstrap: Bootstrap, spec: ReleaseSpec, share: int) -> bool:
    """Say whether *bootstrap*, which is what files say, gives the canary of *spec* this *share* (0, or `MILLION`) of its route."""
    try:
        found = find_routes(bootstrap, spec.route, (spec.baseline, spec.canary))
    except RouteReferenceError:
        return False
    return all(_says(one.route, _wanted(spec, share)) for one in found)


def _wanted(spec: ReleaseSpec, share: int) -> str:
    """Return the cluster that gets all requests."""
    return spec.canary if share == MILLION else spec.baseline


def _says(route: Route, wanted: str) -> bool:
    action = route.action
    assert isinstance(action, RouteAction)
    return all(entry.name == wanted or not entry.weight for entry in action.clusters)


def _by_hand(spec: ReleaseSpec, found: FoundRoute, wanted: str) -> str:
    return f"give all requests of `{shown(found.name)}` to `{shown(wanted)}` by hand"


# what is meant


def _meant(before: Bootstrap, found: Sequence[FoundRoute], spec: ReleaseSpec, wanted: str) -> Bootstrap:
    """Return *before* with the route as it is meant."""
    routes = {id(one.route) for one in found}

    def changed(route: Route) -> Route:
        if id(route) not in routes:
            return route
        assert isinstance(route.action, RouteAction)
        return replace(route, action=replace(route.action, clusters=_clusters(route.action.clusters, wanted)))

    def table(config: RouteConfiguration) -> RouteConfiguration:
        hosts = tuple(replace(host, routes=tuple(map(changed, host.routes))) for host in config.virtual_hosts)
        return replace(config, virtual_hosts=hosts)

    listeners = (
        with_managers(listener, lambda manager: replace(manager, route_config=table(manager.route_config))) for listener in before.listeners
    )
    return replace(before, listeners=tuple(listeners))


def _clusters(entries: tuple[WeightedCluster, ...], wanted: str) -> tuple[WeightedCluster, ...]:
    if len(entries) == 1:
        return (replace(entries[0], name=wanted),)
    total = sum(entry.weight for entry in entries) or _USUAL_TOTAL
    return tuple(replace(entry, weight=total if entry.name == wanted else 0) for entry in entries)


# in the text


def _edited(data: bytes, found: Sequence[FoundRoute], spec: ReleaseSpec, wanted: str) -> str | None:
    """Return the text *data* with the change; ``None`` when there is nothing of it there."""
    text = decode(data)
    root = parse(text, Report("")) if text else None
    if root is None:
        return None
    edits = Edits(text.removeprefix("\ufeff"))
    for route in {id(route): route for route in _routes(root, found)}.values():
        _edit(route, spec, wanted, edits)
    made, _ = edits.applied()
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    return f"{mark}{made}" if edits.found else None


def _routes(root: Node, found: Sequence[FoundRoute]) -> Iterator[MapNode]:
    """Iterate over the mappings that are the routes *found*: those with their numbers in virtual hosts of their names."""
    places = {
        (one.host.name, len(one.host.routes), next(at for at, route in enumerate(one.host.routes) if route is one.route)) for one in found
    }
    todo: list[Node] = [root]
    seen: set[int] = set()
    while todo:
        node = todo.pop()
        if isinstance(node, TextNode) or id(node) in seen:
            continue
        seen.add(id(node))
        todo.extend(node.values() if isinstance(node, MapNode) else node)
        for host in maps(node.get("virtual_hosts")) if isinstance(node, MapNode) else ():
            routes = host.get("routes")
            if not isinstance(routes, ListNode):
                continue
            for name, count, number in places:
                if host.get("name") == name and len(routes) == count:
                    route = routes[number]
                    if isinstance(route, MapNode):
                        yield route


def _edit(route: MapNode, spec: ReleaseSpec, wanted: str, edits: Edits) -> None:
    action = map_in(route, "route") or route  # the oldest spelling has the action's fields in the route itself
    single = text_in(action, "cluster")
    if single is not None:
        if single != wanted and single in (spec.baseline, spec.canary):
            edits.scalar(single, wanted)
        return
    weighted = map_in(action, "weighted_clusters")
    entries = list(maps(weighted.get("clusters"))) if weighted is not None else []
    if len(entries) == 1:
        name = text_in(entries[0], "name")
        if name is not None and name != wanted:
            edits.scalar(name, wanted)
        return
    weights = [text_in(entry, "weight") for entry in entries]
    total = sum(int(weight) for weight in weights if weight is not None and weight.isdecimal() and len(weight) < 20) or _USUAL_TOTAL
    for entry, weight in zip(entries, weights, strict=True):
        name = text_in(entry, "name")
        value = str(total) if name == wanted else "0"
        if weight is not None and weight != value:
            edits.scalar(weight, value)


def _diff(name: str, before: str, after: str) -> str:
    lines = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
