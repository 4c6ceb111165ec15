"""What Envoy has and shifter may ignore: told, dropped, and an error only for who wants it so."""

import pytest

from shifter.config import load
from shifter.config.ignored_fields import HARMLESS
from shifter.config.schema.words import FIELDS
from tests.support.configs import GOOD, NAME, plant

MESSAGE = "Envoy knows `{}`, shifter does not: it has no effect here"

PLANTED = {
    "record_route_resolution_stats": (
        "          stat_prefix:",
        "          «record_route_resolution_stats»: true\n          stat_prefix:",
    ),
    "fatal_actions": ("admin:", "«fatal_actions»: [{config: {name: a}}]\nadmin:"),
    "tcp_fast_open_queue_length": ("  - name: front\n", "  - name: front\n    «tcp_fast_open_queue_length»: 10\n"),
    "lrs_report_endpoint_metrics": ("    lb_policy:", "    «lrs_report_endpoint_metrics»: [a]\n    lb_policy:"),
    "stat_prefix": ("                redirect:\n", "                «stat_prefix»: old\n                redirect:\n"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_warning_and_the_rest_is_used(name: str) -> None:
    planted = plant(*PLANTED[name])
    loaded = load(planted.text, NAME)
    [problem] = loaded.problems
    assert (problem.level, problem.message, problem.place) == ("warning", MESSAGE.format(name), planted.place)
    assert loaded.document == load(GOOD, NAME).document != {}


def test_beside_an_error_both_are_told() -> None:
    text = (
        plant(*PLANTED["record_route_resolution_stats"])
        .text.replace("«", "")
        .replace("»", "")
        .replace("port_value: 8000", "port_value: eighty")
    )
    loaded = load(text, NAME)
    assert [problem.level for problem in loaded.problems] == ["error", "warning"] and loaded.bootstrap is None


@pytest.mark.parametrize("message", HARMLESS)
def test_the_words_are_envoys(message: str) -> None:
    assert HARMLESS[message] <= FIELDS[message].keys()
