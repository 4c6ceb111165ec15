"""What can be wrong in this room."""


class ShifterError(Exception):
    """Something about statistics or access logs cannot be done."""


class FormatError(ShifterError):
    """A format is not understood.

    ``position`` is the offset of the offending ``%`` in the format, ``operator`` the text there, ``hint`` the nearest operator
    that is known, or empty.
    """

    def __init__(self, reason: str, position: int, operator: str, hint: str = "") -> None:
        super().__init__(f"{reason}: {operator!r} at offset {position}" + (f"; did you mean {hint!r}?" if hint else ""))
        self.position = position
        self.operator = operator
        self.hint = hint
