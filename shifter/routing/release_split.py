"""How the requests of a route are shared between the two versions of a release, at this moment.

Rule 1. It belongs to a release, not to a configuration: the trees of all listeners and of all configurations ask the same object, and
        what is assigned to it holds from the next request on. Whoever assigns has written it down before.
Rule 2. The share is of those requests that no header sends somewhere. Which of them the canary gets is drawn anew for each, or for each
        user where they are to stay: a user has a number below 1 for the whole release, and is the canary's while it is below the share.
        So whoever has the canary keeps it while the share grows, and when it shrinks nobody else comes to it.
"""

from dataclasses import dataclass, field

from xxhash import xxh64_intdigest

from shifter.model.release import MILLION
from shifter.observe.comparison import Comparison

_KEY_BYTES = 8
_TWO_TO_64 = 2.0**64


@dataclass(slots=True, eq=False)
class ReleaseSplit:
    """See the module. ``share`` and ``mirror`` are of `MILLION`. ``comparison`` counts what becomes of requests, while somebody judges
    them; ``differences`` whatever compares the answers to copies (`proxy.mirror_diff`), while that is wanted."""

    release: str
    share: int = 0
    forced: bool = False
    mirror: int = 0
    comparison: Comparison | None = None
    differences: object | None = None
    _seed: int = field(init=False)

    def __post_init__(self) -> None:
        self._seed = xxh64_intdigest(self.release.encode())

    def draws_canary(self, random: int) -> bool:
        """Say whether the request with the number *random* (63 bits) is the canary's."""
        return random % MILLION < self.share

    def place_of(self, user: int) -> float:
        """Return the number below 1 that the user with the hash *user* (64 bits) has in this release."""
        return xxh64_intdigest(user.to_bytes(_KEY_BYTES, "little"), self._seed) / _TWO_TO_64

    def keeps_canary(self, user: int) -> bool:
        """Say whether the canary is the user's with the hash *user*."""
        return self.place_of(user) * MILLION < self.share
