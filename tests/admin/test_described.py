"""schemathesis finds no fault: what the OpenAPI description says of the pages is so, and what it does not say is refused.

The pages are asked in memory: requests go to a site without a network. Two of its checks are left out where they are not about us:
the pages of what only Envoy's build has answer 5xx, as Envoy's do; and no schema can say what a regular expression, a field mask or the
name of a logger is, so not everything that one allows is accepted.
"""

import json
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, Phase, settings

from shifter.admin import unsupported
from shifter.admin.pages import COMMANDS
from tests.support.admin import Asker

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")

from schemathesis import checks  # noqa: E402

LACKING = {command.path for command in unsupported.COMMANDS}
STREAMS = "/events$"


class Memory(requests.adapters.HTTPAdapter):
    """Takes requests to the admin pages."""

    def send(self, request: Any, **_: object) -> Any:
        url = urlsplit(request.url)
        fields = [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        asker = Asker()
        told = asker.ask(f"{url.path}?{url.query}" if url.query else url.path, request.method, ["Host: 127.0.0.1:8001", *fields], body)
        raw = urllib3.HTTPResponse(
            BytesIO(told.body.encode()), told.headers.items(), told.status, preload_content=False, request_method=request.method
        )
        return self.build_response(request, raw)


session = requests.Session()
session.mount("http://", Memory())
schema = schemathesis.openapi.from_dict(json.loads(Asker().ask("/openapi.json").body))
schema.config.update(base_url="http://127.0.0.1:8001")


@schema.exclude(path_regex=STREAMS).exclude(method="HEAD").parametrize()
@settings(max_examples=2, derandomize=True, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
def test_no_fault_is_found(case: Any) -> None:
    left_out = [checks.positive_data_acceptance] + ([checks.not_a_server_error] if case.operation.path in LACKING else [])
    case.call_and_validate(session=session, excluded_checks=left_out)


def test_all_are_asked() -> None:
    assert {operation.ok().path for operation in schema.get_all_operations()} == {command.path for command in COMMANDS if command.listed}
