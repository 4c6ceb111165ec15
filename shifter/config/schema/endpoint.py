"""Messages of ``envoy.config.endpoint.v3``: where a cluster's endpoints are, and how much of the traffic each gets."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Choice, Ignored, Message, Name, OneOf, Port, Visible, whole, word
from shifter.config.schema.core import EndpointAddress, Locality, Metadata
from shifter.model.cluster import HealthStatus

Weight = Annotated[int, Field(ge=1, le=2**32 - 1), whole]


class HealthCheckConfig(Message):
    """``Endpoint.HealthCheckConfig``."""

    envoy = "envoy.config.endpoint.v3.Endpoint.HealthCheckConfig"

    port_value: Port = 0
    hostname: Visible = ""
    address: EndpointAddress | None = None
    disable_active_health_check: Bool = False


class AdditionalAddress(Message):
    """``Endpoint.AdditionalAddress``."""

    envoy = "envoy.config.endpoint.v3.Endpoint.AdditionalAddress"

    address: EndpointAddress


class Endpoint(Message):
    """``endpoint.v3.Endpoint``."""

    envoy = "envoy.config.endpoint.v3.Endpoint"

    address: EndpointAddress
    hostname: Visible = ""
    health_check_config: HealthCheckConfig | None = None
    additional_addresses: list[AdditionalAddress] = Field(default_factory=list)


class LbEndpoint(Choice):
    """``endpoint.v3.LbEndpoint``."""

    envoy = "envoy.config.endpoint.v3.LbEndpoint"
    one_of = (OneOf(("endpoint",), ("endpoint_name",), "this names no endpoint"),)

    endpoint: Endpoint | None = None
    health_status: Annotated[HealthStatus, word(HealthStatus)] = HealthStatus.UNKNOWN
    metadata: Metadata | None = None
    load_balancing_weight: Weight = 1


class LocalityLbEndpoints(Message):
    """``endpoint.v3.LocalityLbEndpoints``."""

    envoy = "envoy.config.endpoint.v3.LocalityLbEndpoints"

    locality: Locality | None = None
    metadata: Ignored = None
    lb_endpoints: list[LbEndpoint] = Field(default_factory=list)
    load_balancing_weight: Weight | None = None
    priority: Annotated[int, Field(ge=0, le=128), whole] = 0


class AssignmentPolicy(Message):
    """``endpoint.v3.ClusterLoadAssignment.Policy``."""

    envoy = "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy"

    overprovisioning_factor: Annotated[int, Field(ge=1, le=2**32 - 1), whole] | None = None
    weighted_priority_health: Bool = False


class ClusterLoadAssignment(Message):
    """``endpoint.v3.ClusterLoadAssignment``."""

    envoy = "envoy.config.endpoint.v3.ClusterLoadAssignment"

    cluster_name: Name
    endpoints: list[LocalityLbEndpoints] = Field(default_factory=list)
    policy: AssignmentPolicy | None = None
