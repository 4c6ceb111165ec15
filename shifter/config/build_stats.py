"""``stats_config`` and ``stats_sinks``, from the checked schema to the frozen model."""

from shifter.config.build_common import string_matcher
from shifter.config.schema import bootstrap, stats
from shifter.model.address import SocketAddress
from shifter.model.stats import HistogramBuckets, StatsdSink, StatsMatcher, StatsSettings

_PREFIX = "envoy"


def stats_settings(config: bootstrap.Bootstrap) -> StatsSettings:
    """Return what *config* says of statistics."""
    said = config.stats_config
    default = StatsSettings()
    return StatsSettings(
        config.stats_flush_interval or default.flush_interval,
        _matcher(said.stats_matcher) if said is not None and said.stats_matcher is not None else None,
        tuple(
            HistogramBuckets(string_matcher(one.match), tuple(sorted(one.buckets)))
            for one in (said.histogram_bucket_settings if said is not None else ())
            if one.buckets
        ),
        tuple(_sink(one.typed_config) for one in config.stats_sinks),
    )


def _matcher(config: stats.StatsMatcher) -> StatsMatcher:
    if config.inclusion_list is not None:
        return StatsMatcher(tuple(map(string_matcher, config.inclusion_list.patterns)))
    if config.exclusion_list is not None:
        return StatsMatcher(tuple(map(string_matcher, config.exclusion_list.patterns)), exclude=True)
    return StatsMatcher(exclude=not config.reject_all)


def _sink(config: stats.StatsSinkConfig | stats.StatsdSink | stats.DogStatsdSink) -> StatsdSink:
    assert isinstance(config, stats.StatsdSink | stats.DogStatsdSink)
    assert config.address is not None
    written = config.address.socket_address
    assert written is not None
    address = SocketAddress(written.address, written.port_value)
    if isinstance(config, stats.StatsdSink):
        return StatsdSink(address, config.prefix or _PREFIX)
    return StatsdSink(address, config.prefix or _PREFIX, tags=True, datagram=config.max_bytes_per_datagram or 0)
