"""What becomes of the proxy's own answers before they go out (``LocalReplyConfig``).

Rule 1. The first mapper that fits changes an answer: its body first, then its fields (whose formats still see the status as it
        was), then its status. Then the mapper's format, else the one for all, words the body.
Rule 2. Every answer that is not an upstream's passes here, also one to something that is not a request; one to the fault of a
        filter does not.
"""

from collections.abc import Callable

from shifter.model.format import SubstitutionFormat
from shifter.model.http_connection_manager import LocalReplyConfig, ResponseMapper
from shifter.model.route import HeaderMutations
from shifter.observe.jsonformat import compile_json
from shifter.observe.logformat import Formatter, LogEntry, compile_template
from shifter.routing.headers import HeaderEditor
from shifter.routing.logfilter import compile_filter
from shifter.routing.runtime import Runtime
from shifter.wire.events import RequestHead, first_value, without

TEXT = b"text/plain"
JSON = b"application/json"
_TYPE = b"content-type"


class BodyFormat:
    """A compiled `SubstitutionFormat`: the function ``make`` and the ``content_type`` of what it makes."""

    __slots__ = ("content_type", "make")

    def __init__(self, config: SubstitutionFormat) -> None:
        self.make: Formatter
        if config.json is not None:
            self.make = compile_json(config.json, omit_empty=config.omit_empty_values)
        else:
            self.make = compile_template(config.text or "", unknown=b"" if config.omit_empty_values else b"-", lines=True)
        self.content_type = config.content_type.encode("latin-1", "replace") or (JSON if config.json is not None else TEXT)


class Known:
    """An entry as a `routing.headers.Subject`."""

    __slots__ = ("_entry",)

    def __init__(self, entry: LogEntry) -> None:
        self._entry = entry

    def describe(self) -> LogEntry:
        return self._entry


class _Mapper:
    """One compiled `ResponseMapper`."""

    __slots__ = ("body", "edit", "fits", "form", "status")

    def __init__(self, config: ResponseMapper, runtime: Runtime, random: Callable[[], int]) -> None:
        self.fits = compile_filter(config.filter, runtime, random)
        self.status = config.status_code
        self.body = config.body
        self.form = BodyFormat(config.body_format) if config.body_format is not None else None
        self.edit = HeaderEditor([HeaderMutations(response_add=config.headers)]).response


class LocalReplies:
    """See the module. Raises `RoutingError` and `observe.FormatError` for what cannot be compiled."""

    __slots__ = ("_form", "_mappers")

    def __init__(self, config: LocalReplyConfig, runtime: Runtime, random: Callable[[], int]) -> None:
        self._mappers = [_Mapper(one, runtime, random) for one in config.mappers]
        self._form = BodyFormat(config.body_format) if config.body_format is not None else None

    def change(self, entry: LogEntry, head: RequestHead, status: int, body: bytes, fields: bytes) -> tuple[int, bytes, bytes, bytes]:
        """Return (status, body, field block, content type of the body) of an answer to *head*, about which *entry* tells.

        *fields* are the answer's, without ``content-length``; what a mapper adds is in those that are returned.
        """
        entry.status = status
        entry.response_block = fields
        form = self._form
        before = body
        kind = first_value(fields, _TYPE)
        for mapper in self._mappers:
            if mapper.fits(entry, head):
                if mapper.body is not None:
                    body = mapper.body
                if mapper.edit is not None:
                    fields = entry.response_block = mapper.edit(fields, Known(entry))
                if mapper.status is not None:
                    status = entry.status = mapper.status
                form = mapper.form or form
                break
        made = TEXT
        if form is not None:
            entry.body = body
            body = form.make(entry)
            made = form.content_type
        if body != before and first_value(fields, _TYPE) == kind:
            fields = without(fields, _TYPE)  # it was that of another body
        return status, body, fields, made
