"""``shifter release undo``: go back a step."""

from shifter.cli.release_asking import verb

command = verb(
    "undo",
    "Go back to the step before, and pause there. From there `resume` goes on.",
)
