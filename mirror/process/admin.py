"""The admin port: health, readiness, metrics, the ledger, and changes of a running sidecar.

Reading is open to whoever reaches the port. Changing is refused where the port is bound to more
than loopback, unless `admin_writes` says otherwise; and always to a web page that a person with
access has open: its requests carry an Origin, cannot have our content type unasked, and after DNS
rebinding carry a name in Host where we expect an address.

Whoever reaches the port could take the supervisor's descriptors, which it needs to replace workers.
So there are few connections, and each has one request and little time, whatever it sends or reads.
"""

import asyncio
import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any

from mirror.addresses import TcpAddress
from mirror.errors import ListenError
from mirror.lean_imports import web
from mirror.process.listeners import reason

_MOST_BODY_BYTES = 4096
MOST_CONNECTIONS = 32
_LONGEST_CONNECTION_S = 10.0
"""Time for the head, the body and the answer of a connection's one request."""

Change = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes a JSON object and returns one; raises ValueError with what is expected."""


class _Connection(asyncio.Protocol):
    """One connection, passed on to aiohttp's handler and cut when its time is over."""

    def __init__(self, handler: asyncio.Protocol, open_connections: set["_Connection"]) -> None:
        self._handler = handler
        self._open = open_connections
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if len(self._open) >= MOST_CONNECTIONS:
            transport.abort()
            return
        self._open.add(self)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(_LONGEST_CONNECTION_S, transport.abort)
        self._handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._open.discard(self)
            self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            self._handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()


class Admin:
    """The callables are called for every request, so they must be cheap.

    `readiness` answers whether requests are taken, and with the words that say so or why not;
    `metrics` takes the Accept field and answers with a page and its content type; `changes` are
    the paths that take POST.
    """

    def __init__(
        self,
        readiness: Callable[[], tuple[bool, str]],
        status: Callable[[], dict[str, Any]],
        metrics: Callable[[str], tuple[bytes, str]],
        changes: Mapping[str, Change],
    ) -> None:
        self._readiness = readiness
        self._status = status
        self._metrics = metrics
        self._changes = changes
        self._address: TcpAddress | None = None
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self.allows_writes = False
        """`admin_writes`: whether changes are accepted on an address beyond loopback."""
        app = web.Application(client_max_size=_MOST_BODY_BYTES)
        app.on_response_prepare.append(_close_after)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._show_status)
        app.router.add_get("/metrics", self._show_metrics)
        for path in changes:
            app.router.add_post(path, self._change)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, address: TcpAddress) -> None:
        """Listen. Raises ListenError."""
        self._address = address
        await self._runner.setup()
        handlers = self._runner.server
        assert handlers is not None
        try:
            # asyncio accepts as many connections at once as the backlog allows.
            self._server = await asyncio.get_running_loop().create_server(
                lambda: _Connection(handlers(), self._open),
                address.host,
                address.port,
                backlog=MOST_CONNECTIONS,
            )
        except OSError as error:
            await self._runner.cleanup()
            why = reason(error, address.port)
            raise ListenError(f"cannot listen on admin {address}: {why}") from error

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        is_ready, words = self._readiness()
        return web.Response(text=f"{words}\n", status=200 if is_ready else 503)

    async def _show_status(self, request: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _show_metrics(self, request: web.Request) -> web.Response:
        page, content_type = self._metrics(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _change(self, request: web.Request) -> web.Response:
        if (why := self._refusal(request)) is not None:
            return web.json_response({"error": why}, status=403)
        try:
            change = json.loads(await request.read())
            if not isinstance(change, dict):
                raise ValueError("expected a JSON object")
            return web.json_response(self._changes[request.path](change))
        except (ValueError, RecursionError) as error:
            return web.json_response({"error": str(error)}, status=400)

    def _refusal(self, request: web.Request) -> str | None:
        """Return why this request may change nothing; None if it may."""
        assert self._address is not None
        if not (self.allows_writes or _is_loopback(self._address.host)):
            return f"admin {self._address} is not loopback: set admin_writes to change things here"
        if "Origin" in request.headers or "Sec-Fetch-Site" in request.headers:
            return "a web page may not change anything here"
        if request.content_type != "application/json":
            return "expected Content-Type: application/json"
        host = request.host.rpartition(":")[0] or request.host
        host = host.removeprefix("[").removesuffix("]")
        if host not in ("localhost", self._address.host) and not _is_ip(host):
            return "expected an address, not a name, in Host"
        return None


async def _close_after(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    response.force_close()


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)
