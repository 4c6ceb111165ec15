"""Twisted's own reverse proxy, ``twisted.web.proxy.ReverseProxyResource``, as its documentation uses it.

It knows no routes: everything goes to the first cluster, each request on a connection of its own.
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet import reactor  # noqa: E402  # only after the choice above
from twisted.web import proxy, server  # noqa: E402

config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
site = server.Site(proxy.ReverseProxyResource("127.0.0.1", next(iter(config["backends"].values())), b""))
running = cast(Any, reactor)  # the types of listenTCP and of Site do not fit each other
running.listenTCP(config["port"], site, backlog=4096, interface="127.0.0.1")
running.run()
