"""Webhooks: signed JSON for servers outside, sent again when it could not be delivered.

Rule 1. What is sent about one thing has one ``Idempotency-Key``, however often it is sent, also by another process: who gets it twice can
        know that. The signature is made anew for each try, with the time of that try.
Rule 2. No answer, 408, 429, any 3xx and 5xx may go well the next time. Another 4xx will not: it is not tried again.
Rule 3. A URL or a secret that is ``$NAME`` stands in the environment, and is read there when it is needed. Neither of them
        is ever told to anybody, in a log or an error.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from shifter import __version__
from shifter.config.releases import UnsetVariable
from shifter.config.releases import resolved as looked_up
from shifter.release.interfaces import Answer, Http

FIRST_PAUSE = 1.0
"""Seconds between the first two tries; each pause after it is twice as long, until `LONGEST_PAUSE`."""
LONGEST_PAUSE = 300.0
"""Seconds that are waited at most, whatever a server asks for."""
_DOUBLINGS = 9
_JITTER = 0.2
_AGAIN = frozenset((408, 429))
_LONGEST_TEXT = 300
_DIGITS = 9


class NotDelivered(Exception):
    """What was sent did not arrive. ``final``: it would not the next time, either. ``pause`` is how many seconds the server asked for."""

    def __init__(self, text: str, final: bool = False, pause: float | None = None) -> None:
        super().__init__(text)
        self.final = final
        self.pause = pause


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: an ``event`` (one of `model.release.EVENTS`, or ``gate``), its ``body``, and the ``key`` that stays the same."""

    event: str
    key: str
    body: bytes


def body_of(told: Mapping[str, object]) -> bytes:
    """Return *told* as JSON."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the ``X-Shifter-Signature`` of *body*, sent *at* this second of the wall clock."""
    return f"t={at},v1={hmac.new(secret.encode(), b'%d.%b' % (at, body), sha256).hexdigest()}"


def resolved(text: str, environment: Mapping[str, str]) -> str:
    """Return what *text* stands for, see rule 3. Raises `NotDelivered` when the environment has no such thing."""
    try:
        return looked_up(text, environment.get)
    except UnsetVariable as error:
        raise NotDelivered(str(error)) from None


def host_of(url: str, environment: Mapping[str, str]) -> str:
    """Return what may be shown of *url*: the server's name and port; the variable that it stands in, where that is not set."""
    try:
        parts = urlsplit(resolved(url, environment))
        return parts.netloc.rpartition("@")[2] or "?"
    except NotDelivered:
        return url
    except ValueError:
        return "?"


def retry_after(said: str, now: float) -> float | None:
    """Return how many seconds a ``Retry-After`` header asks for (RFC 9110 section 10.2.3), at most `LONGEST_PAUSE`; ``None`` if that is
    not to be found out. *now* is the wall clock."""
    text = said.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:_DIGITS])
    else:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), LONGEST_PAUSE)


def pause_before(failed: int, asked_for: float | None, random: Callable[[], float]) -> float:
    """Return how many seconds to wait after *failed* tries in a row, the last of which was answered with the wish for *asked_for*.
    *random* gives numbers below 1: many who failed at one time do not come again at one time."""
    pause = min(FIRST_PAUSE * 2.0 ** min(failed - 1, _DOUBLINGS), LONGEST_PAUSE)
    return max(pause * (1.0 - _JITTER * random()), asked_for or 0.0)


def first_line(text: str) -> str:
    """Return what people may be shown of *text* from outside: one line, without control characters, and not too long."""
    line = next((one for one in map(str.strip, text.splitlines()) if one), "")
    clean = "".join(character for character in line if character.isprintable())
    return clean if len(clean) <= _LONGEST_TEXT else clean[: _LONGEST_TEXT - 1] + "…"


class Sender:
    """Sends messages by *http*. *clock* makes pauses, *wall* is the wall clock, *environment* has what ``$NAME`` stands for."""

    def __init__(
        self, http: Http, clock: Any, wall: Callable[[], float], random: Callable[[], float], environment: Mapping[str, str]
    ) -> None:
        self.http = http
        self.clock = clock
        self.wall = wall
        self.random = random
        self.environment = environment

    async def send(self, url: str, secret: str, message: Message, timeout: float) -> Answer:
        """Send *message* once; return what it was answered, 2xx or a 409. Raises `NotDelivered`."""
        place, key = resolved(url, self.environment), resolved(secret, self.environment) if secret else ""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"shifter/{__version__}",
            "X-Shifter-Event": message.event,
            "Idempotency-Key": message.key,
        }
        if key:
            headers["X-Shifter-Signature"] = signature(key, int(self.wall()), message.body)
        try:
            answer = await self.http.request("POST", place, message.body, headers, timeout)
        except OSError as error:
            raise NotDelivered(str(error)) from None
        status = answer.status
        if 200 <= status < 300 or status == 409:
            return answer
        asked_for = retry_after(answer.headers.get("retry-after", ""), self.wall())
        moved = ", and redirects are not followed" if 300 <= status < 400 else ""
        raise NotDelivered(f"HTTP {status}{moved}", 400 <= status < 500 and status not in _AGAIN, asked_for)

    async def send_with_tries(self, url: str, secret: str, message: Message, timeout: float, retries: int) -> Answer:
        """`send`, and up to *retries* times again."""
        failed = 0
        while True:
            try:
                return await self.send(url, secret, message, timeout)
            except NotDelivered as error:
                failed += 1
                if error.final or failed > retries:
                    raise
                await self.sleep(pause_before(failed, error.pause, self.random))

    def sleep(self, seconds: float) -> Deferred[None]:
        """Fire in so many *seconds*."""
        return deferLater(self.clock, seconds)
