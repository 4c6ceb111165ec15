"""When Python's garbage collector may look at what.

Rule 1. A look at everything takes longer than a request may wait, by far. So what is to stay, which is all of a configuration, is put
        where the collector never looks, and while a change is made it does not look at all: nearly everything new stays.
Rule 2. So the old configuration must go without the collector: nothing in it may hold itself (`proxy.tree`, `LiveCluster.stop`).
"""

import gc

_YOUNG = 50_000


class Collector:
    """See the module. Until `settle` has been called it lets Python do as it likes."""

    def __init__(self) -> None:
        self._settled = False

    def settle(self) -> None:
        """The process begins to serve: what exists by now stays."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG, 20, 20)
        self._settled = True

    def hold(self) -> None:
        """A change begins."""
        if self._settled:
            gc.disable()

    def release(self) -> None:
        """It is done, and what it has left behind is gone."""
        if self._settled:
            gc.freeze()
            gc.enable()
