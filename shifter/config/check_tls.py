"""What no single field of a TLS context can tell: certificates and their keys, authorities, versions, ciphers, server names.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
Rule 2. What could be served, if to nobody's joy, is a warning: a certificate that has expired, a name that it does not have.
Rule 3. ``cryptography`` is imported where a certificate is read, so that a configuration without any starts as fast as before.
"""

from collections.abc import Iterator

from shifter.config.check_certificate import Certificates
from shifter.config.check_texts import Texts
from shifter.config.check_tls_words import CIPHERS, CURVES
from shifter.config.document import ListNode, MapNode, Node, TextNode, is_true, map_in, maps, text_in
from shifter.config.judge import Judge
from shifter.config.report import Report, shown
from shifter.config.schema import tls as schema
from shifter.config.schema.transport_socket import ProxyProtocolUpstreamTransport

_VERSIONS = ("TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3")
_LEAST = "TLSV1_2"
_CERTIFICATE = "tls_certificate"
_VALIDATION = "validation_context"


class Tls:
    """Checks transport sockets and the secrets of ``static_resources``."""

    def __init__(self, report: Report, texts: Texts, judge: Judge) -> None:
        self._report = report
        self._texts = texts
        self._certificates = Certificates(report, texts, judge)
        self._secrets: dict[str, MapNode] = {}

    def secrets(self, static: MapNode) -> None:
        """Check the secrets of *static*, and keep them for those who name them."""
        for secret in maps(static.get("secrets")):
            name = text_in(secret, "name")
            if name is not None and name in self._secrets:
                hint = f"the first stands at line {self._secrets[name].line}"
                self._report.error(name, f"a second secret is named `{shown(name)}`", hint)
            self._secrets[str(name or "")] = secret
            self.secret(secret)

    def secret(self, node: MapNode) -> None:
        """Check the secret *node*."""
        certificate, validation = map_in(node, _CERTIFICATE), map_in(node, _VALIDATION)
        if certificate is not None:
            self._certificates.check(certificate)
        if validation is not None:
            self._validation(validation)

    def chain(self, node: MapNode) -> None:
        """Check the transport socket of the filter chain *node*."""
        context = tls_context(node, schema.DownstreamTlsContext.envoy)
        if context is None:
            return
        common = map_in(context, "common_tls_context")
        names = self._common(common) if common is not None else []
        if common is None or not (common.get("tls_certificates") or common.get("tls_certificate_sds_secret_configs")):
            at = context.key("common_tls_context") if common is not None else text_in(context, "@type") or context
            self._report.error(at, "there is no certificate to show to clients", "give `tls_certificates`")
        match = map_in(node, "filter_chain_match")
        wanted = match.get("server_names") if match is not None else None
        if names and isinstance(wanted, ListNode):
            self._covers(wanted, names)

    def cluster(self, node: MapNode) -> None:
        """Check the transport sockets of the cluster *node*."""
        for owner in (node, *maps(node.get("transport_socket_matches"))):
            context = tls_context(owner, schema.UpstreamTlsContext.envoy)
            if context is not None:
                self._upstream(context)
        names: dict[str, TextNode] = {}
        for match in maps(node.get("transport_socket_matches")):
            name = text_in(match, "name")
            if name and names.setdefault(name, name) is not name:
                self._report.error(name, f"a second match is named `{shown(name)}`", f"the first stands at line {names[name].line}")

    def _upstream(self, context: MapNode) -> None:
        common = map_in(context, "common_tls_context")
        if common is not None:
            self._common(common)
            several = [*maps(common.get("tls_certificates")), *maps(common.get("tls_certificate_sds_secret_configs"))]
            if len(several) > 1:
                self._report.error(several[1], "one certificate can be shown to endpoints", "give `transport_socket_matches` their own")

    def _common(self, node: MapNode) -> list[str]:
        """Check a ``CommonTlsContext``; return the names that its certificates are for, none when that is not known."""
        parameters = map_in(node, "tls_params")
        if parameters is not None:
            self._parameters(parameters)
        names: list[str] = []
        known = True
        for certificate in maps(node.get("tls_certificates")):
            names += self._certificates.check(certificate) or ()
        for named in maps(node.get("tls_certificate_sds_secret_configs")):
            secret = self._named(named, _CERTIFICATE)
            known = known and secret is not None
            names += (self._certificates.names(secret) if secret is not None else None) or ()
        combined = map_in(node, "combined_validation_context")
        validation = map_in(combined, "default_validation_context") if combined is not None else map_in(node, _VALIDATION)
        if validation is not None:
            self._validation(validation, alone=combined is None)
        waiting = map_in(combined if combined is not None else node, "validation_context_sds_secret_config")
        if waiting is not None:
            self._named(waiting, _VALIDATION)
        return names if known else []

    def _named(self, node: MapNode, kind: str) -> MapNode | None:
        """Return the secret of ``static_resources`` that an ``SdsSecretConfig`` names; ``None`` when it is in a file."""
        name = text_in(node, "name")
        if not name or "sds_config" in node:
            return None
        secret = self._secrets.get(name)
        if secret is None:
            self._report.error(name, f"no secret is named `{shown(name)}`", self._report.did_you_mean(name, self._secrets))
            return None
        found = map_in(secret, kind)
        if found is None:
            self._report.error(name, f"the secret `{shown(name)}` is no `{kind}`", f"it stands at line {secret.line}")
        return found

    def _parameters(self, node: MapNode) -> None:
        least, most = (text_in(node, f"tls_{end}_protocol_version") for end in ("minimum", "maximum"))
        bounds = [(text or "TLS_AUTO").upper() for text in (least, most)]
        if bounds[0] == "TLS_AUTO":
            bounds[0] = _LEAST
        if most is not None and all(bound in _VERSIONS for bound in bounds) and _VERSIONS.index(bounds[0]) > _VERSIONS.index(bounds[1]):
            self._report.error(most, "no version of TLS is left: the greatest is below the least", f"the least is {bounds[0]}")
        for text in (least, most):
            if text is not None and text.upper() in _VERSIONS[:2]:
                self._report.warn(text, f"{shown(text)} is not safe (RFC 8996)", "write TLSv1_2")
        self._words(node.get("cipher_suites"), CIPHERS, "cipher", "ciphers of TLS 1.3 are always the same")
        self._words(node.get("ecdh_curves"), CURVES, "curve", "")

    def _words(self, listed: Node | None, known: frozenset[str], what: str, hint: str) -> None:
        for group in listed if isinstance(listed, ListNode) else ():
            for name in _group(group) if isinstance(group, TextNode) else ():
                if name not in known:
                    near = self._report.did_you_mean(name, known) if not name.startswith("TLS_") else hint
                    self._report.error(group, f"`{shown(name)}` is no {what} that is known", near)

    def _validation(self, node: MapNode, alone: bool = True) -> None:
        self._certificates.authorities(node)
        for matcher in maps(node.get("match_typed_subject_alt_names")):
            self._texts.string(map_in(matcher, "matcher"))
        if alone and not ("trusted_ca" in node or "system_root_certs" in node):
            for field in ("match_typed_subject_alt_names", "crl", "allow_expired_certificate"):
                if field in node and (field != "allow_expired_certificate" or is_true(node, field)):
                    hint = "give `trusted_ca`, or system_root_certs: {}"
                    self._report.error(node.key(field), f"`{field}` says nothing about a certificate that anybody could have made", hint)

    def _covers(self, wanted: ListNode, names: list[str]) -> None:
        for name in wanted:
            if isinstance(name, TextNode) and not any(covers(one, name.lower()) for one in names):
                self._report.warn(name, f"no certificate of this chain is for `{shown(name)}`", f"they are for {', '.join(names[:5])}")


def covers(name: str, wanted: str) -> bool:
    """Say whether a certificate for *name* will do for *wanted*, which may begin with a star itself."""
    if name == wanted:
        return True
    return name.startswith("*.") and name[1:] == wanted[wanted.find(".") :] and not wanted.startswith("*")


def _group(text: TextNode) -> Iterator[str]:
    yield from text[1:-1].split("|") if text.startswith("[") and text.endswith("]") else (str(text),)


def tls_context(owner: MapNode, kind: str) -> MapNode | None:
    """Return the TLS context (*kind*) in the transport socket of *owner*, behind a PROXY header or not."""
    socket = map_in(owner, "transport_socket")
    typed = map_in(socket, "typed_config") if socket is not None else None
    name = (text_in(typed, "@type") or "").rpartition("/")[2] if typed is not None else ""
    if typed is not None and name == ProxyProtocolUpstreamTransport.envoy:
        return tls_context(typed, kind)
    return typed if name == kind else None
