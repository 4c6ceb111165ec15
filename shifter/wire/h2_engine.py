"""The HTTP/2 engine in use: `ngh2` (libnghttp2), or `h2_fallback` where that cannot be imported.

Both pass one conformance suite. ``SHIFTER_HTTP2=h2`` in the environment chooses the fallback although the other is there;
``ENGINE`` says which it is.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ngh2 as _engine

    ENGINE = ""
elif os.environ.get("SHIFTER_HTTP2", "") != "h2":
    try:
        import ngh2 as _engine

        ENGINE = "ngh2"
    except ImportError:
        from shifter.wire import h2_fallback as _engine

        ENGINE = "h2"
else:
    from shifter.wire import h2_fallback as _engine

    ENGINE = "h2"

Configuration = _engine.Configuration
Connection = _engine.Connection
ConnectionClosed = _engine.ConnectionClosed
DataReceived = _engine.DataReceived
DenialOfServiceError = _engine.DenialOfServiceError
Event = _engine.Event
GoAwayReceived = _engine.GoAwayReceived
InformationalResponseReceived = _engine.InformationalResponseReceived
NGH2Error = _engine.NGH2Error
PingAcknowledged = _engine.PingAcknowledged
RequestReceived = _engine.RequestReceived
ResponseReceived = _engine.ResponseReceived
Role = _engine.Role
SettingsReceived = _engine.SettingsReceived
StreamClosed = _engine.StreamClosed
StreamReset = _engine.StreamReset
TrailersReceived = _engine.TrailersReceived
