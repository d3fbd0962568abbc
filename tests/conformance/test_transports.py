"""Checks IPv4, IPv6 and unix sockets on every side, and TLS to both upstreams."""

import ssl
from pathlib import Path

import pytest
import trustme

from tests.conformance.process import SocketUpstream, free_ports, serving
from tests.conformance.rows import MARK, VIA, Row
from tests.conformance.wire import End, Reply, Script, crlf

POST = "POST /a HTTP/1.1|Host: h|"
ROW = Row(
    "a request with a body",
    POST + "Content-Length: 2||xy",
    f"{POST}{VIA}Content-Length: 2||xy",
    f"{POST}Content-Length: 2|{MARK}|xy",
)
GET = crlf("GET /a HTTP/1.1|Host: h||")


def address(directory: Path, kind: str, name: str) -> str:
    return str(directory / f"{name}.sock") if kind == "unix" else kind


@pytest.mark.parametrize(
    ("mode", "primary", "shadow"),
    [
        ("inline", "127.0.0.1", "::1"),
        ("inline", "::1", "unix"),
        ("inline", "unix", "127.0.0.1"),
        ("sink", "127.0.0.1", "::1"),
        ("sink", "127.0.0.1", "unix"),
    ],
)
def test_every_kind_of_socket_on_every_side(
    directory: Path, mode: str, primary: str, shadow: str
) -> None:
    port, port_6 = free_ports(2)
    listen = [f"127.0.0.1:{port}", f"[::1]:{port_6}", f"unix:{directory}/mirror.sock"]
    upstreams = [
        SocketUpstream(address(directory, kind, name))
        for kind, name in ((primary, "primary"), (shadow, "shadow"))
    ]
    with serving(directory, mode, upstreams[0], upstreams[1], listen=listen) as served:
        for number in range(len(listen)):
            served.play(ROW, number)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, directory: Path) -> Path:
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def speaking_tls(authority: trustme.CA, *names: str) -> SocketUpstream:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return SocketUpstream(tls=context)


def named(upstream: SocketUpstream) -> SocketUpstream:
    """Address the upstream by name, because SNI carries no IP addresses."""
    upstream.url = f"https://localhost:{upstream.port}"
    return upstream


def test_tls_is_verified_to_both_upstreams(
    authority: trustme.CA, directory: Path, ca_file: Path
) -> None:
    primary, shadow = (named(speaking_tls(authority, "localhost")) for _ in range(2))
    tls = {"ca_file": str(ca_file)}
    with serving(
        directory,
        "inline",
        primary,
        shadow,
        primary_tls=tls,
        shadow={"tls": tls},
    ) as served:
        served.play(ROW)
    assert set(primary.names) == set(shadow.names) == {"localhost"}


def test_server_name_is_asked_for_and_verified(
    authority: trustme.CA, directory: Path, ca_file: Path
) -> None:
    primary, shadow = (speaking_tls(authority, "app.internal") for _ in range(2))
    tls = {"ca_file": str(ca_file), "server_name": "app.internal"}
    with serving(
        directory, "inline", primary, shadow, primary_tls=tls, shadow={"tls": tls}
    ) as served:
        served.play(ROW)
    assert set(primary.names) == set(shadow.names) == {"app.internal"}


def test_verification_can_be_turned_off(authority: trustme.CA, directory: Path) -> None:
    primary, shadow = (named(speaking_tls(authority, "elsewhere")) for _ in range(2))
    tls = {"verify": False}
    with serving(
        directory, "inline", primary, shadow, primary_tls=tls, shadow={"tls": tls}
    ) as served:
        served.play(ROW)


@pytest.mark.parametrize("flaw", ["unknown authority", "wrong name", "no tls"])
def test_a_flawed_certificate_is_refused_and_counted(
    authority: trustme.CA, directory: Path, ca_file: Path, flaw: str
) -> None:
    issuer = trustme.CA() if flaw == "unknown authority" else authority
    name = "elsewhere" if flaw == "wrong name" else "localhost"
    if flaw == "no tls":
        primary, shadow = named(SocketUpstream()), named(SocketUpstream())
    else:
        primary, shadow = (named(speaking_tls(issuer, name)) for _ in range(2))
    tls = {"ca_file": str(ca_file)}
    with serving(
        directory, "inline", primary, shadow, primary_tls=tls, shadow={"tls": tls}
    ) as served:
        with served.client() as client:
            client.send(GET)
            assert client.receive_until(b"x" * 90).startswith(b"HTTP/1.1 502 ")
        ledger = served.settled(seen=1)
    assert ledger["primary"] == {"connect_failed": 1}
    assert ledger["outcomes"] == {"connect_failed": 1}
    assert primary.script.requests == []
    assert b"GET /a" not in b"".join(shadow.script.requests)


def test_an_answer_that_breaks_resets_a_client_that_reads_until_close(directory: Path) -> None:
    cut = crlf("HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|")
    primary, shadow = SocketUpstream(), SocketUpstream()
    with serving(directory, "inline", primary, shadow) as served:
        primary.begin(Script((Reply(cut, end=End.CLOSE),)))
        with served.client() as client:
            client.send(crlf("GET /a HTTP/1.0|Host: h||"))
            client.receive_all()
            assert client.was_reset
