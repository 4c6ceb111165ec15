"""The page about the certificates in use."""

from datetime import UTC, datetime

from twisted.internet.defer import Deferred

from shifter.admin.page import Page, Query, json_page
from shifter.admin.view import AdminView
from shifter.model.report import CertificateDetails, CertificateReport


def certificates(view: AdminView, query: Query) -> Deferred[Page]:
    """``/certs`` (``envoy.admin.v3.Certificates``)."""
    now = view.info().now
    return view.report().addCallback(lambda report: json_page({"certificates": [_certificates(one, now) for one in report.certificates]}))


def _certificates(one: CertificateReport, now: float) -> dict[str, object]:
    known = {"ca_cert": (one.authority,) if one.authority is not None else (), "cert_chain": one.shown}
    return {name: [_certificate(detail, now) for detail in details] for name, details in known.items()}


def _certificate(detail: CertificateDetails, now: float) -> dict[str, object]:
    return {
        "path": detail.path,
        "serial_number": detail.serial_number,
        "subject_alt_names": [{kind: name} for kind, name in detail.names],
        "days_until_expiration": str(detail.days_left(now)),
        "valid_from": _moment(detail.valid_from),
        "expiration_time": _moment(detail.expires),
    }


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
