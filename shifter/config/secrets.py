"""A file of secrets (SDS): a ``DiscoveryResponse`` with ``Secret`` messages, in YAML or JSON.

Rule 1. A secret is checked and built as one of ``static_resources``: what is wrong there is wrong here, files it names included.
Rule 2. Envoy takes a file with one secret only; here it may hold several, each known by its name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shifter.config.build_common import Sources
from shifter.config.build_tls import TlsBuilder
from shifter.config.check_texts import Texts
from shifter.config.check_tls import SecretInFile, Tls
from shifter.config.document import ListNode, MapNode, Node, map_in, maps, text_in
from shifter.config.explain import validate
from shifter.config.judge import Judge
from shifter.config.legacy import modernise_secrets
from shifter.config.report import Problem, Report, shown
from shifter.config.schema.discovery import SecretsResponse
from shifter.config.standalone import root_of
from shifter.model.tls import CertificateValidation, TlsCertificate

_WRAPPER = "envoy.service.discovery.v3.Resource"


@dataclass(frozen=True, slots=True)
class LoadedSecrets:
    """What became of a text: its secrets by their names, none when there is any error among ``problems``.

    ``files`` are those that the secrets name. ``readable`` is false when the text is no YAML at all.
    """

    secrets: Mapping[str, TlsCertificate | CertificateValidation]
    problems: list[Problem]
    files: frozenset[str] = field(default_factory=frozenset)
    readable: bool = True


def load_secrets(text: str | bytes, name: str, judge: Judge) -> LoadedSecrets:
    """Read the secrets in *text* that came from *name*. Never raises for what stands in the text, nor in files that it names."""
    report = Report(name)
    root = root_of(text, report, "a file of secrets", "resources")
    if root is None:
        return LoadedSecrets({}, report.problems(), readable=False)
    if "name" in root and "resources" not in root:
        report.error(root.key("name"), "a secret is an item of `resources`", "begin with `resources:`, and indent this under `- `")
        return LoadedSecrets({}, report.problems())
    resources = root.get("resources")
    if isinstance(resources, ListNode):
        resources[:] = map(_unwrapped, resources)
    modernise_secrets(resources, report)
    response = validate(SecretsResponse, root, report)
    texts = Texts(report, judge)
    checks = Tls(report, texts, judge)
    for secret in maps(resources):
        if not text_in(secret, "name"):
            report.error(secret, "this secret has no name, so nobody can ask for it", "give `name`")
    checks.secrets(_as_static(resources))
    files = frozenset(texts.contents)
    if response is None or report.failed:
        return LoadedSecrets({}, report.problems(), files)
    builder = TlsBuilder(Sources(report, texts.contents, texts.variables))
    found: dict[str, TlsCertificate | CertificateValidation] = {}
    for one in response.resources:
        if one.tls_certificate is not None:
            found[one.name] = builder.certificate(one.tls_certificate)
        elif one.validation_context is not None:
            found[one.name] = builder.validation(one.validation_context)
    return LoadedSecrets(found, report.problems(), files)


def check_files(asked: Iterable[SecretInFile], report: Report, judge: Judge) -> None:
    """Warn about files of secrets that do not hold what is *asked* of them: they may do so later, without another configuration."""
    read: dict[str, LoadedSecrets] = {}
    for one in asked:
        if one.path not in read:
            loaded = read[str(one.path)] = load_secrets(one.content, str(one.path), judge)
            first = next((problem for problem in loaded.problems if problem.level == "error"), None)
            if first is not None and one.content:
                report.warn(one.path, f"connections get no secret from `{shown(one.path)}`: {first.message}", f"see {first.place}")
        secrets = read[one.path].secrets
        found = secrets.get(str(one.name))
        if secrets and found is None:
            report.warn(one.name, f"no secret in `{shown(one.path)}` is named `{shown(one.name)}`", report.did_you_mean(one.name, secrets))
        elif found is not None and isinstance(found, TlsCertificate) is not (one.kind == "tls_certificate"):
            report.warn(one.name, f"the secret `{shown(one.name)}` is no `{one.kind}`", f"see {shown(one.path)}")


def _as_static(resources: Node | None) -> MapNode:
    """Return what would stand in ``static_resources``."""
    static = MapNode(1, 1)
    if isinstance(resources, ListNode):
        static["secrets"] = resources
    return static


def _unwrapped(resource: Node) -> Node:
    """Return what is in a ``Resource``, which may stand around a secret."""
    if isinstance(resource, MapNode) and (text_in(resource, "@type") or "").rpartition("/")[2] == _WRAPPER:
        return map_in(resource, "resource") or resource
    return resource
