"""A release to look at: ``make demo-release``, and ``make demo-release FAILING=3`` for one that goes wrong.

It starts the tutorial's stack and users of it (``load.py``), begins the release of ``release.yaml`` and shows what
`shifter release watch` shows, until the release is over. With ``--failing`` the new version begins to fail so many per cent of its
requests before long. The exit status is 0 when the release ended as it should: finished without, taken back with failures.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

from twisted.internet import reactor as installed_reactor
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.threads import deferToThread

from demo.crew import ROOT, CannotStart, Crew, Run, python, say
from demo.stack import Stack, add_place, place_of

RATE = 120.0  # requests a second
TAKES = 30.0  # milliseconds that a service needs to answer
SPEC = ROOT / "demo/release.yaml"
NAME = "service1a"

HEALTHY = "Both versions are well. Watch 1 % become 100 %, in about two minutes."
FAILING = "service1a will fail {failing:g} % of its requests before long. Watch it being taken back."
BEGUN = """\
{what}

    page    http://localhost:{admin}/release/{name}
    users   {rate:g} requests a second for http://localhost:{port}/service/1
"""


class Demo:
    """The stack, its users, and one release. ``status`` is how it ended, for the shell."""

    def __init__(self, reactor: PosixReactorBase, crew: Crew, stack: Stack, options: argparse.Namespace) -> None:
        self._reactor = reactor
        self._crew = crew
        self._stack = stack
        self._options = options
        self.status = 1

    async def run(self) -> None:
        """Do all of it."""
        options = self._options
        await self._stack.start()
        self._crew.start(python("load", "load.py", "--port", str(options.port), "--rate", f"{RATE:g}"))
        started = await deferToThread(self._shifter, "start", str(options.release), "--by", "make demo-release", capture_output=True)
        if started.returncode:
            raise CannotStart(f"The release could not be started.\n\n{started.stdout}{started.stderr}")
        what = FAILING.format(failing=options.failing) if options.failing else HEALTHY
        say(BEGUN.format(what=what, admin=options.admin_port, name=NAME, rate=RATE, port=options.port))
        watched = await deferToThread(self._shifter, "watch", NAME)
        expected = 1 if options.failing else 0
        self.status = 0 if watched.returncode == expected else 1
        self._reactor.stop()

    def _shifter(self, verb: str, *arguments: str, capture_output: bool = False) -> "subprocess.CompletedProcess[str]":
        command = [str(Path(sys.executable).with_name("shifter")), "release", verb, *arguments]
        admin = ("--admin", f"localhost:{self._options.admin_port}")
        return subprocess.run([*command, *admin], capture_output=capture_output, text=True, check=False)


def main() -> int:
    arguments = argparse.ArgumentParser(description="A release to look at.")
    add_place(arguments)
    arguments.add_argument("--failing", type=float, default=0.0, metavar="PERCENT", help="of the new version's requests (default: none)")
    arguments.add_argument(
        "--release", type=Path, default=SPEC, metavar="FILE", help=f"of one that is called {NAME} (default: %(default)s)"
    )
    options = arguments.parse_args()
    reactor = cast(PosixReactorBase, installed_reactor)
    with tempfile.TemporaryDirectory(prefix="shifter-") as directory:
        crew = Crew(reactor, Path(directory))
        stack = Stack(reactor, crew, place_of(options), options.twistd.absolute(), Path(directory))
        stack.takes, stack.failing = TAKES, options.failing
        demo = Demo(reactor, crew, stack, options)
        return Run(reactor, crew).main(demo.run, on_hangup=reactor.stop) or demo.status


if __name__ == "__main__":
    sys.exit(main())
