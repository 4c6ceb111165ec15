"""What no single field can tell about trying again, and words that Envoy would pass over in silence.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
"""

from shifter.config.build_retry import retry_words
from shifter.config.check_match import Matches
from shifter.config.document import MapNode, TextNode, is_true, map_in, maps, text_in
from shifter.config.judge import seconds
from shifter.config.report import Report, shown
from shifter.config.schema.retry import OMIT_HOST_METADATA, RETRY_WORDS

_DEFAULT_TIMEOUT = 15.0


class Retries:
    """Checks retry and hedge policies."""

    def __init__(self, report: Report, matches: Matches) -> None:
        self._report = report
        self._matches = matches

    def host(self, node: MapNode) -> None:
        """Check those of the virtual host *node*."""
        policy = map_in(node, "retry_policy")
        if policy is not None:
            self._policy(policy)

    def action(self, node: MapNode, host: MapNode | None) -> None:
        """Check those of the route action *node*, and what becomes there of those of the virtual host *host*."""
        own = map_in(node, "retry_policy")
        if own is not None:
            self._policy(own)
        policy = own if own is not None or host is None else map_in(host, "retry_policy")
        total, tried = seconds(node, "timeout"), seconds(policy, "per_try_timeout") if policy is not None else None
        total = _DEFAULT_TIMEOUT if total is None else total
        if own is not None and tried and total and tried >= total:
            spot = text_in(own, "per_try_timeout") or own
            self._report.warn(spot, f"`per_try_timeout` has no effect: the route's timeout of {total:g}s is over before")
        hedging = map_in(node, "hedge_policy")
        if hedging is not None and is_true(hedging, "hedge_on_per_try_timeout") and not tried:
            hint = "without `per_try_timeout` in a `retry_policy`, no try ever takes too long"
            self._report.warn(hedging.key("hedge_on_per_try_timeout"), "`hedge_on_per_try_timeout` has no effect", hint)

    def _policy(self, node: MapNode) -> None:
        retry_on = text_in(node, "retry_on")
        words = retry_words(retry_on) if retry_on is not None else []
        for word in words:
            if word not in RETRY_WORDS and retry_on is not None:
                message = f"`{shown(word)}` is no reason to try again that is known; it is ignored, as Envoy does"
                self._report.warn(retry_on, message, self._report.did_you_mean(word, RETRY_WORDS))
        if node and not words:
            self._report.warn(node, "without `retry_on` nothing is tried again", "write retry_on: 5xx, or another reason")
        for word, name in (("retriable-status-codes", "retriable_status_codes"), ("retriable-headers", "retriable_headers")):
            if word in words and not node.get(name):
                self._report.warn(retry_on or node, f"`{word}` has no effect without `{name}`")
            elif words and word not in words and node.get(name):
                self._report.warn(node.key(name), f"`{name}` has no effect: `retry_on` does not hold `{word}`")
        self._back_off(map_in(node, "retry_back_off"))
        for name in ("retriable_headers", "retriable_request_headers"):
            for header in maps(node.get(name)):
                self._matches.header(header)
        self._predicates(node)

    def _back_off(self, node: MapNode | None) -> None:
        if node is None:
            return
        base, longest = seconds(node, "base_interval"), seconds(node, "max_interval")
        if base is not None and longest is not None and longest < base:
            spot = text_in(node, "max_interval") or node
            self._report.error(spot, "`max_interval` must be as long as `base_interval`, or longer", f"that is {base:g}s")

    def _predicates(self, node: MapNode) -> None:
        first: TextNode | None = None
        for predicate in maps(node.get("retry_host_predicate")):
            typed = map_in(predicate, "typed_config")
            url = text_in(typed, "@type") if typed is not None else None
            if typed is None or url is None:
                continue
            omits = url.rpartition("/")[2] == OMIT_HOST_METADATA
            if "metadata_match" in typed and not omits:
                self._report.error(typed.key("metadata_match"), "this predicate has no `metadata_match`")
            elif omits and first is not None:
                hint = f"the first is at {self._report.line(first, url)}"
                self._report.error(url, "shifter does not support a second predicate of this type yet", hint)
            first = url if omits else first
