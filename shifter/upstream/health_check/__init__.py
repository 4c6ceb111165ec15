"""Active health checks: hosts are asked whether they are well, whoever else asks them for something."""

from shifter.upstream.health_check.checker import HealthChecker, forget_checks
from shifter.upstream.health_check.events import HealthCheckEvent, WriteHealthCheckEvent

__all__ = ["HealthCheckEvent", "HealthChecker", "WriteHealthCheckEvent", "forget_checks"]
