"""Which exchanges an access log, or a mapper of local replies, is about: from the checked schema to the frozen model."""

from shifter.config.build_common import fractional_percent, header_matcher
from shifter.config.build_match import metadata_matcher
from shifter.config.schema import log_filter as schema
from shifter.model.logfilter import (
    AndFilter,
    DurationFilter,
    GrpcStatusFilter,
    HeaderFilter,
    LogFilter,
    LogTypeFilter,
    MetadataFilter,
    NotHealthCheckFilter,
    OrFilter,
    ResponseFlagFilter,
    RuntimeFilter,
    StatusCodeFilter,
    TraceableFilter,
)
from shifter.model.route import RuntimeFraction

_GRPC_NUMBERS = {status: number for number, status in enumerate(schema.GrpcStatus)}


def log_filter(config: schema.AccessLogFilter) -> LogFilter:
    """Return *config* as the model."""
    if config.status_code_filter is not None:
        status = config.status_code_filter.comparison
        return StatusCodeFilter(status.op, status.value.default_value, status.value.runtime_key)
    if config.duration_filter is not None:
        took = config.duration_filter.comparison
        return DurationFilter(took.op, took.value.default_value, took.value.runtime_key)
    if config.traceable_filter is not None:
        return TraceableFilter()
    if config.runtime_filter is not None:
        share = config.runtime_filter
        fraction = RuntimeFraction(fractional_percent(share.percent_sampled), share.runtime_key)
        return RuntimeFilter(fraction, share.use_independent_randomness)
    if config.and_filter is not None:
        return AndFilter(tuple(map(log_filter, config.and_filter.filters)))
    if config.or_filter is not None:
        return OrFilter(tuple(map(log_filter, config.or_filter.filters)))
    if config.header_filter is not None:
        return HeaderFilter(header_matcher(config.header_filter.header))
    if config.response_flag_filter is not None:
        return ResponseFlagFilter(frozenset(config.response_flag_filter.flags))
    if config.grpc_status_filter is not None:
        numbers = frozenset(_GRPC_NUMBERS[status] for status in config.grpc_status_filter.statuses)
        return GrpcStatusFilter(numbers, config.grpc_status_filter.exclude)
    if config.metadata_filter is not None:
        left = config.metadata_filter
        return MetadataFilter(metadata_matcher(left.matcher) if left.matcher is not None else None, left.match_if_key_not_found)
    if config.log_type_filter is not None:
        return LogTypeFilter(frozenset(one.value for one in config.log_type_filter.types), config.log_type_filter.exclude)
    return NotHealthCheckFilter()
