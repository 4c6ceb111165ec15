"""What no single field of a TLS context can tell: certificates and their keys, authorities, versions, ciphers, server names.

Rule 1. As in ``check``: works on the node tree, and skips what has an unexpected shape.
Rule 2. What could be served, if to nobody's joy, is a warning: a certificate that has expired, a name that it does not have.
Rule 3. A certificate is read in ``check_certificate``; what a file of secrets says is for ``secrets``, of which this room is told the
        names only (``files``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shifter.config.check_certificate import Certificates
from shifter.config.check_endpoints import ip_address
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
_VALIDATIONS = (_VALIDATION, "validation_context_sds_secret_config", "combined_validation_context")
_VERIFIED_BY = frozenset(("trusted_ca", "system_root_certs", "verify_certificate_hash", "verify_certificate_spki"))
_MISNAMED = {"http2": "h2", "http/2": "h2", "http/2.0": "h2", "http1": "http/1.1", "http1.1": "http/1.1", "http/1": "http/1.1"}
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


@dataclass(frozen=True, slots=True)
class SecretInFile:
    """A secret that a configuration asks a file for: its name, the file's, the field of ``Secret`` it must be, and what is there."""

    name: TextNode
    path: TextNode
    kind: str
    content: bytes


class Tls:
    """Checks transport sockets and the secrets of ``static_resources``."""

    def __init__(self, report: Report, texts: Texts, judge: Judge, node_named: bool = True) -> None:
        self.files: list[SecretInFile] = []
        self._node_named = node_named
        self._report = report
        self._texts = texts
        self._certificates = Certificates(report, texts, judge)
        self._secrets: dict[str, MapNode] = {}

    def secrets(self, static: MapNode) -> None:
        """Check the secrets of *static*, and keep them for those who name them."""
        for secret in maps(static.get("secrets")):
            name = text_in(secret, "name")
            if name is not None and name in self._secrets:
                hint = f"the first stands at {self._report.line(self._secrets[name], name)}"
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
        if common is not None:
            self._asked_of_clients(context, common)
            self._offers_http2(node, common)
        match = map_in(node, "filter_chain_match")
        wanted = match.get("server_names") if match is not None else None
        if names and isinstance(wanted, ListNode):
            self._covers(wanted, names)

    def cluster(self, node: MapNode) -> None:
        """Check the transport sockets of the cluster *node*."""
        for owner in (node, *maps(node.get("transport_socket_matches"))):
            context = tls_context(owner, schema.UpstreamTlsContext.envoy)
            if context is not None:
                self._upstream(context, names_servers(node))

    def _asked_of_clients(self, context: MapNode, common: MapNode) -> None:
        """Look at what is wanted of clients' certificates."""
        own, named = common.get("tls_certificates"), common.get("tls_certificate_sds_secret_configs")
        if own and named:
            key = common.key("tls_certificate_sds_secret_configs")
            self._report.error(key, "`tls_certificate_sds_secret_configs` cannot stand beside `tls_certificates`", "give one of them")
        checks = [field for field in _VALIDATIONS if field in common]
        if is_true(context, "require_client_certificate") and not checks:
            hint = "give validation_context: {trusted_ca: …}"
            key = context.key("require_client_certificate")
            self._report.warn(key, "clients must have a certificate, and anybody's will do", hint)
        validation = map_in(common, _VALIDATION)
        if validation is not None and "system_root_certs" in validation:
            self._report.error(validation.key("system_root_certs"), "shifter does not support this for clients yet", "give `trusted_ca`")

    def _offers_http2(self, node: MapNode, common: MapNode) -> None:
        offered = common.get("alpn_protocols")
        for name in offered if isinstance(offered, ListNode) else ():
            if isinstance(name, TextNode) and name.lower() in _MISNAMED:
                self._report.warn(name, f"no client knows a protocol `{shown(name)}`", f"write {_MISNAMED[name.lower()]}")
                return
        if isinstance(offered, ListNode) and "h2" in offered:
            return
        for network_filter in maps(node.get("filters")):
            manager = map_in(network_filter, "typed_config")
            for field in ("codec_type", "http2_protocol_options") if manager is not None else ():
                if manager is not None and field in manager and (field != "codec_type" or str(manager[field]).upper() == "HTTP2"):
                    hint = "write alpn_protocols: [h2, http/1.1] in the `common_tls_context`"
                    self._report.warn(manager.key(field), "clients cannot know that HTTP/2 is spoken here: it is not offered by ALPN", hint)
                    break

    def _upstream(self, context: MapNode, named: bool) -> None:
        common = map_in(context, "common_tls_context")
        url = text_in(context, "@type") or context
        checks = [field for field in _VALIDATIONS if common is not None and field in common]
        validation = map_in(common, _VALIDATION) if common is not None else None
        if is_true(context, "auto_sni_san_validation") and not checks:
            hint = "give validation_context: {trusted_ca: …}"
            self._report.error(context.key("auto_sni_san_validation"), "there is nothing to verify a name with", hint)
        if not checks or (validation is not None and not validation.keys() & _VERIFIED_BY and not _accepts_all(validation)):
            hint = "give `trusted_ca`, system_root_certs: {} or trust_chain_verification: ACCEPT_UNTRUSTED; without them Envoy takes anyone"
            self._report.warn(url, "endpoints need a certificate of an authority that this system trusts", hint)
        if not (named or text_in(context, "sni") or is_true(context, "auto_host_sni")):
            self._report.warn(url, "no server name is asked for, so that endpoints have to guess who is meant", "give `sni`")
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
        source = map_in(node, "sds_config")
        if name and source is not None:
            self._in_file(name, source, kind)
        if not name or "sds_config" in node:
            return None
        secret = self._secrets.get(name)
        if secret is None:
            self._report.error(name, f"no secret is named `{shown(name)}`", self._report.did_you_mean(name, self._secrets))
            return None
        found = map_in(secret, kind)
        if found is None:
            self._report.error(name, f"the secret `{shown(name)}` is no `{kind}`", f"it stands at {self._report.line(secret, name)}")
        return found

    def _in_file(self, name: TextNode, source: MapNode, kind: str) -> None:
        within = map_in(source, "path_config_source")
        path = text_in(within if within is not None else source, "path")
        if not path:
            return
        if not self._node_named:
            self._report.warn(path, "Envoy wants to know who it is here", "write node: {id: …, cluster: …}")
        self.files.append(SecretInFile(name, path, kind, self._texts.file(path)))

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
            if isinstance(name, TextNode) and not nobody_asks_for(name) and not any(covers(one, name.lower()) for one in names):
                self._report.warn(name, f"no certificate of this chain is for `{shown(name)}`", f"they are for {', '.join(names[:5])}")


def names_servers(cluster: MapNode) -> bool:
    """Say whether the server names for *cluster* follow from requests."""
    typed = map_in(cluster, "typed_extension_protocol_options")
    newer = map_in(typed, _HTTP_OPTIONS) if typed is not None else None
    options = map_in(newer if newer is not None else cluster, "upstream_http_protocol_options")
    return options is not None and is_true(options, "auto_sni")


def _accepts_all(validation: MapNode) -> bool:
    return (text_in(validation, "trust_chain_verification") or "").upper() == "ACCEPT_UNTRUSTED"


def nobody_asks_for(name: str) -> bool:
    """Say whether *name* cannot be what a client asks TLS for: an address, or more than a host's name (RFC 6066 section 3)."""
    return ":" in name or "/" in name or ip_address(name) is not None


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
