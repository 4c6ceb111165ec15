"""The endpoints of an EDS cluster from its file."""

from collections.abc import Callable

from shifter.config import load_assignment
from shifter.model.cluster import Cluster
from shifter.service.filewatch import FileWatch
from shifter.service.sources import read_bounded
from shifter.upstream.discovery_eds import Lack, NoAssignment, Said


class AssignmentFile:
    """Where the endpoints of *cluster* are written down: read at once, and again when the file has changed.

    The file itself is watched, through all links on its path; so a ``watched_directory`` has nothing to add.
    """

    def __init__(self, cluster: Cluster, files: FileWatch) -> None:
        assert cluster.eds is not None
        self._path = cluster.eds.path
        self._service = cluster.eds.service_name or cluster.name
        self._files = files

    def watch(self, told: Callable[[Said], object]) -> Callable[[], None]:
        """See ``AssignmentSource``."""
        # Watched first: what changes while it is read is read again.
        stop = self._files.watch(self._path, lambda: told(self.read()))
        told(self.read())
        return stop

    def read(self) -> Said:
        """Return what the file says now."""
        try:
            text = read_bounded(self._path)
        except FileNotFoundError:
            return NoAssignment(Lack.MISSING, (f"{self._path}: there is no such file",))
        except (OSError, ValueError) as error:
            return NoAssignment(Lack.UNREADABLE, (f"{self._path}: cannot be read: {getattr(error, 'strerror', None) or error}",))
        loaded = load_assignment(text, self._path, self._service)
        if loaded.assignment is not None:
            return loaded.assignment
        problems = tuple(str(problem) for problem in loaded.problems if problem.level == "error")
        if not problems:
            return NoAssignment(Lack.EMPTY, (f"{self._path}: there are no endpoints in this file",))
        return NoAssignment(Lack.REJECTED if loaded.readable else Lack.UNREADABLE, problems)
