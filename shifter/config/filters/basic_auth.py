"""``envoy.filters.http.basic_auth``: users and passwords as ``htpasswd -s`` writes them."""

from base64 import b64decode
from binascii import Error as Base64Error

from shifter.config.build_common import Sources, lower
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import AddedName, MatchedName, Typed
from shifter.config.schema.core import DataSource
from shifter.model import http_filter as model

_PACKAGE = "envoy.extensions.filters.http.basic_auth.v3."
_SHA1 = 20


class BasicAuth(Typed):
    """``basic_auth.v3.BasicAuth``."""

    envoy = _PACKAGE + "BasicAuth"

    users: DataSource
    forward_username_header: AddedName | None = None
    authentication_header: MatchedName | None = None


class BasicAuthPerRoute(Typed):
    """``basic_auth.v3.BasicAuthPerRoute``."""

    envoy = _PACKAGE + "BasicAuthPerRoute"

    users: DataSource


def build(config: BasicAuth, sources: Sources) -> model.BasicAuth:
    """Return *config* as the model. Raises ``ValueError`` for a file that is none of ``htpasswd -s``."""
    forwarded, looked_into = lower(config.forward_username_header), lower(config.authentication_header)
    return model.BasicAuth(_users(sources.data(config.users)), forwarded or b"", looked_into or b"")


def build_per_route(config: BasicAuthPerRoute, sources: Sources) -> model.BasicAuth:
    """Return what a route says as the model. Raises ``ValueError`` as `build` does."""
    return model.BasicAuth(_users(sources.data(config.users)))


def _users(text: bytes) -> dict[bytes, bytes]:
    """Return digests by user. No message repeats what stands in the file: it is secret."""
    users: dict[bytes, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith(b"#"):
            continue
        user, colon, digest = entry.partition(b":")
        if not colon or not user:
            raise ValueError(f"line {number} of `users` is not user:{{SHA}}…")
        if not digest.startswith(b"{SHA}"):
            raise ValueError(f"line {number} of `users` has no {{SHA}} password: write them with htpasswd -s")
        try:
            plain = b64decode(digest.removeprefix(b"{SHA}"), validate=True)
        except (Base64Error, ValueError):
            plain = b""
        if len(plain) != _SHA1:
            raise ValueError(f"line {number} of `users`: the password is no SHA-1 digest in base64")
        if user in users:
            raise ValueError(f"line {number} of `users` names somebody a second time")
        users[user] = plain
    if not users:
        raise ValueError("there is nobody among `users`, so nobody could pass")
    return users


KIND = FilterKind("envoy.filters.http.basic_auth", BasicAuth, build, BasicAuthPerRoute, build_per_route)
