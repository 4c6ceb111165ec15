"""Old spellings of TLS: ``tls_context``, names that certificates must have, protocols in one text, PROXY headers of filter chains."""

import ipaddress

from shifter.config.document import ListNode, MapNode, Node, TextNode, map_in, maps
from shifter.config.legacy_base import Rewriter, is_true, new_list, new_map, text
from shifter.config.legacy_words import renamed
from shifter.config.schema.base import TYPE_PREFIX
from shifter.config.schema.filter_chain import ProxyProtocol

_TRANSPORT_SOCKETS = renamed("envoy.transport_sockets.")
_TYPED_NAMES = "match_typed_subject_alt_names"
_NAME_TYPES = ("DNS", "URI", "EMAIL", "IP_ADDRESS")


class TlsRewriter(Rewriter):
    """Rewrites transport sockets, too."""

    def socket(self, owner: MapNode, side: str) -> None:
        """Rewrite the transport socket of *owner*, to clients (*side* ``Downstream``) or to endpoints (``Upstream``)."""
        self.tls(owner, side)
        node = map_in(owner, "transport_socket")
        if node is None:
            return
        self.extension(node, _TRANSPORT_SOCKETS)
        typed = map_in(node, "typed_config")
        if typed is None:
            return
        self.socket(typed, side)  # what stands behind a PROXY header
        common = map_in(typed, "common_tls_context")
        if common is not None:
            self._common(common)

    def _common(self, node: MapNode) -> None:
        protocols = node.get("alpn_protocols")
        if isinstance(protocols, TextNode) and protocols:
            names: list[Node] = [text(name.strip(), protocols) for name in protocols.split(",")]
            written = ", ".join(map(str, names))
            self._alias(protocols, "`alpn_protocols` is a list since Envoy's v2 format", f"write [{written}]")
            self.put(node, "alpn_protocols", "alpn_protocols", lambda _: new_list(protocols, names))
        combined = map_in(node, "combined_validation_context")
        for owner, field in ((node, "validation_context"), (combined, "default_validation_context")):
            validation = map_in(owner, field) if owner is not None else None
            if validation is not None:
                self.validation(validation)

    def secret(self, node: MapNode) -> None:
        """Rewrite a ``Secret``."""
        validation = map_in(node, "validation_context")
        if validation is not None:
            self.validation(validation)

    def validation(self, node: MapNode) -> None:
        """Rewrite a ``CertificateValidationContext``."""
        hint = f"write {_TYPED_NAMES}: [{{san_type: DNS, matcher: {{exact: …}}}}]"
        if isinstance(node.get("verify_subject_alt_name"), ListNode):
            self.rename(node, "verify_subject_alt_name", _TYPED_NAMES, hint, _of_names)
        if isinstance(node.get("match_subject_alt_names"), ListNode):
            self.rename(node, "match_subject_alt_names", _TYPED_NAMES, hint, _of_any_type)

    def proxy_headers(self, listener: MapNode) -> None:
        """``use_proxy_proto`` of filter chains, of which the first one's holds for the listener."""
        chains = [chain for chain in maps(listener.get("filter_chains")) if is_true(chain.get("use_proxy_proto")) is not None]
        first = next(maps(listener.get("filter_chains")), None)
        filters = listener.get("listener_filters")
        wanted = bool(chains) and chains[0] is first and is_true(chains[0]["use_proxy_proto"]) is True
        written = f'{{name: envoy.filters.listener.proxy_protocol, typed_config: {{"@type": {TYPE_PREFIX}{ProxyProtocol.envoy}}}}}'
        if wanted and first is not None:
            at = first.key("use_proxy_proto")
            self._alias(at, "`use_proxy_proto` is an old spelling of a listener filter", f"write listener_filters: [{written}]")
            typed = new_map(at, {"@type": text(TYPE_PREFIX + ProxyProtocol.envoy, at)})
            made = new_map(at, {"name": text("envoy.filters.listener.proxy_protocol", at), "typed_config": typed})
            if isinstance(filters, ListNode):
                if not any(str(one.get("name", "")).endswith("proxy_protocol") for one in maps(filters)):
                    self.put(listener, "listener_filters", "listener_filters", lambda old: new_list(old, [made, *filters]))
            elif filters is None:
                self.insert(listener, "address" if "address" in listener else None, "listener_filters", new_list(at, [made]), at)
        for chain in chains:
            if not wanted or chain is not first:
                self._alias(chain.key("use_proxy_proto"), "`use_proxy_proto` has no effect here", "take it out")
            self.delete(chain, "use_proxy_proto")


def _of_names(listed: Node) -> Node:
    """Return what v2 called ``verify_subject_alt_name`` with the types that the names seem to have."""
    assert isinstance(listed, ListNode)
    return new_list(listed, [_matcher(_type_of(str(name)), new_map(name, {"exact": name})) for name in listed])


def _of_any_type(listed: Node) -> Node:
    """Return matchers of names whatever their type."""
    assert isinstance(listed, ListNode)
    return new_list(listed, [_matcher(kind, matcher) for matcher in listed for kind in _NAME_TYPES])


def _matcher(kind: str, matcher: Node) -> Node:
    return new_map(matcher, {"san_type": text(kind, matcher), "matcher": matcher})


def _type_of(name: str) -> str:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "URI" if "://" in name else "EMAIL" if "@" in name else "DNS"
    return "IP_ADDRESS"
