"""Runs a program so that it cannot outlive the one that started it: ``python leash.py PARENT_PID PROGRAM [ARGUMENT…]``.

The program gets a process group of its own, so that Ctrl-C in the terminal reaches only the parent, which then stops
its children in order. Where the kernel can (Linux), it is also told to end the program when the parent dies.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    os.setpgid(0, 0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):  # it died before we asked to be told
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
