"""What every rewriting of an old spelling is made of: a warning, a change of the node tree and, where wanted, one of the text.

Rule 1. A made node has the place of what the user wrote, and no extent in the text (``start`` is ``NOWHERE``).
Rule 2. The change of the text is noted before the tree is changed: ``Edits`` looks at what stood there.
"""

import re
from collections.abc import Callable, Mapping

from shifter.config.document import ListNode, MapNode, Node, TextNode
from shifter.config.edit import Edits
from shifter.config.legacy_words import LOG_WORDS, TYPE_OF, V2_TYPES
from shifter.config.report import Report, Spot, shown
from shifter.config.schema.base import TYPE_PREFIX, duration

_URL = re.compile(r"tcp://([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_V1_FILTER_TYPES = frozenset(("decoder", "encoder", "both", "read", "write"))
_OPERATOR = re.compile(rf"%%|%({'|'.join(LOG_WORDS)})%")


def text(value: str, at: Spot) -> TextNode:
    """Return a made text; digits are a number."""
    return TextNode(value, at.line, at.column, at.width, plain=value.isdigit())


def new_map(at: Spot, items: Mapping[str, Node]) -> MapNode:
    """Return a made mapping; keys that were read stay what they are."""
    node = MapNode(at.line, at.column, at.width)
    node.update({key if isinstance(key, TextNode) else text(key, at): value for key, value in items.items()})
    return node


def new_list(at: Spot, items: list[Node]) -> ListNode:
    """Return a made list."""
    node = ListNode(at.line, at.column, at.width)
    node.extend(items)
    return node


def is_true(node: Node | None) -> bool | None:
    """Return whether *node* says true or false; ``None`` when it says something else."""
    lower = node.lower() if isinstance(node, TextNode) else ""
    return {"true": True, "false": False}.get(lower)


def socket_address(url: Node | None) -> MapNode | None:
    """Return the address that v1 wrote as ``tcp://HOST:PORT``; ``None`` when *url* is something else."""
    found = _URL.fullmatch(url) if isinstance(url, TextNode) else None
    if found is None or url is None:
        return None
    return new_map(url, {"socket_address": new_map(url, {"address": text(found[1].strip("[]"), url), "port_value": text(found[2], url)})})


def _is_modern(typed: Node | None) -> bool:
    url = typed.get("@type") if isinstance(typed, MapNode) else None
    return isinstance(url, TextNode) and url.rpartition("/")[2] not in V2_TYPES


class Rewriter:
    """The single steps. With *edits* each is noted down for the text, too."""

    def __init__(self, report: Report, edits: Edits | None) -> None:
        self._alias = report.alias
        self._error = report.error
        self._edits = edits
        self._renamed: dict[str, str] = {}
        """Names of extensions that were rewritten so far, with the new ones."""

    def rename(self, node: MapNode, old: str, new: str, hint: str, change: Callable[[Node], Node] | None = None) -> bool:
        """Call field *old* of *node* *new*; *change* makes the new value. Return whether it was there, alone."""
        if old not in node:
            return False
        key = node.key(old)
        if new in node:
            self._error(key, f"`{old}` cannot stand beside `{new}`", "it is an old spelling of it: take it out")
            del node[old]
            return False
        self._alias(key, f"`{old}` is an old spelling of `{new}`", hint)
        self.put(node, old, new, change)
        return True

    def put(self, node: MapNode, old: str, new: str, change: Callable[[Node], Node] | None = None) -> None:
        """The same without a warning."""
        key, value = node.key(old), node[old]
        changed = change(value) if change is not None else value
        if self._edits is not None and isinstance(key, TextNode):
            self._edits.pair(node, key, new, None if changed is value else changed)
        node.replace(old, text(new, key), changed)

    def write(self, node: MapNode, name: str, value: str) -> None:
        """Give the text at *name* of *node* another value."""
        old = node[name]
        assert isinstance(old, TextNode)
        if self._edits is not None:
            self._edits.scalar(old, value)
        node.replace(name, text(name, node.key(name)), text(value, old))

    def insert(self, node: MapNode, behind: str | None, name: str, value: Node, at: Spot) -> None:
        """Put another field into *node*, behind a field of it or as the first."""
        if self._edits is not None:
            key = node.key(behind) if behind is not None else None
            if key is None or isinstance(key, TextNode):
                self._edits.insert(node, key, name, value)
        fields = dict(node)
        node.clear()
        if behind is None:
            node[text(name, at)] = value
        node.update(fields)
        node.setdefault(text(name, at), value)

    def delete(self, node: MapNode, name: str) -> None:
        """Take field *name* out of *node*."""
        key = node.key(name)
        if self._edits is not None and isinstance(key, TextNode):
            self._edits.delete(node, key)
        del node[name]

    def milliseconds(self, node: MapNode, old: str, new: str) -> None:
        """Write a field of v1 that counts milliseconds as a duration."""
        value = node.get(old)
        if isinstance(value, TextNode) and value.isascii() and value.isdigit() and len(value) < 13:
            seconds = duration(int(value) / 1000)
            self.rename(node, old, new, f"write {new}: {seconds}", lambda value: text(seconds, value))

    def url(self, node: MapNode, name: str) -> None:
        """Write an address of v1 as a message."""
        value = node.get(name)
        address = socket_address(value)
        if address is not None and value is not None:
            self._alias(
                value, f"`{shown(str(value))}` is Envoy's v1 spelling of an address", "write socket_address: {address: …, port_value: …}"
            )
            self.put(node, name, name, lambda _: address)

    def log_words(self, node: MapNode, name: str) -> None:
        """Write the format at *name* of *node* with today's operators."""
        value = node.get(name)
        if not isinstance(value, TextNode) or "%" not in value:
            return
        old = [found[1] for found in _OPERATOR.finditer(value) if found[1]]
        if old:
            for word in dict.fromkeys(old):
                self._alias(value, f"`%{word}%` is an old spelling of `%{LOG_WORDS[word]}%`", f"write %{LOG_WORDS[word]}%")
            self.write(node, name, _OPERATOR.sub(lambda found: f"%{LOG_WORDS[found[1]]}%" if found[1] else found[0], value))

    def extension(self, node: MapNode, names: Mapping[str, str], *, may_be_bare: bool = False) -> None:
        """Bring name, ``config`` and ``@type`` of an extension up to date; *names* are the old names of its kind."""
        name = node.get("name")
        # Anything may be called `buffer`; only beside a configuration of those days it is what v1 called so.
        if isinstance(name, TextNode) and name in names and (name.startswith("envoy.") or not _is_modern(node.get("typed_config"))):
            new_name = names[name]
            self._alias(name, f"`{name}` is an old spelling of `{new_name}`", f"write name: {new_name}")
            self.write(node, "name", new_name)
            self._renamed[str(name)] = new_name
            name = node["name"]
        known = TYPE_OF.get(str(name)) if isinstance(name, TextNode) else None
        want = f'"@type": {TYPE_PREFIX}{known}' if known else '"@type": type.googleapis.com/…'
        if node.get("type") in _V1_FILTER_TYPES:
            self._alias(node.key("type"), "filters have no `type` since Envoy's v1 format", "take it out")
            self.delete(node, "type")
        renamed = self.rename(node, "config", "typed_config", f"write typed_config: {{{want}, …}}")
        typed = node.get("typed_config")
        if known is not None and may_be_bare and typed is None and "config_discovery" not in node:
            at = node.key("name")
            self._alias(at, f"`{shown(str(name))}` has no `typed_config`", f"write typed_config: {{{want}}}")
            typed = new_map(at, {"@type": text(TYPE_PREFIX + known, at)})
            self.insert(node, "name", "typed_config", typed, at)
        if isinstance(typed, MapNode):
            self.typed(node, "typed_config", typed, known, silent=renamed)

    def typed(self, owner: MapNode, field: str, node: MapNode, known: str | None, *, silent: bool = False) -> None:
        """Bring the ``@type`` of *node*, which stands at *field* of *owner*, up to date; *known* is what it is without one."""
        url = node.get("@type")
        if isinstance(url, TextNode):
            modern = V2_TYPES.get(url.rpartition("/")[2])
            if modern is not None:
                self._alias(url, "this is the v2 type", f"write {TYPE_PREFIX}{modern}")
                self.write(node, "@type", TYPE_PREFIX + modern)
        elif url is None and known is not None:
            at = owner.key(field)
            if not silent:
                self._alias(at, f'`{field}` has no "@type"; it is taken for {known}', f'write "@type": {TYPE_PREFIX}{known}')
            self.insert(node, None, "@type", text(TYPE_PREFIX + known, at), at)

    def tls(self, node: MapNode, side: str) -> None:
        """``tls_context`` of a cluster or a filter chain."""
        if "transport_socket" in node or not isinstance(node.get("tls_context"), MapNode):
            return
        url = f"{TYPE_PREFIX}envoy.extensions.transport_sockets.tls.v3.{side}TlsContext"

        def wrap(value: Node) -> Node:
            fields: dict[str, Node] = {"@type": text(url, value)}
            if isinstance(value, MapNode):
                fields.update(value)
            typed = new_map(value, fields)
            return new_map(value, {"name": text("envoy.transport_sockets.tls", value), "typed_config": typed})

        hint = f'write transport_socket: {{name: envoy.transport_sockets.tls, typed_config: {{"@type": {url}, …}}}}'
        self.rename(node, "tls_context", "transport_socket", hint, wrap)
