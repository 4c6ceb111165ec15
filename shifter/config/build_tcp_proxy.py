"""The TCP proxy, from the checked schema to the frozen model."""

from shifter.config.build_access_log import access_logs
from shifter.config.build_common import Sources, given, metadata
from shifter.config.schema import tcp_proxy as schema
from shifter.model.tcp_proxy import TcpCluster, TcpProxy


def tcp_proxy(config: schema.TcpProxy, sources: Sources) -> TcpProxy:
    """Return *config* as the model."""
    weighted = config.weighted_clusters
    if weighted is not None:
        clusters = tuple(TcpCluster(one.name, one.weight, metadata(one.metadata_match)) for one in weighted.clusters)
    else:
        clusters = (TcpCluster(config.cluster or ""),)
    return TcpProxy(
        stat_prefix=config.stat_prefix,
        clusters=clusters,
        access_log=access_logs(config.access_log, sources),
        hash_source_ip=bool(config.hash_policy),
        metadata_match=metadata(config.metadata_match),
        **given(
            idle_timeout=config.idle_timeout,
            max_downstream_connection_duration=config.max_downstream_connection_duration,
            max_connect_attempts=config.max_connect_attempts,
        ),
    )
