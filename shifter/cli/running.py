"""The configuration of a running proxy, read from its admin listener."""

import json
import re
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from shifter.cli.common import reason
from shifter.service.judging import MAX_BYTES

_HOST_AND_PORT = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_PATIENCE = 10.0
_MAX_ANSWER = 8 * MAX_BYTES
_BOOTSTRAP = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"


class Unreachable(Exception):
    """The proxy cannot be asked; the text says why."""


def address(where: str) -> str | None:
    """Return the URL of the admin listener that *where* names, ``None`` when that is rather a file."""
    if where.startswith(("http://", "https://")):
        return where.rstrip("/")
    return f"http://{where}" if _HOST_AND_PORT.fullmatch(where) and not Path(where).exists() else None


def configuration(where: str) -> bytes:
    """Return the configuration that the proxy at the URL *where* runs, as JSON. Also Envoy's, whose pages are the same.

    :raises Unreachable: it does not answer, or with something else
    """
    try:
        # An admin listener is asked directly, whatever http_proxy says.
        with build_opener(ProxyHandler({})).open(f"{where}/config_dump", timeout=_PATIENCE) as answer:
            dump = json.loads(answer.read(_MAX_ANSWER))
    except HTTPError as error:
        raise Unreachable(f"the proxy answers {error.code} to /config_dump") from None
    except URLError as error:
        why = reason(error.reason) if isinstance(error.reason, OSError) else str(error.reason)
        raise Unreachable(f"the proxy cannot be reached: {why}") from None
    except (OSError, HTTPException) as error:
        raise Unreachable(f"the proxy cannot be reached: {error}") from None
    except ValueError:
        raise Unreachable("what answers there is no proxy's admin listener") from None
    configs = dump.get("configs") if isinstance(dump, dict) else None
    for config in configs if isinstance(configs, list) else ():
        if isinstance(config, dict) and config.get("@type") == _BOOTSTRAP and isinstance(config.get("bootstrap"), dict):
            return json.dumps(config["bootstrap"]).encode()
    raise Unreachable("its /config_dump shows no configuration")
