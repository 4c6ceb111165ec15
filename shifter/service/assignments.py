"""The endpoints of an EDS cluster from its file."""

from collections.abc import Callable, Iterable, Iterator

from shifter.config import Place, Problem, load_assignment
from shifter.model.cluster import Cluster
from shifter.service.filewatch import FileWatch
from shifter.service.judging import read_bounded
from shifter.upstream.discovery_eds import Lack, NoAssignment, Said


class AssignmentFile:
    """Where the endpoints of *cluster* are written down: read at once, and again when the file has changed.

    The file itself is watched, through all links on its path; so ``watched_directory`` has nothing to add, and is not in the model.
    """

    def __init__(self, cluster: Cluster, files: FileWatch) -> None:
        assert cluster.eds is not None
        self._cluster = cluster
        self._path = cluster.eds.path
        self._files = files

    def watch(self, told: Callable[[Said], object]) -> Callable[[], None]:
        """See ``AssignmentSource``."""
        # Watched first: what changes while it is read is read again.
        stop = self._files.watch(self._path, lambda: told(read_assignment(self._cluster)))
        told(read_assignment(self._cluster))
        return stop


def read_assignment(cluster: Cluster) -> Said:
    """Return what the file of *cluster* says now."""
    assert cluster.eds is not None
    path = cluster.eds.path
    try:
        text = read_bounded(path)
    except FileNotFoundError:
        return NoAssignment(Lack.MISSING, (f"{path}: there is no such file",))
    except (OSError, ValueError) as error:
        return NoAssignment(Lack.UNREADABLE, (f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}",))
    loaded = load_assignment(text, path, cluster.eds.service_name or cluster.name)
    if loaded.assignment is not None:
        return loaded.assignment
    problems = tuple(str(problem) for problem in loaded.problems if problem.level == "error")
    if not problems:
        return NoAssignment(Lack.EMPTY, (f"{path}: there are no endpoints in this file",))
    return NoAssignment(Lack.REJECTED if loaded.readable else Lack.UNREADABLE, problems)


def broken_assignments(clusters: Iterable[Cluster]) -> list[str]:
    """Return a line for each cluster whose file is there and cannot be used as it is now."""
    said = [read_assignment(cluster) for cluster in clusters if cluster.eds is not None]
    return [one.problems[0] for one in said if isinstance(one, NoAssignment) and one.lack in (Lack.REJECTED, Lack.UNREADABLE)]


def missing_assignments(clusters: Iterable[Cluster]) -> Iterator[Problem]:
    """Warn of each cluster whose file cannot be used as it is now: the proxy would start, and the cluster would have no endpoints."""
    for cluster in clusters:
        said = read_assignment(cluster) if cluster.eds is not None else None
        if isinstance(said, NoAssignment):
            file, line, column = cluster.place.rsplit(":", 2)
            more = f", and {len(said.problems) - 1} more" if len(said.problems) > 1 else ""
            message = f"the cluster `{cluster.name}` would have no endpoints: {said.problems[0]}{more}"
            yield Problem("warning", Place(file, int(line), int(column)), message)
