"""Text that is made anew for each request (``core.v3.SubstitutionFormatString``)."""

from dataclasses import dataclass, field

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""Plain data."""


@dataclass(frozen=True, slots=True)
class SubstitutionFormat:
    """Exactly one of ``text`` and ``json`` is set; texts in both are formats (``model.route`` rule 3).

    ``content_type`` empty means ``text/plain``, or ``application/json`` for ``json``. With ``omit_empty_values`` a value that is
    not known is an empty text instead of ``-``, and leaves its key out of ``json``.
    """

    text: str | None = None
    json: dict[str, Json] | None = field(default=None, hash=False)
    content_type: str = ""
    omit_empty_values: bool = False
