"""The HTTP/1.1 head parsers in use: compiled when the extension was built, pure Python otherwise.

Both follow the rules of `_pure_heads` and pass one conformance suite; ``SHIFTER_PURE=1`` in the environment chooses the
pure one although the other is there. ``IMPLEMENTATION`` says which it is (``shifter --version -v``, ``/server_info``).
"""

import os

from shifter.wire._pure_heads import FORBIDDEN_TRAILERS, METHODS, UNREMOVABLE, parse_trailers

__all__ = [
    "FORBIDDEN_TRAILERS",
    "IMPLEMENTATION",
    "METHODS",
    "UNREMOVABLE",
    "first_value",
    "parse_request",
    "parse_response",
    "parse_trailers",
]

IMPLEMENTATION = "pure python"

if os.environ.get("SHIFTER_PURE", "0") in ("", "0"):
    try:
        from shifter.wire._heads import first_value, parse_request, parse_response

        IMPLEMENTATION = "compiled"
    except ImportError:
        from shifter.wire._pure_heads import parse_request, parse_response
        from shifter.wire.events import first_value
else:
    from shifter.wire._pure_heads import parse_request, parse_response
    from shifter.wire.events import first_value
