"""Who may ask the admin listener.

Rule 1. With a token, who shows it (``Authorization: Bearer``) may ask everything; others only what `Command.public` pages say to
        anybody. By which name does not matter: no browser shows the token by itself.
Rule 2. Without one, a browser that was lured to a name of somebody else's must not read these pages (DNS rebinding). Such a name has a
        dot and is not ours; addresses, single-label names (``localhost``, a compose service) and configured names are answered.
Rule 3. Without one, a POST that a page of another site had a browser send is refused too (cross-site request forgery).
"""

import hmac
from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Any

from shifter.admin.page import Page

_NOT_OURS = Page("This Host is not one of the admin listener's.\n", status=403)
_NOT_FROM_US = Page("This page of somebody else's must not change anything here.\n", status=403)
_WANTED = Page(
    "The admin listener wants its token: authorization: Bearer TOKEN\n",
    status=401,
    headers=(("www-authenticate", 'Bearer realm="shifter admin"'),),
)
_SCHEME = b"bearer"


def is_own_host(authority: str, names: Collection[str] = ()) -> bool:
    """Whether the ``Host`` field *authority* can only mean this listener; *names* are further names it goes by."""
    host = authority.strip().lower()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = host.removesuffix(".")
    if ("." not in host and ":" not in host) or host.endswith(".localhost") or host in names:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_own_page(headers: Any, hosts: Sequence[str]) -> bool:
    """Whether a request did not come from a page of another site: what has no browser does not say, and is believed."""
    sites = headers.getRawHeaders("sec-fetch-site", [])
    origins = headers.getRawHeaders("origin", [])
    own = {host.strip().lower() for host in hosts} - {""}  # nor is `null`, which has no host, a page of one without a name
    return all(site.strip() in ("same-origin", "none") for site in sites) and all(
        origin.strip().lower().partition("://")[2] in own for origin in origins
    )


class Gate:
    """See the module. *names* as in `is_own_host`; *token* is what to show, ``None`` when nothing needs to be."""

    def __init__(self, names: Collection[str] = (), token: str | None = None) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._token = None if token is None else token.encode()

    def is_known(self, headers: Any) -> bool:
        """Whether who sends these *headers* may see everything."""
        return self._token is None or self._shows(headers)

    def refusal(self, headers: Any, *, public: bool, changes: bool) -> Page | None:
        """Return what is answered to a request that may not be, for a page that is *public* or *changes* something."""
        if self._token is not None:
            return None if public or self._shows(headers) else _WANTED
        hosts = headers.getRawHeaders("host", [])
        if len(hosts) > 1 or not all(is_own_host(host, self._names) for host in hosts):
            return _NOT_OURS
        return _NOT_FROM_US if changes and not is_own_page(headers, hosts) else None

    def _shows(self, headers: Any) -> bool:
        fields = headers.getRawHeaders(b"authorization", [])
        if len(fields) != 1 or self._token is None:
            return False
        scheme, _, token = fields[0].strip().partition(b" ")
        return scheme.lower() == _SCHEME and hmac.compare_digest(token.strip(), self._token)
