"""Loads a configuration in a process of its own: ``python -P -m shifter.service.load_child``.

Rule 1. It is asked on its standard input, once (a pickled `Question`), answers on its standard output (`load_parts`), and ends.
Rule 2. It must not take what the proxy needs: it stands back for the processor, and has a limit for memory.
Rule 3. It reads the same files, variables and packages as the process that started it.
"""

import gc
import os
import pickle
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

MEMORY = 4 << 30
"""Bytes. A text of the largest size that is read takes a quarter of it."""
_NICENESS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: what `read_files` makes of *path* and of what is *good*; with ``again`` what `loaded_again` makes of that."""

    path: str
    good: Mapping[str, bytes]
    again: bool = False


def main() -> None:
    """See the module."""
    gc.disable()  # it lives too briefly to have garbage worth looking for
    _stand_back()
    from shifter.service.load_parts import pickled
    from shifter.service.loading import loaded_again, read_files

    question: Question = pickle.load(sys.stdin.buffer)
    candidate = loaded_again(question.good) if question.again else read_files(question.path, question.good)
    answer = pickled(candidate)
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    os._exit(0)  # to take half a million objects apart would only take time


def _stand_back() -> None:
    try:
        import resource
    except ImportError:  # no POSIX
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    with suppress(OSError, ValueError):  # a sandbox may forbid either
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        os.nice(_NICENESS)


if __name__ == "__main__":
    from shifter.service import load_child

    load_child.main()
