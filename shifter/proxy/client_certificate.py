"""What requests learn of the certificate that their client has shown (``forward_client_cert_details``).

Rule 1. A connection manager whose chain asks nobody for a certificate has no `ClientCertificates`, and its requests none of this.
Rule 2. What is forwarded is worked out once for each certificate: all requests of a connection say the same.
Rule 3. What came along in ``x-forwarded-client-cert`` is dropped by ``routing.forwarded``, unless it may stay where the client has shown
        one itself; whether it has is known here.
"""

from weakref import WeakKeyDictionary

from shifter.model.http_connection_manager import ClientCertDetails, ForwardClientCert, HttpConnectionManager
from shifter.model.listener import FilterChain
from shifter.net.transport import Transport
from shifter.observe.tls_operands import CertificateFacts, TlsFacts, url_encoded
from shifter.routing.forwarded import CLIENT_CERTIFICATE
from shifter.wire.events import CERTIFICATE_PRESENTED, CERTIFICATE_VALIDATED, HAS_X_ENVOY, RequestHead, joined_value, without

_SETTING = (ForwardClientCert.APPEND_FORWARD, ForwardClientCert.SANITIZE_SET)
_KEEPING = (ForwardClientCert.FORWARD_ONLY, ForwardClientCert.APPEND_FORWARD)


def described(session: TlsFacts, certificate: CertificateFacts, details: ClientCertDetails) -> bytes:
    """Return what one hop says of a client's certificate, in Envoy's order and words. What it says of itself cannot become another part,
    or another field: controls are dropped."""
    own = session.local_certificate
    parts = [f"By={name}" for name in own.uri_sans] if own is not None else []
    parts.append(f"Hash={certificate.sha256}")
    if details.cert:
        parts.append(f'Cert="{_pem(certificate)}"')
    if details.chain:
        parts.append(f'Chain="{"".join(map(_pem, session.peer_chain))}"')
    if details.subject:
        parts.append(f'Subject="{certificate.subject}"')
    if details.uri:
        parts += [f"URI={name}" for name in certificate.uri_sans or ("",)]
    if details.dns:
        parts += [f"DNS={name}" for name in certificate.dns_sans]
    return "".join([one for one in ";".join(parts) if one.isprintable()]).encode("utf-8", "replace")


def _pem(certificate: CertificateFacts) -> str:
    return url_encoded(certificate.pem.encode("ascii")).decode("ascii")


class ClientCertificates:
    """See the module; of one connection manager."""

    __slots__ = ("_details", "_how", "_known")

    def __init__(self, manager: HttpConnectionManager) -> None:
        self._how = manager.forward_client_cert
        self._details = manager.client_cert_details
        self._known: WeakKeyDictionary[CertificateFacts, bytes] = WeakKeyDictionary()

    def tell(self, head: RequestHead, transport: Transport | None) -> None:
        """Write into a prepared *head* what its client, at the other end of *transport*, has shown."""
        session = transport.tls if transport is not None else None
        certificate = session.peer_certificate if session is not None else None
        how = self._how
        if session is None or certificate is None:
            if how in _KEEPING and head.flags & HAS_X_ENVOY:
                head.block = without(head.block, CLIENT_CERTIFICATE)
            return
        head.flags |= CERTIFICATE_PRESENTED | CERTIFICATE_VALIDATED if session.verified else CERTIFICATE_PRESENTED
        if how not in _SETTING:
            return
        known = self._known.get(certificate)
        if known is None:
            known = self._known[certificate] = described(session, certificate, self._details)
        if how is ForwardClientCert.APPEND_FORWARD and head.flags & HAS_X_ENVOY:
            before = joined_value(head.block, CLIENT_CERTIFICATE)
            if before is not None:
                head.block = without(head.block, CLIENT_CERTIFICATE)
                known = before + b"," + known
        head.block += b"\r\n" + CLIENT_CERTIFICATE + b": " + known


def compile_client_certificates(manager: HttpConnectionManager, chain: FilterChain | None) -> ClientCertificates | None:
    """Return what tells requests on *chain* of their clients' certificates; ``None`` where none is asked for."""
    tls = chain.tls if chain is not None else None
    if tls is None:
        return None
    asks = tls.require_client_certificate or tls.common.validation is not None or tls.common.validation_secret is not None
    # one that came along has to go where the client shows none, which with TLS is not for `routing.forwarded` to see
    return ClientCertificates(manager) if asks or manager.forward_client_cert in _KEEPING else None
