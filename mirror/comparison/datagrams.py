"""nginx's access log as syslog datagrams, over UDP or a unix socket.

A flood costs a bounded amount of cpu: between two ticks at most MOST_A_TICK datagrams are read, and
no more of them once they have MOST_BYTES_A_TICK.
What comes beyond waits in the socket's buffer. Where that is full, the kernel drops the datagrams
of UDP and counts them (SO_MEMINFO, the same counter as SO_RXQ_OVFL, but readable without a datagram
that brings it). On a unix socket nginx's send fails with EAGAIN instead (net.unix.max_dgram_qlen,
often 10), and nginx drops the line and counts nothing (ngx_http_log_module.c, ngx_syslog.c): such
lines show only as gaps (connections.py).

nginx does not cut a syslog line of the access log: its limit of 2 kB is that of the error log
(NGX_SYSLOG_MAX_STR). A line longer than a UDP datagram, 65,507 bytes, is not sent (EMSGSIZE).
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable

from mirror.comparison.log_lines import LONGEST_LINE_BYTES
from mirror.process.listeners import Listener

log = logging.getLogger(__name__)

MOST_A_TICK = 10_000
"""Datagrams that are read between two ticks."""
MOST_BYTES_A_TICK = 8 << 20
"""Bytes after which no more are read between two ticks: a datagram of 64 KB can cost 0.3 ms."""
_MOST_AT_ONCE = 250
"""Datagrams of one turn of the loop, about 3 ms: the supervisor has other work as well."""
_PAUSE_S = 0.01
"""Pause behind a turn that found no more, so that the loop does not wake up for every datagram of
UDP. The queue of a unix socket is too short for a pause."""
RECEIVE_BUFFER_BYTES = 4 << 20
"""Asked of the kernel, which grants at most net.core.rmem_max."""
DATAGRAM_BYTES = 1280
"""What a datagram of a usual line takes of the buffer, measured: 6,553 fill one of 8 MiB."""

# Linux, include/uapi/asm-generic/socket.h and include/uapi/linux/sock_diag.h.
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("9I")
_MEMINFO_DROPS = 8


class Datagrams:
    """Reads one datagram socket, from `start` on until `stop`, which closes it."""

    problem = ""
    """What hinders the reading: nothing does."""

    def __init__(self, listener: Listener, most_a_tick: int = MOST_A_TICK) -> None:
        self._listener = listener
        self._socket = listener.socket
        self._socket.setblocking(False)
        self._take: Callable[[bytes], None] = lambda data: None
        self._most_a_tick = most_a_tick
        self._left = most_a_tick
        self._left_bytes = MOST_BYTES_A_TICK
        self._resuming: asyncio.TimerHandle | None = None
        self._has_pauses = self._socket.family != socket.AF_UNIX
        if self._has_pauses:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._dropped = self._dropped_so_far()

    def start(self, take: Callable[[bytes], None]) -> None:
        """Give each datagram to `take`, from the next turn of the running loop on."""
        self._take = take
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def tick(self, now: float) -> int:
        """Read on where too much came; return the datagrams that the kernel dropped since."""
        if self._is_at_bound:
            self._resume()
        self._left, self._left_bytes = self._most_a_tick, MOST_BYTES_A_TICK
        before, self._dropped = self._dropped, self._dropped_so_far()
        return (self._dropped - before) % (1 << 32)

    def read_rest(self, now: float) -> int:
        """Read what is there, within the bound of a tick, and return as `tick` does."""
        dropped = self.tick(now)
        while not self._is_at_bound and self._read_some():
            pass
        return dropped

    def stop(self) -> None:
        """Read no more, and close the socket."""
        if self._resuming is not None:
            self._resuming.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._listener.close()

    def _read(self) -> None:
        loop = asyncio.get_running_loop()
        has_more = self._read_some()
        if self._is_at_bound:
            loop.remove_reader(self._socket)
        elif self._has_pauses and not has_more:
            loop.remove_reader(self._socket)
            self._resuming = loop.call_later(_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self._resuming = None
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read_some(self) -> bool:
        """Read the datagrams of one turn; return whether there may be more."""
        for _ in range(_MOST_AT_ONCE):
            if self._is_at_bound:
                break
            try:
                data = self._socket.recv(LONGEST_LINE_BYTES)
            except BlockingIOError:
                return False
            except OSError as error:
                log.warning("cannot read the access log's datagrams: %s", error)
                return False
            self._left -= 1
            self._left_bytes -= len(data)
            self._take(data)
        return True

    @property
    def _is_at_bound(self) -> bool:
        return self._left <= 0 or self._left_bytes <= 0

    def _dropped_so_far(self) -> int:
        try:
            info = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:  # a kernel before 4.12
            return 0
        return int(_MEMINFO.unpack(info)[_MEMINFO_DROPS]) if len(info) == _MEMINFO.size else 0
