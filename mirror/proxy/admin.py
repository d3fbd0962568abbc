"""The admin port: is it alive, is it ready, and does the ledger add up."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from mirror.addresses import TcpAddress
from mirror.errors import ListenError


class Admin:
    """What is given is asked for every request; all of it is cheap.

    `metrics` takes the Accept field and answers with a page and its content type.
    """

    def __init__(
        self,
        is_ready: Callable[[], bool],
        status: Callable[[], dict[str, Any]],
        metrics: Callable[[str], tuple[bytes, str]],
    ) -> None:
        self._is_ready = is_ready
        self._status = status
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._show_status)
        app.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, address: TcpAddress) -> None:
        """Listen; raises ListenError."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address.host, address.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"cannot listen on admin {address}: {error}") from error

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        if self._is_ready():
            return web.Response(text="ready\n")
        return web.Response(text="no worker is ready\n", status=503)

    async def _show_status(self, request: web.Request) -> web.Response:
        return web.json_response(self._status())

    async def _show_metrics(self, request: web.Request) -> web.Response:
        page, content_type = self._metrics(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})
