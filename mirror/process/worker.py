"""One worker process: inherited listeners, one loop, one channel to the supervisor.

The supervisor starts it as `python -m mirror.process.worker CHANNEL_FD IDS_FD CLOCK_OFFSET_S
LISTENER_FD…` with the configuration's text on standard input. The channel (control.py) carries
reports up and commands down. The first report says that the worker could serve; it accepts
connections when it is told to, and the ratio comes before. When the channel ends, the supervisor is
gone, and the worker drains and exits, so that no worker is orphaned.
"""

import asyncio
import contextlib
import gc
import logging
import math
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import uvloop

from mirror.config import Config, parse
from mirror.process.control import (
    EXIT_CUT,
    EXIT_OK,
    Capture,
    Command,
    Retire,
    Serve,
    SetRatio,
    encode,
    read_command,
)
from mirror.process.listeners import BACKLOG
from mirror.proxy.downstream.acceptor import Acceptor
from mirror.proxy.downstream.connection import DownstreamConnection
from mirror.proxy.downstream.inline import InlineAcceptor, InlineConnection
from mirror.proxy.downstream.sink import SinkConnection
from mirror.proxy.recent_ids import RecentIds
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.outbox import Outbox

GC_THRESHOLD = 50_000
"""Number of new container objects (about 10 MB) after which the collector looks for cycles."""
TICK_S = 0.1
"""Interval of checking deadlines, which may be this late, and of reports: a killed worker loses
what it counted after its last report."""
_STALL_S = 1.5
"""A worker that did not report for longer stood still: what came meanwhile counts too late."""
_MOST_UNREAD_BYTES = 1 << 20
"""Most bytes of unread reports; beyond, the seconds wait in the ledger."""

log = logging.getLogger(__name__)


class Worker:
    """One worker: it accepts connections, checks deadlines, reports and drains."""

    def __init__(
        self,
        config: Config,
        channel: socket.socket,
        recent_ids: RecentIds | None = None,
        clock_offset_s: float = 0.0,
    ) -> None:
        self._config = config
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._tee = Tee(config, Outbox(), recent_ids, clock_offset_s)
        self._acceptor: Acceptor
        if config.mode == "inline":
            self._acceptor = InlineAcceptor(config, self._tee)
        else:
            self._acceptor = Acceptor(config, self._tee)
        self._told = asyncio.Event()
        """Set once it is known whether to serve or to end."""
        self._ending = asyncio.Event()
        self._is_retiring = False
        self._writer: asyncio.StreamWriter | None = None
        self._reported_at = math.inf
        """Time of the last report by the monotonic clock."""

    async def run(self, listeners: list[socket.socket]) -> int:
        """Serve until a drain has ended; return the exit code."""
        reader, self._writer = await asyncio.open_connection(sock=self._channel)
        for name in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(name, self._end_soon)
        ticking = self._loop.create_task(self._tick())
        watching = self._loop.create_task(self._watch(reader))
        self._report()
        await self._told.wait()
        if self._ending.is_set():
            listeners = []
        servers = [await self._serve(listener) for listener in listeners]
        await self._ending.wait()
        for server in servers:
            server.close()
        await self._retire()
        self._acceptor.drain()
        exit_code = EXIT_OK if await self._drained() else EXIT_CUT
        for task in (ticking, watching):
            task.cancel()
        self._tee.ledger.roll(self._tee.ledger.second + 1)
        self._report(is_last=True)
        self._writer.close()
        with contextlib.suppress(OSError):  # the supervisor may be gone
            await self._writer.wait_closed()
        return exit_code

    async def _serve(self, listener: socket.socket) -> asyncio.AbstractServer:
        if listener.family != socket.AF_UNIX:
            return await self._loop.create_server(self._accept, sock=listener, backlog=BACKLOG)
        # The socket file is the supervisor's: Python 3.13 would remove it with the first worker.
        keep: dict[str, Any] = {"cleanup_socket": False}
        return await self._loop.create_unix_server(
            self._accept, sock=listener, backlog=BACKLOG, **keep
        )

    def _accept(self) -> DownstreamConnection:
        if isinstance(self._acceptor, InlineAcceptor):
            return InlineConnection(self._acceptor)
        return SinkConnection(self._acceptor)

    async def _tick(self) -> None:
        """Run the only timer of this loop."""
        while True:
            await asyncio.sleep(TICK_S)
            now = self._loop.time()
            try:
                self._acceptor.tick(now)
                self._tee.tick(now)
            except Exception:  # a bug in one connection must not end the deadlines of all
                log.exception("unexpected error while checking deadlines")
            self._report()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        """Execute commands until the supervisor is gone."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):  # reset: reports unread
            while True:
                self._obey(await read_command(reader))
        self._end_soon()

    def _obey(self, command: Command) -> None:
        match command:
            case SetRatio(ratio):
                self._tee.set_ratio(ratio)
            case Capture(until_s):
                if self._tee.recorder is not None:
                    self._tee.recorder.switch(until_s)
            case Serve():
                self._told.set()
            case Retire():
                self._is_retiring = not self._ending.is_set()
                self._end()

    def _end_soon(self) -> None:
        """Drain, even in the middle of retiring."""
        self._is_retiring = False
        self._end()

    def _end(self) -> None:
        self._ending.set()
        self._told.set()

    async def _retire(self) -> None:
        """Serve the open connections until each has ended by itself.

        An idle connection is not closed early, because the other side may just be sending a
        request. It gets one more answer, which announces the close, or ends at its idle timeout.
        """
        if not self._is_retiring:
            return
        self._acceptor.retire()
        timeouts = self._config.timeouts
        deadline = self._loop.time() + timeouts.idle + timeouts.drain
        while self._is_retiring and self._is_busy() and self._loop.time() < deadline:
            await asyncio.sleep(TICK_S)

    async def _drained(self) -> bool:
        """Wait for requests in flight; return False if the deadline came first and cut them."""
        deadline = self._loop.time() + self._config.timeouts.drain
        while self._is_busy() and self._loop.time() < deadline:
            await asyncio.sleep(TICK_S / 4)
        is_drained = not self._is_busy()
        self._acceptor.cut()
        self._tee.cut()
        await asyncio.sleep(TICK_S / 4)  # the loop calls connection_lost for what was cut
        return is_drained

    def _is_busy(self) -> bool:
        tee = self._tee
        return bool(self._acceptor.connections or tee.in_flight or tee.reading)

    def _report(self, is_last: bool = False) -> None:
        assert self._writer is not None
        now, ledger, second_at = time.monotonic(), self._tee.ledger, self._tee.second_at
        if now - self._reported_at > _STALL_S:
            ledger.stood_still(second_at(self._reported_at), second_at(now))
        self._reported_at = now
        ledger.roll(second_at(now))
        # Otherwise nobody reads: this worker is about to drain, or the supervisor hangs.
        is_heard = self._writer.transport.get_write_buffer_size() < _MOST_UNREAD_BYTES
        if is_heard and not self._writer.is_closing():
            self._writer.write(encode(self._tee.report(is_last)))


def main() -> None:
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s worker: %(message)s",
    )
    channel = socket.socket(fileno=int(sys.argv[1]))
    listeners = [socket.socket(fileno=int(number)) for number in sys.argv[4:]]
    config = parse(sys.stdin.read())
    # In mode inline a request arrives once, and its id would be chosen by the client.
    has_repeats = config.mode == "sink" and config.request_id_header is not None
    table = int(sys.argv[2])
    recent_ids = RecentIds(table) if has_repeats else None
    # What exists now lives as long as the process, and objects of an exchange die with it. With the
    # default threshold of 700 the collector would walk every open connection every few ms.
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 50, 50)
    worker = partial(Worker, config, channel, recent_ids, float(sys.argv[3]))
    sys.exit(uvloop.run(_run(worker, listeners)))


async def _run(make_worker: Callable[[], Worker], listeners: list[socket.socket]) -> int:
    return await make_worker().run(listeners)


if __name__ == "__main__":
    main()
