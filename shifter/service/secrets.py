"""Secrets that stand in files of their own (SDS): certificates, and whom to trust.

Rule 1. A file is read when a configuration first names a secret in it, and again when it, or a file that it names, is another one than
        it was: through all links on its path, so that a directory that is swapped as a whole (Kubernetes) is seen, and
        ``watched_directory`` has nothing to add.
Rule 2. A secret is taken when everybody who uses it can: who has it already keeps it otherwise, and the log says why.
Rule 3. What changes, changes in place. Connections that are there stay; the next ones have the new secret. No reload takes part.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from twisted.logger import Logger

from shifter.config.secrets import LoadedSecrets, load_secrets
from shifter.model.bootstrap import Bootstrap
from shifter.model.tls import CertificateValidation, SdsSource, TlsCertificate, TlsContext
from shifter.service.filewatch import FileWatch
from shifter.service.judging import judge_of_all, read_bounded

_log = Logger()
_COUNTED = ("update_attempt", "update_failure", "update_rejected", "update_success", "key_rotation_failed")

Secret = TlsCertificate | CertificateValidation
Refill = Callable[[], None]
"""Takes over the secrets that there are now. Raises one of ``unfit``, and leaves all as it was."""


def sources_of(context: TlsContext) -> Iterator[SdsSource]:
    """Return the secrets in files that *context* names."""
    yield from context.certificate_secrets
    if context.validation_secret is not None:
        yield context.validation_secret


def sources_in(bootstrap: Bootstrap) -> set[SdsSource]:
    """Return all of them that a configuration names."""
    servers = [chain.tls.common for listener in bootstrap.listeners for chain in listener.chains if chain.tls is not None]
    sockets = [tls for cluster in bootstrap.clusters for tls in (cluster.tls, *(match.tls for match in cluster.transport_socket_matches))]
    clients = [tls.common for tls in sockets if tls is not None]
    return {source for context in (*servers, *clients) for source in sources_of(context)}


class Secrets:
    """See the module. *count* counts for the whole server (``sds.<name>.``); *unfit* are the errors of who cannot use a secret."""

    def __init__(self, files: FileWatch, count: Callable[..., None], unfit: tuple[type[Exception], ...] = ()) -> None:
        self._files = files
        self._count = count
        self._unfit = unfit
        self._read: dict[str, _File] = {}
        self._known: dict[SdsSource, Secret] = {}
        self._refused: dict[SdsSource, Secret] = {}  # what was tried last, so that it is not tried for each file that has changed
        self.version = 0
        """Another number whenever a secret is another."""
        self.users: list[Refill] = []
        """Who is told when a secret has changed."""

    def want(self, sources: Iterable[SdsSource]) -> None:
        """Have these secrets, and no others: files that are new are read now, those that nobody names are let go of."""
        by_path: dict[str, set[SdsSource]] = {}
        for source in sources:
            by_path.setdefault(source.path, set()).add(source)
        for path in self._read.keys() - by_path.keys():
            self._read.pop(path).stop()
        wanted = {source for one in by_path.values() for source in one}
        self._known = {source: secret for source, secret in self._known.items() if source in wanted}
        self._refused = {source: secret for source, secret in self._refused.items() if source in wanted}
        for path, names in by_path.items():
            known = self._read.get(path)
            if known is None:
                known = self._read[path] = _File(path, self._files, self._changed)
            fresh = names - known.sources
            known.sources = names
            if fresh:
                self._look(known, fresh)

    def fill(self, context: TlsContext) -> TlsContext | None:
        """Return *context* with the secrets that it names in it; ``None`` when one of them has not come."""
        certificates: list[TlsCertificate] = []
        for source in context.certificate_secrets:
            certificate = self._known.get(source)
            if not isinstance(certificate, TlsCertificate):
                return None
            certificates.append(certificate)
        validation = context.validation
        if context.validation_secret is not None:
            trust = self._known.get(context.validation_secret)
            if not isinstance(trust, CertificateValidation):
                return None
            validation = trust if validation is None else validation.merged(trust)
        if not certificates and validation is context.validation:
            return context
        return replace(
            context,
            certificates=(*context.certificates, *certificates),
            certificate_secrets=(),
            validation=validation,
            validation_secret=None,
        )

    def lacking(self) -> list[str]:
        """Return a line for each secret that is wanted and has not come."""
        wanted = {source for file in self._read.values() for source in file.sources}
        return [f"{one.path}: the secret {one.name} has not come" for one in sorted(wanted - self._known.keys(), key=lambda one: one.name)]

    def tell_users(self) -> str | None:
        """Have all who use secrets take them over; return what spoke against it."""
        problem = None
        for refill in list(self.users):
            try:
                refill()
            except self._unfit as error:
                problem = problem or str(error)
        return problem

    def stop(self) -> None:
        """Look at no file any more."""
        self.want(())

    # inside

    def _changed(self, file: "_File") -> None:
        if self._read.get(file.path) is file:
            self._look(file, file.sources)

    def _look(self, file: "_File", sources: set[SdsSource]) -> None:
        """Read *file*, and take those *sources* over that are others than they were."""
        loaded = file.read()
        for source in sorted(sources, key=lambda one: one.name):
            for name in _COUNTED:
                self._count(f"sds.{source.name}.{name}", 0)
            self._count(f"sds.{source.name}.update_attempt")
            if isinstance(loaded, str):
                self._count(f"sds.{source.name}.update_failure")
                self._say(source, loaded)
                continue
            problems = [str(problem) for problem in loaded.problems if problem.level == "error"]
            secret = loaded.secrets.get(source.name)
            if secret is not None and not problems:
                self._offer(source, secret)
                continue
            self._count(f"sds.{source.name}.update_rejected")
            more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
            self._say(source, problems[0] + more if problems else f"{file.path}: there is no secret of this name in it")

    def _offer(self, source: SdsSource, secret: Secret) -> None:
        before = self._known.get(source)
        if secret == self._refused.get(source):
            return
        self._refused.pop(source, None)
        self._count(f"sds.{source.name}.update_success")
        if secret == before:
            return
        self._known[source] = secret
        self.version += 1
        problem = self.tell_users()
        if problem is None:
            if before is not None:
                _log.info("the secret {name} in {path} has changed, and is in use", name=source.name, path=source.path)
            return
        self._count(f"sds.{source.name}.update_success", -1)
        self._count(f"sds.{source.name}.update_rejected")
        self._count(f"sds.{source.name}.key_rotation_failed")
        self._refused[source] = secret
        if before is None:
            del self._known[source]
        else:
            self._known[source] = before
        self.tell_users()
        self._say(source, problem)

    def _say(self, source: SdsSource, why: str) -> None:
        rest = "the one before it stays in use" if source in self._known else "nobody can use it until it is put right"
        _log.warn("the secret {name} cannot be taken: {why}; {rest}", name=source.name, why=why, rest=rest)


class _File:
    """One file with secrets, and the files that these name."""

    def __init__(self, path: str, files: FileWatch, changed: "Callable[[_File], None]") -> None:
        self.path = path
        self.sources: set[SdsSource] = set()
        self._files = files
        self._changed = changed
        self._watched = {path: files.watch(path, self._look)}

    def _look(self) -> None:
        self._changed(self)

    def read(self) -> LoadedSecrets | str:
        """Return what is in it now, or why it cannot be read; the files that it names now are watched."""
        try:
            text = read_bounded(self.path)
        except (OSError, ValueError) as error:
            return f"{self.path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        loaded = load_secrets(text, self.path, judge_of_all())
        if loaded.readable:
            wanted = {self.path, *loaded.files}
            for path in self._watched.keys() - wanted:
                self._watched.pop(path)()
            for path in wanted - self._watched.keys():
                self._watched[path] = self._files.watch(path, self._look)
        return loaded

    def stop(self) -> None:
        """Look at it no more."""
        for stop in self._watched.values():
            stop()
        self._watched.clear()
