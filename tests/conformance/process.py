"""`python -m mirror serve` as a process, with scripted upstreams and clients on real sockets.

KAGAMI_PYTHONPATH names a folder with another build of the same package, such as a compiled one.
That folder comes first on the path of the process, so that the tests check that build. This
module imports nothing of the data plane.
"""

import contextlib
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.demo.processes import Child, Processes, answers, free_ports
from mirror.demo.sidecar import Sidecar, serve_command, write_config
from tests.conformance.rows import METHODS, Row, is_answer_to_head
from tests.conformance.wire import (
    PATIENCE_S,
    Conversation,
    End,
    Script,
    crlf,
    messages_of,
    tidy,
)

BUILD = os.environ.get("KAGAMI_PYTHONPATH", "")
RESET = b"\1\0\0\0\0\0\0\0"
"""struct linger {1, 0}, with which closing a socket sends RST."""


def wait_until(is_true: Any, what: str) -> None:
    """Wait until `is_true()`; fail with the message `what` if it does not become true."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


class SocketUpstream:
    """A scripted upstream on a real socket, over TLS if `tls` is set."""

    def __init__(
        self, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None, script: Any = None
    ) -> None:
        """Listen on `address`, an IP address or the path of a unix socket."""
        self.script: Script = script or Script()
        self.raw = b""
        """The bytes received after an upgrade."""
        self.names: list[str | None] = []
        """The server names that TLS clients requested."""
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _, name, __: self.names.append(name)
        is_path = "/" in address
        if is_path:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(address)
            self._listener.listen(256)
            self.url = f"unix:{address}"
        else:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._listener = socket.create_server((address, 0), family=family, backlog=256)
            self.port = int(self._listener.getsockname()[1])
            shown = f"[{address}]" if ":" in address else address
            self.url = f"http{'s' if tls else ''}://{shown}:{self.port}"
        self._connections: list[socket.socket] = []
        self._is_closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def begin(self, script: Script) -> None:
        """Play this script from now on, including on open connections."""
        self.script = script
        self.raw = b""

    def close(self) -> None:
        self._is_closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._is_closing:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._talk(connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._connections.append(wrapped)
                    self._talk(wrapped)

    def _talk(self, connection: socket.socket) -> None:
        conversation = Conversation(self.script)
        while data := connection.recv(1 << 16):
            if not conversation.unread and not conversation.is_raw:
                conversation.script = self.script
            for answer, end in conversation.received(data):
                connection.sendall(answer)
                if end is End.RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                if end is not End.KEEP:
                    connection.close()
                    return
            if conversation.is_raw:
                self.raw += conversation.unread
                conversation.unread = b""


class SocketClient:
    """A raw connection to the sidecar."""

    def __init__(self, address: str, port: int = 0) -> None:
        if port:
            self._socket = socket.create_connection((address, port), timeout=PATIENCE_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(PATIENCE_S)
            self._socket.connect(address)
        self.received = b""
        self.was_reset = False

    def __enter__(self) -> "SocketClient":
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send `data`; ignore it if the other side has closed or reset the connection."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(data)

    def send_eof(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def receive(self) -> bool:
        """Read once; return False at the end of the connection, whether closed or reset."""
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:
            self.was_reset = True
            return False
        self.received += data
        return bool(data)

    def receive_all(self) -> bytes:
        while self.receive():
            pass
        return self.received

    def receive_until(self, wanted: bytes, head_answers: tuple[int, ...] = ()) -> bytes:
        """Read until as many bytes as `wanted` have arrived, or the end; return them tidied."""
        while len(tidy(self.received, head_answers)) < len(wanted) and self.receive():
            pass
        return tidy(self.received, head_answers)

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to read now, not even the end of the connection."""
        return not select.select([self._socket], [], [], 0)[0]


@dataclass
class Served:
    """A running sidecar between two scripted upstreams."""

    mode: str
    listen: list[tuple[str, int]]
    primary: SocketUpstream
    shadow: SocketUpstream
    sidecar: Sidecar

    def client(self, number: int = 0) -> SocketClient:
        return SocketClient(*self.listen[number])

    def play(self, row: Row, number: int = 0) -> None:
        """Play a row, then a request that proves that nothing else reached a leg before it."""
        expected = row.expected(self.mode)
        primary, shadow = Script(row.replies), Script()
        self.primary.begin(primary)
        self.shadow.begin(shadow)
        wanted = expected["client got"]
        assert isinstance(wanted, bytes)
        with self.client(number) as client:
            for count, part in enumerate(row.parts):
                before = len(client.received)
                client.send(part)
                while count + 1 < len(row.parts) and len(client.received) == before:
                    assert client.receive()
            if row.ends_side:
                client.send_eof()
            answers_head = is_answer_to_head(row, self.mode)
            if expected["client closed"]:
                received = tidy(client.receive_all(), answers_head)
            else:
                received = client.receive_until(wanted, answers_head)
            seen: dict[str, bytes | bool] = {**expected, "client got": received}
            assert row.allow(seen, self.mode) == expected
            self._check_legs(expected, primary, shadow)
            assert expected["client closed"] or client.is_silent
        self._check_nothing_more(number, primary, shadow, row)

    def _check_legs(
        self, expected: dict[str, bytes | bool], primary: Script, shadow: Script
    ) -> None:
        for side, upstream, script in (
            ("primary got", self.primary, primary),
            ("shadow got", self.shadow, shadow),
        ):
            wanted = expected[side]
            assert isinstance(wanted, bytes)
            if b"Expect" in wanted and not script.requests and wanted.endswith(b"\r\n\r\n"):
                continue  # the answer came at its head, so the request is never complete
            wait_until(
                lambda script=script, upstream=upstream, wanted=wanted: (
                    len(b"".join(script.requests) + upstream.raw) >= len(wanted)
                ),
                f"{side} {script.requests}",
            )
            if upstream is self.primary and not any(reply.data for reply in script.replies):
                # RFC 9110 9.2.2: a request may be retried after a reused connection closes.
                assert set(script.requests) <= {wanted}
            elif upstream is self.shadow:  # shadow legs may arrive out of order
                assert sorted(script.requests) == sorted(messages_of(wanted))
            else:
                assert b"".join(script.requests) + upstream.raw == wanted

    def _check_nothing_more(self, number: int, primary: Script, shadow: Script, row: Row) -> None:
        """Send one more request: anything that reached a leg by mistake arrived before it."""
        before = [len(primary.requests), len(shadow.requests)]
        scripts = [Script(), Script()]
        self.primary.begin(scripts[0])
        self.shadow.begin(scripts[1])
        with self.client(number) as client:
            client.send(crlf("GET /after HTTP/1.1|Host: h||"))
            client.receive_until(crlf("HTTP/1.1 204 No Content||"))
            for script in scripts[self.mode == "sink" :]:
                wait_until(lambda script=script: script.requests, "the request after the row")
        assert [len(primary.requests), len(shadow.requests)] == before, row.clause
        for script in scripts:
            targets = [request.split(b" ")[1] for request in script.requests]
            assert set(targets) <= {b"/after"}, row.clause

    def settled(self, seen: int) -> dict[str, Any]:
        return settled_ledger(self.sidecar, seen)


def settled_ledger(sidecar: Sidecar, seen: int) -> dict[str, Any]:
    """Wait until `seen` requests are counted and none is in flight; return the balanced ledger."""
    ledger: dict[str, Any] = {}

    def has_settled() -> bool:
        nonlocal ledger
        ledger = sidecar.status().get("ledger", {})
        is_open = ledger.get("in_flight") or ledger.get("reading")
        return ledger.get("seen", -1) >= seen and not is_open

    wait_until(has_settled, "the ledger did not settle")
    assert ledger["balanced"] and ledger["seen"] == seen, ledger
    return ledger


def start_build(processes: Processes, directory: Path, config: dict[str, Any]) -> Sidecar:
    """Start `mirror serve` of the build under test with `config`; return it when it is ready."""
    path = write_config(directory, config)
    environment = {"PYTHONPATH": str(Path(BUILD).resolve())} if BUILD else {}
    # Do not start in the checkout: a program's working folder comes first on its path.
    child: Child = processes.start(
        "mirror", serve_command(path), environment=environment, directory=directory
    )
    admin_port = int(config["admin"].rpartition(":")[2])
    child.wait_until(lambda: answers(admin_port, "/readyz", status=200))
    return Sidecar(child, admin_port)


def config_for(
    directory: Path, mode: str, primary_url: str, shadow_url: str, /, **changes: Any
) -> dict[str, Any]:
    """Return a configuration that mirrors every method, with `changes` merged into sections."""
    port, admin_port = free_ports(2)
    config: dict[str, Any] = {
        "mode": mode,
        "listen": [f"127.0.0.1:{port}"],
        "shadow": {
            "url": shadow_url,
            "methods": METHODS,
            "accept_server": ["scripted", "envoy"],
        },
        "routes": ["/a", "/api/*"],
        "series": {"path": str(directory / "series.db")},
        "admin": f"127.0.0.1:{admin_port}",
    }
    if mode == "inline":
        config["primary"] = primary_url
    for key, value in changes.items():
        is_section = isinstance(value, dict) and isinstance(config.get(key), dict)
        config[key] = config[key] | value if is_section else value
    return config


def listen_addresses(config: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the addresses to listen on, as host and port, or as a path and 0."""
    addresses: list[tuple[str, int]] = []
    for address in config["listen"]:
        if address.startswith("unix:"):
            addresses.append((address.removeprefix("unix:"), 0))
        else:
            host, _, port = address.rpartition(":")
            addresses.append((host.strip("[]"), int(port)))
    return addresses


def worker_of(sidecar: Sidecar) -> int:
    """Return the process id of the only worker."""
    pid = sidecar.child.pid
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(worker)


def memory_bytes(pid: int, field: str) -> int:
    """Return VmRSS (resident memory now) or VmHWM (its peak) of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) << 10


@contextlib.contextmanager
def serving(
    directory: Path,
    mode: str,
    primary: SocketUpstream,
    shadow: SocketUpstream,
    /,
    **changes: Any,
) -> Iterator[Served]:
    """Run a sidecar between these upstreams until the block ends."""
    config = config_for(directory, mode, primary.url, shadow.url, **changes)
    with contextlib.ExitStack() as stack:
        stack.callback(primary.close)
        stack.callback(shadow.close)
        processes = stack.enter_context(Processes(directory))
        sidecar = start_build(processes, directory, config)
        yield Served(mode, listen_addresses(config), primary, shadow, sidecar)
