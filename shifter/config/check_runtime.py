"""What is wrong with the layers of runtime values.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

from collections.abc import Mapping

from shifter.config.build_runtime import flattened, is_share
from shifter.config.document import ListNode, MapNode, TextNode, map_in, maps, plain, text_in
from shifter.config.judge import number
from shifter.config.report import Report, shown
from shifter.config.schema.core import Denominator
from shifter.model.bootstrap import RuntimeValue

_ENVOYS_OWN = ("envoy.reloadable_features.", "envoy.restart_features.", "overload.", "re2.", "upstream.", "health_check.")
_IN_THE_FILE = ("circuit_breakers.", "outlier_detection.")
_READ = frozenset(("upstream.base_retry_backoff_ms", "upstream.healthy_panic_threshold", "upstream.use_retry"))


def check_runtime(root: MapNode, report: Report) -> None:
    """Report what is wrong with ``layered_runtime``."""
    runtime = map_in(root, "layered_runtime")
    names: dict[str, TextNode] = {}
    admin: MapNode | None = None
    for layer in maps(runtime.get("layers")) if runtime is not None else ():
        name = text_in(layer, "name")
        if name and names.setdefault(name, name) is not name:
            report.error(name, f"a second layer is named `{shown(name)}`", f"the first stands at {report.line(names[name], name)}")
        if "admin_layer" in layer:
            if admin is not None:
                report.error(layer.key("admin_layer"), "there can be one `admin_layer`", f"the first stands at {report.line(admin, layer)}")
            admin = layer
        values = map_in(layer, "static_layer")
        if values is not None:
            _values(values, report)
    if runtime is not None and not report.failed:
        _weights(root, runtime, report)


def _weights(root: MapNode, runtime: MapNode, report: Report) -> None:
    """Report weights that are all 0 in runtime, as far as no file may have others."""
    values: dict[str, RuntimeValue] = {}
    for layer in maps(runtime.get("layers")):
        if "disk_layer" in layer:
            return
        static = map_in(layer, "static_layer")
        if static is not None:
            said = plain(static)
            assert isinstance(said, dict)
            values.update(flattened(said))
    waiting: list[object] = [root.get("static_resources")] if values else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ListNode):
            waiting += node
        elif isinstance(node, MapNode):
            waiting += node.values()
            prefix = text_in(node, "runtime_key_prefix")
            if prefix and _has_no_weight(node, prefix, values):
                report.error(node.key("runtime_key_prefix"), f"all weights are 0 in `layered_runtime`, under `{shown(prefix)}.`")


def _has_no_weight(node: MapNode, prefix: str, values: Mapping[str, RuntimeValue]) -> bool:
    entries = list(maps(node.get("clusters")))
    weights = []
    for entry in entries:
        value = values.get(f"{prefix}.{text_in(entry, 'name') or ''}")
        known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        weights.append(int(value) if known and isinstance(value, int | float) else number(entry, "weight") or 0)
    return bool(entries) and not any(weights)


def _values(layer: MapNode, report: Report) -> None:
    waiting = [("", layer)]
    while waiting:
        above, node = waiting.pop()
        for name, value in node.items():
            key = above + name
            if isinstance(value, ListNode):
                report.error(node.key(name), f"a runtime value cannot be a list: `{shown(key)}`")
            elif isinstance(value, MapNode) and is_share(value):
                _share(value, report)
            elif isinstance(value, MapNode):
                waiting.append((f"{key}.", value))
            if not isinstance(value, MapNode) and key.startswith((*_ENVOYS_OWN, *_IN_THE_FILE)) and key not in _READ:
                why = "what the cluster says holds" if key.startswith(_IN_THE_FILE) else "it is about the inside of Envoy"
                report.warn(node.key(name), f"`{shown(key)}` has no effect", why)


def _share(node: MapNode, report: Report) -> None:
    word = text_in(node, "denominator")
    if word is not None and word.upper() not in Denominator.__members__:
        report.error(word, f"`{shown(word)}` is none of the values of `denominator`", report.did_you_mean(word, Denominator.__members__))
    written = node.get("numerator")
    value = number(node, "numerator")
    # Envoy takes what is in quotes for 0, and what is below 0 for always.
    if written is not None and (value is None or value < 0 or not isinstance(written, TextNode) or not written.plain):
        report.error(node.key("numerator"), "a whole number, 0 or more and without quotes, is wanted for `numerator`")
    for name in node.keys() - {"numerator", "denominator"}:
        report.error(node.key(name), f"unknown field `{shown(name)}`", "a share has `numerator` and `denominator`")
