"""``shifter release resume``: go on after a pause, or a brake."""

from shifter.cli.release_asking import verb

command = verb(
    "resume",
    "Go on after a pause, or after a brake, with the weight of the step.",
)
