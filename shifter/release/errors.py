"""What goes wrong with releases."""

from collections.abc import Sequence

from shifter.model.release import State


class ShifterError(Exception):
    """A release cannot do what is wanted."""


class Closed(ShifterError):
    """Nothing is written down for now, and nothing is wrong: another process is about to go on with the release."""


class Refused(ShifterError):
    """A verb does not fit: the release is left as it was. ``state`` is where it is, ``verbs`` what fits there."""

    def __init__(self, state: State, sentence: str, verbs: Sequence[str]) -> None:
        super().__init__(sentence)
        self.state = state
        self.sentence = sentence
        self.verbs = tuple(verbs)
