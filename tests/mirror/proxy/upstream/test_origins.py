"""Checks addresses and TLS of upstreams, with certificate authorities made for these tests."""

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from mirror.addresses import Url
from mirror.config import Config
from mirror.config_sections import TlsSection
from mirror.core.pool import Pool
from mirror.errors import TlsError
from mirror.proxy.upstream.connection import Origin
from mirror.proxy.upstream.origins import (
    check_origins,
    primary_origin,
    replay_origin,
    shadow_origin,
)
from mirror.proxy.upstream.relaying import RelayingConnection, RelayingUpstream
from tests.fakes import OK, StubUpstream, make_config, run, turns, until

NAME = "app.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


class Serving:
    """A TLS server on loopback that records what a client asked for."""

    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.asked_for: list[str | None] = []
        self.protocols: list[str | None] = []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        authority.issue_cert(*names).configure_cert(self.context)
        self.context.sni_callback = self._note
        self._stub = StubUpstream()

    def _note(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        self.asked_for.append(name)

    async def __aenter__(self) -> int:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            secured = writer.get_extra_info("ssl_object")
            self.protocols.append(secured.selected_alpn_protocol())
            await self._stub._play(reader, writer)

        self._server = await asyncio.start_server(play, "127.0.0.1", 0, ssl=self.context)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *exc: object) -> None:
        self._stub._server = self._server
        await self._stub.__aexit__(*exc)


class Leg:
    """Sends one GET and records its events."""

    answers_head = False

    def __init__(self) -> None:
        self.end = ""

    def on_assigned(self, connection: RelayingConnection) -> None:
        connection.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.end_request()

    def on_response(self, head: object, body: bytes, trailers: object, ended: bool) -> None:
        self.end = body.decode()

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        self.end = outcome


async def fetched(origin: Origin) -> tuple[str, Exception | None]:
    """Return the response to one request, and the error of its connect if it failed."""
    upstream = RelayingUpstream(origin, Pool(1, 1, 1))
    errors: list[Exception | None] = []
    upstream.on_connect = errors.append
    leg = Leg()
    assert upstream.start(leg)  # type: ignore[arg-type]
    await until(lambda: leg.end)
    upstream.close()
    await turns(10)
    return leg.end, errors[0]


def configured(url: Url, tls: TlsSection, primary_tls: TlsSection | None = None) -> Config:
    """Return a configuration with this shadow; `primary_tls` adds a primary at the same URL."""
    plain = make_config("inline", 1) if primary_tls else make_config()
    shadow = replace(plain.shadow, url=url, tls=tls)
    if primary_tls is None:
        return replace(plain, shadow=shadow)
    return replace(plain, shadow=shadow, primary=url, primary_tls=primary_tls)


def https(port: int, tls: TlsSection) -> Origin:
    return shadow_origin(configured(Url("127.0.0.1", port, is_tls=True), tls))


# --- values ---

PLAIN = Url("a.example", 81)
SECURE = Url("a.example", 443, is_tls=True)


def test_origin_has_the_limits_of_the_configuration() -> None:
    config = make_config("inline", 81, 82, timeouts_connect=0.5, max_head_bytes=1000)
    assert shadow_origin(config) == Origin("127.0.0.1", 82, None, None, 0.5, 1000, 30.0)
    assert primary_origin(config) == Origin("127.0.0.1", 81, None, None, 0.5, 1000, 30.0)
    assert replay_origin(PLAIN, 2.0, 500) == Origin("a.example", 81, None, None, 2.0, 500)


def test_tls_section_does_not_make_a_url_tls() -> None:
    assert shadow_origin(configured(PLAIN, TlsSection(ca_file="/nowhere"))).tls is None


def test_each_upstream_has_its_own_tls(ca_file: str) -> None:
    config = configured(SECURE, TlsSection(verify=False), TlsSection(ca_file, NAME))
    shadow, primary = shadow_origin(config), primary_origin(config)
    assert shadow.tls is not None and primary.tls is not None
    assert (shadow.tls.verify_mode, shadow.server_name) == (ssl.CERT_NONE, None)
    assert (primary.tls.verify_mode, primary.server_name) == (ssl.CERT_REQUIRED, NAME)


@pytest.mark.parametrize(
    "origin",
    [shadow_origin(configured(SECURE, TlsSection())), replay_origin(SECURE, 1.0, 1000)],
    ids=["shadow", "replay"],
)
def test_context_verifies_unless_told_otherwise(origin: Origin) -> None:
    assert origin.tls is not None
    assert origin.tls.verify_mode is ssl.CERT_REQUIRED
    assert origin.tls.check_hostname
    assert origin.tls.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_only_the_authorities_of_the_file_are_trusted(ca_file: str) -> None:
    origin = shadow_origin(configured(SECURE, TlsSection(ca_file=ca_file)))
    assert origin.tls is not None
    assert len(origin.tls.get_ca_certs()) == 1


def test_unreadable_authorities_are_named_with_their_key(tmp_path: Path, ca_file: str) -> None:
    good, missing = TlsSection(ca_file=ca_file), TlsSection(ca_file=str(tmp_path / "none.pem"))
    check_origins(configured(SECURE, good))
    check_origins(configured(SECURE, good, good))
    with pytest.raises(TlsError, match="^shadow.tls.ca_file: cannot read .*none.pem"):
        check_origins(configured(SECURE, missing, good))
    with pytest.raises(TlsError, match="^primary_tls.ca_file: cannot read .*none.pem"):
        check_origins(configured(SECURE, good, missing))
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    with pytest.raises(TlsError, match="garbage.pem"):
        shadow_origin(configured(SECURE, TlsSection(ca_file=str(garbage))))


# --- on the wire ---


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_certificate_of_the_address_is_believed(
    authority: trustme.CA, ca_file: str, use_uvloop: bool
) -> None:
    async def main() -> None:
        serving = Serving(authority, "127.0.0.1")
        async with serving as port:
            heard, error = await fetched(https(port, TlsSection(ca_file=ca_file)))
        assert (heard, error) == ("ok", None)
        assert serving.protocols == ["http/1.1"], "HTTP/2 is not offered"

    run(main, use_uvloop)


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_name_is_asked_for_and_checked(
    authority: trustme.CA, ca_file: str, use_uvloop: bool
) -> None:
    async def main() -> None:
        serving = Serving(authority, NAME)
        async with serving as port:
            tls = TlsSection(ca_file=ca_file, server_name=NAME)
            assert await fetched(https(port, tls)) == ("ok", None)
        assert serving.asked_for == [NAME]

    run(main, use_uvloop)


@pytest.mark.parametrize("flaw", ["another name", "another authority", "the system's authorities"])
def test_certificate_that_proves_nothing_fails_the_connect(
    authority: trustme.CA, ca_file: str, flaw: str
) -> None:
    async def main() -> None:
        issuer = trustme.CA() if flaw == "another authority" else authority
        serving = Serving(issuer, "other.example" if flaw == "another name" else "127.0.0.1")
        tls = TlsSection(ca_file=None if flaw == "the system's authorities" else ca_file)
        async with serving as port:
            heard, error = await fetched(https(port, tls))
        assert heard == "connect_failed"
        assert isinstance(error, ssl.SSLCertVerificationError)

    run(main)


def test_verification_can_be_turned_off(authority: trustme.CA) -> None:
    async def main() -> None:
        async with Serving(authority, "other.example") as port:
            heard, _ = await fetched(https(port, TlsSection(verify=False)))
        assert heard == "ok"

    run(main)


def test_plain_server_is_no_tls_server() -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            stub._script = stub.answer(OK)
            heard, error = await fetched(https(stub.port, TlsSection(verify=False)))
        assert heard == "connect_failed"
        assert isinstance(error, OSError)

    run(main)
