"""Messages of ``envoy.service.discovery.v3``: what a file that is read while the proxy runs holds."""

from pydantic import Field

from shifter.config.schema.base import Bool, Ignored, Message, Text, Typed
from shifter.config.schema.cluster import Cluster
from shifter.config.schema.endpoint import ClusterLoadAssignment
from shifter.config.schema.listener import Listener
from shifter.config.schema.route import RouteConfiguration
from shifter.config.schema.tls import Secret


class AnyAssignment(ClusterLoadAssignment, Typed):
    """A ``ClusterLoadAssignment`` that says so."""


class AnySecret(Secret, Typed):
    """A ``Secret`` that says so."""


class AnyCluster(Cluster, Typed):
    """A ``Cluster`` that says so."""


class AnyListener(Listener, Typed):
    """A ``Listener`` that says so."""


class AnyRouteConfiguration(RouteConfiguration, Typed):
    """A ``RouteConfiguration`` that says so."""


class DiscoveryResponse(Message):
    """``DiscoveryResponse``, without its resources. Only these mean something in a file."""

    envoy = "envoy.service.discovery.v3.DiscoveryResponse"

    version_info: Text = ""
    canary: Bool = False
    type_url: Text = ""
    nonce: Text = ""
    control_plane: Ignored = None


class SecretsResponse(DiscoveryResponse):
    """One whose resources are secrets."""

    resources: list[AnySecret] = Field(default_factory=list)


class AssignmentsResponse(DiscoveryResponse):
    """One whose resources are assignments."""

    resources: list[AnyAssignment] = Field(default_factory=list)


class ClustersResponse(DiscoveryResponse):
    """One whose resources are clusters."""

    resources: list[AnyCluster] = Field(default_factory=list)


class ListenersResponse(DiscoveryResponse):
    """One whose resources are listeners."""

    resources: list[AnyListener] = Field(default_factory=list)


class RoutesResponse(DiscoveryResponse):
    """One whose resources are route configurations."""

    resources: list[AnyRouteConfiguration] = Field(default_factory=list)
