"""``shifter release retry``: begin anew."""

from shifter.cli.release_asking import verb

command = verb(
    "retry",
    "Begin anew with a release that was rolled back or aborted, from its first step and with nothing known against its canary.",
)
