"""``envoy.filters.http.basic_auth``: a user and a password, or 401 (RFC 7617).

Rule 1. Passwords are compared in constant time, and an unknown user costs as much as a wrong password.
Rule 2. What a client says in ``forward_username_header`` is overwritten.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from hashlib import sha1
from hmac import compare_digest
from typing import cast

from shifter.filters.api import FilterFactory, FilterStream, HttpFilter, Reply, realm_of
from shifter.model.http_filter import BasicAuth
from shifter.wire.events import RequestHead, joined_value, without

_NOBODY = bytes(20)


class BasicAuthFactory(FilterFactory[BasicAuth]):
    """Makes `BasicAuthFilter`."""

    def filter_for(self, stream: FilterStream, override: object | None) -> HttpFilter:
        users = self.config.users if override is None else cast(BasicAuth, override).users
        return BasicAuthFilter(self, users)


class BasicAuthFilter(HttpFilter):
    """See the module."""

    __slots__ = ("_factory", "_users")

    def __init__(self, factory: BasicAuthFactory, users: object) -> None:
        self._factory = factory
        self._users = cast("dict[bytes, bytes]", users)

    def on_request_head(self, head: RequestHead, end: bool) -> Reply | None:
        config = self._factory.config
        value = joined_value(head.block, config.authentication_header or b"authorization")
        if value is None:
            return self._denied(head, b"Missing username and password.", "no_credential_for_basic_auth")
        if not value.startswith(b"Basic "):
            return self._denied(head, b"Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth")
        try:
            user, colon, password = b64decode(value[6:], validate=True).partition(b":")
        except (Base64Error, ValueError):
            colon = b""
        if not colon:
            return self._denied(head, b"Invalid basic credential format.", "invalid_format_for_basic_auth")
        known = self._users.get(user)
        # Passwords in htpasswd's {SHA} form are SHA-1 digests: the format is Envoy's, not our choice.
        if not compare_digest(sha1(password, usedforsecurity=False).digest(), known or _NOBODY) or known is None:
            return self._denied(head, b"Invalid username/password combination.", "invalid_credential_for_basic_auth")
        self._factory.context.count("basic_auth.allowed")
        if config.forward_username_header:
            name = config.forward_username_header
            head.block = without(head.block, name) + b"\r\n" + name + b": " + user
        return None

    def _denied(self, head: RequestHead, reason: bytes, details: str) -> Reply:
        self._factory.context.count("basic_auth.denied")
        realm = b'\r\nwww-authenticate: Basic realm="%b"' % realm_of(head)
        return Reply(401, b"User authentication failed. " + reason, realm, b"", details)
