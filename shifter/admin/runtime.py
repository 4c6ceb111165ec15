"""The pages of the runtime, as Envoy's: values by key in every layer, and setting those of the admin layer."""

import json
from urllib.parse import parse_qsl

from twisted.internet.defer import Deferred, succeed

from shifter.admin.page import JSON, Page, Query
from shifter.admin.view import AdminView
from shifter.model.bootstrap import Bootstrap
from shifter.model.change import ChangeResult
from shifter.model.route import FractionalPercent

_WORDS = {100: "HUNDRED", 10_000: "TEN_THOUSAND", 1_000_000: "MILLION"}
_USAGE = (
    "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
    "       or send the parameters as form values\n"
    "use an empty value to remove a previously added override"
)
_MANY = 1000


def runtime(view: AdminView, query: Query) -> Deferred[Page]:
    """``/runtime``."""
    snapshot = view.snapshot()
    return succeed(Page(json.dumps(_shown(snapshot.bootstrap if snapshot is not None else Bootstrap()), indent=1) + "\n", JSON))


def _shown(bootstrap: Bootstrap) -> dict[str, object]:
    layers = [{key: layer.texts.get(key) or _text(value) for key, value in layer.values.items()} for layer in bootstrap.runtime]
    entries = {}
    for key in sorted({key for layer in layers for key in layer}):
        values = [layer.get(key, "") for layer in layers]
        entries[key] = {"layer_values": values, "final_value": next((value for value in reversed(values) if value), "")}
    return {"layers": [layer.name for layer in bootstrap.runtime], "entries": entries}


def _text(value: object) -> str:
    if isinstance(value, FractionalPercent):
        return json.dumps({"numerator": value.numerator, "denominator": _WORDS[value.denominator]})
    return str(value).lower() if isinstance(value, bool) else str(value)


def modify(view: AdminView, query: Query) -> Deferred[Page]:
    """``POST /runtime_modify?key=value``; who wants it, and why, stands in ``x-shifter-by`` and ``x-shifter-why``."""
    pairs = query.pairs
    if not pairs and query.body:
        try:
            pairs = parse_qsl(query.body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MANY)
        except ValueError:
            pairs = ()
    if not pairs:
        return succeed(Page(_USAGE, status=400))
    values = dict(reversed(pairs))  # as in Envoy, the first of several counts

    def told(result: ChangeResult) -> Page:
        return Page("OK\n") if result.taken else Page("\n".join(result.problems), status=503)

    return view.modify_runtime(values, query.sender).addCallback(told)
