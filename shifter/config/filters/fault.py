"""``envoy.filters.http.fault``."""

from enum import Enum
from typing import Annotated

from pydantic import Field

from shifter.config.build_common import Sources, fractional_percent, given, header_matcher
from shifter.config.filters.base import FilterKind
from shifter.config.schema.base import Choice, Ignored, Message, OneOf, PositiveSeconds, Text, Typed, UInt32, whole, word
from shifter.config.schema.core import FractionalPercent
from shifter.config.schema.match import HeaderMatcher
from shifter.model import http_filter as model
from shifter.model.route import FractionalPercent as Share

_COMMON = "envoy.extensions.filters.common.fault.v3."
_PACKAGE = "envoy.extensions.filters.http.fault.v3."


class FaultDelayType(Enum):
    """``FaultDelay.FaultDelayType``, which means nothing any more."""

    FIXED = "FIXED"


class HeaderDelay(Message):
    """``FaultDelay.HeaderDelay``: the request says it."""

    envoy = _COMMON + "FaultDelay.HeaderDelay"


class FaultDelay(Choice):
    """``common.fault.v3.FaultDelay``."""

    envoy = _COMMON + "FaultDelay"
    one_of = (OneOf(("fixed_delay", "header_delay"), (), "nothing says how long the delay is"),)

    type: Annotated[FaultDelayType, word(FaultDelayType)] | None = None
    fixed_delay: PositiveSeconds | None = None
    header_delay: HeaderDelay | None = None
    percentage: FractionalPercent | None = None


class HeaderAbort(Message):
    """``FaultAbort.HeaderAbort``: the request says it."""

    envoy = _PACKAGE + "FaultAbort.HeaderAbort"


class FaultAbort(Choice):
    """``fault.v3.FaultAbort``."""

    envoy = _PACKAGE + "FaultAbort"
    one_of = (OneOf(("http_status", "grpc_status", "header_abort"), (), "nothing says what the answer is"),)

    http_status: Annotated[int, Field(ge=200, le=599), whole] | None = None
    grpc_status: UInt32 | None = None
    header_abort: HeaderAbort | None = None
    percentage: FractionalPercent | None = None


class FixedLimit(Message):
    """``FaultRateLimit.FixedLimit``."""

    envoy = _COMMON + "FaultRateLimit.FixedLimit"

    limit_kbps: Annotated[int, Field(ge=1, le=2**32 - 1), whole]


class HeaderLimit(Message):
    """``FaultRateLimit.HeaderLimit``: the request says it."""

    envoy = _COMMON + "FaultRateLimit.HeaderLimit"


class FaultRateLimit(Choice):
    """``common.fault.v3.FaultRateLimit``."""

    envoy = _COMMON + "FaultRateLimit"
    one_of = (OneOf(("fixed_limit", "header_limit"), (), "nothing says how slow the answer is"),)

    fixed_limit: FixedLimit | None = None
    header_limit: HeaderLimit | None = None
    percentage: FractionalPercent | None = None


class HTTPFault(Typed):
    """``fault.v3.HTTPFault``."""

    envoy = _PACKAGE + "HTTPFault"

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None
    response_rate_limit: FaultRateLimit | None = None
    upstream_cluster: Text = ""
    headers: list[HeaderMatcher] = Field(default_factory=list)
    max_active_faults: UInt32 | None = None
    delay_percent_runtime: Text = ""
    abort_percent_runtime: Text = ""
    delay_duration_runtime: Text = ""
    abort_http_status_runtime: Text = ""
    abort_grpc_status_runtime: Text = ""
    response_rate_limit_percent_runtime: Text = ""
    max_active_faults_runtime: Text = ""
    disable_downstream_cluster_stats: Ignored = None


def build(config: HTTPFault, sources: Sources) -> model.Fault:
    """Return *config* as the model."""
    delay, abort, limit = config.delay, config.abort, config.response_rate_limit
    return model.Fault(
        delay=delay.fixed_delay if delay is not None else None,
        delay_share=_share(delay),
        delay_by_header=delay is not None and delay.header_delay is not None,
        http_status=abort.http_status if abort is not None else None,
        grpc_status=abort.grpc_status if abort is not None else None,
        abort_share=_share(abort),
        abort_by_header=abort is not None and abort.header_abort is not None,
        limit_kbps=limit.fixed_limit.limit_kbps if limit is not None and limit.fixed_limit is not None else None,
        limit_share=_share(limit),
        limit_by_header=limit is not None and limit.header_limit is not None,
        upstream_cluster=config.upstream_cluster,
        headers=tuple(map(header_matcher, config.headers)),
        max_active_faults=config.max_active_faults,
        **given(
            delay_percent_runtime=config.delay_percent_runtime or None,
            delay_duration_runtime=config.delay_duration_runtime or None,
            abort_percent_runtime=config.abort_percent_runtime or None,
            abort_http_status_runtime=config.abort_http_status_runtime or None,
            abort_grpc_status_runtime=config.abort_grpc_status_runtime or None,
            limit_percent_runtime=config.response_rate_limit_percent_runtime or None,
            max_active_faults_runtime=config.max_active_faults_runtime or None,
        ),
    )


def _share(config: FaultDelay | FaultAbort | FaultRateLimit | None) -> Share:
    return fractional_percent(config.percentage) if config is not None and config.percentage is not None else model.NONE


KIND = FilterKind("envoy.filters.http.fault", HTTPFault, build, HTTPFault, build)
