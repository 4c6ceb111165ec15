"""Secrets in files: who has one keeps it until a better one comes, and files are noticed however they are exchanged."""

from collections import Counter
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from shifter.model.bootstrap import Bootstrap
from shifter.model.tls import CertificateValidation, DownstreamTlsContext, SdsSource, TlsCertificate, TlsContext
from shifter.net.tls_context import TlsMaterialError
from shifter.observe.stats import ListenerStats
from shifter.service.filewatch import LOOK_EVERY, FileWatch
from shifter.service.secrets import Secrets, sources_in, sources_of
from shifter.service.server_tls import HeldTls, certificates_in
from tests.support.certificates import Authority, Certificate

AUTHORITY = Authority()
OTHER = Authority("Other CA")
ONE, TWO = AUTHORITY.issue("one.example"), AUTHORITY.issue("two.example")

CERTIFICATE = """\
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: {name}
  tls_certificate:
    certificate_chain: {{filename: {directory}/{files}.pem}}
    private_key: {{filename: {directory}/{files}.key}}
"""
TRUST = """\
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: trust
  validation_context: {{trusted_ca: {{filename: {directory}/ca.pem}}}}
"""


class Bench:
    """A directory with a file of secrets, and who uses them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = Clock()
        self.counted: Counter[str] = Counter()
        self.secrets = Secrets(FileWatch(self.clock), self._count, (TlsMaterialError,))
        self.path = directory / "sds.yaml"
        self.source = SdsSource("server", str(self.path))
        self.trust = SdsSource("trust", str(self.path))

    def _count(self, name: str, by: int = 1) -> None:
        self.counted[name] += by

    def put(self, certificate: Certificate, name: str = "server", authority: Authority = AUTHORITY) -> None:
        (self.directory / "ca.pem").write_bytes(authority.pem)
        certificate.write(self.directory, "server")
        text = CERTIFICATE.format(name=name, directory=self.directory, files="server") + TRUST.format(directory=self.directory)
        self.path.write_text("resources:\n" + text)
        self.look()

    def look(self) -> None:
        for _ in range(3):
            self.clock.advance(LOOK_EVERY)

    def leaf(self, context: TlsContext | None = None) -> str | None:
        """The name of the certificate that users of ``server`` get now."""
        found = self.secrets.fill(context or TlsContext(certificate_secrets=(self.source,)))
        if found is None:
            return None
        [certificate] = found.certificates
        return "one" if certificate.certificate_chain == ONE.chain_pem else "two"

    def told(self, what: str, name: str = "server") -> int:
        return self.counted[f"sds.{name}.{what}"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_secret_is_read_at_once_and_again_when_it_changes(bench: Bench) -> None:
    bench.put(ONE)
    bench.secrets.want({bench.source})
    assert (bench.leaf(), bench.told("update_attempt"), bench.told("update_success")) == ("one", 1, 1)
    bench.put(TWO)
    assert (bench.leaf(), bench.told("update_rejected")) == ("two", 0)
    bench.secrets.stop()
    assert not bench.clock.getDelayedCalls()


def test_a_directory_that_is_swapped_is_noticed(bench: Bench) -> None:
    """As Kubernetes does it: what is named is a link into a directory that is a link itself."""
    for name, certificate in (("first", ONE), ("second", TWO)):
        (bench.directory / name).mkdir()
        certificate.write(bench.directory / name, "tls")
    (bench.directory / "data").symlink_to("first")
    bench.path.write_text("resources:\n" + CERTIFICATE.format(name="server", directory=bench.directory / "data", files="tls"))
    bench.secrets.want({bench.source})
    assert bench.leaf() == "one"
    (bench.directory / "fresh").symlink_to("second")
    (bench.directory / "fresh").rename(bench.directory / "data")
    bench.look()
    assert bench.leaf() == "two"


@pytest.mark.parametrize(
    ("text", "counted"), [("resources: [", "update_rejected"), ("resources: []", "update_rejected"), (None, "update_failure")]
)
def test_what_is_broken_leaves_what_was_there(bench: Bench, text: str | None, counted: str) -> None:
    bench.put(ONE)
    bench.secrets.want({bench.source})
    if text is None:
        bench.path.unlink()
    else:
        bench.path.write_text(text)
    bench.look()
    assert (bench.leaf(), bench.told(counted)) == ("one", 1)
    bench.put(TWO)
    assert bench.leaf() == "two"


def test_a_secret_that_has_never_come(bench: Bench) -> None:
    bench.secrets.want({bench.source})
    assert (bench.leaf(), bench.told("update_failure")) == (None, 1)
    bench.put(ONE)
    assert bench.leaf() == "one"
    other = SdsSource("other", str(bench.path))
    bench.secrets.want({bench.source, other})
    assert bench.leaf(TlsContext(certificate_secrets=(other,))) is None
    assert bench.secrets.lacking() == [f"{bench.path}: the secret other has not come"]
    assert (bench.told("update_rejected", "other"), bench.told("update_attempt")) == (1, 2)


def test_a_secret_that_a_user_cannot_take_is_taken_by_none(bench: Bench) -> None:
    bench.put(ONE)
    bench.secrets.want({bench.source})
    taken: list[str | None] = []

    def picky() -> None:
        if bench.leaf() == "two":
            raise TlsMaterialError("not that one")

    bench.secrets.users = [lambda: taken.append(bench.leaf()), picky]
    bench.put(TWO)
    assert (bench.leaf(), taken) == ("one", ["two", "one"])
    assert (bench.told("update_rejected"), bench.told("key_rotation_failed"), bench.told("update_success")) == (1, 1, 1)


def test_whom_to_trust_is_added_to_what_is_configured(bench: Bench) -> None:
    bench.put(ONE)
    bench.secrets.want({bench.source, bench.trust})
    context = TlsContext(
        certificate_secrets=(bench.source,), validation=CertificateValidation(allow_expired=True), validation_secret=bench.trust
    )
    filled = bench.secrets.fill(context)
    assert filled is not None
    assert filled.validation is not None
    assert (filled.validation.trusted_ca, filled.validation.allow_expired) == (AUTHORITY.pem, True)
    assert set(sources_of(context)) == {bench.source, bench.trust}
    assert not list(sources_of(filled))
    assert sources_in(Bootstrap()) == set()


def test_what_a_chain_shakes_hands_with_changes_in_place(bench: Bench) -> None:
    config = DownstreamTlsContext(TlsContext(certificate_secrets=(bench.source,), validation_secret=bench.trust))
    bench.secrets.want({bench.source, bench.trust})
    held = HeldTls(config, bench.secrets)
    stats = ListenerStats()
    held.serve(stats)
    bench.secrets.users = [held.refill]
    assert held.current is None
    assert certificates_in(held.current) is None
    bench.put(ONE)
    first = held.current
    assert first is not None
    assert first.identities[0].leaf.dns_sans == ["one.example"]
    assert stats.more["server_ssl_socket_factory.ssl_context_update_by_sds"] == 1
    gauge = "ssl.certificate.server.expiration_unix_time_seconds"
    assert stats.more_gauges[gauge] == int(ONE.certificate.not_valid_after_utc.timestamp())
    assert HeldTls(config, bench.secrets, held).current is first
    bench.put(TWO, authority=OTHER)
    assert held.current is not None
    assert held.current.identities[0].leaf.dns_sans == ["two.example"]
    shown = certificates_in(held.current)
    assert shown is not None
    assert [detail.path for detail in (shown.authority, *shown.shown) if detail is not None] == [
        f"{bench.directory}/ca.pem",
        f"{bench.directory}/server.pem",
    ]


def test_a_key_of_another_certificate_is_not_taken(bench: Bench) -> None:
    bench.put(ONE)
    bench.secrets.want({bench.source})
    held = HeldTls(DownstreamTlsContext(TlsContext(certificate_secrets=(bench.source,))), bench.secrets)
    bench.secrets.users = [held.refill]
    (bench.directory / "server.key").write_bytes(TWO.key_pem)
    bench.look()
    assert held.current is not None
    assert held.current.identities[0].leaf.dns_sans == ["one.example"]
    assert bench.told("update_rejected") >= 1
    with pytest.raises(TlsMaterialError, match="does not belong"):
        HeldTls(DownstreamTlsContext(TlsContext(certificates=(TlsCertificate(ONE.chain_pem, TWO.key_pem),))), bench.secrets)
