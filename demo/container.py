"""What one container of ``docker-compose.yml`` runs.

With ``SERVICE_NAME`` in the environment: that service and, in front of it, its sidecar (``etc/service.yaml``).
Without: the front proxy (``etc/front.yaml``). When one program ends, so does the container.

The front proxy's admin listens on loopback, which inside a container nobody could reach: here it listens on the
container's network, and the compose file publishes it on the host's loopback only. That takes a copy of the file, which
SIGHUP makes anew: ``docker compose kill -s HUP front`` reloads ``etc/front.yaml``.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.posixbase import PosixReactorBase

from demo.addresses import ADMIN, SERVICE, rebind
from demo.crew import ROOT, Crew, Member, Program, Run, proxy, python, say

TWISTD = Path(sys.executable).with_name("twistd")
ANYWHERE = "0.0.0.0"


def programs(service: str | None, front: Path) -> list[Program]:
    """What to run for *service*, or for the front proxy when there is none."""
    if service is None:
        return [proxy(TWISTD, "front", front)]
    return [
        python(f"service{service}", "service.py", "--listen", str(SERVICE), SERVICE_NAME=service),
        proxy(TWISTD, f"sidecar{service}", ROOT / "etc/service.yaml"),
    ]


def open_admin(front: Path) -> None:
    """Write the copy of ``etc/front.yaml`` whose admin can be reached from outside the container."""
    front.write_text(rebind((ROOT / "etc/front.yaml").read_text(), {ADMIN: ADMIN._replace(host=ANYWHERE)}))


def main() -> int:
    service = os.environ.get("SERVICE_NAME")
    reactor = cast(PosixReactorBase, installed_reactor)
    with tempfile.TemporaryDirectory(prefix="shifter-") as directory:
        front = Path(directory, "front.yaml")
        crew = Crew(reactor, Path(directory))
        members: list[Member] = []

        async def begin() -> None:
            open_admin(front)
            members.extend(crew.start(*programs(service, front)))
            for member in members:
                member.show = say

        def reload() -> None:
            open_admin(front)
            for member in members:
                if member.name == "front":
                    member.signal("HUP")

        return Run(reactor, crew).main(begin, on_hangup=reload)


if __name__ == "__main__":
    sys.exit(main())
