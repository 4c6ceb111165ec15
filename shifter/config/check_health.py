"""What no single field can tell about health checks and outlier detection.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

from base64 import b64decode

from shifter.config.check_texts import Texts
from shifter.config.document import MapNode, TextNode, map_in, maps, text_in
from shifter.config.judge import number, seconds
from shifter.config.report import Report, shown
from shifter.model.health_check import HttpHealthCheck
from shifter.model.outlier_detection import OutlierDetection

_WITH_BODY = ("POST", "PUT", "PATCH", "OPTIONS")
_FIRST_STATUS, _LAST_STATUS = 100, 600


class Health:
    """Checks what clusters say about the health of their endpoints."""

    def __init__(self, report: Report, texts: Texts) -> None:
        self._report = report
        self._texts = texts

    def check(self, node: MapNode, http2: bool) -> None:
        """Check the cluster *node*, to whose endpoints *http2* is spoken or not."""
        checks = list(maps(node.get("health_checks")))
        seen: dict[str, TextNode] = {}
        for one in checks:
            self._health_check(one, http2)
            name = text_in(one, "name")
            if len(checks) > 1 and not name:
                self._report.error(one, "this health check has no `name`: where there are several, each needs one")
            elif len(checks) > 1 and name is not None and seen.setdefault(name, name) is not name:
                hint = f"the first stands at {self._report.line(seen[name], name)}"
                self._report.error(name, f"a second health check is named `{shown(name)}`", hint)
        outliers = map_in(node, "outlier_detection")
        if outliers is not None:
            self._outliers(outliers)

    def _health_check(self, node: MapNode, http2: bool) -> None:
        http, grpc = map_in(node, "http_health_check"), map_in(node, "grpc_health_check")
        if http is not None:
            self._http(http)
        if grpc is not None:
            self._texts.header_options(grpc.get("initial_metadata"))
            if not http2:
                hint = "give typed_extension_protocol_options with http2_protocol_options"
                self._report.error(node.key("grpc_health_check"), "gRPC health checks need a cluster that is spoken HTTP/2 to", hint)
        logs = [text_in(node, "event_log_path")]
        for logger in maps(node.get("event_logger")):
            typed = map_in(logger, "typed_config")
            logs.append(text_in(typed, "event_log_path") if typed is not None else None)
        paths = [path for path in logs if path]
        for path in paths[1:]:
            if path != paths[0]:
                self._report.error(path, "shifter does not support a second event log for one health check yet")

    def _http(self, node: MapNode) -> None:
        for name in ("expected_statuses", "retriable_statuses"):
            for span in maps(node.get(name)):
                self._statuses(span)
        self._texts.string(map_in(node, "service_name_matcher"))
        self._texts.header_options(node.get("request_headers_to_add"))
        method = (text_in(node, "method") or "GET").upper()
        if "send" in node and method not in _WITH_BODY:
            self._report.error(node.key("send"), f"a {method} has no body to send", f"write method: {' or '.join(_WITH_BODY)}")
        wanted = sum(map(_length, maps(node.get("receive"))))
        size = number(node, "response_buffer_size")
        size = HttpHealthCheck(b"").response_buffer_size if size is None else size
        if 0 < size < wanted:
            spot = text_in(node, "response_buffer_size") or node.key("receive")
            message = f"`receive` wants {wanted} bytes, and of the answer {size} are looked at"
            self._report.error(spot, message, "raise response_buffer_size; 0 means all")

    def _statuses(self, node: MapNode) -> None:
        start, end = number(node, "start") or 0, number(node, "end") or 0
        if start >= end:
            self._report.error(node, "this range is empty: `end` is the first status that is too large")
        elif start < _FIRST_STATUS or end > _LAST_STATUS:
            self._report.error(node, f"statuses lie between {_FIRST_STATUS} and {_LAST_STATUS - 1}")

    def _outliers(self, node: MapNode) -> None:
        base, longest = seconds(node, "base_ejection_time"), seconds(node, "max_ejection_time")
        base = OutlierDetection().base_ejection_time if base is None else base
        if longest is not None and longest < base:
            spot = text_in(node, "max_ejection_time") or node
            self._report.error(spot, "`max_ejection_time` must be as long as `base_ejection_time`, or longer", f"that is {base:g}s")


def _length(payload: MapNode) -> int:
    """How many bytes a ``Payload`` stands for; 0 for one that is wrong, which was said."""
    text, binary = text_in(payload, "text"), text_in(payload, "binary")
    try:
        return len(bytes.fromhex(text)) if text is not None else len(b64decode(binary or ""))
    except ValueError:
        return 0
