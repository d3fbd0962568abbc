"""Checks the requests that a canary consists of, over real sockets."""

import ssl
from pathlib import Path

import pytest
import trustme

from mirror.addresses import Url
from mirror.audit.canary.sending import (
    Answer,
    Target,
    path_of,
    read_page,
    read_target,
    send,
    send_marked,
)
from mirror.core.canaries.canary import canary_id
from tests.fakes_admin import admin_port

ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "origin", "path", "host"),
    [
        ("http://a.example", Url("a.example", 80), "/", "a.example"),
        ("https://a.example:8443/b?c=d", Url("a.example", 8443, True), "/b?c=d", "a.example:8443"),
        ("https://a.example/", Url("a.example", 443, True), "/", "a.example"),
    ],
)
def test_a_url_names_origin_path_and_host(text: str, origin: Url, path: str, host: str) -> None:
    assert read_target(text) == Target(origin, path, host)


@pytest.mark.parametrize(
    "text",
    [
        "a.example",
        "ftp://a",
        "http://",
        "http://u:p@a/",
        "http://a:x/",
        "http://a/#b",
        "http://a/ü",
    ],
)
def test_any_other_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a URL"):
        read_target(text)


@pytest.mark.parametrize("path", ["/", "/a?b=c"])
def test_the_sidecar_recognises_the_path(path: str) -> None:
    target = Target(Url("a", 80), path, "a")
    assert path_of(target, ID).startswith(path)
    assert canary_id(path_of(target, ID).encode()) == ID


def test_an_answer_is_its_status() -> None:
    with admin_port(404, b"none") as (port, asked):
        target = Target(Url("127.0.0.1", port), "/a", "www.example.com")
        answer = send(target, ID)
        send_marked(target.origin, target, ID)
        page = read_page(target.origin, "/stats", 2)
    assert answer.status == 404 and answer.server and not answer.error
    assert [path for path, _ in asked] == [path_of(target, ID)] * 2 + ["/stats"]
    assert page.body == b"no"


def test_unknown_authority_can_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with admin_port(200, b"", tls=context) as (port, asked):
        target = Target(Url("127.0.0.1", port, True), "/", "a")
        unknown = send(target, ID)
        assert "CERTIFICATE_VERIFY_FAILED" in unknown.error and unknown.is_untrusted
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
        assert send(target, ID).status == 200
        # Another name in the certificate is no question of trust.
        misnamed = send(Target(Url("localhost", port, True), "/", "a"), ID)
        assert misnamed.error and not misnamed.is_untrusted
    assert len(asked) == 1


def test_who_does_not_answer_is_named() -> None:
    with admin_port(200, b"") as (port, _):
        pass
    answer = send(Target(Url("127.0.0.1", port), "/", "a"), ID)
    assert (answer.status, bool(answer.error)) == (0, True)
    assert send_marked(Url("/nowhere.sock", 0), Target(Url("a", 1), "/", "a"), ID).error
    assert answer != Answer(0)
