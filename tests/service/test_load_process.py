"""Large configurations through another process: what comes back, in which steps, and what is told when nothing does."""

import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from shifter.model.steps import at_once
from shifter.service import load_process
from shifter.service.load_child import Question
from shifter.service.load_parts import pickled, unpickled
from shifter.service.load_process import PATIENCE, ProcessLoader
from shifter.service.loading import Candidate, read_files
from shifter.service.slices import Slices
from shifter.service.sources import SMALL, FileSource
from tests.config.test_discovered import FILES, FRONT
from tests.support.configs import GOOD

TEXTS = {name: text.encode() for name, text in {"front.yaml": FRONT, **FILES}.items()}
DONE = Failure(ProcessDone(0))


def candidate(text: str = GOOD) -> Candidate:
    return read_files("front.yaml", read=lambda path: text.encode())


class Process:
    """What the transport of a process does, as far as it is used."""

    pid = 7

    def __init__(self) -> None:
        self.written = b""
        self.signals: list[str] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def closeStdin(self) -> None:
        self.closed = True

    def signalProcess(self, name: str) -> None:
        self.signals.append(name)


class Lab(Clock):
    """A reactor that starts no process."""

    def __init__(self) -> None:
        super().__init__()
        self.loader = ProcessLoader(self, Slices(self, self.seconds))
        self.process = Process()
        self.protocol: Any = None
        self.command: list[str] = []
        self.environment: dict[str, str] = {}

    def spawnProcess(self, protocol: Any, executable: str, args: list[str], env: dict[str, str]) -> None:
        self.protocol, self.command, self.environment = protocol, args, env
        protocol.makeConnection(self.process)

    def asked(self, good: dict[str, bytes] | None = None) -> list[Candidate]:
        found: list[Candidate] = []
        self.loader.load("front.yaml", good or {}).addCallback(found.append)
        return found


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_what_is_pickled_is_the_same_again() -> None:
    first = candidate()
    steps = unpickled(pickled(first))
    taken = sum(1 for _ in steps)
    assert taken > 10, "routes, hosts, chains and clusters one by one"
    again = at_once(unpickled(pickled(first)))
    assert again == first and again.bootstrap is not first.bootstrap


def test_what_is_wrong_is_pickled_too() -> None:
    wrong = candidate("static_resources: {listenres: []}")
    assert wrong.problems and at_once(unpickled(pickled(wrong))) == wrong


def test_an_answer(lab: Lab) -> None:
    found = lab.asked({"a": b"b"})
    assert pickle.loads(lab.process.written) == Question("front.yaml", {"a": b"b"})
    assert lab.command[1:] == ["-P", "-m", "shifter.service.load_child"]
    assert str(Path(load_process.__file__).parents[2]) in lab.environment["PYTHONPATH"].split(":")
    answer = pickled(candidate())
    lab.protocol.outReceived(answer[:100])
    lab.protocol.outReceived(answer[100:])
    assert not found
    lab.protocol.processEnded(DONE)
    lab.advance(0)
    assert found == [candidate()]
    assert lab.getDelayedCalls() == [] and not lab.loader._running


@pytest.mark.parametrize(
    ("words", "end", "said"),
    [
        (b"Traceback\nMemoryError\n", ProcessTerminated(1), "it ended with exit code 1"),
        (b"", ProcessTerminated(None, signal=9), "signal 9"),
        (b"", ProcessDone(0), "Ran out of input"),
    ],
)
def test_no_answer(lab: Lab, words: bytes, end: Exception, said: str) -> None:
    found = lab.asked()
    lab.protocol.errReceived(words)
    lab.protocol.processEnded(Failure(end))
    lab.advance(0)
    [nothing] = found
    assert nothing.bootstrap is None and nothing.files == ("front.yaml",)
    [problem] = nothing.problems
    assert problem.startswith("front.yaml: cannot be loaded: ")
    assert all(word in problem for word in words.decode().split()[-1:])
    assert said.split()[-1] in problem
    assert lab.getDelayedCalls() == []


def test_an_answer_that_takes_too_long(lab: Lab) -> None:
    found = lab.asked()
    lab.advance(PATIENCE)
    assert lab.process.signals == ["KILL"] and not found
    lab.protocol.processEnded(Failure(ProcessTerminated(None, signal=9)))
    assert found[0].problems == ("front.yaml: cannot be loaded: it took longer than 120 s",)


def test_an_answer_that_is_too_long(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_process, "MOST", 1 << 20)
    found = lab.asked()
    lab.protocol.outReceived(b"." * (1 << 20))
    assert not lab.process.signals
    lab.protocol.outReceived(b".")
    assert lab.process.signals == ["KILL"]
    lab.protocol.processEnded(Failure(ProcessTerminated(None, signal=9)))
    assert found[0].problems == ("front.yaml: cannot be loaded: it would have more than 1 MiB",)


def test_the_end_does_not_wait_for_it(lab: Lab) -> None:
    found = lab.asked()
    lab.loader.stop()
    lab.protocol.processEnded(Failure(ProcessTerminated(None, signal=9)))
    assert found[0].problems == ("front.yaml: cannot be loaded: the proxy is ending",)
    found = lab.asked()
    lab.protocol.outReceived(pickled(candidate()))
    slices: Any = lab.loader._slices
    lab.seconds = lambda: 0.0  # type: ignore[method-assign]  # time stands still, or goes by in each step
    slices._monotonic = iter(range(1000)).__next__
    lab.protocol.processEnded(DONE)
    slices.stop()
    assert found[0].problems == ("front.yaml: cannot be loaded: the proxy is ending",)
    assert lab.getDelayedCalls() == []


def test_where_no_process_can_be_started(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(lab, "spawnProcess", spawn)
    said = "front.yaml: cannot be loaded: no process can be started for it: Resource temporarily unavailable"
    assert lab.asked()[0].problems == (said,)
    assert lab.getDelayedCalls() == []


def test_which_files_are_loaded_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in TEXTS.items():
        Path(name).write_bytes(text)
    lab = Lab()
    source = FileSource("front.yaml", lab.loader)
    found: list[Candidate] = []
    source.fetch({}).addCallback(found.append)
    assert found[0].bootstrap is not None and lab.protocol is None
    Path("cds.yaml").write_bytes(TEXTS["cds.yaml"] + b"# " + b"." * SMALL)
    source.fetch({}).addCallback(found.append)
    assert len(found) == 1 and lab.protocol is not None
    lab.protocol.processEnded(Failure(ProcessTerminated(1)))


def test_a_real_one(tmp_path: Path) -> None:
    """The interpreter finds what this one finds, and answers what this one would."""
    import subprocess

    path = tmp_path / "front.yaml"
    path.write_text(GOOD)
    question = pickle.dumps(Question(str(path), {}))
    environment = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-P", "-m", "shifter.service.load_child"]
    done = subprocess.run(command, input=question, stdout=subprocess.PIPE, check=True, env=environment, cwd=tmp_path)
    assert at_once(unpickled(done.stdout)) == read_files(str(path))
