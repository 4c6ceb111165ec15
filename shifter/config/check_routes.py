"""What no single field of a route table can tell: clusters, domains, weights, patterns, bodies.

Rule 1. As in ``check``: works on the node tree, and takes no more than n log n time.
"""

from collections.abc import Callable, Collection

from shifter.config.build_action import HEALTH_AWARE_WEIGHTS, REDIRECT_CODES, SHIFTER
from shifter.config.build_common import Sources
from shifter.config.check_manager import Managers, lets_connect, uri_of
from shifter.config.check_match import Matches, path_template
from shifter.config.check_retry import Retries
from shifter.config.check_texts import Texts
from shifter.config.document import ListNode, MapNode, Node, TextNode, is_false, is_true, map_in, maps, plain, routes_in, text_in
from shifter.config.http_filters import HttpFilters
from shifter.config.judge import Judge, no_effect, number
from shifter.config.report import Report, shown
from shifter.config.unreachable import PATHS, Reach
from shifter.model.route import InternalRedirectPredicate

_MAX_WEIGHTS = 2**32 - 1
_DEFAULT_BODY_LIMIT = 4096
_PERCENT = 100
_APPEND = "APPEND_IF_EXISTS_OR_ADD"
_REDIRECT_CODES = tuple(map(str, REDIRECT_CODES))


class Routes:
    """Checks connection managers and their routes, one after the other."""

    def __init__(
        self,
        report: Report,
        judge: Judge,
        clusters: Collection[str],
        texts: Texts | None = None,
        of: Callable[[MapNode], MapNode | None] = routes_in,
    ) -> None:
        self.of = of
        """Returns the route configuration of a connection manager, wherever it stands."""
        self._report = report
        self._clusters = clusters
        self._texts = Texts(report, judge) if texts is None else texts
        self._matches = Matches(report, self._texts)
        self._managers = Managers(report, judge, self._texts, self._matches)
        self._retries = Retries(report, self._matches)
        self._filters = HttpFilters(report, judge, of)
        self._may_be_unknown = False
        self._lets_connect = True
        self._body_limit = _DEFAULT_BODY_LIMIT

    @property
    def sources(self) -> Sources:
        """What was found, for those who build."""
        return Sources(self._report, self._texts.contents, self._texts.variables, self._filters.found)

    def access_logs(self, owner: MapNode) -> None:
        """Check the ``access_log`` of a listener or a TCP proxy."""
        self._managers.access_logs(owner)

    def manager(self, node: MapNode) -> None:
        """Report what does not fit together in the connection manager *node*."""
        self._managers.check(node)
        self._filters.manager(node)
        tracing = map_in(node, "tracing")
        uri = uri_of(tracing) if tracing is not None else None
        self._may_be_unknown = False
        self._cluster(text_in(uri, "cluster") if uri is not None else None)
        config = self.of(node)
        if config is None:
            return
        self._lets_connect = lets_connect(node)
        self._may_be_unknown = is_false(config, "validate_clusters")
        limit = number(config, "max_direct_response_body_size_bytes")
        self._body_limit = _DEFAULT_BODY_LIMIT if limit is None else limit
        self._texts.header_changes(config)
        self._mirrors(config)
        self._metadata(config)
        domains: dict[str, TextNode] = {}
        names: dict[str, TextNode] = {}
        for host in maps(config.get("virtual_hosts")):
            name = text_in(host, "name")
            if name is not None and names.setdefault(name, name) is not name:
                self._report.warn(name, f"a second virtual host is named `{shown(name)}`", self._report.first_at(names[name], name))
            self._domains(host, domains)
            self._texts.header_changes(host)
            self._mirrors(host)
            self._metadata(host)
            self._retries.host(host)
            for cluster in maps(host.get("virtual_clusters")):
                self._matches.headers(cluster)
            reach = Reach(self._report)
            for route in maps(host.get("routes")):
                self._route(route, host)
                reach.add(route)

    def _domains(self, host: MapNode, seen: dict[str, TextNode]) -> None:
        listed = host.get("domains")
        for domain in listed if isinstance(listed, ListNode) else ():
            if not isinstance(domain, TextNode):
                continue
            lower = domain.lower()
            first = seen.setdefault(lower, domain)
            if first is not domain:
                self._report.error(
                    domain, f"the domain `{shown(domain)}` is given twice", self._report.first_at(first, domain, "first given at")
                )
            if "*" in lower[1:-1] or (lower.startswith("*") and lower.endswith("*") and len(lower) > 1):
                self._report.error(domain, f"`{shown(domain)}`: one star, at the beginning or at the end", "*.example.com, example.*, or *")
            elif "://" in lower or "/" in lower:
                self._report.error(domain, f"`{shown(domain)}` is not a host name", "write it without scheme and path")

    def _route(self, node: MapNode, host: MapNode) -> None:
        match = map_in(node, "match")
        if match is not None:
            self._matches.route_match(match)
            self._connect(match, map_in(node, "route"))
        self._texts.header_changes(node)
        template = path_template(match) if match is not None else None
        action = map_in(node, "route")
        if action is not None:
            self._action(action, template)
            self._retries.action(action, host)
        redirect = map_in(node, "redirect")
        if redirect is not None:
            self._texts.rewrite(map_in(redirect, "regex_rewrite"), of_path=True)
            self._no_prefix(redirect, template)
            if not redirect.keys() - {"response_code"}:
                self._report.warn(node.key("redirect"), "this redirect leads back to where the request came from")
        answer = map_in(node, "direct_response")
        if answer is not None:
            self._texts.substitution(map_in(answer, "body_format"))
            self._body(map_in(answer, "body"))
        special = map_in(node, "filter_action")
        self._texts.web_resource(map_in(special, "action") if special is not None else None)
        self._metadata(node)

    def _connect(self, match: MapNode, action: MapNode | None) -> None:
        """Warn about routes for CONNECT where none is let in."""
        if map_in(match, "connect_matcher") is None or [key for key in match if key in PATHS] != ["connect_matcher"]:
            return
        if not self._lets_connect and (action is None or not lets_connect(action)):
            hint = "write upgrade_configs: [{upgrade_type: CONNECT}] in the `route`"
            self._report.warn(match.key("connect_matcher"), "CONNECT is not let in: every request here gets a 403", hint)

    def _action(self, node: MapNode, template: TextNode | None) -> None:
        self._cluster(text_in(node, "cluster"))
        self._texts.rewrite(map_in(node, "regex_rewrite"), of_path=True)
        self._texts.rewrite(map_in(node, "host_rewrite_path_regex"))
        self._no_prefix(node, template)
        self._path_rewrite_policy(node, template)
        weighted = map_in(node, "weighted_clusters")
        if weighted is not None:
            self._weights(node, weighted)
            if is_true(weighted, "use_hash_policy") and not node.get("hash_policy"):
                hint = "without `hash_policy` there is nothing to hash, so entries are chosen by chance"
                self._report.warn(weighted.key("use_hash_policy"), "`use_hash_policy` has no effect", hint)
            elif node.get("hash_policy") and not is_true(weighted, "use_hash_policy"):
                hint = "write `use_hash_policy: true` in weighted_clusters to have entries chosen by it"
                self._report.warn(node.key("hash_policy"), "`hash_policy` has no effect here", hint)
        for policy in maps(node.get("hash_policy")):
            header = map_in(policy, "header")
            self._texts.rewrite(map_in(header, "regex_rewrite") if header is not None else None)
        self._mirrors(node)
        self._metadata(node, "metadata_match")
        no_effect(self._report, node, "flush_timeout", "the connection manager's `stream_flush_timeout` holds")
        self._managers.upgrades(node)
        redirects = map_in(node, "internal_redirect_policy")
        if redirects is not None:
            self._internal_redirects(redirects)

    def _no_prefix(self, action: MapNode, template: TextNode | None) -> None:
        """What matched a template has no prefix (Envoy takes as many bytes of it as the template has, or refuses)."""
        if template is not None and action.get("prefix_rewrite"):
            self._report.error(action.key("prefix_rewrite"), "`prefix_rewrite` cannot be used with a `path_match_policy`")

    def _path_rewrite_policy(self, action: MapNode, template: TextNode | None) -> None:
        policy = map_in(action, "path_rewrite_policy")
        if policy is None:
            return
        if template is None:
            key = action.key("path_rewrite_policy")
            self._report.error(key, "`path_rewrite_policy` needs a `path_match_policy` in the match of its route")
        typed = map_in(policy, "typed_config")
        self._texts.uri_rewrite(template, text_in(typed, "path_template_rewrite") if typed is not None else None)

    def _mirrors(self, owner: MapNode) -> None:
        for policy in maps(owner.get("request_mirror_policies")):
            self._cluster(text_in(policy, "cluster"), "nothing is mirrored")
            fraction = map_in(policy, "runtime_fraction")
            self._matches.share(map_in(fraction, "default_value") if fraction is not None else None)
            self._mutations(policy.get("request_headers_mutations"))

    def _mutations(self, steps: Node | None) -> None:
        """One name, several steps: their order would count. Here removing comes before adding, whatever the order."""
        plainly_added: dict[str, bool] = {}
        for step in maps(steps):
            append = map_in(step, "append")
            header = map_in(append, "header") if append is not None else None
            name = text_in(header, "key") if header is not None else text_in(step, "remove")
            value = text_in(header, "value") if header is not None else None
            if value:
                self._texts.template(value)
            if name is None:
                continue
            plainly = append is not None and (text_in(append, "append_action") or _APPEND).upper() == _APPEND
            if name.lower() in plainly_added and not (plainly and plainly_added[name.lower()]):
                self._report.error(name, f"shifter does not support several steps for the header `{shown(name)}` here yet")
            plainly_added[name.lower()] = plainly

    def _internal_redirects(self, node: MapNode) -> None:
        codes = node.get("redirect_response_codes")
        for code in codes if isinstance(codes, ListNode) else ():
            if isinstance(code, TextNode) and code.isdigit() and code not in _REDIRECT_CODES:
                self._report.warn(code, f"{shown(code)} is no redirect that can be followed", f"known: {', '.join(_REDIRECT_CODES)}")
        seen: dict[str, TextNode] = {}
        copied = node.get("response_headers_to_copy")
        for name in copied if isinstance(copied, ListNode) else ():
            if isinstance(name, TextNode) and seen.setdefault(name.lower(), name) is not name:
                self._report.error(
                    name, f"the header `{shown(name)}` is given twice", self._report.first_at(seen[name.lower()], name, "first given at")
                )
        for predicate in maps(node.get("predicates")):
            typed = map_in(predicate, "typed_config")
            url = text_in(typed, "@type") if typed is not None else None
            if typed is None or url is None or "allowed_route_names" not in typed:
                continue
            if url.rpartition("/")[2] != InternalRedirectPredicate.ALLOW_LISTED_ROUTES.value:
                self._report.error(typed.key("allowed_route_names"), "this predicate has no `allowed_route_names`")

    def _metadata(self, owner: MapNode, field: str = "metadata") -> None:
        node = map_in(owner, field)
        filters = map_in(node, "filter_metadata") if node is not None else None
        if filters is None:
            return
        if "" in filters:
            self._report.error(filters.key(""), "a name in `filter_metadata` must not be empty")
        own = map_in(filters, SHIFTER) if field == "metadata" else None
        for name, value in own.items() if own is not None else ():
            if name == HEALTH_AWARE_WEIGHTS:
                if not isinstance(plain(value), bool):
                    spot = value if isinstance(value, TextNode) else filters.key(SHIFTER)
                    self._report.error(spot, f"`{HEALTH_AWARE_WEIGHTS}` is true or false")
            elif own is not None:
                hint = self._report.did_you_mean(name, (HEALTH_AWARE_WEIGHTS,))
                self._report.warn(own.key(name), f"shifter does not know `{shown(name)}` in its metadata", hint)

    def _cluster(self, name: TextNode | None, then: str = "every request here gets a 503") -> None:
        if not name or name in self._clusters:
            return
        hint = self._report.did_you_mean(name, self._clusters)
        if self._may_be_unknown:
            self._report.warn(name, f"no cluster is named `{shown(name)}`, so {then}", hint)
        else:
            self._report.error(name, f"no cluster is named `{shown(name)}`", hint)

    def _weights(self, action: MapNode, node: MapNode) -> None:
        weights: list[int] = []
        entries = list(maps(node.get("clusters")))
        for entry in entries:
            self._cluster(text_in(entry, "name"))
            self._metadata(entry, "metadata_match")
            self._texts.header_changes(entry)
            weight = number(entry, "weight")
            if weight is not None:
                weights.append(weight)
        if not entries or len(weights) < len(entries) or min(weights) < 0 or max(weights) > _MAX_WEIGHTS:
            return
        total, key = sum(weights), action.key("weighted_clusters")
        claimed = number(node, "total_weight")
        if total == 0:
            self._report.error(key, "the weights add up to 0: the sum of weights must be greater than 0", "no cluster would get a request")
        elif total > _MAX_WEIGHTS:
            self._report.error(key, f"the weights add up to {total}, at most {_MAX_WEIGHTS} is possible")
        elif claimed is not None and claimed != total:
            self._report.warn(node.key("total_weight"), f"`total_weight` is ignored, and the weights add up to {total}", "take it out")
        elif total != _PERCENT and claimed is None:
            names = [text_in(entry, "name") or text_in(entry, "cluster_header") or "?" for entry in entries[:8]]
            shares = ", ".join(f"{shown(name)} {weight / total:.1%}" for name, weight in zip(names, weights, strict=False))
            self._report.warn(key, f"the weights add up to {total}, not to 100", f"shares: {shares}")

    def _body(self, node: MapNode | None) -> None:
        content, spot = self._texts.data(node) if node is not None else (None, None)
        if content is not None and spot is not None and len(content) > self._body_limit:
            self._report.error(
                spot,
                f"this body has {len(content)} bytes, at most {self._body_limit} are allowed",
                "raise max_direct_response_body_size_bytes",
            )
