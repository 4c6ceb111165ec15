"""Values that a configuration gives to Envoy's runtime (``bootstrap.v3.LayeredRuntime``)."""

from pydantic import Field

from shifter.config.schema.base import Choice, Message, Name, OneOf, Struct


class AdminLayer(Message):
    """``RuntimeLayer.AdminLayer``: nothing to say."""

    envoy = "envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer"


class DiskLayer(Message):
    """``RuntimeLayer.DiskLayer``."""

    envoy = "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer"

    symlink_root: Name
    subdirectory: str = ""
    append_service_cluster: bool = False


class RuntimeLayer(Choice):
    """``bootstrap.v3.RuntimeLayer``."""

    envoy = "envoy.config.bootstrap.v3.RuntimeLayer"
    one_of = (OneOf(("static_layer", "disk_layer", "admin_layer"), ("rtds_layer",), "this layer has no values"),)

    name: Name
    static_layer: Struct | None = None
    disk_layer: DiskLayer | None = None
    admin_layer: AdminLayer | None = None


class LayeredRuntime(Message):
    """``bootstrap.v3.LayeredRuntime``."""

    envoy = "envoy.config.bootstrap.v3.LayeredRuntime"

    layers: list[RuntimeLayer] = Field(default_factory=list)
