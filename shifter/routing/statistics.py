"""What a configuration wants of statistics, compiled: which there are, and with which buckets.                              (pure)"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from shifter.model.stats import StatsSettings
from shifter.observe.histogram_text import Bounds, default_bounds
from shifter.routing.match_header import compile_string


@lru_cache(maxsize=4)
def wanted(settings: StatsSettings) -> Callable[[str], bool] | None:
    """Return what says of a name whether it is shown (``stats_matcher``); ``None`` when all are."""
    matcher = settings.matcher
    if matcher is None or (matcher.exclude and not matcher.patterns):
        return None
    tests = [compile_string(one) for one in matcher.patterns]
    shown = not matcher.exclude

    def keep(name: str) -> bool:
        data = name.encode()
        return any(test(data) for test in tests) is shown

    return keep


@lru_cache(maxsize=4)
def bounds_of(settings: StatsSettings) -> Bounds:
    """Return what says with which buckets a histogram is shown; of several ``histogram_bucket_settings`` the first that fits counts."""
    if not settings.buckets:
        return default_bounds
    rules = [(compile_string(one.match), one.bounds) for one in settings.buckets]

    def bounds(name: str) -> Sequence[float]:
        data = name.encode()
        return next((found for test, found in rules if test(data)), default_bounds(name))

    return bounds
