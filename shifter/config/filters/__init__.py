"""The HTTP filters that shifter has, by the full name of their configuration message.

One module per filter: its messages (Envoy's names), and functions that make the model of them. A filter is known when its
``KIND`` stands in `KINDS`.
"""

from shifter.config.filters import (
    basic_auth,
    buffer,
    compressor,
    cors,
    csrf,
    fault,
    header_mutation,
    header_to_metadata,
    health_check,
    jwt_authn,
    local_ratelimit,
    rbac,
)
from shifter.config.filters.base import FilterKind

KINDS: dict[str, FilterKind] = {
    kind.config.envoy: kind
    for kind in (
        basic_auth.KIND,
        buffer.KIND,
        compressor.KIND,
        cors.KIND,
        csrf.KIND,
        fault.KIND,
        header_mutation.KIND,
        header_to_metadata.KIND,
        health_check.KIND,
        jwt_authn.KIND,
        local_ratelimit.KIND,
        rbac.KIND,
    )
}
