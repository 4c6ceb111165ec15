"""A candidate on its way from the process that loaded it: many small pickles, and a last one that is little more than their order.   (pure)

Rule 1. To unpickle a large configuration at once would keep requests waiting. So its routes, its clusters and whatever else comes in
        numbers are pickled one by one before it; where they stand in it, the last pickle only says which of them is meant.
Rule 2. What is read is trusted: it comes from a process that this one has started, through a pipe that nobody else has.
"""

from collections.abc import Iterator
from io import BytesIO
from pickle import HIGHEST_PROTOCOL, Pickler, Unpickler

from shifter.model.bootstrap import Bootstrap
from shifter.model.steps import Steps
from shifter.service.loading import Candidate


def pickled(candidate: Candidate) -> bytes:
    """Return *candidate* as `unpickled` reads it."""
    stream = BytesIO()
    pickler = Pickler(stream, HIGHEST_PROTOCOL)
    parts = list(_parts(candidate.bootstrap)) if candidate.bootstrap is not None else []
    pickler.dump(len(parts))
    for part in parts:
        pickler.dump(part)
    pickler.dump(candidate)
    return stream.getvalue()


def unpickled(data: bytes) -> Steps[Candidate]:
    """Make the candidate of *data* in steps. Raises what pickles raise when it is something else."""
    unpickler = Unpickler(BytesIO(data))
    for _ in range(unpickler.load()):
        unpickler.load()
        yield
    candidate = unpickler.load()
    assert isinstance(candidate, Candidate)
    return candidate


def _parts(bootstrap: Bootstrap) -> Iterator[object]:
    """Return what is pickled by itself: each is small, and a configuration may have thousands of them."""
    for listener in bootstrap.listeners:
        for manager in listener.managers:
            for host in manager.route_config.virtual_hosts:
                yield from host.routes
                yield host
        yield from listener.chains
        yield listener
    for cluster in bootstrap.clusters:
        yield from cluster.endpoints
        yield cluster
