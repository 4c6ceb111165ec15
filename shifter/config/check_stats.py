"""``stats_config`` and ``stats_sinks``: patterns that cannot be used, names where addresses are wanted."""

from ipaddress import ip_address

from shifter.config.check_texts import Texts
from shifter.config.document import MapNode, map_in, maps, text_in
from shifter.config.report import Report


def check_stats(root: MapNode, report: Report, texts: Texts) -> None:
    """Check what *root* says of statistics."""
    said = map_in(root, "stats_config")
    if said is not None:
        matcher = map_in(said, "stats_matcher")
        lists = (map_in(matcher, name) for name in ("exclusion_list", "inclusion_list")) if matcher is not None else ()
        for patterns in lists:
            for one in maps(patterns.get("patterns")) if patterns is not None else ():
                texts.string(one)
        for one in maps(said.get("histogram_bucket_settings")):
            texts.string(map_in(one, "match"))
    for sink in maps(root.get("stats_sinks")):
        node: MapNode | None = sink
        for name in ("typed_config", "address", "socket_address"):
            node = map_in(node, name) if node is not None else None
        address = text_in(node, "address") if node is not None else None
        if address:
            try:
                ip_address(str(address))
            except ValueError:
                report.error(address, "datagrams go to an IP address, which this is not")
