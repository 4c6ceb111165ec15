"""A twisted.web resource that a route serves: how far the release is, from whatever this process knows."""

import json
from typing import Any

from twisted.web.resource import Resource


class Status(Resource):
    """``GET /status`` answers with JSON; ``POST /status`` notes what it is sent."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def render_GET(self, request: Any) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return json.dumps({"client": request.getClientAddress().host, "notes": self.notes}).encode() + b"\n"

    def render_POST(self, request: Any) -> bytes:
        self.notes.append(request.content.read().decode("utf-8", "replace"))
        request.setResponseCode(201)
        return b"noted\n"


status = Status()
