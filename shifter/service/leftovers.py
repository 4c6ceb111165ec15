"""What an old configuration leaves behind, let go of in steps.

Rule 1. Python frees a thing, and all that only it held, the moment the last reference to it is dropped: for a large configuration
        that takes longer than a request may wait. So it is taken apart from the outside in, a few pieces a step.
Rule 2. What somebody else holds as well is left as it is; it goes when they let go of it.
"""

import gc
from sys import getrefcount

from shifter.model.steps import Steps

_PIECES_A_STEP = 64
_OURS = 2
"""References to something that only we hold: our name for it, and the argument of ``getrefcount``."""


def taking_apart(things: list[object]) -> Steps[None]:
    """Let go of *things*, which is empty then, and of all that only they hold."""
    while things:
        for _ in range(_PIECES_A_STEP):
            if not things:
                break
            piece = things.pop()
            if getrefcount(piece) == _OURS:
                things += gc.get_referents(piece)
        piece = None
        yield
