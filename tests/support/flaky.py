"""What a backend does of a request that is tried again: it fails at first, or at some backends, and then no more.

A path with ``flaky`` among its segments fails as ``how`` says, a status or the name of another mode of `tests.support.backend`,
as long as the try's number (``x-envoy-attempt-count``) is at most ``first``, and only at the backends that ``at`` lists. Fields
of the failed answer are in ``fields``, separated by ``|``. Then it says its name.
"""

from tests.support.backend import MODES, Conversation, Seen, mode

ALWAYS = "1000"


def attempt(request: Seen) -> int:
    """Which try of its request this is, from 1."""
    return int((request.values("x-envoy-attempt-count") or ["1"])[0])


@mode("flaky")
def flaky(it: Conversation, request: Seen) -> object:
    options = request.options
    names = options.get("at", it.backend.name).split(",")
    if it.backend.name not in names or attempt(request) > int(options.get("first", ALWAYS)):
        return it.answer(it.backend.name.encode(), method=request.method)
    how = options.get("how", "503")
    if not how.isdigit():
        return MODES[how](it, request)
    fields = [field.encode("latin-1") for field in options.get("fields", "").split("|") if field]
    return it.answer(b"failed", int(how), *fields, method=request.method)
