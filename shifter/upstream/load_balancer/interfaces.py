"""What load balancers are made of and what they look like from outside.

Rule 1. ``pick`` is called once a request. It is an attribute, set to the cheapest callable that is right for the endpoints at
        hand, so that one endpoint, or several of equal weight, cost next to nothing.
Rule 2. Choosing never fails and never waits: no endpoint is ``None``. What is chosen may still turn out to be unreachable;
        ``order`` then names the others.
Rule 3. ``update`` changes who takes part, not who is due: an endpoint that stays keeps its place in the rotation, so that
        frequent updates starve nobody and do not send every first request to the same endpoint.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from shifter.upstream.host import Host
from shifter.upstream.interfaces import PickContext


class Weighted(Protocol):
    """What turns are dealt to."""

    @property
    def weight(self) -> int:
        """Share of the requests, relative to the others; 1 or more. Read when ``update`` is called."""

    @property
    def active(self) -> int:
        """Requests in flight. Read when an endpoint is picked."""


class Endpoint(Weighted, Protocol):
    """What is balanced over: a host, by way of what it is reached through."""

    @property
    def host(self) -> Host:
        """The host with its health and what the configuration says of it."""


W = TypeVar("W", bound=Weighted)
E = TypeVar("E", bound=Endpoint)


class Chooser(Protocol[W]):
    """One load balancing policy over endpoints that are all equally well."""

    @property
    def pick(self) -> Callable[[], W | None]:
        """``pick()`` returns the endpoint for the next request, ``None`` when there is none. The hot path."""

    def order(self, first: W) -> Iterator[W]:
        """Yield the endpoints other than *first*, best first, for a request that *first* could not take.

        Takes nobody's turn. An endpoint that leaves meanwhile may still be yielded.
        """

    def update(self, endpoints: Iterable[W]) -> None:
        """Choose among *endpoints* (each once) from now on."""


class Balancer(Protocol[E]):
    """One cluster's load balancer: which hosts may be used, and which of them is (Envoy ``LoadBalancer``)."""

    @property
    def pick(self) -> Callable[[], E | None]:
        """``pick()`` returns the endpoint for the next request, ``None`` when there is none. The hot path."""

    def pick_for(self, context: PickContext) -> E | None:
        """Return the endpoint for a request that asks for something."""

    def order(self, first: E) -> Iterator[E]:
        """Yield endpoints other than *first*, best first, for a request that *first* could not take; see `Chooser.order`."""

    def update(self, endpoints: Iterable[E]) -> None:
        """Balance over *endpoints* (each once, whatever their health) from now on; also to be called when a host's health changed."""

    def gauges(self) -> Mapping[str, int]:
        """Return what the policy tells of itself, by Envoy's names behind ``cluster.<name>.``."""
