"""The HTTP filters that shifter has, by the full name of their configuration message.

One module per filter: its messages (Envoy's names), and functions that make the model of them. A filter is known when its
module stands here, and the module calls ``KIND`` what it says of itself.

Rule 1. A module is imported when a configuration names its filter: most name few, and what all of them need (classes by the
        dozen, cryptography) would take a sixth of the start.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import cast

from shifter.config.filters.base import FilterKind

_PACKAGE = "envoy.extensions.filters.http."
_MODULES = {
    _PACKAGE + "basic_auth.v3.BasicAuth": "basic_auth",
    _PACKAGE + "buffer.v3.Buffer": "buffer",
    _PACKAGE + "compressor.v3.Compressor": "compressor",
    _PACKAGE + "cors.v3.Cors": "cors",
    _PACKAGE + "csrf.v3.CsrfPolicy": "csrf",
    _PACKAGE + "fault.v3.HTTPFault": "fault",
    _PACKAGE + "grpc_web.v3.GrpcWeb": "grpc_web",
    _PACKAGE + "header_mutation.v3.HeaderMutation": "header_mutation",
    _PACKAGE + "header_to_metadata.v3.Config": "header_to_metadata",
    _PACKAGE + "health_check.v3.HealthCheck": "health_check",
    _PACKAGE + "jwt_authn.v3.JwtAuthentication": "jwt_authn",
    _PACKAGE + "local_ratelimit.v3.LocalRateLimit": "local_ratelimit",
    _PACKAGE + "rbac.v3.RBAC": "rbac",
}


class _Kinds(Mapping[str, FilterKind]):
    """See rule 1."""

    def __getitem__(self, name: str) -> FilterKind:
        return cast(FilterKind, import_module(f"{__name__}.{_MODULES[name]}").KIND)

    def __contains__(self, name: object) -> bool:
        return name in _MODULES

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


KINDS: Mapping[str, FilterKind] = _Kinds()
