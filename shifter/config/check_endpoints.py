"""What no single field can tell about endpoints: their addresses, which depend on where they come from, and their priorities.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

import ipaddress
import re

from shifter.config.document import ListNode, MapNode, TextNode, map_in, maps, text_in
from shifter.config.judge import number
from shifter.config.report import Report, shown
from shifter.model.cluster import DiscoveryType

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_LONGEST_NAME = 253
_BY_NAME = (DiscoveryType.STRICT_DNS, DiscoveryType.LOGICAL_DNS)

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def ip_address(text: str) -> Ip | None:
    """Return *text* as an IP address; ``None`` when it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def check_cidr(report: Report, node: MapNode, all_of: str) -> None:
    """Check a ``CidrRange``; *all_of* begins the warning about one that is every address of a version."""
    address, bits = text_in(node, "address_prefix"), number(node, "prefix_len")
    if not address:
        return
    ip = ip_address(address)
    if ip is None:
        report.error(address, f"`{shown(address)}` is no IP address", "write address_prefix: 10.0.0.0, and prefix_len: 8")
    elif bits is not None and ip.max_prefixlen < bits <= ipaddress.IPV6LENGTH:
        report.error(text_in(node, "prefix_len") or address, f"an IPv{ip.version} address has {ip.max_prefixlen} bits, not {bits}")
    elif not bits:
        report.warn(address, f"{all_of} every IPv{ip.version} address: its `prefix_len` is 0")


def socket_in(node: MapNode, name: str = "address") -> tuple[TextNode, int | None] | None:
    """Return address and port of a message that has ``address: {socket_address: …}``."""
    outer = map_in(node, name)
    socket = map_in(outer, "socket_address") if outer is not None else None
    host = text_in(socket, "address") if socket is not None else None
    return (host, number(socket, "port_value")) if socket is not None and host is not None else None


class Endpoints:
    """Checks ``ClusterLoadAssignment``."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def check(self, node: MapNode, discovery: DiscoveryType) -> None:
        """Check the assignment *node* of a cluster whose hosts are found by *discovery*."""
        groups = list(maps(node.get("endpoints")))
        for group in groups:
            for entry in maps(group.get("lb_endpoints")):
                endpoint = map_in(entry, "endpoint")
                if endpoint is not None:
                    self._endpoint(endpoint, discovery)
        self._priorities(groups)
        if discovery is DiscoveryType.LOGICAL_DNS:
            self.only_one(node, groups)

    def only_one(self, node: MapNode, groups: list[MapNode]) -> None:
        """A cluster of one name has one group of endpoints, with one in it."""
        entries = [group.get("lb_endpoints") for group in groups]
        if len(groups) != 1 or (isinstance(entries[0], ListNode) and len(entries[0]) != 1) or entries[0] is None:
            hint = "write type: STRICT_DNS for several" if groups else "give one endpoint"
            self._report.error(node, "a LOGICAL_DNS cluster has exactly one endpoint", hint)

    def _priorities(self, groups: list[MapNode]) -> None:
        """Priorities count from 0. Envoy takes a gap for a priority without hosts."""
        given = {number(group, "priority") or 0: group for group in reversed(groups)}
        for priority in sorted(given):
            if priority > 0 and priority - 1 not in given:
                group = given[priority]
                spot = text_in(group, "priority") or group
                self._report.warn(spot, f"there is a priority {priority}, and none before it: priorities count from 0, without gaps")
                return

    def _endpoint(self, node: MapNode, discovery: DiscoveryType) -> None:
        self._address(node, discovery)
        by_name = discovery in _BY_NAME
        if by_name and node.get("additional_addresses"):
            hint = "a name's addresses are all tried: give one name"
            self._report.warn(
                node.key("additional_addresses"), f"`additional_addresses` has no effect in a {discovery.value} cluster", hint
            )
        for more in maps(node.get("additional_addresses")):
            self._address(more, DiscoveryType.STATIC)
        checks = map_in(node, "health_check_config")
        if checks is None:
            return
        if "address" in checks:
            self._address(checks, DiscoveryType.STATIC)
        address = map_in(node, "address")
        if address is not None and "pipe" in address and number(checks, "port_value"):
            self._report.error(text_in(checks, "port_value") or checks, "a pipe has no ports", "give `address`, where to ask instead")

    def _address(self, node: MapNode, discovery: DiscoveryType) -> None:
        outer = map_in(node, "address")
        pipe = map_in(outer, "pipe") if outer is not None else None
        if pipe is not None:
            self._pipe(pipe, discovery)
        where = socket_in(node)
        if where is None:
            return
        host, port = where
        if ip_address(host) is None:
            if discovery not in _BY_NAME:
                owner, hint = ("a STATIC cluster", "write type: STRICT_DNS") if discovery is DiscoveryType.STATIC else ("EDS", "")
                self._report.error(host, f"`{shown(host)}` is a name, and {owner} takes IP addresses", hint)
            elif not _HOST_NAME.fullmatch(host) or len(host) > _LONGEST_NAME:
                self._report.error(host, f"`{shown(host)}` is no host name and no IP address", "write it without scheme, port and path")
        if port == 0:
            self._report.warn(host, "nobody can be reached at port 0")

    def _pipe(self, node: MapNode, discovery: DiscoveryType) -> None:
        path = text_in(node, "path")
        if path is None:
            return
        if discovery in _BY_NAME:
            self._report.error(path, f"a pipe cannot stand in a {discovery.value} cluster: it has no name to resolve", "write type: STATIC")
        if path.startswith("@") and number(node, "mode"):
            self._report.error(text_in(node, "mode") or path, "an abstract socket has no `mode`")
