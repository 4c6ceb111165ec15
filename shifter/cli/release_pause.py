"""``shifter release pause``: stay in the step."""

from shifter.cli.release_asking import verb

command = verb(
    "pause",
    "Stay in the step that the release is in, until somebody says resume. The verdict keeps running: a canary that is worse is taken back.",
)
