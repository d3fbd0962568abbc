"""Checks that no leg reaches a server that was not probed on that very connection."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

import pytest
import trustme

from mirror.config import Config
from mirror.core import breaker
from mirror.core.acceptance import Verdict
from mirror.core.breaker import REFUSED_WAIT_S
from mirror.core.request_head import RequestHead
from mirror.process.merger import Merger
from mirror.proxy.exchange import Exchange
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.admission import MAX_HEAD_BYTES, Admission
from mirror.proxy.upstream.connection import Origin
from tests.fakes import OK, StubUpstream, make_config, run, until

NGINX = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Length: 0\r\n\r\n"
CLOSING_OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
ENVOY = b"HTTP/1.1 404 Not Found\r\nServer: istio-envoy\r\nContent-Length: 0\r\n\r\n"


class Shadow(StubUpstream):
    """A server that gives the first request of each connection the next of these answers."""

    def __init__(self, *answers: bytes, close: bool = False) -> None:
        super().__init__()
        self._answers = answers
        self._close = close
        self.legs: list[bytes] = []
        """Requests that are no probe."""
        self.legs_of: list[int] = []
        """Number of legs on each connection, in the order of their opening."""

    async def _answer_probe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Leave the probe to the script."""

    async def _script(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.legs_of)
        self.legs_of.append(0)
        while True:
            request = await self.read_request(reader)
            if b"X-Mirror-Leg: probe" in request:
                writer.write(self._answers[min(self.probes, len(self._answers) - 1)])
                self.probes += 1
            else:
                self.legs.append(request)
                self.legs_of[number] += 1
                writer.write(CLOSING_OK if self._close else OK)
            if self._close:
                return

    def __setattr__(self, name: str, value: object) -> None:
        if name != "_script":  # the base class takes its script as a value
            super().__setattr__(name, value)


def copy_once(tee: Tee, number: int = 1) -> None:
    """Let the tee start this many legs."""
    for _ in range(number):
        head = RequestHead(b"GET", 1, keep_alive=True)
        head.target = b"/a"
        head.start = b"GET /a HTTP/1.1\r\nHost: h\r\n"
        Exchange(tee, head).end([])


def config_for(shadow: StubUpstream, **shadow_keys: object) -> Config:
    return make_config(
        shadow=shadow.port, **{f"shadow_{key}": value for key, value in shadow_keys.items()}
    )


async def settled(tee: Tee) -> dict[str, object]:
    """Wait until no leg is in flight, and return the ledger."""
    await until(lambda: not tee.in_flight and not tee.reading)
    merger = Merger(0)
    merger.worker_started(1)
    merger.worker_reported(1, tee.report())
    status = merger.status()
    assert status["balanced"]
    return status


def test_first_request_of_a_connection_is_a_probe() -> None:
    async def main() -> None:
        async with Shadow(ENVOY) as shadow:
            tee = Tee(config_for(shadow, connections=1))
            copy_once(tee, 3)
            status = await settled(tee)
            assert (status["outcomes"], status["probes"]) == ({"2xx": 3}, {"accepted": 1})
            first = shadow.requests[0]
            assert first.startswith(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % shadow.port)
            assert b"\r\nUser-Agent: kagami-mirror-check\r\n" in first
            assert (shadow.connections, len(shadow.legs)) == (1, 3)
            tee.cut()

    run(main)


def test_a_server_that_logs_gets_no_leg() -> None:
    async def main() -> None:
        async with Shadow(NGINX) as shadow:
            tee = Tee(config_for(shadow))
            copy_once(tee)
            assert (await settled(tee))["outcomes"] == {"target_refused": 1}
            copy_once(tee, 5)
            status = await settled(tee)
            assert status["shed"] == {"target_refused": 5}
            assert status["probes"] == {"refused": 1}
            assert shadow.legs == []
            assert tee.report().refusal.startswith("server: nginx/1.22.1")
            tee.cut()

    run(main)


def test_waiting_legs_end_with_the_refusal() -> None:
    """Checks that legs in the queue cause no further probes of a server that logs each."""

    async def main() -> None:
        async with Shadow(NGINX) as shadow:
            tee = Tee(config_for(shadow, connections=1))
            copy_once(tee, 50)
            status = await settled(tee)
            assert status["outcomes"] == {"target_refused": 50}
            assert shadow.connections == 1
            tee.cut()

    run(main)


def test_a_target_that_turns_into_one_that_logs_is_shed() -> None:
    async def main() -> None:
        async with Shadow(ENVOY, NGINX) as shadow:
            tee = Tee(config_for(shadow, connections=2))
            copy_once(tee)
            await settled(tee)
            # The kept connection is free for one leg; the other leg asks for a new connection.
            copy_once(tee, 2)
            await until(lambda: shadow.probes == 2 and tee.refusal)
            await settled(tee)
            copy_once(tee, 2)
            status = await settled(tee)
            assert status["shed"] == {"target_refused": 2}
            assert shadow.legs_of[1] == 0
            tee.cut()

    run(main)


def test_a_refused_target_is_probed_again_and_used() -> None:
    async def main() -> None:
        async with Shadow(NGINX, ENVOY) as shadow:
            tee = Tee(config_for(shadow, connections=1))
            copy_once(tee)
            await settled(tee)
            assert tee.breaker.state == breaker.OPEN
            loop = asyncio.get_running_loop()
            tee._now = lambda: loop.time() + REFUSED_WAIT_S
            copy_once(tee, 3)
            status = await settled(tee)
            assert status["outcomes"] == {"2xx": 3, "target_refused": 1}
            assert tee.report().refusal == ""
            assert tee.breaker.state == breaker.CLOSED
            tee.cut()

    run(main)


def test_an_open_breaker_trusts_no_connection() -> None:
    """Checks that the legs that may close the breaker use connections that were probed since."""

    async def main() -> None:
        async with Shadow(ENVOY) as shadow:
            tee = Tee(config_for(shadow, connections=1))
            copy_once(tee)
            await settled(tee)
            tee.breaker.refused("for the test", 0.0)
            copy_once(tee)
            status = await settled(tee)
            assert status["probes"] == {"accepted": 2}
            tee.cut()

    run(main)


def test_server_that_closes_after_each_answer_is_used() -> None:
    async def main() -> None:
        async with Shadow(
            ENVOY.replace(b"Content-Length", b"Connection: close\r\nContent-Length"), close=True
        ) as shadow:
            tee = Tee(config_for(shadow, connections=1))
            copy_once(tee, 4)
            status = await settled(tee)
            assert (status["outcomes"], status["probes"]) == ({"2xx": 4}, {"accepted": 4})
            tee.cut()

    run(main)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"", "unreachable"),
        (b"garbage\r\n\r\n", "refused"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "refused"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"x" * MAX_HEAD_BYTES, "refused"),
        (b"HTTP/2.0 200 OK\r\nServer: envoy\r\n\r\n", "refused"),
    ],
    ids=["silent", "garbage", "tls", "too long", "version"],
)
def test_no_answer_that_could_be_judged_means_no_leg(answer: bytes, verdict: str) -> None:
    async def main() -> None:
        async with Shadow(answer) as shadow:
            tee = Tee(config_for(shadow, timeout=0.2))
            copy_once(tee)
            status = await settled(tee)
            outcome = "target_refused" if verdict == "refused" else "connect_failed"
            assert (status["outcomes"], status["probes"]) == ({outcome: 1}, {verdict: 1})
            assert shadow.legs == []
            tee.cut()

    run(main)


def test_bytes_behind_the_answer_end_the_connection() -> None:
    async def main() -> None:
        async with Shadow(ENVOY + b"surplus", ENVOY) as shadow:
            tee = Tee(config_for(shadow, connections=1))
            copy_once(tee)
            await settled(tee)
            assert (shadow.connections, len(shadow.legs)) == (2, 1)
            tee.cut()

    run(main)


def test_a_connection_is_renewed_at_its_age() -> None:
    async def main() -> None:
        async with Shadow(ENVOY) as shadow:
            tee = Tee(config_for(shadow, connection_age=40))
            copy_once(tee)
            await settled(tee)
            now = asyncio.get_running_loop().time()
            tee.tick(now + 19)  # the age is drawn from the upper half
            copy_once(tee)
            await settled(tee)
            assert shadow.connections == 1
            tee.tick(now + 41)
            copy_once(tee)
            await settled(tee)
            assert shadow.connections == 2
            tee.cut()

    run(main)


def test_connections_are_used_in_turn() -> None:
    async def main() -> None:
        async with Shadow(ENVOY) as shadow:
            tee = Tee(config_for(shadow))
            copy_once(tee, 4)
            await settled(tee)
            first = list(shadow.legs_of)
            for _ in range(8):
                copy_once(tee)
                await settled(tee)
            assert [now - then for now, then in zip(shadow.legs_of, first, strict=True)] == [2] * 4
            tee.cut()

    run(main)


def test_addresses_of_a_name_are_used_evenly() -> None:
    """Checks that the connections to several nodes behind one name are opened in turn."""

    async def main() -> None:
        async with Shadow(ENVOY) as shadow:
            tee = Tee(config_for(shadow, connections=30))
            connected: list[str | None] = []
            connect = tee.shadow.origin.connect
            addresses = ("10.0.0.1", "10.0.0.2", "10.0.0.3")

            class Nodes:
                """Three nodes, all of which are the same server."""

                def __getattr__(self, name: str) -> object:
                    return getattr(origin, name)

                async def connect(
                    self, make: Callable[[], asyncio.Protocol], address: str | None = None
                ) -> asyncio.BaseTransport:
                    connected.append(address)
                    return await connect(make, "127.0.0.1")

            origin = tee.shadow.origin
            tee.shadow.origin = Nodes()  # type: ignore[assignment]
            tee.shadow._resolver.addresses = addresses
            copy_once(tee, 30)
            await settled(tee)
            assert {address: connected.count(address) for address in addresses} == dict.fromkeys(
                addresses, 10
            )
            tee.cut()

    run(main)


def test_a_server_that_requires_a_certificate_is_named() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    authority.configure_trust(server_side)
    server_side.verify_mode = ssl.CERT_REQUIRED
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    def serve() -> None:
        # Unlike the event loop's, a blocking TLS socket sends the alert before it is closed.
        accepted, _ = listener.accept()
        with server_side.wrap_socket(
            accepted, server_side=True, do_handshake_on_connect=False
        ) as wrapped:
            with contextlib.suppress(ssl.SSLError):
                wrapped.do_handshake()
            with contextlib.suppress(OSError):  # the client may be gone
                wrapped.shutdown(socket.SHUT_WR)
                while wrapped.recv(4096):
                    pass

    async def main() -> None:
        verdicts: list[Verdict] = []
        admission = Admission(["envoy"], 10.0, 60.0, verdicts.append)
        origin = Origin("127.0.0.1", port, tls=client_side)
        # The comparison calls a TLS error by its name.
        with pytest.raises(ssl.SSLError, match="^it requires a client certificate"):
            await admission.connect(origin, "127.0.0.1")
        assert [verdict.code for verdict in verdicts] == ["client_certificate"]

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = threading.Thread(target=serve)
        server.start()
        run(main)
        server.join()
