"""Checks what is learned of a certificate from real handshakes, also of one that is not trusted."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from mirror.preflight.certificates import (
    Certificate,
    certificate_findings,
    judge_certificate,
    read_certificate,
)
from mirror.proxy.upstream.connection import Origin
from mirror.tls import client_context

DAY_S = 86400


@contextmanager
def tls_server(certificate: trustme.LeafCert, handshakes: int = 2) -> Iterator[int]:
    """Take this many handshakes on one port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def serve() -> None:
            for _ in range(handshakes):
                connection, _ = listener.accept()
                with connection:
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue  # the client refused the certificate

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def in_days(days: int) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


def test_a_certificate_is_read_although_nothing_trusts_it() -> None:
    leaf = trustme.CA().issue_cert("*.example.com", "127.0.0.1", not_after=in_days(10))
    with tls_server(leaf) as port:
        certificate = read_certificate(Origin("127.0.0.1", port, client_context()))
    assert certificate.names == ("*.example.com", "127.0.0.1")
    assert abs(certificate.ends_s - in_days(10).timestamp()) < DAY_S


def test_an_expired_certificate_is_said_to_be() -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1", not_before=in_days(-10), not_after=in_days(-1))
    with tls_server(leaf) as port:
        origin = Origin("127.0.0.1", port, client_context())
        (finding,) = certificate_findings(origin, "https://h", 0.0)
    assert (finding.code, finding.severity) == ("shadow.certificate_expires", "warning")
    assert finding.what == "The certificate has expired."


def test_no_tls_there_is_left_to_the_probe() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        origin = Origin(*bound.getsockname(), client_context())
        assert certificate_findings(origin, "https://h", 0.0) == []


@pytest.mark.parametrize(
    ("names", "name", "fits"),
    [
        (("a.example", "b.example"), "B.example.", True),
        (("*.example.com",), "www.example.com", True),
        (("*.example.com",), "a.www.example.com", False),
        (("*.example.com",), "example.com", False),
        (("10.0.0.1",), "10.0.0.1", True),
        (("0:0:0:0:0:0:0:1",), "::1", True),
        (("10.0.0.1",), "10.0.0.2", False),
        ((), "a.example", False),
    ],
)
def test_names_that_do_not_fit_are_listed(names: tuple[str, ...], name: str, fits: bool) -> None:
    found = judge_certificate(Certificate(names, 100 * DAY_S), name, "w", 0.0)
    assert [finding.code for finding in found if finding.severity == "warning"] == (
        [] if fits else ["shadow.certificate_name"]
    )


def test_the_days_that_are_left_are_a_note_or_a_warning() -> None:
    for days, severity in ((21, "note"), (20, "warning"), (-1, "warning")):
        certificate = Certificate(("h",), days * DAY_S + 60)
        (finding,) = judge_certificate(certificate, "h", "w", 0.0)
        assert finding.severity == severity and f"for {days} more days" in finding.what


def test_many_names_are_cut() -> None:
    names = tuple(f"{index}.example" for index in range(8))
    found = judge_certificate(Certificate(names, 100 * DAY_S), "x", "w", 0.0)
    assert "4.example and 3 more, and not for x" in found[-1].what
