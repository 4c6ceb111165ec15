"""What is written of ejections: a line of JSON for each, in the words of Envoy's ``OutlierDetectionEvent``."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from shifter.upstream.host import Host


@dataclass(frozen=True, slots=True)
class OutlierEvent:
    """A host was left out (``EJECT``), or would have been, or came back (``UNEJECT``).

    ``kind`` is Envoy's ``OutlierEjectionType``, empty for a return. ``seconds`` since what happened to it last, ``None`` for never.
    Rates are percentages, -1 where they do not apply.
    """

    kind: str
    host: Host
    action: str
    ejections: int
    enforced: bool
    seconds: float | None
    rate: float = -1.0
    mean: float = -1.0
    threshold: float = -1.0

    def line(self, cluster: str, wall: float) -> bytes:
        """Return the event as a line; *wall* is the time in seconds since the epoch."""
        said: dict[str, object] = {
            "type": self.kind or "CONSECUTIVE_5XX",
            "cluster_name": cluster,
            "upstream_url": str(self.host.address),
            "action": self.action,
            "num_ejections": self.ejections,
            "enforced": self.enforced,
            "timestamp": datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        }
        if self.seconds is not None:
            said["secs_since_last_action"] = str(int(self.seconds))
        if self.action == "EJECT":
            said |= self._why()
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"

    def _why(self) -> dict[str, object]:
        if self.kind.startswith("SUCCESS_RATE"):
            return {
                "eject_success_rate_event": {
                    "host_success_rate": int(self.rate),
                    "cluster_average_success_rate": int(self.mean),
                    "cluster_success_rate_ejection_threshold": int(self.threshold),
                }
            }
        if self.kind.startswith("FAILURE_PERCENTAGE"):
            return {"eject_failure_percentage_event": {"host_success_rate": int(self.rate)}}
        return {"eject_consecutive_event": {}}


WriteEvent = Callable[[OutlierEvent], object]
