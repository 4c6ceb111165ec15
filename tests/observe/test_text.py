"""The admin pages read as Envoy 1.40's do; the expected texts are its own."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shifter.model.report import Report
from shifter.observe.text import clusters_json, clusters_text, listeners_json, listeners_text
from tests.support.reports import a_report

SERVICE1 = """\
service1::observability_name::service1
service1::default_priority::max_connections::7
service1::default_priority::max_pending_requests::1024
service1::default_priority::max_requests::1024
service1::default_priority::max_retries::3
service1::high_priority::max_connections::1024
service1::high_priority::max_pending_requests::1024
service1::high_priority::max_requests::1024
service1::high_priority::max_retries::3
service1::added_via_api::false
service1::127.0.0.1:28411::cx_active::1
service1::127.0.0.1:28411::cx_connect_fail::0
service1::127.0.0.1:28411::cx_total::1
service1::127.0.0.1:28411::rq_active::0
service1::127.0.0.1:28411::rq_error::0
service1::127.0.0.1:28411::rq_pending_active::0
service1::127.0.0.1:28411::rq_success::6
service1::127.0.0.1:28411::rq_timeout::0
service1::127.0.0.1:28411::rq_total::6
service1::127.0.0.1:28411::hostname::localhost
service1::127.0.0.1:28411::health_flags::healthy
service1::127.0.0.1:28411::weight::1
service1::127.0.0.1:28411::region::
service1::127.0.0.1:28411::zone::
service1::127.0.0.1:28411::sub_zone::
service1::127.0.0.1:28411::canary::false
service1::127.0.0.1:28411::priority::0
service1::127.0.0.1:28411::success_rate::-1
service1::127.0.0.1:28411::local_origin_success_rate::-1
"""


def test_clusters_as_text() -> None:
    text = clusters_text(a_report())
    assert text.startswith(SERVICE1)
    assert "service1::[::1]:80::health_flags::/failed_active_hc/failed_outlier_check\n" in text
    assert "service1::[::1]:80::weight::3\n" in text
    said = {
        "region": "eu",
        "sub_zone": "rack 1",
        "canary": "true",
        "priority": "1",
        "success_rate": "87.5",
        "local_origin_success_rate": "-1",
    }
    assert all(f"service1::[::1]:80::{key}::{value}\n" in text for key, value in said.items())
    assert text.endswith("empty::added_via_api::false\n")


def test_clusters_can_be_chosen() -> None:
    assert clusters_text(a_report(), lambda name: name == "service1").count("observability_name") == 1
    assert json.loads(clusters_json(a_report(), lambda name: False)) == {}


def test_clusters_as_json() -> None:
    first, second = json.loads(clusters_json(a_report()))["cluster_statuses"]
    assert list(first) == ["name", "host_statuses", "circuit_breakers", "observability_name"]
    assert first["host_statuses"][0] == {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 28411}},
        "stats": [
            {"name": "cx_connect_fail"},
            {"value": "1", "name": "cx_total"},
            {"name": "rq_error"},
            {"value": "6", "name": "rq_success"},
            {"name": "rq_timeout"},
            {"value": "6", "name": "rq_total"},
            {"type": "GAUGE", "value": "1", "name": "cx_active"},
            {"type": "GAUGE", "name": "rq_active"},
            {"type": "GAUGE", "name": "rq_pending_active"},
        ],
        "health_status": {"eds_health_status": "HEALTHY"},
        "weight": 1,
        "hostname": "localhost",
        "locality": {},
    }
    assert first["host_statuses"][1]["health_status"] == {
        "eds_health_status": "DEGRADED",
        "failed_active_health_check": True,
        "failed_outlier_check": True,
    }
    assert first["host_statuses"][1]["locality"] == {"region": "eu", "sub_zone": "rack 1"}
    assert (first["host_statuses"][1]["priority"], first["host_statuses"][1]["success_rate"]) == (1, {"value": 87.5})
    high = {"priority": "HIGH", "max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024, "max_retries": 3}
    assert first["circuit_breakers"]["thresholds"] == [
        {**{key: high[key] for key in high if key != "priority"}, "max_connections": 7},
        high,
    ]
    assert second == {
        "name": "empty",
        "circuit_breakers": {"thresholds": second["circuit_breakers"]["thresholds"]},
        "observability_name": "empty",
    }


def test_listeners() -> None:
    assert listeners_text(a_report()) == "front::127.0.0.1:28100\nsix::[::]:80\n"
    assert json.loads(listeners_json(a_report()))["listener_statuses"][0] == {
        "name": "front",
        "local_address": {"socket_address": {"address": "127.0.0.1", "port_value": 28100}},
    }
    assert json.loads(listeners_json(Report())) == {}


@given(st.text(min_size=1))
def test_no_name_adds_a_line(name: str) -> None:
    report, plain = a_report(name), a_report("x" if name == "empty" else "y")
    if "_" not in name and name != "empty":
        assert len(clusters_text(report).splitlines()) == len(clusters_text(plain).splitlines())
    clusters_text(report).encode()
    json.loads(clusters_json(report))
