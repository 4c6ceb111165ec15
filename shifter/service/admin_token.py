"""The token that the admin listener wants to see, and where it comes from.

Rule 1. One that was given (``--admin-token-file``, ``SHIFTER_ADMIN_TOKEN``) is wanted wherever the admin listener is.
Rule 2. Without one, it is wanted only off loopback, and is made up: kept in the state directory, readable for its owner only, or else told
        in the log and good until the process ends, or the last of those that take its place.
"""

import os
import secrets
from collections.abc import Mapping, MutableMapping
from ipaddress import ip_address
from pathlib import Path

from twisted.logger import Logger

from shifter.model.address import SocketAddress

VARIABLE = "SHIFTER_ADMIN_TOKEN"
FILE = "admin-token"
SHORTEST = 16
"""How many characters a token has at least."""

_log = Logger()


class ShifterError(Exception):
    """The admin listener cannot be guarded."""


class TokenError(ShifterError):
    """A token that was given cannot be used; the text says why."""


def given_token(path: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the token in the file at *path*, or that of *environment*; ``None`` when neither is given. Raises `TokenError`."""
    if path is not None:
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"{path}: the admin token cannot be read: {getattr(error, 'strerror', None) or error}") from None
        return _good(token, path)
    token = environment.get(VARIABLE, "").strip()
    return _good(token, VARIABLE) if token else None


def _good(token: str, source: str) -> str:
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{source}: an admin token is one word of at least {SHORTEST} ASCII characters")
    return token


class AdminToken:
    """See the module. *directory* is the state directory, if there is one; *environment* that of a process that takes over."""

    def __init__(self, given: str | None = None, directory: str | None = None, environment: MutableMapping[str, str] | None = None) -> None:
        self._token = given
        self._directory = directory
        self._environment = environment if environment is not None else {}

    def wanted_at(self, address: SocketAddress) -> str | None:
        """Return what the admin listener wants to see when it is at *address*; ``None`` for nothing."""
        if self._token is None and not ip_address(address.host.partition("%")[0]).is_loopback:
            self._token = self._kept() if self._directory is not None else self._told()
        return self._token

    def _kept(self) -> str:
        assert self._directory is not None
        path = Path(self._directory, FILE)
        try:
            try:
                return _good(path.read_text(encoding="ascii").strip(), str(path))
            except FileNotFoundError:
                token = secrets.token_urlsafe(24)
                path.parent.mkdir(parents=True, exist_ok=True)
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                    file.write(f"{token}\n")
        except (OSError, UnicodeDecodeError, TokenError) as error:
            _log.warn("the admin token cannot be kept: {error}", error=str(error))
            return self._told()
        _log.info("the admin listener is not on loopback: it wants the token in {path}", path=str(path))
        return token

    def _told(self) -> str:
        token = self._environment[VARIABLE] = secrets.token_urlsafe(24)
        _log.warn("the admin listener is not on loopback: it wants the token {token} (authorization: Bearer {token})", token=token)
        return token
