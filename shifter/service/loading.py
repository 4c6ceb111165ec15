"""A configuration and the files that it names, from their texts to a candidate.

Rule 1. All files are loaded together, and nothing of them is used unless everything fits together.
Rule 2. A file that is new and wrong does not keep the others from being taken: it is tried with what it said last, when it was good.
        What is wrong is told all the same (``Candidate.rejected``).
Rule 3. Which file is to blame is seen by where the errors stand. When those have not changed, something that they need has gone
        elsewhere: then what is new is taken back kind by kind, clusters first.
"""

import gc
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from shifter.config import Loaded, LoadedFile, Problem, ResourceKind, load, render
from shifter.model.bootstrap import Bootstrap, Documents, Resource
from shifter.service.disk_values import DiskValues, read_values
from shifter.service.judging import judge_of_all, read_bounded
from shifter.service.looks import Look, look_of

_LATER_BLAMED = (ResourceKind.CDS, ResourceKind.RDS, ResourceKind.LDS)
_NAMES = {ResourceKind.CDS: "cds", ResourceKind.LDS: "lds", ResourceKind.RDS: "rds"}

Read = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class FileUpdate:
    """What became of one file of clusters, listeners or routes.

    ``scopes`` are those of Envoy's statistics about it. ``said`` is what it says now, ``None`` when it cannot be read; ``taken`` is false
    when it is wrong, ``readable`` when it is no YAML at all. ``version`` is that of what is used.
    """

    path: str
    scopes: tuple[str, ...]
    said: bytes | None = field(repr=False)
    taken: bool = True
    readable: bool = True
    version: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a source came up with: a configuration, or why there is none. ``warnings`` and ``problems`` are for reading."""

    source: str
    bootstrap: Bootstrap | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    text: str = ""
    """All of them as one page, with the lines they are about."""
    texts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What its files said, by path, the main file first: what it takes to serve it again."""
    disk: Mapping[str, DiskValues] = field(default_factory=dict, repr=False)
    """What the files of runtime values said, by their directory."""
    documents: Documents = field(default_factory=Documents)
    rejected: tuple[str, ...] = ()
    """What is wrong with files of which that is used which they said before."""
    files: tuple[str, ...] = ()
    """All files that were looked at, also those that are not there."""
    looks: Mapping[str, Look] = field(default_factory=dict, repr=False)
    """How these looked from outside before they were read (`filewatch.look_of`)."""
    updates: tuple[FileUpdate, ...] = ()
    """What became of the files of clusters, listeners and routes."""


def unreadable(path: str, problem: str) -> Candidate:
    """Return what a source has to say that came up with nothing because of one *problem*."""
    return Candidate(path, None, (problem,), text=problem, files=(path,))


def loaded_again(texts: Mapping[str, bytes]) -> Candidate:
    """Return the candidate that files with these *texts* make, by path, the main file first."""
    return read_files(next(iter(texts)), read=lambda path: _among(texts, path))


def _among(texts: Mapping[str, bytes], path: str) -> bytes:
    if path not in texts:
        raise FileNotFoundError(2, "No such file or directory")
    return texts[path]


def read_files(path: str, good: Mapping[str, bytes] | None = None, read: Read = read_bounded) -> Candidate:
    """Load the configuration in *path* with all files that it names; whatever is wrong with them is in the candidate, nothing is raised.

    *good* are texts of files, by path, that were served together: what a file is tried with that is wrong by now.
    """
    return _Loading(path, good or {}, read).result()


def load_checked(text: bytes, name: str, *, routes_alone: bool = False, resources: Read | None = None) -> Loaded:
    """Load a configuration as it will be used: with what other rooms say of patterns and formats, and with files.

    With *routes_alone* it may be a route configuration and nothing else (``Loaded.routes``). *resources* reads the files of clusters,
    listeners and routes that it names.
    """
    collecting = gc.isenabled()
    gc.disable()  # a large configuration is a hundred thousand objects, none of them garbage: looking for some takes half the time
    try:
        return load(text, name, judge_of_all(), routes_alone=routes_alone, resources=resources)
    finally:
        if collecting:
            gc.enable()


class _Loading:
    """One reading of all files, each at most once, and as many attempts as it takes."""

    def __init__(self, path: str, good: Mapping[str, bytes], read: Read) -> None:
        self._path = path
        self._good = good
        self._read = read
        self._said: dict[str, bytes | OSError | ValueError] = {}
        self._looks: dict[str, Look] = {}
        self._kept: set[str] = set()
        self._used: dict[str, bytes] = {}
        self._wrong: dict[Problem, None] = {}
        self._unreadable: set[str] = set()
        self._shown: dict[str, bytes] = {}

    def result(self) -> Candidate:
        """Attempt it until it is good, or nothing is left that could be done without."""
        while True:
            loaded = self._attempt()
            blamed = self._blamed(loaded)
            if not blamed:
                return self._candidate(loaded)
            self._kept |= blamed

    def _attempt(self) -> Loaded | None:
        """Load everything; ``None`` when there is no main file."""
        self._used = {}
        try:
            text = self._text(self._path)
        except (OSError, ValueError):
            return None
        return load_checked(text, self._path, resources=self._text)

    def _text(self, path: str) -> bytes:
        """Return what *path* says now, or is tried with."""
        if path in self._kept:
            text: bytes | OSError | ValueError = self._good[path]
        else:
            if path not in self._said:
                self._looks[path] = look_of(path)
                try:
                    self._said[path] = self._read(path)
                except (OSError, ValueError) as error:
                    self._said[path] = error
            text = self._said[path]
        if isinstance(text, bytes):
            self._used[path] = text
            return text
        raise text

    def _blamed(self, loaded: Loaded | None) -> set[str]:
        """Return the files that are to be tried with what they said before; none when all is good, or nothing can be done."""
        errors = [problem for problem in loaded.problems if problem.level == "error"] if loaded is not None else []
        if loaded is not None and not errors:
            return set()
        self._wrong.update(dict.fromkeys(errors))
        self._shown |= {problem.place.file: self._used[problem.place.file] for problem in errors if problem.place.file in self._used}
        files = loaded.files if loaded is not None else ()
        kinds = {file.path: file.kind for file in files}
        self._unreadable |= {file.path for file in files if not file.readable and file.path not in self._kept}
        if loaded is None:
            self._unreadable.add(self._path)
        changed = {path for path, said in self._said.items() if path in self._good and path not in self._kept and said != self._good[path]}
        gone = {path for path in changed if not isinstance(self._said[path], bytes)}
        at_fault = gone or changed & {problem.place.file for problem in errors}
        if at_fault or not changed:
            return at_fault
        for kind in _LATER_BLAMED:
            of_kind = {path for path in changed if kinds.get(path) is kind}
            if of_kind:
                return of_kind
        return changed

    def _candidate(self, loaded: Loaded | None) -> Candidate:
        wrong = [str(problem) for problem in self._wrong]
        main = self._said.get(self._path)
        if isinstance(main, (OSError, ValueError)):
            wrong.insert(0, f"{self._path}: cannot be read: {getattr(main, 'strerror', None) or main}")
        files = tuple(dict.fromkeys((self._path, *self._said)))
        if loaded is None or loaded.bootstrap is None or (wrong and self._used == self._good):
            page = "\n".join(filter(None, (wrong[0] if len(wrong) > len(self._wrong) else "", render(list(self._wrong), self._shown))))
            seen = loaded.files if loaded is not None else ()
            return Candidate(
                self._path, None, tuple(wrong), text=page, files=files, looks=self._looks, updates=self._updates(seen, refused=True)
            )
        return Candidate(
            self._path,
            loaded.bootstrap,
            (),
            tuple(str(problem) for problem in loaded.problems),
            render([*self._wrong, *loaded.problems], {**self._used, **self._shown}),
            self._used,
            read_values(loaded.bootstrap),
            _documents(loaded),
            tuple(wrong),
            files,
            self._looks,
            self._updates(loaded.files, refused=False),
        )

    def _updates(self, files: Iterable[LoadedFile], *, refused: bool) -> tuple[FileUpdate, ...]:
        found = []
        for file in files:
            said = self._said.get(file.path)
            text = said if isinstance(said, bytes) else None
            wrong = file.path in self._kept or (refused and text != self._good.get(file.path))
            found.append(FileUpdate(file.path, file.scopes, text, not wrong, file.path not in self._unreadable, file.version))
        return tuple(found)


def _documents(loaded: Loaded) -> Documents:
    found: dict[ResourceKind, list[Resource]] = {kind: [] for kind in ResourceKind}
    versions = {}
    for file in loaded.files:
        versions[_NAMES[file.kind]] = file.version
        for plain in file.resources:
            name = str(plain.get("name", ""))
            found[file.kind].append(Resource(name, file.version, _json(plain)))
    clusters, listeners, routes = (tuple(found[kind]) for kind in (ResourceKind.CDS, ResourceKind.LDS, ResourceKind.RDS))
    return Documents(_json(loaded.document), clusters, listeners, routes, versions)


def _json(plain: object) -> bytes:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
