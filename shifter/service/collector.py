"""When Python's garbage collector may look at what.

Rule 1. A look at everything takes longer than a request may wait, by far. So what is to stay, which is all of a configuration, is put
        where the collector never looks, and while a change is made it does not look at all: nearly everything new stays.
Rule 2. So the old configuration must go without the collector: nothing in it may hold itself (`proxy.tree`, `LiveCluster.stop`).
Rule 3. What else a change has made and dropped (problems, reports, frames) would stay for ever, too. Behind a small change, which is what
        comes often, the collector looks for it; it takes `_FEW` things in its stride.
"""

import gc

_YOUNG = 50_000
_FEW = 20_000
"""Things that were made since it looked last: about two milliseconds."""


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
            if gc.get_count()[0] < _FEW:
                gc.collect(0)
            gc.freeze()
            gc.enable()
