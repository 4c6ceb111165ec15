"""What a release asks of others: a judge, a place to write things down, somebody who fetches URLs, and the data path."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from twisted.internet.defer import Deferred

from shifter.model.release import Gate, Progress, ReleaseSpec, State, Transition
from shifter.observe.comparison import Counted, Second
from shifter.release.evidence import Evidence


class Judge(Protocol):
    """Says what the evidence is (`judge.Verdict`). Everything it says may be relied on at any moment, however often one looks."""

    edges: tuple[Sequence[float], Sequence[float]]
    """What `Comparison.edges` is to be from now on."""

    def tick(self, second: Second, rate: float) -> Evidence:
        """Take in what was learned in one second; *rate* is how many canary requests a second there are, for the words."""

    def begin_step(self, warm_up: float) -> None:
        """A step begins, the canary of which is cold for *warm_up* seconds."""

    def brake(self, by_hand: bool) -> None:
        """The release is braked: what is seen from now on says whether it goes on (`Evidence.recent_requests`), unless it was *by_hand*."""

    def look_again(self) -> None:
        """Begin anew with what the brake looks at."""

    def resume(self) -> None:
        """The release goes on after a brake."""

    def to_state(self) -> Mapping[str, object]:
        """Return everything that is known, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A release as it is written down. ``saved`` is when that was last done, by the wall clock; ``judge`` what the judge knew then, and
    ``users`` who had been counted."""

    spec: ReleaseSpec
    progress: Progress
    started: float
    saved: float
    judge: Mapping[str, object] | None = None
    counts: Mapping[str, object] = field(default_factory=dict)
    """Figures to be shown that are no evidence: exposure, per step."""
    users: Sequence[Counted] = ()


class Store(Protocol):
    """Where releases are written down. Everything that is told to have been written survives the end of the process, if there is a state
    directory. All Deferreds fail with `ShifterError` when that cannot be done."""

    def load(self) -> Sequence[Record]:
        """Return all releases, the oldest first; for the start of the process."""

    def begin(self, record: Record) -> Deferred[None]:
        """Write down a new release. Fails when there is one of that name."""

    def commit(
        self,
        transition: Transition,
        judge: Mapping[str, object] | None = None,
        users: Sequence[Counted] = (),
        counts: Mapping[str, object] | None = None,
    ) -> Deferred[Transition]:
        """Write down *transition*, with the progress that it leads to, what the *judge* knows, *users* who were counted since what was
        written down last, and `Record.counts`; fires with it numbered. When a release begins anew, all of that is forgotten."""

    def keep(
        self,
        name: str,
        progress: Progress,
        judge: Mapping[str, object],
        counts: Mapping[str, object],
        at: float,
        users: Sequence[Counted] = (),
    ) -> Deferred[None]:
        """Write down how far the release *name* is without anything having happened to it."""

    def events(self, after: int = 0, count: int = 1000, release: str | None = None) -> Deferred[list[Transition]]:
        """Fire with up to *count* transitions with numbers above *after*, in order; of one release, or of all."""

    def delivered(self, target: str) -> Deferred[int]:
        """Fire with the number of the last event that *target* has got."""

    def deliver(self, target: str, number: int) -> Deferred[None]:
        """Write down that *target* has got all events up to *number*."""


class Answer(Protocol):
    """What an HTTP server answered."""

    @property
    def status(self) -> int:
        """The status."""

    @property
    def body(self) -> bytes:
        """The beginning of the body."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by their names in lower case; of a repeated one the last."""


class Http(Protocol):
    """Makes requests to servers outside, none of which is ever repeated by itself."""

    def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None, timeout: float = 10.0
    ) -> Deferred[Answer]:
        """Fire with the answer, of whose body at most 64 KiB are kept; fail with `OSError`, whatever it was, when there is none."""


class GateAnswer(Protocol):
    """See `Outreach.ask`."""

    @property
    def verdict(self) -> str:
        """``approved``, ``rejected``, ``waiting`` (not yet, or no answer)."""

    @property
    def reason(self) -> str:
        """Why, in the words of whoever was asked, or what went wrong."""


class Outreach(Protocol):
    """Whoever a release talks to outside."""

    def ask(self, spec: ReleaseSpec, gate: Gate, question: Mapping[str, object]) -> Deferred[GateAnswer]:
        """Ask the webhook of *gate* once (with its tries); *question* is what is sent. It never fails.

        Its ``question`` is a number (1 if it is not there): under another one it is another question to whoever is asked, and under the
        same one the same."""

    def told(self, transition: Transition) -> None:
        """Something that was written down has happened: whoever wants to know of it will hear of it."""

    def failing_checks(self, release: str) -> Sequence[str]:
        """Return what Prometheus checks say against the release, in words; empty when nothing."""

    def watch(self, spec: ReleaseSpec) -> None:
        """The release begins, or goes on: notifications and checks of it are wanted. Releases that are over when the process begins are
        watched and left again: what they still have to tell is told."""

    def leave(self, release: str) -> None:
        """The release is over: its checks are not wanted any more; what it still has to tell is told."""

    def notifications(self, release: str) -> Sequence[Mapping[str, object]]:
        """Return how far each receiver of *release* is, for people, as JSON has it."""

    def checks(self, release: str) -> Sequence[Mapping[str, object]]:
        """Return what the Prometheus checks of *release* gave, for people, as JSON has it."""


class DataPath(Protocol):
    """What a release may have done to its route."""

    def hold(self, spec: ReleaseSpec) -> Deferred[Sequence[str]]:
        """Have the release hold its route, with nothing for the canary; fires with why that cannot be (empty: it does)."""

    def let_go(self, release: str) -> Deferred[Sequence[str]]:
        """Have the route be what the file says."""

    def steer(self, release: str, progress: Progress) -> None:
        """Share requests out as *progress* says, from the next one on."""

    def take(self, release: str) -> Second | None:
        """Return what was learned of the release's versions since the last call; ``None`` when the route is not held."""

    def counted(self, release: str) -> Sequence[Counted]:
        """Return the users who were counted since the last call."""

    def know(self, release: str, attempt: int, users: Sequence[Counted]) -> None:
        """In this *attempt*, *users* were counted before: to be told before `steer`."""

    def judge_with(self, release: str, edges: tuple[Sequence[float], Sequence[float]]) -> None:
        """Measure latencies by *edges* from now on."""

    def unit(self, release: str) -> Literal["request", "user"]:
        """Return what is counted: users, where they stay with a version; known once the route is held."""

    def healthy_endpoints(self, cluster: str) -> tuple[int, int]:
        """Return how many endpoints of *cluster* are healthy, and how many there are."""

    def observed(self, release: str) -> Mapping[str, object]:
        """Return ``statuses``, ``paths``, ``failing`` requests and ``differences``, for people: see docs/releases.md, ``GET
        /v1/releases/NAME``; and how many requests the header sent to the canary (``forced_requests``), and were copied (``mirrored``)."""


Clock = Callable[[], float]

STATES_WITH_TRAFFIC = frozenset((State.WARMING, State.OBSERVING, State.GATED, State.BRAKED, State.PAUSED, State.BAKING, State.SUCCEEDED))
"""In which the canary may have requests."""
