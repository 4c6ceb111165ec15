"""What is made of an endpoint's answers (``cluster.v3.OutlierDetection``)."""

from typing import Protocol

from shifter.upstream.interfaces import Failed


class HostMonitor(Protocol):
    """Hears of everything that one host does."""

    def answered(self, status: int) -> None:
        """An answer's head arrived; gRPC answers count by the HTTP status that their code stands for."""

    def failed(self, failed: Failed) -> None:
        """A request got no (whole) answer."""

    def timed_out(self) -> None:
        """A request, or a try, was not answered in time."""

    def connected(self) -> None:
        """A connection came to be."""
