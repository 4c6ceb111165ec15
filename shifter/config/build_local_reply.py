"""What becomes of answers that the proxy itself gives, from the checked schema to the frozen model."""

from shifter.config.build_common import (
    Sources,
    fractional_percent,
    header_matcher,
    header_options,
    substitution_format,
)
from shifter.config.schema import local_reply as schema
from shifter.model.http_connection_manager import LocalReplyConfig, ResponseMapper
from shifter.model.logfilter import (
    AndFilter,
    DurationFilter,
    GrpcStatusFilter,
    HeaderFilter,
    LogFilter,
    NotHealthCheckFilter,
    OrFilter,
    ResponseFlagFilter,
    RuntimeFilter,
    StatusCodeFilter,
    TraceableFilter,
)
from shifter.model.route import RuntimeFraction

_GRPC_NUMBERS = {status: number for number, status in enumerate(schema.GrpcStatus)}


def local_reply_config(config: schema.LocalReplyConfig | None, sources: Sources) -> LocalReplyConfig | None:
    """Return *config* as the model; ``None`` when there is none."""
    if config is None:
        return None
    return LocalReplyConfig(tuple(_mapper(mapper, sources) for mapper in config.mappers), substitution_format(config.body_format, sources))


def _mapper(config: schema.ResponseMapper, sources: Sources) -> ResponseMapper:
    return ResponseMapper(
        filter=log_filter(config.filter),
        status_code=config.status_code,
        body=sources.data(config.body) if config.body is not None else None,
        body_format=substitution_format(config.body_format_override, sources),
        headers=header_options(config.headers_to_add),
    )


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
    return NotHealthCheckFilter()
