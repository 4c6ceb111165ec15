"""Messages of ``envoy.service.discovery.v3``: what a file that is read while the proxy runs holds."""

from pydantic import Field

from shifter.config.schema.base import Bool, Ignored, Message, Text, Typed
from shifter.config.schema.endpoint import ClusterLoadAssignment
from shifter.config.schema.tls import Secret


class AnyAssignment(ClusterLoadAssignment, Typed):
    """A ``ClusterLoadAssignment`` that says so."""


class AnySecret(Secret, Typed):
    """A ``Secret`` that says so."""


class SecretsResponse(Message):
    """``DiscoveryResponse`` whose resources are secrets. Only these mean something in a file."""

    envoy = "envoy.service.discovery.v3.DiscoveryResponse"

    version_info: Text = ""
    resources: list[AnySecret] = Field(default_factory=list)
    canary: Bool = False
    type_url: Text = ""
    nonce: Text = ""
    control_plane: Ignored = None


class AssignmentsResponse(Message):
    """``DiscoveryResponse`` whose resources are assignments. Only these mean something in a file."""

    envoy = "envoy.service.discovery.v3.DiscoveryResponse"

    version_info: Text = ""
    resources: list[AnyAssignment] = Field(default_factory=list)
    canary: Bool = False
    type_url: Text = ""
    nonce: Text = ""
    control_plane: Ignored = None
