"""Messages of ``envoy.service.discovery.v3``: what a file that is read while the proxy runs holds."""

from pydantic import Field

from shifter.config.schema.base import Bool, Ignored, Message, Text, Typed
from shifter.config.schema.endpoint import ClusterLoadAssignment
from shifter.config.schema.tls import Secret


class AnyAssignment(ClusterLoadAssignment, Typed):
    """A ``ClusterLoadAssignment`` that says so."""


class AnySecret(Secret, Typed):
    """A ``Secret`` that says so."""


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
