"""Checks one worker: it listens on its sockets, reports every second, and drains on request.

Most tests run the worker in this process; the last ones start it as the supervisor does.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mirror.config import Config
from mirror.core.ledger import Report
from mirror.process.control import (
    EXIT_CUT,
    EXIT_OK,
    LENGTH_PREFIX,
    Command,
    Retire,
    Serve,
    SetRatio,
    encode,
    read_report,
)
from mirror.process.merger import Merger
from mirror.process.worker import Worker
from mirror.proxy.recent_ids import create_table
from mirror.proxy.tee import Tee
from tests.fakes import PATIENCE_S, Client, StubUpstream, make_config, run, until

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST_BEGUN = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhe"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def listen_tcp() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def listen_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


@dataclass
class Running:
    """A worker in this process, as its supervisor sees it."""

    port: int
    reports: list[Report]
    ours: socket.socket
    done: "asyncio.Task[int]"

    def tell(self, command: Command) -> None:
        self.ours.send(encode(command))

    async def client(self) -> Client:
        return Client(*await asyncio.open_connection("127.0.0.1", self.port))

    async def end(self) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            return await self.done

    def status(self) -> dict[str, object]:
        merger = Merger(0)
        merger.worker_started(1)
        merger.worker_reported(1, self.reports[-1])
        return merger.status()


@contextlib.asynccontextmanager
async def worker(config: Config, *others: socket.socket) -> AsyncIterator[Running]:
    listener = listen_tcp()
    ours, theirs = socket.socketpair()
    reports: list[Report] = []

    async def collect() -> None:
        reader, writer = await asyncio.open_connection(sock=ours)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                reports.append(await read_report(reader))
        writer.close()

    ours.send(encode(SetRatio(config.shadow.ratio)) + encode(Serve()))
    collecting = asyncio.create_task(collect())
    port = listener.getsockname()[1]
    done = asyncio.create_task(Worker(config, theirs).run([listener, *others]))
    running = Running(port, reports, ours, done)
    await until(lambda: reports or done.done())
    try:
        yield running
    finally:
        if not done.done():
            await running.end()
        await collecting


def test_first_report_says_ready() -> None:
    async def main() -> None:
        async with worker(make_config()) as running:
            report = running.reports[0]
            assert (report.seconds, report.totals, report.in_flight) == ([], {}, 0)
            assert int(time.monotonic()) - report.through in (1, 2)
            assert report.unobserved == []

    run(main)


def test_a_worker_that_stood_still_says_in_which_seconds() -> None:
    async def main() -> None:
        async with worker(make_config()) as running:
            before = time.monotonic()
            time.sleep(1.7)  # stops the whole loop
            after = time.monotonic()
            seen = len(running.reports)
            await until(lambda: len(running.reports) > seen + 2)
            ((first, last),) = [span for report in running.reports for span in report.unobserved]
            assert int(before) - first in (0, 1)
            assert last - int(after) in (0, 1)

    run(main)


def test_every_second_is_reported_once() -> None:
    async def main() -> None:
        async with StubUpstream() as shadow, worker(make_config(shadow=shadow.port)) as running:
            client = await running.client()
            for _ in range(3):
                client.send(GET)
                assert await client.response() == (NO_CONTENT, b"")
            await until(lambda: running.reports[-1].totals)
            client.close()
            assert await running.end() == EXIT_OK
        throughs = [report.through for report in running.reports]
        assert throughs == sorted(throughs)
        seconds = [second for report in running.reports for second, *_ in report.seconds]
        assert seconds == sorted(set(seconds))
        seen = sum(
            number
            for report in running.reports
            for _, counts, _ in report.seconds
            for (metric, _, _), number in counts.items()
            if metric == "requests"
        )
        assert seen == 3
        status = running.status()
        assert status["balanced"] and status["outcomes"] == {"2xx": 3}

    run(main)


def test_a_bug_at_a_deadline_ends_no_report(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(tee: Tee, now: float) -> None:
        raise AssertionError("a bug")

    monkeypatch.setattr(Tee, "tick", broken)

    async def main() -> None:
        async with worker(make_config()) as running:
            before = len(running.reports)
            await until(lambda: len(running.reports) > before)
        assert "unexpected error while checking deadlines" in caplog.text

    run(main)


def test_unix_and_tcp_are_served_alike(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "mirror.sock"
        async with worker(make_config(), listen_unix(path)) as running:
            for client in (
                await running.client(),
                Client(*await asyncio.open_unix_connection(str(path))),
            ):
                client.send(GET)
                assert await client.response() == (NO_CONTENT, b"")
                client.close()
        assert path.exists(), "the socket file is the supervisor's"

    run(main)


def test_inline_mode_relays() -> None:
    async def main() -> None:
        async with StubUpstream() as primary, StubUpstream() as shadow:
            config = make_config("inline", primary.port, shadow.port)
            async with worker(config) as running:
                client = await running.client()
                client.send(GET)
                assert (await client.response())[1] == b"ok"
                assert await running.end() == EXIT_OK
                client.close()
            assert running.status()["primary"] == {"2xx": 1}
            assert running.status()["balanced"]

    run(main)


def test_drain_waits_for_what_is_in_flight() -> None:
    async def main() -> None:
        answer = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            await answer.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        async with StubUpstream(slow) as primary, StubUpstream() as shadow:
            async with worker(make_config("inline", primary.port, shadow.port)) as running:
                client = await running.client()
                client.send(GET)
                await until(lambda: primary.connections)
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.sleep(0.1)
                assert not running.done.done()
                with pytest.raises(OSError):
                    await running.client()
                answer.set()
                head, body = await client.response()
                assert b"Connection: close" in head and body == b"ok"
                assert await running.done == EXIT_OK
                client.close()
            assert running.status()["primary"] == {"2xx": 1}

    run(main)


def test_drain_that_takes_too_long_is_cut_and_counted() -> None:
    async def main() -> None:
        async with StubUpstream() as shadow:
            shadow._script = shadow.hang()
            config = make_config(
                shadow=shadow.port, shadow_methods=["GET", "POST"], timeouts_drain=0.2
            )
            async with worker(config) as running:
                client = await running.client()
                client.send(GET)
                await client.response()
                client.send(POST_BEGUN)
                await until(lambda: shadow.received_bytes)
                assert await running.end() == EXIT_CUT
                client.close()
            status = running.status()
            assert status["outcomes"] == {"aborted": 1}
            assert status["shed"] == {"downstream_lost": 1}
            assert (status["in_flight"], status["reading"]) == (0, 0)
            assert status["balanced"]

    run(main)


def test_supervisor_that_is_gone_ends_the_worker() -> None:
    async def main() -> None:
        async with worker(make_config()) as running:
            running.ours.shutdown(socket.SHUT_WR)
            async with asyncio.timeout(PATIENCE_S):
                assert await running.done == EXIT_OK

    run(main)


def test_ratio_changes_while_running() -> None:
    async def main() -> None:
        async with StubUpstream() as shadow, worker(make_config(shadow=shadow.port)) as running:
            client = await running.client()
            running.tell(SetRatio(0.0))
            for _ in range(20):
                client.send(GET)
                await client.response()
                if running.status()["not_selected"]:
                    break
                await asyncio.sleep(0.05)
            assert running.status()["not_selected"]
            client.close()

    run(main)


def test_retiring_answers_what_comes_and_then_closes() -> None:
    async def main() -> None:
        async with StubUpstream() as shadow, worker(make_config(shadow=shadow.port)) as running:
            idle, leaving = await running.client(), await running.client()
            for client in (idle, leaving):
                client.send(GET)
                await client.response()
            running.tell(Retire())
            await asyncio.sleep(0.2)
            assert not running.done.done()
            with pytest.raises(OSError):
                await running.client()
            idle.send(GET)
            assert b"Connection: close" in (await idle.response())[0]
            assert not running.done.done(), "a connection may yet bring a request"
            leaving.close()
            async with asyncio.timeout(PATIENCE_S):
                assert await running.done == EXIT_OK
            idle.close()
        assert running.status()["seen"] == 3

    run(main)


def test_the_last_report_holds_the_uris_that_waited() -> None:
    async def main() -> None:
        async with StubUpstream() as shadow, worker(make_config(shadow=shadow.port)) as running:
            client = await running.client()
            for _ in range(3):
                client.send(GET)
                await client.response()
                await until(lambda: running.status()["seen"])
            client.close()
            assert await running.end() == EXIT_OK
        pieces = [report.uris for report in running.reports if report.uris is not None]
        additions = [addition for piece in pieces for addition in piece.additions]
        assert {addition.uri.path for addition in additions} == {"/a"}
        assert sum(piece.seen for piece in pieces) == sum(each.count for each in additions) == 3

    run(main)


def test_sigterm_ends_the_retiring_worker() -> None:
    async def main() -> None:
        async with worker(make_config()) as running:
            client = await running.client()
            running.tell(Retire())
            await asyncio.sleep(0.1)
            assert await running.end() == EXIT_OK
            client.close()

    run(main)


# --- as the supervisor starts it ---


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGINT", "supervisor killed"])
def test_process_serves_and_exits(ending: str) -> None:
    listener = listen_tcp()
    ours, theirs = socket.socketpair()
    document = {"listen": "127.0.0.1:1", "shadow": {"url": "http://127.0.0.1:9"}}
    table = create_table()
    words = (theirs.fileno(), table, 0.0, listener.fileno())
    process = subprocess.Popen(
        [sys.executable, "-m", "mirror.process.worker", *map(str, words)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(theirs.fileno(), table, listener.fileno()),
    )
    with process, listener, ours:
        theirs.close()
        os.close(table)
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(yaml.safe_dump(document).encode())
        process.stdin.close()
        ours.send(encode(SetRatio(1.0)) + encode(Serve()))
        ours.settimeout(PATIENCE_S)
        assert ours.recv(LENGTH_PREFIX.size), "the first report"
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(GET)
            assert client.recv(4096) == NO_CONTENT
        if ending == "supervisor killed":
            ours.close()
        else:
            process.send_signal(getattr(signal, ending))
        try:
            code = process.wait(PATIENCE_S)
        finally:
            process.kill()
        assert (code, b"Traceback" in (errors := process.stderr.read())) == (EXIT_OK, False), errors
