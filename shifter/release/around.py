"""What releases need of others, in one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shifter.model.release import ReleaseSpec
from shifter.release.interfaces import Clock, DataPath, Judge, Outreach, Store
from shifter.release.status import Needs


@dataclass(frozen=True, slots=True)
class Around:
    """What releases need of others. ``judge`` makes a judge, from what one knew before or anew; ``monotonic`` and ``wall`` return seconds;
    ``needs`` says how long steps take (`status.Needs`)."""

    judge: Callable[[ReleaseSpec, Mapping[str, object] | None], Judge]
    store: Store
    outreach: Outreach
    datapath: DataPath
    monotonic: Clock
    wall: Clock
    needs: Needs | None = None
