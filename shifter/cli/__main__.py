"""``python -m shifter.cli``: the same as the ``shifter`` program."""

from shifter.cli import main

main(prog_name="shifter")
