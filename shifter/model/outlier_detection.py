"""When an endpoint is taken out of the rotation for what it answers (``cluster.v3.OutlierDetection``). Durations are seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """``cluster.v3.OutlierDetection``. ``enforcing_*`` and ``*_percent`` are percentages; ``success_rate_stdev_factor`` is in thousandths.

    ``max_ejection_time`` ``None`` is the larger of 300 s and ``base_ejection_time``.
    """

    consecutive_5xx: int = 5
    interval: float = 10.0
    base_ejection_time: float = 30.0
    max_ejection_time: float | None = None
    max_ejection_time_jitter: float = 0.0
    max_ejection_percent: int = 10
    always_eject_one_host: bool = False
    enforcing_consecutive_5xx: int = 100
    consecutive_gateway_failure: int = 5
    enforcing_consecutive_gateway_failure: int = 0
    split_external_local_origin_errors: bool = False
    consecutive_local_origin_failure: int = 5
    enforcing_consecutive_local_origin_failure: int = 100
    enforcing_local_origin_success_rate: int = 100
    enforcing_success_rate: int = 100
    success_rate_minimum_hosts: int = 5
    success_rate_request_volume: int = 100
    success_rate_stdev_factor: int = 1900
    failure_percentage_threshold: int = 85
    enforcing_failure_percentage: int = 0
    enforcing_failure_percentage_local_origin: int = 0
    failure_percentage_minimum_hosts: int = 5
    failure_percentage_request_volume: int = 50
    successful_active_health_check_uneject_host: bool = True
