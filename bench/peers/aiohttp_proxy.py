"""A streaming reverse proxy on aiohttp: its low-level server and its client session, routes from JSON (`configs.peer`).

aiohttp is imported by name because the project does not depend on it: types cannot be checked where it is missing.
"""

import asyncio
import importlib
import json
import random
import sys
import uuid
from pathlib import Path
from typing import Any

_HOP = frozenset(("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate", "proxy-authorization"))
_WHOLE = 65_536
"""Up to this length a response is read whole and sent at once, which is what aiohttp is fastest at."""


async def main(config: dict[str, Any]) -> None:
    aiohttp, web = importlib.import_module("aiohttp"), importlib.import_module("aiohttp.web")
    multidict, yarl = importlib.import_module("multidict"), importlib.import_module("yarl")
    routes = [
        (route["prefix"], route["header"], [name for name, _ in route["clusters"]], [weight for _, weight in route["clusters"]])
        for route in config["routes"]
    ]
    bases = {name: f"http://127.0.0.1:{port}" for name, port in config["backends"].items()}
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3600),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=15),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
    )

    def kept(headers: Any) -> Any:
        return multidict.CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP)

    def cluster_of(request: Any) -> tuple[list[str], list[int]]:
        for prefix, header, names, weights in routes:
            if request.path_qs.startswith(prefix) and (header is None or request.headers.get(header[0]) == header[1]):
                return names, weights
        return [], []

    async def handle(request: Any) -> Any:
        names, weights = cluster_of(request)
        if not names:
            return web.Response(status=404)
        cluster = names[0] if len(names) == 1 else random.choices(names, weights)[0]
        headers = kept(request.headers)
        headers.add("X-Forwarded-For", request.remote or "")
        headers["X-Forwarded-Proto"] = "http"
        headers.setdefault("X-Request-Id", str(uuid.uuid4()))
        url = yarl.URL(bases[cluster] + request.path_qs, encoded=True)
        body = request.content if request.body_exists else None
        try:
            async with session.request(request.method, url, headers=headers, data=body, allow_redirects=False) as answer:
                if answer.content_length is not None and answer.content_length <= _WHOLE:
                    return web.Response(status=answer.status, headers=kept(answer.headers), body=await answer.read())
                response = web.StreamResponse(status=answer.status, headers=kept(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except (aiohttp.ClientError, TimeoutError):
            return web.Response(status=502)

    server = web.Server(handle, keepalive_timeout=3600, access_log=None)
    await asyncio.get_running_loop().create_server(server, "127.0.0.1", config["port"], backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
