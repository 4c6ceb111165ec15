"""``cluster.v3.OutlierDetection``: when an endpoint is taken out of the rotation for what it answers."""

from typing import Annotated

from pydantic import Field

from shifter.config.schema.base import Bool, Message, PositiveSeconds, Seconds, UInt32, whole

PerCent = Annotated[int, Field(ge=0, le=100), whole]


class OutlierDetection(Message):
    """``cluster.v3.OutlierDetection``."""

    envoy = "envoy.config.cluster.v3.OutlierDetection"

    consecutive_5xx: UInt32 | None = None
    interval: PositiveSeconds | None = None
    base_ejection_time: PositiveSeconds | None = None
    max_ejection_time: PositiveSeconds | None = None
    max_ejection_time_jitter: Seconds | None = None
    max_ejection_percent: PerCent | None = None
    always_eject_one_host: Bool | None = None
    enforcing_consecutive_5xx: PerCent | None = None
    consecutive_gateway_failure: UInt32 | None = None
    enforcing_consecutive_gateway_failure: PerCent | None = None
    split_external_local_origin_errors: Bool | None = None
    consecutive_local_origin_failure: UInt32 | None = None
    enforcing_consecutive_local_origin_failure: PerCent | None = None
    enforcing_local_origin_success_rate: PerCent | None = None
    enforcing_success_rate: PerCent | None = None
    success_rate_minimum_hosts: UInt32 | None = None
    success_rate_request_volume: UInt32 | None = None
    success_rate_stdev_factor: UInt32 | None = None
    failure_percentage_threshold: PerCent | None = None
    enforcing_failure_percentage: PerCent | None = None
    enforcing_failure_percentage_local_origin: PerCent | None = None
    failure_percentage_minimum_hosts: UInt32 | None = None
    failure_percentage_request_volume: UInt32 | None = None
    successful_active_health_check_uneject_host: Bool | None = None
