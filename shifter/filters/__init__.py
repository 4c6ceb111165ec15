"""HTTP filters: what looks at, changes, delays or answers a request before it is routed, and its answer on the way back.

A filter of your own imports what it needs from here; ``docs/filters.md`` shows one whole. The names in this package's
``__all__`` are public, and change only with a note in the changelog.
"""

from shifter.filters.api import FactoryContext, FilterFactory, FilterStream, HttpFilter, Reply, WholeBody, dynamic_metadata, unframe

__all__ = ["FactoryContext", "FilterFactory", "FilterStream", "HttpFilter", "Reply", "WholeBody", "dynamic_metadata", "unframe"]
