"""What pydantic found, in our words, at its place.

Rule 1. No text of pydantic's reaches the user. Errors raised by ``schema`` carry their own words; the others are told apart by type.
Rule 2. An unknown field says what was probably meant; one that Envoy knows says so. One that was given its own default is no error,
        one that no request could notice (``ignored_fields``) a warning; both are dropped.
Rule 3. One mistake, one message: what is missing because it was misspelled is not reported as missing, too.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from shifter.config.document import ListNode, MapNode, Node, TextNode
from shifter.config.ignored_fields import HARMLESS
from shifter.config.report import Report, Spot, shown
from shifter.config.schema.base import Message, Variants, kind, names_of, variant_of
from shifter.config.schema.bootstrap import Bootstrap
from shifter.config.schema.words import FIELDS, GONE

M = TypeVar("M", bound=Message)

Loc = Sequence[str | int]


def validate(model: type[M], root: MapNode, report: Report) -> M | None:
    """Return *root* as *model*; ``None`` when that failed. Everything that is wrong is reported."""
    try:
        return model.model_validate(root, context=report)
    except ValidationError as error:
        harmless = _explain_all(model, root, error.errors(include_url=False, include_input=False), report)
    if not harmless or report.failed:
        return None
    # Only fields that change nothing stood in the way.
    for owner, name in harmless:
        owner.pop(name, None)
    return validate(model, root, report)


def _explain_all(model: type[Message], root: MapNode, errors: Sequence[ErrorDetails], report: Report) -> list[tuple[MapNode, str]]:
    harmless: list[tuple[MapNode, str]] = []
    misspelled: set[tuple[Loc, str]] = set()
    missing: dict[Loc, list[str]] = defaultdict(list)
    for error in errors:
        if error["type"] == "missing":
            missing[error["loc"][:-1]].append(str(error["loc"][-1]))
    for error in errors:
        loc = error["loc"]
        if error["type"] == "missing":
            continue
        if error["type"] == "extra_forbidden":
            message, owner = _message_at(model, root, loc[:-1]), _node_at(root, loc[:-1])
            if not isinstance(owner, MapNode):
                continue
            name = str(loc[-1])
            if _is_default(message, name, owner.get(name)):
                harmless.append((owner, name))
                continue
            if name in HARMLESS.get(getattr(message, "envoy", ""), ()):
                report.warn(owner.key(name), f"Envoy knows `{name}`, shifter does not: it has no effect here")
                harmless.append((owner, name))
                continue
            for meant in _unknown_field(message, name, owner, loc, missing.get(loc[:-1], ()), report):
                misspelled.add((loc[:-1], meant))
        else:
            spot, text, hint = _explain(root, loc, error)
            report.error(spot, text, hint)
    for where, names in missing.items():
        owner_key = f" in `{where[-1]}`" if where and isinstance(where[-1], str) else ""
        for name in names:
            if (where, name) not in misspelled:
                report.error(_spot_at(root, where), f"`{name}` is missing{owner_key}")
    return harmless


def _unknown_field(
    message: type[BaseModel] | None, name: str, owner: MapNode, loc: Loc, missing: Sequence[str], report: Report
) -> Sequence[str]:
    """Report an unknown field; return the names that may have been meant. *missing* are those that must be given, and are not."""
    if report.full:
        report.error(owner, f"unknown field `{shown(name)}`")  # counted, not told; to find the key takes time
        return ()
    spot = owner.key(name)
    known = names_of(message) if message is not None else frozenset()
    envoy = getattr(message, "envoy", "")
    if name in FIELDS.get(envoy, ()):
        report.error(spot, f"Envoy knows `{name}`, shifter does not support it yet", "take it out, or keep Envoy for this")
        return ()
    if name in GONE.get(envoy, ()):
        report.error(spot, f"`{name}` is a field of Envoy's v2 API, which shifter does not support")
        return ()
    if envoy and len(loc) == 1 and name in ("listeners", "clusters"):
        report.error(spot, f"`{name}` stands at the top of the file", "put it under `static_resources:`; Envoy's v1 format is not read")
        return ()
    if len(loc) == 1 and name == "releases" and message is Bootstrap:
        report.error(spot, "this is a release, not a configuration", "`shifter release lint` checks it")
        return missing
    if len(loc) == 1 and name == "static_resources" and "canary" in known:
        report.error(spot, "this is a configuration, not a release", "`shifter check` checks it")
        return missing
    near = report.nearest(name, known | FIELDS.get(envoy, {}).keys())
    if message is not None and near not in known:
        within = tuple(field for field, child in children_of(message).items() if name in names_of(child))
        if within:
            report.error(spot, f"unknown field `{shown(name)}` here", f"it belongs in {' or '.join(f'`{field}`' for field in within)}")
            return within
    if near is None:
        near = _whole_of(name, known)
    if near is None and envoy and name in _owners():
        owners = _owners()[name]
        report.error(spot, f"unknown field `{shown(name)}` here", f"it belongs in {' or '.join(f'`{field}`' for field in owners)}")
        return owners
    if near is None and len(missing) == 1 and len(owner) <= len(known) and len(owner.keys() - known) == 1:
        near = missing[0]
    if near is not None and near not in known:
        report.error(spot, f"unknown field `{shown(name)}`", f"did you mean `{near}`? Envoy knows it, shifter does not support it yet")
    elif near is not None and near in owner:
        where = report.line(owner.key(near), spot)
        report.error(spot, f"unknown field `{shown(name)}`", f"did you mean `{near}`? It is given at {where} already")
    elif near is not None:
        report.error(spot, f"unknown field `{shown(name)}`", f"did you mean `{near}`?")
        return (near,)
    else:
        report.error(spot, f"unknown field `{shown(name)}`", report.did_you_mean(name, known))
    return ()


def _whole_of(name: str, known: Collection[str]) -> str | None:
    """Return the one field of *known* that *name* is a part of, as ``key`` is of ``private_key``; ``None`` for none or several."""
    found = [field for field in known if name in field] if len(name) > 2 else []
    return found[0] if len(found) == 1 else None


def _is_default(message: type[BaseModel] | None, name: str, value: Node | None) -> bool:
    """Is this a field that we lack, given as what it is by default?"""
    zero = FIELDS.get(getattr(message, "envoy", ""), {}).get(name)
    if zero is None or value is None:
        return False
    if zero == "*":
        return isinstance(value, (ListNode, MapNode)) and not value
    if not isinstance(value, TextNode):
        return False
    if zero:
        return value.upper() == zero
    return value in ("", "0") or (value.plain and value.lower() == "false")


def _explain(root: MapNode, loc: Loc, error: ErrorDetails) -> tuple[Spot, str, str]:
    """Return place, message and hint for an error about a value."""
    context: Mapping[str, Any] = error.get("ctx", {})
    spot, node = _spot_at(root, loc), _node_at(root, loc)
    name = next((step for step in reversed(loc) if isinstance(step, str)), "")
    match error["type"]:
        case "shifter":
            return spot if context["at"] is None else context["at"], context["message"], context["hint"]
        case "string_type":
            return spot, f"`{name}` wants a text, not {kind(node)}", ""
        case "string_too_short":
            return spot, f"`{name}` must not be empty", ""
        case "list_type":
            return spot, f"`{name}` wants a list, not {kind(node)}", "begin each item with a dash"
        case "too_short":
            return spot, f"`{name}` must not be empty", ""
        case "model_type" | "model_attributes_type" | "dict_type":
            what = "an item of " if loc and isinstance(loc[-1], int) else ""
            given = isinstance(node, TextNode) and str(context.get("class_name", "")).endswith("DataSource")
            hint = "write {filename: …} around the name of a file" if given else "write field: value, one a line"
            return spot, f"{what}`{name}` wants a mapping, not {kind(node)}", hint
        case "greater_than_equal":
            return spot, f"`{name}` is at least {_bound(context['ge'])}, not {kind(node)}", ""
        case "less_than_equal":
            return spot, f"`{name}` is at most {_bound(context['le'])}, not {kind(node)}", ""
        case _:
            return spot, f"`{name}` cannot be {kind(node)}", ""


def _bound(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _node_at(root: Node, loc: Loc) -> Node:
    """Return the node at *loc*, or the last one on the way there."""
    node = root
    for step in loc:
        if isinstance(node, MapNode) and step in node:
            node = node[str(step)]
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node):
            node = node[step]
    return node


def _spot_at(root: MapNode, loc: Loc) -> Spot:
    """Return the place to show for *loc*: the value if it is a text, else the key that leads to it."""
    node, spot = _node_at(root, loc[:-1]), _node_at(root, loc)
    if isinstance(spot, TextNode) or not loc:
        return spot
    if isinstance(node, MapNode) and isinstance(loc[-1], str):
        return node.key(loc[-1])
    return spot


def _message_at(model: type[BaseModel], root: Node, loc: Loc) -> type[BaseModel] | None:
    """Return the message class that *loc* leads to in *root*."""
    found: type[BaseModel] | None = model
    in_map = False
    for at, step in enumerate(loc):
        if in_map:
            in_map = False  # the key of an entry, which is the user's own word
        elif isinstance(step, str) and found is not None:
            in_map = step in _maps_of(found)
            found = children_of(found).get(step)
            if found is not None and issubclass(found, Variants):
                found = variant_of(found, _node_at(root, loc[: at + 1]))
    return found


@cache
def _maps_of(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields of *model* that are maps."""
    return frozenset(info.alias or name for name, info in model.model_fields.items() if get_origin(info.annotation) is dict)


@cache
def children_of(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return the messages in the fields of *model* by the names of the fields."""
    found = {info.alias or name: _message_in(info.annotation) for name, info in model.model_fields.items()}
    return {name: child for name, child in found.items() if child is not None}


def _message_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _message_in(part)) is not None), None)


@cache
def _owners() -> dict[str, list[str]]:
    """Return for each field the fields whose messages have it, if those are one or two."""
    owners: dict[str, set[str]] = {}
    todo: list[tuple[type[BaseModel], str]] = [(Bootstrap, "")]
    seen: set[type[BaseModel]] = set()
    while todo:
        model, at = todo.pop()
        for name in names_of(model):
            if at:
                owners.setdefault(name, set()).add(at)
        if model not in seen:
            seen.add(model)
            for name, child in children_of(model).items():
                todo.extend((one, name) for one in (child.variants if issubclass(child, Variants) else (child,)))
    for found in owners.values():
        if len(found) > 1:
            found.discard("typed_config")  # which says least
    return {name: sorted(found) for name, found in owners.items() if len(found) <= 2}
