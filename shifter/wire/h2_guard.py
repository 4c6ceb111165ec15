"""How many frames of which kind a peer may send: Envoy's limits of ``Http2ProtocolOptions``, counted before an engine sees the frames.

Rule 1. Which engine frames HTTP/2 does not matter here, nor does how bytes were cut: whole frames are counted by their headers.
Rule 2. A limit that is broken is a word in `FrameGuard.flood`, and the name of the statistic that counts it; the frames from there on
        never reach the engine.
Rule 3. HEADERS and DATA that carry something, which is what connections are for, cost a look at their header and no more.
"""

import contextlib
import os
from typing import Final

from shifter.model.http2 import DOWNSTREAM_HTTP2, Http2ProtocolOptions

HEADER: Final = 9
MAX_FRAME: Final = 16384

_DATA, _HEADERS, _PRIORITY, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = range(10)
_END_STREAM, _END_HEADERS, _PADDED, _ACK = 1, 4, 8, 1
_MOST_CONTINUATIONS = 8  # as libnghttp2


def _no_plain_frames(data: bytes, at: int) -> tuple[int, int, int]:
    """Return where the whole frames of *data* from *at* on end that are HEADERS with all fields or DATA, neither empty nor padded DATA; how
    many these are, and how many of them HEADERS. Optional: `FrameGuard` does the same with those that are left."""
    return at, 0, 0


plain_frames = _no_plain_frames
if os.environ.get("SHIFTER_PURE", "0") in ("", "0"):
    with contextlib.suppress(ImportError):
        from shifter.wire._h2_heads import plain_frames


class FrameGuard:
    """See the module. ``count`` is how many frames the last `admit` let through, ``unsent`` how many answers to frames (PING, SETTINGS,
    RST_STREAM) wait to be sent; ``head_open`` says that the fields of a message have begun and not ended."""

    __slots__ = (
        "_continuations",
        "_empty",
        "_limits",
        "_priorities",
        "_sent",
        "_streams",
        "_updates",
        "count",
        "flood",
        "head_open",
        "unsent",
    )

    def __init__(self, limits: Http2ProtocolOptions = DOWNSTREAM_HTTP2) -> None:
        self._limits = limits
        self._empty = 0
        self._continuations = 0
        self._priorities = 0
        self._updates = 0
        self._streams = 0
        self._sent = 0
        self.count = 0
        self.flood = ""
        self.head_open = False
        self.unsent = 0

    def admit(self, data: bytes, at: int) -> int:
        """Look at the frames of *data* from *at* on; return where those that are whole and may be taken end.

        A frame that is too long ends the data: an engine refuses it by its header."""
        size = len(data)
        at, frames, heads = plain_frames(data, at)
        if frames:
            self._empty = 0
            if heads:
                self._streams += heads
                self._continuations = 0
                self.head_open = False
        while size - at >= HEADER:
            length = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
            end = at + HEADER + length
            if end > size:
                if length > MAX_FRAME:
                    at = size
                break
            kind = data[at + 3]
            if kind == _HEADERS and length:
                self._streams += 1
                self._empty = self._continuations = 0
                self.head_open = not data[at + 4] & _END_HEADERS
            elif kind == _DATA and length and not data[at + 4] & _PADDED:
                self._empty = 0
            elif self._breaks(kind, data[at + 4], length - 1 - data[at + HEADER] if data[at + 4] & _PADDED and length else length):
                break
            at = end
            frames += 1
        self.count = frames
        return at

    def wrote(self, size: int) -> None:
        """*size* bytes went out: what waited did too, and so many DATA frames at least that a peer may open its windows for them."""
        self.unsent = 0
        self._sent += 1 + (size >> 14)

    def reset(self) -> bool:
        """One more RST_STREAM waits to be sent; False when these are too many."""
        return not self._waits()

    def _breaks(self, kind: int, flags: int, length: int) -> bool:
        """Count a frame that is not just HEADERS or DATA; say whether it breaks a limit."""
        limits = self._limits
        if kind <= _HEADERS or kind == _CONTINUATION:
            if kind == _CONTINUATION:
                self._continuations += 1
                self.head_open = not flags & _END_HEADERS
                if self._continuations > _MOST_CONTINUATIONS:
                    return self._broken("header_overflow")
            if length <= 0 and not (flags & _END_STREAM and kind != _CONTINUATION):
                self._empty += 1
                if self._empty > limits.max_consecutive_inbound_frames_with_empty_payload:
                    return self._broken("inbound_empty_frames_flood")
            else:
                self._empty = 0
        elif kind == _PRIORITY:
            self._priorities += 1
            if self._priorities > limits.max_inbound_priority_frames_per_stream * (1 + self._streams):
                return self._broken("inbound_priority_frames_flood")
        elif kind == _WINDOW_UPDATE:
            self._updates += 1
            each = limits.max_inbound_window_update_frames_per_data_frame_sent
            if self._updates > 5 + 2 * (self._streams + each * self._sent):
                return self._broken("inbound_window_update_frames_flood")
        elif kind in (_PING, _SETTINGS) and not flags & _ACK:
            return self._waits()
        return False

    def _waits(self) -> bool:
        self.unsent += 1
        if self.unsent > self._limits.max_outbound_frames:
            return self._broken("outbound_flood")
        return self.unsent > self._limits.max_outbound_control_frames and self._broken("outbound_control_flood")

    def _broken(self, limit: str) -> bool:
        self.flood = limit
        return True
