"""Values of Envoy's runtime, from the checked schema to the frozen model.

Rule 1. As in Envoy, a mapping with ``numerator`` or ``denominator`` in it, or an empty one, is a share; any other is a step of
        the dotted keys of what is in it.
Rule 2. A value that comes as a text, from a file or a request, is YAML, and anything but a number, a truth or a share stays a text.
"""

import json
import re
from collections.abc import Iterator, Mapping
from math import isfinite

from shifter.config.build_common import DENOMINATORS
from shifter.config.document import MapNode, TextNode, parse, value_of
from shifter.config.report import Report, ShifterError
from shifter.config.schema import runtime as schema
from shifter.config.schema.core import Denominator
from shifter.config.schema.runtime import LayeredRuntime
from shifter.model.bootstrap import DiskLayer, LayerKind, RuntimeLayer, RuntimeValue
from shifter.model.route import FractionalPercent

_SHARE = frozenset(("numerator", "denominator"))
_HEXADECIMAL = re.compile(r"[-+]?0[xX][0-9a-fA-F]{1,16}")
_LONGEST = 4096
"""Characters of a text that may be something else than a text."""
_UINT32 = 2**32 - 1


class ValueTextError(ShifterError):
    """This cannot be the text of a runtime value."""


def runtime_layers(config: LayeredRuntime | None, service_cluster: str = "") -> tuple[RuntimeLayer, ...]:
    """Return the layers of *config*; those of files and of the admin pages are empty. *service_cluster* is that of the node."""
    return tuple(_layer(layer, service_cluster) for layer in (config.layers if config is not None else ()))


def _layer(config: schema.RuntimeLayer, service_cluster: str) -> RuntimeLayer:
    disk = config.disk_layer
    if disk is not None:
        parts = [disk.symlink_root, disk.subdirectory, service_cluster if disk.append_service_cluster else ""]
        return RuntimeLayer(config.name, kind=LayerKind.DISK, disk=DiskLayer(disk.symlink_root, "/".join(filter(None, parts))))
    if config.static_layer is None:
        return RuntimeLayer(config.name, kind=LayerKind.ADMIN)
    return RuntimeLayer(config.name, dict(flattened(config.static_layer)))


def runtime_value(text: str) -> RuntimeValue:
    """Return what *text*, the content of a file or of a parameter, says. Raises `ValueTextError` for what is no YAML."""
    if len(text) > _LONGEST or not text.strip():
        return text
    report = Report("value")
    node = parse(text, report)
    if report.failed:
        raise ValueTextError(report.problems()[0].message)
    if isinstance(node, TextNode):
        meant = value_of(node)
        found = meant if isinstance(meant, bool) else _scalar(str(node)) if node.plain else text
        return text if isinstance(found, str) else found
    if isinstance(node, MapNode) and node and is_share(node) and node.keys() <= _SHARE:
        return _written_share(node, text)
    return text


def _written_share(node: MapNode, text: str) -> RuntimeValue:
    """Return the share that *node* is, or *text* where Envoy finds none: what is in quotes is no number to it."""
    written, word = node.get("numerator"), node.get("denominator")
    numerator = value_of(written) if isinstance(written, TextNode) else 0 if written is None else None
    known = word is None or (isinstance(word, TextNode) and word in Denominator.__members__)
    if isinstance(numerator, bool) or not isinstance(numerator, int) or not 0 <= numerator <= _UINT32 or not known:
        return text
    return _share({"numerator": numerator, **({"denominator": str(word)} if word is not None else {})})


def text_of(value: RuntimeValue) -> str:
    """Return *value*, which stands in a configuration, the way it could be written in a file."""
    if isinstance(value, FractionalPercent):
        word = next(one.name for one, number in DENOMINATORS.items() if number == value.denominator)
        return json.dumps({"numerator": value.numerator, "denominator": word})
    return str(value).lower() if isinstance(value, bool) else str(value)


def flattened(values: Mapping[str, object], above: str = "") -> Iterator[tuple[str, RuntimeValue]]:
    """Iterate over *values*, which stand under the dotted key *above*, by their own dotted keys."""
    for name, value in values.items():
        key = above + name
        if not isinstance(value, Mapping):
            yield key, _scalar(value)
        elif is_share(value):
            yield key, _share(value)
        else:
            yield from flattened(value, f"{key}.")


def is_share(value: Mapping[str, object]) -> bool:
    """Is this mapping a value, and not a step on the way to some?"""
    return not value or not _SHARE.isdisjoint(value)


def _scalar(value: object) -> RuntimeValue:
    if isinstance(value, str):
        # A number in quotes is a number here.
        meant = value_of(TextNode(value.strip(), 0, 0, plain=True))
        value = meant if isinstance(meant, int | float) and not isinstance(meant, bool) else value
    if isinstance(value, str) and _HEXADECIMAL.fullmatch(value):
        return int(value, 16)
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    assert isinstance(value, bool | int | float | str)
    return value


def _share(value: Mapping[str, object]) -> FractionalPercent:
    numerator, word = value.get("numerator", 0), value.get("denominator", "HUNDRED")
    denominator = Denominator.__members__.get(str(word).upper(), Denominator.HUNDRED)
    return FractionalPercent(numerator if isinstance(numerator, int) else 0, DENOMINATORS[denominator])
