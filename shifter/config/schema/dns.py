"""How names become addresses, and files endpoints: resolvers, ``Cluster.EdsClusterConfig``, ``extensions.clusters.dns``."""

from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, Field, SerializeAsAny

from shifter.config.schema.base import (
    Bool,
    Ignored,
    Message,
    Name,
    Seconds,
    Text,
    Typed,
    Variants,
    duration,
    word,
    wrong,
)
from shifter.config.schema.config_source import ConfigSource
from shifter.config.schema.core import Address

_SHORTEST = 0.001


def _refresh(value: float) -> float:
    if value <= _SHORTEST:
        raise wrong(f"this duration must be longer than {duration(_SHORTEST)}")
    return value


RefreshSeconds = Annotated[Seconds, AfterValidator(_refresh)]


class DnsResolverOptions(Message):
    """``core.v3.DnsResolverOptions``."""

    envoy = "envoy.config.core.v3.DnsResolverOptions"

    no_default_search_domain: Bool = False


class DnsResolutionConfig(Message):
    """``core.v3.DnsResolutionConfig``, which ``typed_dns_resolver_config`` replaced."""

    envoy = "envoy.config.core.v3.DnsResolutionConfig"

    resolvers: list[Address] = Field(min_length=1)
    dns_resolver_options: DnsResolverOptions | None = None


class CaresDnsResolverConfig(Typed):
    """``extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig``: which servers to ask."""

    envoy = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"

    resolvers: list[Address] = Field(default_factory=list)
    dns_resolver_options: DnsResolverOptions | None = None


class GetAddrInfoDnsResolverConfig(Typed):
    """``extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig``: the system's own, which is asked our way."""

    envoy = "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig"

    num_retries: Ignored = None
    num_resolver_threads: Ignored = None


class DnsResolverConfig(Variants):
    """How names are resolved."""

    envoy = CaresDnsResolverConfig.envoy
    variants = (CaresDnsResolverConfig, GetAddrInfoDnsResolverConfig)


class TypedDnsResolver(Message):
    """``core.v3.TypedExtensionConfig`` with a DNS resolver in it."""

    envoy = "envoy.config.core.v3.TypedExtensionConfig"

    name: Name
    typed_config: SerializeAsAny[DnsResolverConfig]


class RefreshRate(Message):
    """``Cluster.RefreshRate``."""

    envoy = "envoy.config.cluster.v3.Cluster.RefreshRate"

    base_interval: RefreshSeconds
    max_interval: RefreshSeconds | None = None


class DnsClusterLookupFamily(Enum):
    """``extensions.clusters.common.dns.v3.DnsLookupFamily``."""

    UNSPECIFIED = "UNSPECIFIED"
    AUTO = "AUTO"
    V4_ONLY = "V4_ONLY"
    V6_ONLY = "V6_ONLY"
    V4_PREFERRED = "V4_PREFERRED"
    ALL = "ALL"


class DnsCluster(Typed):
    """``extensions.clusters.dns.v3.DnsCluster``: what ``STRICT_DNS`` and ``LOGICAL_DNS`` were."""

    envoy = "envoy.extensions.clusters.dns.v3.DnsCluster"

    dns_refresh_rate: RefreshSeconds | None = None
    dns_failure_refresh_rate: RefreshRate | None = None
    respect_dns_ttl: Bool = False
    dns_jitter: Seconds | None = None
    typed_dns_resolver_config: TypedDnsResolver | None = None
    dns_lookup_family: Annotated[DnsClusterLookupFamily, word(DnsClusterLookupFamily)] = DnsClusterLookupFamily.UNSPECIFIED
    all_addresses_in_single_endpoint: Bool = False


class CustomClusterType(Message):
    """``Cluster.CustomClusterType``: by the type of its configuration or, without one, by its name."""

    envoy = "envoy.config.cluster.v3.Cluster.CustomClusterType"

    name: Name
    typed_config: DnsCluster | None = None


class EdsClusterConfig(Message):
    """``Cluster.EdsClusterConfig``."""

    envoy = "envoy.config.cluster.v3.Cluster.EdsClusterConfig"

    eds_config: ConfigSource
    service_name: Text = ""
