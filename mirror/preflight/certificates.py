"""The certificate of a TLS server: its names and its last day, also where it is not trusted.

Python's ssl describes only a certificate that it has verified. So the first connection fetches the
certificate without verification, and a second one trusts exactly that certificate (a partial chain,
X509_V_FLAG_PARTIAL_CHAIN), whose description can then be read. Nothing is sent on either.
"""

import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from socket import create_connection
from typing import Any

from mirror.core.acceptance import printable
from mirror.preflight.findings import Finding
from mirror.preflight.shadow_rules import CERTIFICATE_DAYS, CERTIFICATE_EXPIRES, CERTIFICATE_NAME
from mirror.proxy.upstream.connection import Origin
from mirror.tls import inspecting_context

SHORT_DAYS = 21
"""A certificate that is valid for fewer days is a warning: automatic renewal acts 30 days ahead."""
MOST_NAMES = 5
"""Most names of a certificate that a finding lists."""
_EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED"""
_DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a finding needs of a certificate."""

    names: tuple[str, ...]
    """DNS names and addresses for which it is valid."""
    ends_s: float
    """The Unix time of its end."""


def read_certificate(origin: Origin) -> Certificate:
    """Return the certificate of a TLS origin. Blocks up to twice the time limit of a connect.

    Raises ssl.SSLCertVerificationError for one that has expired, and OSError for what keeps it from
    being read.
    """
    encoded = _handshake(origin, inspecting_context())[0]
    described = _handshake(origin, inspecting_context(encoded))[1]
    names = [str(value) for kind, value in described["subjectAltName"] if kind in _NAME_KINDS]
    return Certificate(tuple(names), ssl.cert_time_to_seconds(str(described["notAfter"])))


def certificate_findings(origin: Origin, where: str, now_s: float) -> list[Finding]:
    """Return findings about the certificate; none where it cannot be read, as the probe says so."""
    try:
        certificate = read_certificate(origin)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code != _EXPIRED:
            return []
        return [CERTIFICATE_EXPIRES.at(where, "The certificate has expired.")]
    except (OSError, ValueError, KeyError):
        return []
    return judge_certificate(certificate, origin.server_name or origin.host, where, now_s)


def judge_certificate(
    certificate: Certificate, name: str, where: str, now_s: float
) -> list[Finding]:
    """Return what there is to say about a certificate that must be valid for `name`."""
    found = []
    days = int((certificate.ends_s - now_s) // _DAY_S)
    rule = CERTIFICATE_EXPIRES if days < SHORT_DAYS else CERTIFICATE_DAYS
    found.append(rule.at(where, f"The certificate is valid for {days} more days."))
    if not any(_fits(pattern, name) for pattern in certificate.names):
        what = f"The certificate is for {_listed(certificate.names)}, and not for {name}."
        found.append(CERTIFICATE_NAME.at(where, what))
    return found


_NAME_KINDS = ("DNS", "IP Address")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name) for name in names[:MOST_NAMES]) or "no name"
    more = len(names) - MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _fits(pattern: str, name: str) -> bool:
    """Say whether a name of a certificate covers `name`; a wildcard is one label (RFC 9525)."""
    with suppress(ValueError):  # OpenSSL writes an IPv6 address in another form than users do
        return ip_address(pattern.strip()) == ip_address(name)
    pattern, name = pattern.lower(), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return "." in name and name.partition(".")[2] == pattern[2:]
    return pattern == name


def _handshake(origin: Origin, context: ssl.SSLContext) -> tuple[bytes, dict[str, Any]]:
    """Return the certificate in DER, and its description where the context verified it."""
    address = (origin.host, origin.port)
    with (
        create_connection(address, timeout=origin.connect_timeout_s) as connection,
        context.wrap_socket(
            connection, server_hostname=origin.server_name or origin.host
        ) as secured,
    ):
        encoded = secured.getpeercert(binary_form=True)
        if encoded is None:
            raise OSError("the server sent no certificate")
        return encoded, dict(secured.getpeercert() or {})
