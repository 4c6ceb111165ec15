"""The HTTP/2 engine in pure Python: the codec's tests hold over it, and it is what is used where there is no other."""

import os
import subprocess
import sys

from tests.support.programs import ROOT

CHOSEN = "from shifter.wire.h2_engine import ENGINE; print(ENGINE)"


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_codec_passes_its_tests_over_it() -> None:
    # How bytes are cut is no affair of an engine, which is fed whole frames.
    only = "not bytewise and not in_sevens"
    said = run("-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "tests/wire/test_h2.py", "-k", only, SHIFTER_HTTP2="h2")
    assert " passed" in said


def test_it_is_chosen_on_request() -> None:
    assert run("-c", CHOSEN, SHIFTER_HTTP2="h2") == "h2\n"


def test_it_is_chosen_where_there_is_no_other() -> None:
    assert run("-c", "import sys; sys.modules['ngh2'] = None\n" + CHOSEN, SHIFTER_HTTP2="") == "h2\n"
    assert run("-c", CHOSEN, SHIFTER_HTTP2="") == "ngh2\n"
