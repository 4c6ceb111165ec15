"""What no single field of a connection manager can tell, its routes and filters aside.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

from shifter.config.check_endpoints import check_cidr
from shifter.config.check_match import Matches
from shifter.config.check_texts import Texts
from shifter.config.document import MapNode, TextNode, is_false, is_true, map_in, maps, text_in
from shifter.config.judge import Judge, no_effect
from shifter.config.report import Report, shown

_STREAM_ERROR = "stream_error_on_invalid_http_message"


class Managers:
    """Checks connection managers."""

    def __init__(self, report: Report, judge: Judge, texts: Texts, matches: Matches) -> None:
        self._report = report
        self._judge = judge
        self._texts = texts
        self._matches = matches

    def check(self, node: MapNode) -> None:
        """Report what does not fit together in the connection manager *node*."""
        http1 = map_in(node, "http_protocol_options")
        for owner, field in ((node, _STREAM_ERROR), (http1, f"override_{_STREAM_ERROR}")):
            if owner is not None and is_true(owner, field):
                no_effect(self._report, owner, field, "what is no HTTP/1.1 ends its connection, and only its stream in HTTP/2")
        self.access_logs(node)
        if is_true(node, "strip_matching_host_port") and is_true(node, "strip_any_host_port"):
            key = node.key("strip_any_host_port")
            self._report.error(key, "`strip_any_host_port` cannot stand beside `strip_matching_host_port`", "it does more: one is enough")
        self.upgrades(node)
        self._tracing(map_in(node, "tracing"))
        internal = map_in(node, "internal_address_config")
        for cidr in maps(internal.get("cidr_ranges")) if internal is not None else ():
            check_cidr(self._report, cidr, "this means")
        replies = map_in(node, "local_reply_config")
        if replies is not None:
            self._texts.substitution(map_in(replies, "body_format"))
            for mapper in maps(replies.get("mappers")):
                self._mapper(mapper)

    def access_logs(self, owner: MapNode) -> None:
        """Check the ``access_log`` of a connection manager, a listener or a TCP proxy."""
        for log in maps(owner.get("access_log")):
            self._access_log(log)

    def upgrades(self, owner: MapNode) -> None:
        """Check the ``upgrade_configs`` of a connection manager or a route."""
        seen: dict[str, TextNode] = {}
        for upgrade in maps(owner.get("upgrade_configs")):
            name = text_in(upgrade, "upgrade_type")
            if name and seen.setdefault(name.lower(), name) is not name:
                hint = f"first given at {self._report.line(seen[name.lower()], name)}"
                self._report.error(name, f"the upgrade `{shown(name)}` is given twice", hint)
            if name and name.upper() != "CONNECT" and "connect_config" in upgrade:
                self._report.error(
                    upgrade.key("connect_config"), f"the upgrade `{shown(name)}` is no CONNECT", "write upgrade_type: CONNECT"
                )

    def _tracing(self, node: MapNode | None) -> None:
        """Check a ``Tracing``, but for its collector's cluster."""
        if node is None:
            return
        if is_true(node, "verbose"):
            no_effect(self._report, node, "verbose", "spans have no events")
        provider = map_in(node, "provider")
        if provider is None:
            self._report.warn(node, "nobody is told of spans: there is no `provider`", "endpoints are told all the same")
            return
        uri = uri_of(node)
        address = text_in(uri, "uri") if uri is not None else None
        if address is not None and not address.startswith(("http://", "https://")):
            self._report.error(address, f"`{shown(address)}` is no address of a collector", "write http://HOST/v1/traces")
        problem = self._judge.otlp_problem() if self._judge.otlp_problem is not None and uri is not None else None
        if problem is not None:
            self._report.error(provider, f"spans cannot be told: {problem}")

    def _mapper(self, node: MapNode) -> None:
        self._filter(map_in(node, "filter"))
        self._texts.substitution(map_in(node, "body_format_override"))
        self._texts.header_options(node.get("headers_to_add"))
        body = map_in(node, "body")
        if body is not None:
            self._texts.data(body)

    def _filter(self, node: MapNode | None) -> None:
        """Check an ``AccessLogFilter``."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one is None:
                continue
            with_header, with_share = map_in(one, "header_filter"), map_in(one, "runtime_filter")
            header = map_in(with_header, "header") if with_header is not None else None
            if header is not None:
                self._matches.header(header)
            self._matches.share(map_in(with_share, "percent_sampled") if with_share is not None else None)
            with_metadata = map_in(one, "metadata_filter")
            self._matches.metadata(map_in(with_metadata, "matcher") if with_metadata is not None else None)
            for name in ("and_filter", "or_filter"):
                several = map_in(one, name)
                waiting.extend(maps(several.get("filters")) if several is not None else ())

    def _access_log(self, node: MapNode) -> None:
        self._filter(map_in(node, "filter"))
        typed = map_in(node, "typed_config")
        if typed is None:
            return
        url = text_in(typed, "@type") or ""
        if url.endswith(".FileAccessLog") and "path" not in typed:
            self._report.error(node.key("typed_config"), "`path` is missing: which file to write", "/dev/stdout is one, too")
        elif "path" in typed and url.endswith((".StdoutAccessLog", ".StderrAccessLog")):
            self._report.error(typed.key("path"), "this access log has no `path`")
        for name in ("json_format", "typed_json_format"):
            self._texts.leaves(map_in(typed, name))
        self._texts.substitution(map_in(typed, "log_format"))
        line = text_in(typed, "format")
        if line is not None and self._judge.format_problem is not None:
            problem = self._judge.format_problem(str(line))
            if problem is not None:
                self._report.error(line, f"this format cannot be used: {problem}")


def uri_of(tracing: MapNode) -> MapNode | None:
    """Return the ``HttpUri`` that spans go to, if *tracing*, that of a connection manager, says one."""
    where: MapNode | None = tracing
    for name in ("provider", "typed_config", "http_service", "http_uri"):
        where = map_in(where, name) if where is not None else None
    return where


def lets_connect(owner: MapNode) -> bool:
    """Say whether the ``upgrade_configs`` of *owner*, a connection manager or a ``RouteAction``, let CONNECT requests in."""
    wanted = maps(owner.get("upgrade_configs"))
    return any((text_in(one, "upgrade_type") or "").upper() == "CONNECT" and not is_false(one, "enabled") for one in wanted)
