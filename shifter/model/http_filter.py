"""The configurations of the built-in HTTP filters, one dataclass each, and of what routes say about them where that differs.

Names and meaning are those of Envoy's ``extensions.filters.http``. Durations are seconds.
"""
