"""An aiohttp application in a thread: an upstream that shares no code with the data plane."""

import asyncio
import threading
from collections import Counter

from aiohttp import WSMsgType, web

STREAMED = [b"one", b"two" * 1000, b"three"]


class AppServer:
    """`/echo` returns the body, `/streamed` sends chunks, and `/ws` echoes messages."""

    def __init__(self) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()
        """Number of requests by method and path."""
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._is_ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=1 << 30, middlewares=[self._count])
        app.router.add_route("*", "/echo", self._echo)
        app.router.add_get("/streamed", self._streamed)
        app.router.add_get("/ws", self._ws)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._is_ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    @web.middleware
    async def _count(self, request: web.Request, handler: web.RequestHandler) -> web.Response:
        self.seen[f"{request.method} {request.path}"] += 1
        return await handler(request)

    async def _echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(body=body, headers={"X-Method": request.method, "Server": "scripted"})

    async def _streamed(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in STREAMED:
            await response.write(piece)
        await response.write_eof()
        return response

    async def _ws(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str("echo " + message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data[::-1])
        return socket
