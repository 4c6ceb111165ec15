"""What is served is made of what the files say and of what holds over them.                                            (pure)

Rule 1. Files first, then runtime values, then weights. What is made is a whole configuration as if a file had said all of it, so
        that everything after this (plan, warming, swap, explanations, dumps) knows no difference.
"""

from dataclasses import dataclass, field, replace

from shifter.model.bootstrap import Bootstrap
from shifter.service.journal import Overrides
from shifter.service.sources import Candidate


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that what is served follows from."""

    candidate: Candidate
    overrides: Overrides = field(default_factory=Overrides)


@dataclass(frozen=True, slots=True)
class Composed:
    """The configuration that follows from `Inputs`; ``inputs`` without those overrides that ended, each of which ``warnings`` tells."""

    bootstrap: Bootstrap
    inputs: Inputs
    warnings: tuple[str, ...] = ()


def compose(inputs: Inputs) -> Composed:
    """Return what follows from *inputs*, whose candidate has a configuration."""
    assert inputs.candidate.bootstrap is not None
    return Composed(replace(inputs.candidate.bootstrap), inputs)
