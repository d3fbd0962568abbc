"""Checks sessions with monitoring systems: TLS, proxies, logins, and how much of an answer is read.

The server and the proxy are real sockets on loopback.
"""

import asyncio
import gzip
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import aiohttp
import msgspec
import pytest

from estimator.errors import InputError
from estimator.series import http_session
from estimator.series.http_session import (
    Answer,
    AnswerTooLargeError,
    ApiSession,
    check_url,
    decoded,
    proxy_of,
)


class Server(ThreadingHTTPServer):
    """A server, or a proxy, that keeps what it was asked and answers with `body`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.body, self.packing = b"ok", ""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        self.send_response(200)
        if self.server.packing:
            self.send_header("Content-Encoding", self.server.packing)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_CONNECT(self) -> None:
        self.server.asked.append((self.path, dict(self.headers.items())))
        self.send_error(502)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


proxy = server
"""The same stand-in: a proxy is a server that is asked for a whole URL."""


def ask(url: str, **headers: str) -> Answer:
    async def run() -> Answer:
        async with ApiSession(url, headers, 10.0) as session:
            return await session.request("GET", "/x")

    return asyncio.run(run())


def test_session_speaks_tls_1_2_and_verifies() -> None:
    async def look() -> tuple[ssl.SSLContext, aiohttp.ClientTimeout]:
        async with ApiSession("https://a", {}, 3.0) as session:
            connector = session._session.connector
            assert isinstance(connector, aiohttp.TCPConnector)
            context = connector._ssl
            assert isinstance(context, ssl.SSLContext)
            return context, session._session.timeout

    context, timeout = asyncio.run(look())
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert timeout.total == 3.0


def test_no_proxy_sees_what_this_machine_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert ask(server.url, Authorization="Bearer secret").body == b"ok"
    assert server.asked[0][1]["Authorization"] == "Bearer secret"


def test_a_proxy_of_the_environment_is_used(proxy: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//me:word@"))
    assert ask("http://prometheus.invalid:9090").body == b"ok"
    path, headers = proxy.asked[0]
    assert path == "http://prometheus.invalid:9090/x"
    assert headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "prometheus.invalid")
    assert proxy_of("http://prometheus.invalid:9090") is None


def test_a_proxy_of_https_gets_no_header_but_the_name(
    proxy: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", proxy.url)
    with pytest.raises(aiohttp.ClientError):
        ask("https://prometheus.invalid", Authorization="Bearer secret")
    ((path, headers),) = proxy.asked
    assert path == "prometheus.invalid:443"
    assert "secret" not in str(headers)


def test_no_login_comes_from_netrc(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(server.url)
    assert "Authorization" not in server.asked[0][1]


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://me:word@host:9090", "holds a login, which reports would show"),
        ("http://word@host", "holds a login"),
        ("https://host/?token=word", "expected a URL"),
        ("ftp://host", "expected a URL"),
        ("http://host:port", "expected a URL"),
        ("http://host:9090", "would send THE_KEY in the clear to another machine: use https"),
        ("http://127.0.0.1.example", "would send THE_KEY in the clear"),
    ],
)
def test_a_url_that_must_not_be_asked_is_refused(url: str, rule: str) -> None:
    with pytest.raises(InputError) as refused:
        check_url(url, "--url", "THE_KEY", "use THE_KEY")
    assert str(refused.value).startswith(f"--url: {rule}")
    assert "me:word" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://host/path", "http://127.0.0.1:9090", "http://[::1]:9090", "http://localhost"]
)
def test_a_secret_leaves_over_tls_or_to_this_machine(url: str) -> None:
    check_url(url, "--url", "THE_KEY", "")
    check_url("http://host:9090/prometheus", "--url", None, "")


def test_a_packed_answer_is_unpacked(server: Server) -> None:
    server.body, server.packing = gzip.compress(b"text"), "gzip"
    assert ask(server.url).body == b"text"
    assert server.asked[0][1]["Accept-Encoding"] == "gzip"
    server.body = server.body[:-9]
    with pytest.raises(aiohttp.ClientPayloadError, match="has no end"):
        ask(server.url)
    server.body = b"no gzip"
    with pytest.raises(aiohttp.ClientPayloadError, match="no gzip"):
        ask(server.url)
    server.packing = "br"
    with pytest.raises(aiohttp.ClientPayloadError, match="'br' was not asked for"):
        ask(server.url)


@pytest.mark.parametrize("packing", ["", "gzip"])
def test_no_more_than_the_limit_is_read(
    server: Server, monkeypatch: pytest.MonkeyPatch, packing: str
) -> None:
    monkeypatch.setattr(http_session, "MAX_ANSWER_BYTES", 1 << 20)
    for size in (1 << 20, (1 << 20) + 1):
        content = bytes(size)
        server.body, server.packing = (gzip.compress(content) if packing else content), packing
        if size <= 1 << 20:
            assert len(ask(server.url).body) == size
            continue
        with pytest.raises(AnswerTooLargeError, match="more than 1,048,576 bytes, which is the"):
            ask(server.url)


class Model(msgspec.Struct):
    values: list[str] = []


def test_an_answer_that_would_fill_the_memory_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert decoded(b'{"values":["a"]}', Model).values == ["a"]
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        decoded(b'{"other":' + b"[" * 100_000, Model)
    monkeypatch.setattr(http_session, "MAX_ANSWER_VALUES", 100)
    with pytest.raises(AnswerTooLargeError, match="more than 100 texts and lists"):
        decoded(msgspec.json.encode({"values": ["a"] * 100}), Model)
