"""``shifter release brake``: give the canary next to nothing."""

from shifter.cli.release_asking import verb

command = verb(
    "brake",
    "Give the canary about one request a second until it is seen what is the matter with it. A brake of one's own ends with `resume`.",
)
