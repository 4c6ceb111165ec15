"""Configurations with TLS to plant mistakes in, and the files that they name."""

from collections.abc import Mapping
from functools import cache

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from shifter.config import Judge, Loaded, load
from shifter.routing.regex import regex_problem
from tests.support.certificates import DAY, NOW, Authority
from tests.support.configs import GOOD, NAME, marked, with_cluster

TYPES = "type.googleapis.com/envoy.extensions."
CHAIN = "    - filters:\n"
CERTIFICATE = "{certificate_chain: {filename: a.pem}, private_key: {filename: a.key}}"


@cache
def files() -> Mapping[str, bytes]:
    """Return files by name: `a` and `b` are certificates with keys, `old` and `new` are so out of time, `locked.key` wants `open`."""
    authority = Authority()
    issued = {
        "a": authority.issue("a.test", "*.a.test"),
        "b": authority.issue("b.test"),
        "old": authority.issue("a.test", since=-3 * DAY, until=-2 * DAY),
        "new": authority.issue("a.test", since=2 * DAY, until=3 * DAY),
    }
    found = {"ca.pem": authority.pem, "crl.pem": authority.revoke(), "empty.pem": b"", "nonsense.pem": b"nonsense"}
    for name, one in issued.items():
        found |= {f"{name}.pem": one.chain_pem, f"{name}.key": one.key_pem}
    found["locked.key"] = issued["a"].key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open"))
    secret = f'"@type": {TYPES}transport_sockets.tls.v3.Secret, name: a, tls_certificate: {CERTIFICATE}'
    found["sds.yaml"] = f"resources: [{{{secret}}}]\n".encode()
    authorities = f'"@type": {TYPES}transport_sockets.tls.v3.Secret, name: ca, validation_context: {{trusted_ca: {{filename: ca.pem}}}}'
    found["ca.yaml"] = f"resources: [{{{authorities}}}]\n".encode()
    found["bad.yaml"] = found["sds.yaml"].replace(b"a.key", b"b.key")
    return found


def read(name: str) -> bytes:
    """Return the content of the file *name*, as a `Judge` wants it."""
    if name not in files():
        raise FileNotFoundError(2, "No such file or directory", name)
    return files()[name]


JUDGE = Judge(
    files=read,
    environment={"KEY": files()["a.key"].decode()}.get,
    readable_by_others=lambda name: name == "b.key",
    now=NOW.timestamp,
    regex_problem=regex_problem,
)


def downstream(written: str, more: str = "") -> str:
    """Return the good configuration with TLS to clients, *written* the fields of the context (flow style), and *more* (fields, one a
    line) in the filter chain."""
    typed = f'"@type": {TYPES}transport_sockets.tls.v3.DownstreamTlsContext, {written}'
    socket = f"transport_socket: {{name: tls, typed_config: {{{typed}}}}}"
    return chain(f"{more}\n{socket}" if more else socket)


def chain(written: str) -> str:
    """Return the good configuration with *written* (fields, one a line) in its filter chain."""
    lines = "\n      ".join(written.splitlines())
    return GOOD.replace(CHAIN, f"    - {lines}\n      filters:\n", 1)


def listener(written: str) -> str:
    """Return the good configuration with *written* (one field) in its listener."""
    return GOOD.replace("    filter_chains:\n", f"    {written}\n    filter_chains:\n", 1)


def upstream(written: str, more: str = "") -> str:
    """Return the good configuration with TLS to one more cluster, *written* the fields of the context and *more* of the cluster."""
    typed = f'"@type": «{TYPES}transport_sockets.tls.v3.UpstreamTlsContext»' if "«" not in written + more else ""
    typed = typed or f'"@type": {TYPES}transport_sockets.tls.v3.UpstreamTlsContext'
    return with_cluster(f"transport_socket: {{name: tls, typed_config: {{{typed}{', ' if written else ''}{written}}}}}{more}")


def tcp(written: str) -> str:
    """Return the good configuration with a TCP proxy, of which *written* are the fields, in the place of HTTP."""
    start, end = GOOD.index("    filter_chains:\n"), GOOD.index("\n  clusters:\n")
    typed = f'"@type": {TYPES}filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: t, {written}'
    return f"{GOOD[:start]}    filter_chains:\n    - filters: [{{name: t, typed_config: {{{typed}}}}}]\n{GOOD[end + 1 :]}"


def tell(text: str) -> tuple[str, str, str]:
    """Load *text*, in which ``«…»`` marks a place; return what is told there (alone): level, message, hint."""
    planted = marked(text)
    problems = load(planted.text, NAME, JUDGE).problems
    assert [problem.place for problem in problems] == [planted.place], problems
    return problems[0].level, problems[0].message, problems[0].hint


def loaded(text: str) -> Loaded:
    """Load *text*, which must be good."""
    found = load(text, NAME, JUDGE)
    assert found.bootstrap is not None, found.problems
    return found
