"""The functions in use that turn HTTP/2 field lists into heads and back: compiled when the extension was built, `h2_heads` otherwise.

Both follow the rules of `h2_heads` and pass one conformance suite; ``SHIFTER_PURE`` chooses as it does for `heads`.
"""

import os

from shifter.wire.h2_heads import trailer_block

__all__ = ["block_fields", "request_fields", "request_head", "response_fields", "response_head", "trailer_block"]

if os.environ.get("SHIFTER_PURE", "0") in ("", "0"):
    try:
        from shifter.wire._h2_heads import block_fields, request_fields, request_head, response_fields, response_head
    except ImportError:
        from shifter.wire.h2_heads import block_fields, request_fields, request_head, response_fields, response_head
else:
    from shifter.wire.h2_heads import block_fields, request_fields, request_head, response_fields, response_head
