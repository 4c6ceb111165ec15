"""``shifter release abort``: end a release."""

from shifter.cli.release_asking import verb

command = verb(
    "abort",
    "End the release: all requests go to the baseline from the next one on, those in flight finish.",
)
