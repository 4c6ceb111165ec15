"""Redirects that the proxy follows itself (``RouteAction.internal_redirect_policy``).

Rule 1. What a redirect names is a new request: routed anew, with the fields as the endpoint got them, and the client learns
        nothing of it.
Rule 2. Whatever speaks against that leaves the redirect for the client, as it came; the reason is counted.
Rule 3. A target is made canonical like one that a client sends. A client that came without TLS asked for ``http`` whatever
        ``x-forwarded-proto`` says, as in Envoy.
"""

import re
from typing import TYPE_CHECKING

from shifter.model.route import InternalRedirectPolicy, InternalRedirectPredicate
from shifter.routing.errors import RequestRefused
from shifter.routing.path import PathRedirect, normalize
from shifter.wire.events import NO_BODY, RequestHead, ResponseHead, first_value, values, without

if TYPE_CHECKING:
    from shifter.proxy.downstream import ChosenLeaf, Downstream

_ABSOLUTE = re.compile(rb"(?i:(https?))://((?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9\-._~%!$&'()*+,;=]+)(?::[0-9]{1,5})?)(/[!-~]*)?")
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*)://")
_ORIGINAL_URL = b"x-envoy-original-url"
_DROPPED = (_ORIGINAL_URL, b"x-envoy-expected-rq-timeout-ms")


class NotFollowed(Exception):
    """A redirect is the client's to follow. ``args[0]`` ends the name of the counter of the reason, or is empty."""


class Journey:
    """What is known of one request beyond its present place: how often it was redirected, and from which route to which."""

    __slots__ = ("hops", "taken")

    def __init__(self) -> None:
        self.hops = 0
        self.taken: set[tuple[str, str]] = set()


class Redirects:
    """One policy, compiled."""

    __slots__ = ("_policy", "codes")

    def __init__(self, policy: InternalRedirectPolicy) -> None:
        self._policy = policy
        self.codes = frozenset(policy.redirect_response_codes)

    def follow(
        self, head: RequestHead, answer: ResponseHead, journey: Journey, route: str, downstream: "Downstream"
    ) -> "tuple[RequestHead, ChosenLeaf]":
        """Return the request that *answer* to *head* (as the endpoint got it) leads to, and where it is served.

        *route* is the name of the present one. Raises `NotFollowed`.
        """
        policy = self._policy
        location = first_value(answer.block, b"location")
        if location is None:
            raise NotFollowed("")
        scheme, authority, path = _target(location)
        secure = downstream.runtime.secure and head.scheme != b"http"
        if (scheme == b"https") is not secure and not policy.allow_cross_scheme_redirect:
            raise NotFollowed("unsafe_scheme")
        if journey.hops >= policy.max_internal_redirects:
            raise NotFollowed("too_many_redirects")
        try:
            path = normalize(path, downstream.runtime.settings.path_normalization)
        except (RequestRefused, PathRedirect):
            raise NotFollowed("bad_location") from None
        fresh = self._request(head, answer, scheme, authority, path)
        before = b"https" if secure else b"http"
        fresh.block += b"\r\nx-envoy-original-url: %b://%b%b" % (before, head.authority, head.path)
        found = downstream.runtime.tree.locate(fresh)
        if found is None:
            raise NotFollowed("no_route")
        leaf = found.choose(fresh, downstream)
        self._ask_predicates(journey, route, leaf.config.name, secure or scheme == b"http")
        journey.hops += 1
        return fresh, leaf

    def _request(self, head: RequestHead, answer: ResponseHead, scheme: bytes, authority: bytes, path: bytes) -> RequestHead:
        block = head.block
        for name in _DROPPED:
            block = without(block, name)
        for name in self._policy.response_headers_to_copy:
            block = without(block, name)
            for value in values(answer.block, name):
                block += b"\r\n" + name + b": " + value
        method, length = head.method, head.length
        if answer.status == 303 and method not in (b"GET", b"HEAD"):
            method, length = b"GET", NO_BODY
            block = without(block, b"content-length")
        fresh = RequestHead(method, path, authority, block, length, head.flags, head.version, scheme)
        fresh.random = head.random
        fresh.metadata = head.metadata
        return fresh

    def _ask_predicates(self, journey: Journey, route: str, target: str, safe: bool) -> None:
        for predicate in self._policy.predicates:
            if predicate is InternalRedirectPredicate.PREVIOUS_ROUTES:
                fits = (route, target) not in journey.taken
                journey.taken.add((route, target))
            elif predicate is InternalRedirectPredicate.ALLOW_LISTED_ROUTES:
                fits = target in self._policy.allowed_route_names
            else:
                fits = safe
            if not fits:
                raise NotFollowed("predicate")


def _target(location: bytes) -> tuple[bytes, bytes, bytes]:
    """Return scheme, authority and path of an absolute URL without its fragment. Raises `NotFollowed` for any other."""
    found = _ABSOLUTE.fullmatch(location.partition(b"#")[0])
    if found is None:
        scheme = _SCHEME.match(location)
        raise NotFollowed("unsafe_scheme" if scheme is not None and scheme[1].lower() not in (b"http", b"https") else "bad_location")
    return found[1].lower(), found[2], found[3] or b"/"
