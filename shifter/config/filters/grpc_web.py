"""``envoy.filters.http.grpc_web``."""

from shifter.config.build_common import Sources
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Typed
from shifter.model import http_filter as model


class GrpcWeb(Typed):
    """``grpc_web.v3.GrpcWeb``."""

    envoy = "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"


def build(config: GrpcWeb, sources: Sources) -> model.GrpcWeb:
    """Return *config* as the model."""
    return model.GrpcWeb()


KIND = FilterKind("envoy.filters.http.grpc_web", GrpcWeb, build)
