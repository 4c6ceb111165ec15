"""Lines of the event log. Those here were written by Envoy 1.40."""

import json

import pytest

from shifter.model.address import Address, Pipe, SocketAddress
from shifter.model.cluster import LbEndpoint, Locality
from shifter.upstream.health_check.events import EventType, FailureType, HealthCheckEvent
from shifter.upstream.host import Host

PIPE = Pipe("/tmp/E.sock")
TCP = SocketAddress("127.0.0.1", 46297)
SOCKET = (
    b'{"socket_address":{"protocol":"TCP","address":"127.0.0.1","port_value":46297,"resolver_name":"","ipv4_compat":false,'
    b'"network_namespace_filepath":""}}'
)
NOWHERE = b'"locality":{"region":"","zone":"","sub_zone":""}'


@pytest.mark.parametrize(
    ("address", "event", "wall", "line"),
    [
        (
            PIPE,
            {"kind": EventType.ADD_HEALTHY, "first_check": True},
            1795433281.289,
            b'{"health_checker_type":"HTTP","host":{"pipe":{"path":"/tmp/E.sock","mode":0}},"cluster_name":"c","add_healthy_event":'
            b'{"first_check":true},"timestamp":"2026-11-23T11:28:01.289Z",' + NOWHERE + b"}\n",
        ),
        (
            PIPE,
            {"kind": EventType.EJECT_UNHEALTHY, "status": 500},
            1795433281.895,
            b'{"health_checker_type":"HTTP","host":{"pipe":{"path":"/tmp/E.sock","mode":0}},"cluster_name":"c","eject_unhealthy_event":'
            b'{"failure_type":"ACTIVE","http_status_code":500},"timestamp":"2026-11-23T11:28:01.895Z",' + NOWHERE + b"}\n",
        ),
        (
            TCP,
            {"kind": EventType.FAILURE, "failure": FailureType.NETWORK_TIMEOUT, "first_check": True},
            1795433281.583,
            b'{"health_checker_type":"HTTP","host":' + SOCKET + b',"cluster_name":"c","timestamp":"2026-11-23T11:28:01.583Z",'
            b'"health_check_failure_event":{"failure_type":"NETWORK_TIMEOUT","first_check":true,"http_status_code":0},' + NOWHERE + b"}\n",
        ),
        (
            TCP,
            {"kind": EventType.DEGRADED},
            1795433281.583,
            b'{"health_checker_type":"HTTP","host":' + SOCKET + b',"cluster_name":"c","timestamp":"2026-11-23T11:28:01.583Z",'
            b'"degraded_healthy_host":{},' + NOWHERE + b"}\n",
        ),
    ],
)
def test_lines(address: Address, event: dict[str, object], wall: float, line: bytes) -> None:
    assert HealthCheckEvent(checker="HTTP", host=Host(address, 0.0), cluster="c", **event).line(wall) == line  # type: ignore[arg-type]


def test_where_and_what_the_host_is() -> None:
    host = Host(TCP, 0.0)
    host.describe(LbEndpoint(TCP, locality=Locality("r", "z"), metadata={"envoy.lb": {"canary": True}}), 1, 0.0)
    said = json.loads(HealthCheckEvent(EventType.SUCCESSFUL, "TCP", host, "c").line(0.0))
    assert said["successful_health_check_event"] == {}
    assert said["metadata"] == {"filter_metadata": {"envoy.lb": {"canary": True}}, "typed_filter_metadata": {}}
    assert said["locality"] == {"region": "r", "zone": "z", "sub_zone": ""}
