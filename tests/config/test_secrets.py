"""Files of secrets: what they say arrives by name, what is wrong is told at its place."""

import pytest

from shifter.config import Judge, load_secrets
from shifter.model.tls import CertificateValidation, TlsCertificate
from tests.support.certificates import Authority
from tests.support.configs import NAME, marked

TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
AUTHORITY = Authority()
LEAF = AUTHORITY.issue("a.test")
FILES = {"a.pem": LEAF.chain_pem, "a.key": LEAF.key_pem, "ca.pem": AUTHORITY.pem}


def files(name: str) -> bytes:
    if name not in FILES:
        raise FileNotFoundError(2, "No such file or directory", name)
    return FILES[name]


JUDGE = Judge(files=files)


def written(*secrets: str) -> str:
    return "resources:\n" + "".join(f'- {{"@type": {TYPE}, {secret}}}\n' for secret in secrets)


CERTIFICATE = "name: a, tls_certificate: {certificate_chain: {filename: a.pem}, private_key: {filename: a.key}}"
CA = "name: ca, validation_context: {trusted_ca: {filename: ca.pem}}"


def test_secrets_by_their_names() -> None:
    loaded = load_secrets(written(CERTIFICATE, CA), NAME, JUDGE)
    assert loaded.problems == [] and loaded.readable
    assert loaded.secrets == {"a": TlsCertificate(LEAF.chain_pem, LEAF.key_pem), "ca": CertificateValidation(AUTHORITY.pem)}
    assert loaded.files == FILES.keys()


def test_a_secret_may_stand_in_a_resource() -> None:
    wrapper = '- {"@type": type.googleapis.com/envoy.service.discovery.v3.Resource, name: a, resource: '
    loaded = load_secrets(f'resources:\n{wrapper}{{"@type": {TYPE}, {CA}}}}}\n', NAME, JUDGE)
    assert (loaded.problems, [*loaded.secrets]) == ([], ["ca"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'"@type": {TYPE}\n' + CA.replace("name", "«name»", 1).replace(", ", "\n", 1), "a secret is an item of `resources`"),
        (written("name: ''" + CA[8:]).replace("{", "«{»", 1), "this secret has no name, so nobody can ask for it"),
        (written(CA, CA.replace(" ca,", " «ca»,")), "a second secret is named `ca`"),
        (written(CA.replace("ca.pem", "«x.pem»")), "`x.pem` cannot be read: No such file or directory"),
        (written("name: a").replace("{", "«{»"), "this secret holds nothing"),
        (written("name: a, «generic_secret»: {}"), "Envoy knows `generic_secret`, shifter does not support it yet"),
        (written(CERTIFICATE.replace("private_key", "«private_kex»")), "unknown field `private_kex`"),
        ("«-» a\n", "a file of secrets is a mapping, not a list"),
    ],
)
def test_what_is_wrong(text: str, message: str) -> None:
    planted = marked(text)
    loaded = load_secrets(planted.text, NAME, JUDGE)
    assert loaded.secrets == {}
    [problem] = [one for one in loaded.problems if one.level == "error"]
    assert (problem.message, problem.place) == (message, planted.place)


def test_what_is_no_yaml() -> None:
    loaded = load_secrets(b"\xff", NAME, JUDGE)
    assert loaded.secrets == {} and loaded.problems and not loaded.readable
