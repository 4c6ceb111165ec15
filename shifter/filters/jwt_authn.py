"""``envoy.filters.http.jwt_authn``: requests must bring a token that a provider signed.

Rule 1. The first rule that fits the request counts, unless the route names a requirement; a request that no rule fits passes.
Rule 2. What the filter tells upstream (payload, claims) is taken out of every request first: nobody can forge it.
Rule 3. A token that was good goes no further unless the provider says ``forward``; cookies are left as they are, as in Envoy.
Rule 4. Of several reasons to refuse, a bad token weighs more than a missing one, and the last bad one is told.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import unquote_to_bytes

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply, dynamic_metadata, realm_of
from shifter.filters.jwt_token import JwtRefused, KeySet, Token, check_audiences, check_times, plain_audience, read_token
from shifter.model.http_filter import JwtAuthentication, JwtCombination, JwtHeader, JwtPerRoute, JwtProvider, JwtRequirement
from shifter.routing.match import Matcher, compile_match, compile_string
from shifter.wire.events import RequestHead, first_value, values, without

_NAME = "envoy.filters.http.jwt_authn"
_DEFAULT_HEADERS = (JwtHeader(b"authorization", b"Bearer "),)
_DEFAULT_PARAMS = (b"access_token",)
_MISSING = "Jwt is missing"


class _Provider:
    """A provider, compiled."""

    __slots__ = ("audiences", "config", "cookies", "headers", "keys", "name", "params", "subject")

    def __init__(self, name: str, config: JwtProvider) -> None:
        self.name = name
        self.config = config
        self.keys = KeySet(config.jwks)
        self.audiences = frozenset(map(plain_audience, config.audiences))
        anywhere = not (config.from_headers or config.from_params or config.from_cookies)
        self.headers = _DEFAULT_HEADERS if anywhere else config.from_headers
        self.params = _DEFAULT_PARAMS if anywhere else config.from_params
        self.cookies = config.from_cookies
        self.subject = compile_string(config.subject) if config.subject is not None else None

    def tokens(self, head: RequestHead) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Iterate over (text, header, parameter) of every token in *head*; the names say where it was."""
        for header in self.headers:
            found = values(head.block, header.name)
            joined = b",".join(found) if found else b""
            at = joined.find(header.value_prefix)
            if found and at >= 0:
                yield joined[at + len(header.value_prefix) :].strip(), header.name, b""
        if b"?" in head.path:
            for name, value in _parameters(head.path):
                if name in self.params:
                    yield value, b"", name
        for cookie in b"; ".join(values(head.block, b"cookie")).split(b"; ") if self.cookies else ():
            name, _, value = cookie.partition(b"=")
            if name in self.cookies:
                yield value, b"", b""

    def check(self, text: bytes, audiences: frozenset[str], now: float) -> Token:
        """Return the token if it is good. Raises `JwtRefused`."""
        config = self.config
        token = read_token(text)
        if config.issuer and token.issuer != config.issuer:
            raise JwtRefused("Jwt issuer is not configured")
        check_times(token, now, config.clock_skew, config.require_expiration, config.max_lifetime)
        if self.subject is not None and not self.subject(str(token.payload.get("sub", "")).encode()):
            raise JwtRefused("Jwt subject is not allowed")
        if audiences:
            check_audiences(token, audiences)
        self.keys.verify(token)
        return token


class JwtAuthnFactory(FilterFactory[JwtAuthentication]):
    """Makes `JwtAuthnFilter`. Raises ``ValueError`` for keys that cannot be used."""

    def __init__(self, config: JwtAuthentication, context: FactoryContext) -> None:
        super().__init__(config, context)
        self.providers = {name: _Provider(name, provider) for name, provider in config.providers.items()}
        self._rules: list[tuple[Matcher, JwtRequirement | None]] = [
            (compile_match(rule.match, runtime=context.runtime), rule.requires) for rule in config.rules
        ]
        told = [provider.forward_payload_header for provider in config.providers.values()]
        told += [header for provider in config.providers.values() for header, _ in provider.claim_to_headers]
        self.told = tuple(dict.fromkeys(name for name in told if name))

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter | None:
        route = cast(JwtPerRoute | None, override)
        if route is not None and route.disabled and not self.told:
            return None
        return JwtAuthnFilter(self, stream, route)

    def requirement(self, head: RequestHead, route: JwtPerRoute | None) -> JwtRequirement | None:
        """Return what *head* must meet, if anything."""
        if route is not None:
            return self.config.requirement_map.get(route.requirement_name)
        return next((requirement for fits, requirement in self._rules if fits(head)), None)


class JwtAuthnFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_factory", "_head", "_route", "_stream")

    def __init__(self, factory: JwtAuthnFactory, stream: FilterStream, route: JwtPerRoute | None) -> None:
        self._factory = factory
        self._stream = stream
        self._route = route
        self._head = stream.head

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        factory = self._factory
        for name in factory.told:
            head.block = without(head.block, name)
        if self._route is not None and self._route.disabled:
            return None
        if factory.config.bypass_cors_preflight and _is_preflight(head):
            factory.context.count("jwt_authn.cors_preflight_bypassed")
            return None
        requirement = factory.requirement(head, self._route)
        refused = None if requirement is None else self._meets(requirement)
        if refused is None:
            factory.context.count("jwt_authn.allowed")
            return None
        factory.context.count("jwt_authn.denied")
        return self._refusal(head, refused)

    def _refusal(self, head: RequestHead, refused: JwtRefused) -> Reply:
        reason = str(refused)
        details = f"jwt_authn_access_denied{{{reason.replace(' ', '_')}}}"
        if self._factory.config.strip_failure_response:
            return Reply(refused.status, details=details)
        error = b"" if reason == _MISSING else b', error="invalid_token"'
        realm = b'\r\nwww-authenticate: Bearer realm="%b"%b' % (realm_of(head), error)
        return Reply(refused.status, reason.encode(), realm, details=details)

    def _meets(self, requirement: JwtRequirement) -> JwtRefused | None:
        """Return why the request does not meet *requirement*, or ``None`` when it does."""
        if requirement.combination is JwtCombination.ALL:
            for part in requirement.parts:
                refused = self._meets(part)
                if refused is not None:
                    return refused
            return None
        if requirement.provider:
            provider = self._factory.providers[requirement.provider]
            return self._by(provider, requirement.audiences or provider.audiences)
        if requirement.combination is JwtCombination.ANY:
            parts = [part for part in requirement.parts if not (part.allow_missing or part.allow_failed)]
            refused = self._first(parts)
            missing = any(part.allow_missing for part in requirement.parts)
            failed = any(part.allow_failed for part in requirement.parts)
        else:
            refused = self._first([JwtRequirement(name) for name in self._factory.providers])
            missing, failed = requirement.allow_missing, requirement.allow_failed
        if refused is None or failed or (missing and str(refused) == _MISSING):
            return None
        return refused

    def _first(self, parts: list[JwtRequirement]) -> JwtRefused | None:
        worst = JwtRefused(_MISSING)
        for part in parts:
            refused = self._meets(part)
            if refused is None:
                return None
            if str(refused) != _MISSING:
                worst = refused
        return worst

    def _by(self, provider: _Provider, audiences: frozenset[str]) -> JwtRefused | None:
        found = list(provider.tokens(self._head))
        if not found:
            return JwtRefused(_MISSING)
        plain = frozenset(map(plain_audience, audiences))
        for text, header, parameter in reversed(found):  # as in Envoy: the first bad one ends it
            try:
                token = provider.check(text, plain, self._factory.context.wall())
            except JwtRefused as refused:
                if provider.config.failed_status_in_metadata:
                    self._metadata()[provider.config.failed_status_in_metadata] = {"code": refused.status, "message": str(refused)}
                return refused
            self._tell(provider.config, token)
            if not provider.config.forward:
                self._take_out(header, parameter)
        return None

    def _tell(self, config: JwtProvider, token: Token) -> None:
        head = self._head
        if config.forward_payload_header:
            padding = b"=" * (-len(token.payload_section) % 4) if config.pad_forward_payload_header else b""
            head.block += b"\r\n%b: %b%b" % (config.forward_payload_header, token.payload_section, padding)
        for header, claim in config.claim_to_headers:
            value = _claim(token.payload, claim)
            if value:
                head.block += b"\r\n%b: %b" % (header, value)
        if config.payload_in_metadata:
            self._metadata()[config.payload_in_metadata] = dict(token.payload)
        if config.header_in_metadata:
            self._metadata()[config.header_in_metadata] = dict(token.header)
        if config.clear_route_cache and (config.claim_to_headers or config.payload_in_metadata):
            self._stream.clear_route_cache()

    def _metadata(self) -> dict[str, object]:
        return dynamic_metadata(self._head, _NAME)

    def _take_out(self, header: bytes, parameter: bytes) -> None:
        head = self._head
        if header:
            head.block = without(head.block, header)
        elif parameter:
            path, _, query = head.path.partition(b"?")
            kept = [part for part in query.split(b"&") if part.partition(b"=")[0] != parameter]
            head.path = path + b"?" + b"&".join(kept) if kept else path


def _is_preflight(head: RequestHead) -> bool:
    fields = (b"origin", b"access-control-request-method")
    return head.method == b"OPTIONS" and all(first_value(head.block, name) for name in fields)


def _parameters(path: bytes) -> Iterator[tuple[bytes, bytes]]:
    for part in path.partition(b"?")[2].split(b"&"):
        name, _, value = part.partition(b"=")
        yield name, unquote_to_bytes(value)


def _claim(payload: Mapping[str, object], name: str) -> bytes | None:
    """Return the claim at the dotted *name* as a field value; ``None`` when there is none that can be one."""
    value: object = payload
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, float):
        text = f"{value:.6f}"
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, str):
        text = value
    elif isinstance(value, (list, dict)):
        return b64encode(json.dumps(value, separators=(",", ":")).encode())
    else:
        return None
    text = text.strip(" \t")
    return text.encode() if all((char >= " " and char != "\x7f") or char == "\t" for char in text) else None
