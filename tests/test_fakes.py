"""Checks that the fakes behave as the tests that use them assume."""

import asyncio

import pytest

from mirror.core.pool import Pool
from mirror.core.slow_start import SlowStartPool
from mirror.proxy.downstream.inline import pseudonym_of
from mirror.proxy.shadow_leg import ShadowLeg
from tests.fakes import (
    OK,
    Client,
    FakeTransport,
    Line,
    Sidecar,
    StubUpstream,
    WiredDiscarding,
    WiredRelaying,
    free_port,
    make_config,
    run,
    split,
    until,
    whole,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Recorder(asyncio.Protocol):
    def __init__(self) -> None:
        self.events: list[str] = []

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


def test_run_fails_on_an_escaped_exception() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)

    for use_uvloop in (True, False):
        with pytest.raises(AssertionError, match="ZeroDivisionError"):
            run(main, use_uvloop)


def test_until_fails_for_what_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.PATIENCE_S", 0.01)

    async def main() -> None:
        with pytest.raises(AssertionError, match="never came"):
            await until(lambda: False)

    run(main)


def test_transport_keeps_what_is_written() -> None:
    transport = FakeTransport(Recorder())
    transport.write(b"a")
    transport.write(b"b")
    assert transport.take_written() == b"ab"
    assert transport.take_written() == b""


def test_stuck_transport_pauses_its_protocol_once() -> None:
    recorder = Recorder()
    transport = FakeTransport(recorder, high_water_bytes=3)
    transport.is_stuck = True
    for _ in range(3):
        transport.write(b"xx")
    transport.unstick()
    transport.unstick()
    assert recorder.events == ["pause", "resume"]


def test_transport_reports_its_end_once_and_later() -> None:
    async def main() -> None:
        recorder = Recorder()
        transport = FakeTransport(recorder)
        transport.abort()
        transport.close()
        assert recorder.events == []
        assert transport.is_aborted and transport.is_closing() and not transport.is_reading()
        await asyncio.sleep(0)
        assert recorder.events == ["lost"]
        with pytest.raises(AssertionError, match="after close"):
            transport.write(b"a")

    run(main)


def test_transport_may_change_its_protocol() -> None:
    async def main() -> None:
        first, second = Recorder(), Recorder()
        transport = FakeTransport(first)
        transport.close()
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        await asyncio.sleep(0)
        assert (first.events, second.events) == ([], ["lost"])

    run(main)


def test_transport_ends_one_direction_where_it_can() -> None:
    transport = FakeTransport(Recorder())
    assert transport.can_write_eof()
    transport.write_eof()
    assert transport.is_eof_written
    transport.has_eof = False
    assert not transport.can_write_eof()
    with pytest.raises(AssertionError):
        transport.write_eof()


def test_transport_knows_its_peer() -> None:
    transport = FakeTransport(Recorder())
    assert transport.get_extra_info("peername") == ("192.0.2.7", 4711)
    assert transport.get_extra_info("socket") is None


def test_bytes_are_cut_without_loss() -> None:
    assert whole(b"abc") == [b"abc"]
    assert split(b"abc") == [b"a", b"b", b"c"]


def test_wired_upstream_opens_when_told() -> None:
    async def main() -> None:
        upstream = WiredRelaying(Pool(2, 2, 2))
        upstream.open()
        connection, transport = upstream.accept()
        assert connection.was_made
        assert upstream.opening == 0
        assert upstream.transports == [transport]
        with pytest.raises(AssertionError, match="nobody asked"):
            upstream.accept()
        with pytest.raises(AssertionError, match="nobody asked"):
            upstream.refuse()

    run(main)


def test_wired_upstream_hears_of_its_legs() -> None:
    async def main() -> None:
        upstream = WiredDiscarding(SlowStartPool(2, 2))
        leg = ShadowLeg("/a", b"", False)
        upstream.start(leg)
        assert upstream.heard == {}
        upstream.refuse()
        assert upstream.heard == {"connect_failed": [leg]}

    run(main)


def test_line_plays_whole_exchanges() -> None:
    async def main() -> None:
        line = Line(timeouts_primary=3)
        connection, transport = line.exchange(GET)
        line.send(GET)
        connection.data_received(OK)
        assert transport.written == GET[:-2] + b"Via: 1.1 %b\r\n\r\n" % pseudonym_of(
            make_config("inline", 9)
        )
        assert line.client.written == OK
        assert line.count("primary.requests") == {"2xx": 2}
        assert line.acceptor.primary.timeout_s == 3

    run(main)


def test_free_port_refuses() -> None:
    async def main() -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect(free_port())

    run(main)


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_stub_answers_one_response_after_the_other(use_uvloop: bool) -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            stub._script = stub.answer(OK, b"HTTP/1.1 204 No Content\r\n\r\n")
            client = await connect(stub.port)
            for expected in (200, 204, 204):
                client.send(GET)
                head, _ = await client.response()
                assert int(head[9:12]) == expected
            assert stub.requests == [GET] * 3
            assert stub.connections == 1
            client.close()

    run(main, use_uvloop)


def test_stub_reads_both_kinds_of_bodies() -> None:
    length = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    chunks = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"

    async def main() -> None:
        async with StubUpstream() as stub:
            client = await connect(stub.port)
            client.send(length + chunks + length)
            for _ in range(3):
                assert await client.response() == (OK[:-2], b"ok")
            assert stub.requests == [length, chunks, length]
            client.close()

    run(main)


@pytest.mark.parametrize("use_uvloop", [True, False])
def test_reset_is_a_reset(use_uvloop: bool) -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            stub._script = stub.reset()
            client = await connect(stub.port)
            client.send(GET)
            with pytest.raises(ConnectionResetError):
                await client.all()

    run(main, use_uvloop)


def test_sidecar_serves_and_adds_up() -> None:
    async def main() -> None:
        async with (
            StubUpstream() as shadow,
            Sidecar(make_config(shadow=shadow.port)) as sidecar,
            sidecar.client() as client,
        ):
            client.send(GET)
            head, _ = await client.response()
            assert head.startswith(b"HTTP/1.1 204 ")
            status = await sidecar.settled()
            assert (status["seen"], status["sent"]) == (1, 1)
            assert status["outcomes"] == {"2xx": 1}

    run(main)


def test_configuration_reaches_into_sections() -> None:
    config = make_config("inline", 3000, 4000, shadow_timeout=0.2, timeouts_head=1, workers=2)
    assert config.primary is not None
    assert (config.primary.port, config.shadow.url.port) == (3000, 4000)
    assert (config.shadow.timeout, config.timeouts.head, config.workers) == (0.2, 1, 2)
