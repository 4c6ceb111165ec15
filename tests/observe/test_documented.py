"""docs/configuration.md lists every operator, and what Envoy knows besides."""

import re

from shifter.observe.operators import ALIASES, ENVOY_ONLY, OPERATORS
from tests.support.programs import ROOT

CHAPTER = (ROOT / "docs/configuration.md").read_text().partition("\n## Operators\n")[2].partition("\n## ")[0]


def test_every_operator_is_listed() -> None:
    known, missing = CHAPTER.split("Envoy knows these, shifter does not yet:")
    said = set(re.findall(r"`%?([A-Z0-9_]{3,})", known))
    assert set(OPERATORS) <= said
    assert set(ENVOY_ONLY) | set(ALIASES) <= set(re.findall(r"`%?([A-Z0-9_]{3,})", missing))
    assert not said & set(ENVOY_ONLY)
