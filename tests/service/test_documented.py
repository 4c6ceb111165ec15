"""docs/operations.md and docs/access-logs.md name what there is: deadlines, response flags."""

import re

from shifter.service.clusters import WARMING_DEADLINE
from shifter.service.ending import EndingOptions
from shifter.upstream.interfaces import FailureKind
from tests.support.programs import ROOT

PAGE = (ROOT / "docs/operations.md").read_text()
LOGS = (ROOT / "docs/access-logs.md").read_text()
ROWS = {row[1]: row[2] for row in re.finditer(r"^\| `(\S+)` \| (\S.*?) \|", LOGS, re.MULTILINE)}


def test_every_response_flag_of_an_upstream_with_its_status() -> None:
    for kind in FailureKind:
        assert str(kind.status) in ROWS[kind.flag]


def test_deadlines() -> None:
    assert f"for at most {WARMING_DEADLINE:.0f} seconds" in PAGE
    assert f"latest after {EndingOptions().drain_time:.0f} seconds" in PAGE
