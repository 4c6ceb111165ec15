"""The HTTP filters that shifter has, by the full name of their configuration message.

One module per filter: its messages (Envoy's names), and functions that make the model of them. A filter is known when its
``KIND`` stands in `KINDS`.
"""

from shifter.config.filters import header_mutation
from shifter.config.filters.base import FilterKind

KINDS: dict[str, FilterKind] = {kind.config.envoy: kind for kind in (header_mutation.KIND,)}
