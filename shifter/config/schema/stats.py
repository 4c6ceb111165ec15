"""Which statistics are shown, with which buckets, and who is told of them: ``envoy.config.metrics.v3``."""

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, Field, SerializeAsAny

from shifter.config.schema.base import (
    Bool,
    Choice,
    Double,
    Ignored,
    Message,
    Name,
    OneOf,
    Port,
    Seconds,
    Text,
    Typed,
    UInt64,
    Variants,
    many,
    wrong,
)
from shifter.config.schema.base import duration as written
from shifter.config.schema.core import StringMatcher

_SHORTEST, _LONGEST = 0.001, 300.0


def _interval(value: float) -> float:
    if not _SHORTEST <= value < _LONGEST:
        raise wrong(f"an interval is {written(_SHORTEST)} or longer, and shorter than {written(_LONGEST)}")
    return value


def _bounds(value: list[float]) -> list[float]:
    if any(bound <= 0 for bound in value):
        raise wrong("the bounds of buckets must be more than 0")
    if len(set(value)) != len(value):
        raise wrong("no two buckets can have the same bound")
    return value


def _some(value: int | None) -> int | None:
    if value == 0:
        raise wrong("a datagram has a byte or more")
    return value


FlushInterval = Annotated[Seconds, AfterValidator(_interval)]


class ListStringMatcher(Message):
    """``type.matcher.v3.ListStringMatcher``."""

    envoy = "envoy.type.matcher.v3.ListStringMatcher"

    patterns: Annotated[list[StringMatcher], many(1)]


class StatsMatcher(Choice):
    """``metrics.v3.StatsMatcher``."""

    envoy = "envoy.config.metrics.v3.StatsMatcher"
    one_of = (OneOf(("reject_all", "exclusion_list", "inclusion_list"), required="nothing says which statistics there are"),)

    reject_all: Bool | None = None
    exclusion_list: ListStringMatcher | None = None
    inclusion_list: ListStringMatcher | None = None


class HistogramBucketSettings(Message):
    """``metrics.v3.HistogramBucketSettings``. ``bins`` are of a form of histograms that there is not."""

    envoy = "envoy.config.metrics.v3.HistogramBucketSettings"

    match: StringMatcher
    buckets: Annotated[list[Double], AfterValidator(_bounds)] = Field(default_factory=list)
    bins: Ignored = None


class StatsConfig(Message):
    """``metrics.v3.StatsConfig``. The default tags are always taken out of names."""

    envoy = "envoy.config.metrics.v3.StatsConfig"

    stats_matcher: StatsMatcher | None = None
    histogram_bucket_settings: list[HistogramBucketSettings] = Field(default_factory=list)
    use_all_default_tags: Ignored = None
    allow_default_tag_overrides: Ignored = None


class DatagramProtocol(Enum):
    """``SocketAddress.Protocol``, where it does not matter: statistics are told in datagrams."""

    TCP = "TCP"
    UDP = "UDP"


class DatagramSocketAddress(Choice):
    """``core.v3.SocketAddress``: where datagrams go."""

    envoy = "envoy.config.core.v3.SocketAddress"
    one_of = (OneOf(("port_value",), ("named_port",), "this address has no port"),)

    protocol: DatagramProtocol = DatagramProtocol.TCP
    address: Name
    port_value: Port = 0


class DatagramAddress(Choice):
    """``core.v3.Address``, of a socket for datagrams."""

    envoy = "envoy.config.core.v3.Address"
    one_of = (OneOf(("socket_address",), ("pipe", "envoy_internal_address"), "there is no `socket_address` here"),)

    socket_address: DatagramSocketAddress | None = None


class StatsdSink(Typed):
    """``metrics.v3.StatsdSink``: told in datagrams."""

    envoy = "envoy.config.metrics.v3.StatsdSink"
    one_of = (OneOf(("address",), ("tcp_cluster_name",), "nothing says where statistics go"),)

    address: DatagramAddress | None = None
    prefix: Text = ""
    scale_histogram_units_to_milliseconds: Ignored = None


class DogStatsdSink(Typed):
    """``metrics.v3.DogStatsdSink``: the same, with tags."""

    envoy = "envoy.config.metrics.v3.DogStatsdSink"
    one_of = (OneOf(("address",), (), "nothing says where statistics go"),)

    address: DatagramAddress | None = None
    prefix: Text = ""
    max_bytes_per_datagram: Annotated[UInt64 | None, AfterValidator(_some)] = None
    scale_histogram_units_to_milliseconds: Ignored = None


class StatsSinkConfig(Variants):
    """Who is told."""

    envoy = StatsdSink.envoy
    variants = (StatsdSink, DogStatsdSink)


class StatsSink(Message):
    """``metrics.v3.StatsSink``."""

    envoy = "envoy.config.metrics.v3.StatsSink"

    name: Text = ""
    typed_config: SerializeAsAny[StatsSinkConfig]
