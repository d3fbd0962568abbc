"""The admin port: health, readiness, metrics, the ledger, and changes of a running sidecar.

Reading is open to whoever reaches the port, except for the URIs of production, which leave the host
only to whom trust.py trusts. Changing is refused where the port is bound to more than loopback,
unless `admin_writes` or the token says otherwise; and always to a web page, except for our own.

Whoever reaches the port could take the supervisor's descriptors, which it needs to replace workers.
So there are few connections, and each has one request and little time, whatever it sends or reads.
Only a viewer of the live page stays, and of these there are fewer (viewers.py).
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mirror.addresses import TcpAddress
from mirror.admin.live import Live, refused_examples
from mirror.admin.page import headers_of_page, page
from mirror.admin.trust import Trust
from mirror.admin.viewers import Viewers
from mirror.errors import ListenError
from mirror.lean_imports import HttpProcessingError, web
from mirror.process.listeners import ADMIN_ADVICE, reason

log = logging.getLogger(__name__)

_MOST_BODY_BYTES = 4096
MOST_CONNECTIONS = 32
_LONGEST_CONNECTION_S = 10.0
"""Time for the head, the body and the answer of a connection's one request."""

_DOCUMENT_AGE_S = 1.0
_PIECE_BYTES = 1 << 16

Change = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes a JSON object and returns one; raises ValueError with what is expected."""


class Document:
    """A JSON document with hosts and paths, which may have megabytes."""

    def __init__(self, make: Callable[[], bytes | None], absent: str) -> None:
        """`make` returns None where there is none, for which `absent` says why."""
        self._make = make
        self.absent = absent
        self._text: bytes | None = None
        self._until_s = 0.0

    def text(self, now_s: float) -> bytes | None:
        """Return the document of this second, which all who ask within it share."""
        if now_s >= self._until_s:
            self._text, self._until_s = self._make(), now_s + _DOCUMENT_AGE_S
        return self._text


@dataclass(frozen=True, slots=True)
class Answers:
    """What the port answers; each is called for every request, so it must be cheap."""

    readiness: Callable[[], tuple[bool, str]]
    """Whether requests are taken, and the words that say so or why not."""
    status: Callable[[], dict[str, Any]]
    metrics: Callable[[str], tuple[bytes, str]]
    """Takes the Accept field and returns a page with its content type."""
    changes: Mapping[str, Change] = field(default_factory=dict)
    """By the path that takes POST."""
    documents: Mapping[str, Document] = field(default_factory=dict)
    """By path; made once a second at most."""
    live: Live | None = None
    """What the live page shows; without it there is no page."""


class _Connection(asyncio.Protocol):
    """One connection, passed on to aiohttp's handler and cut when its time is over."""

    def __init__(self, handler: asyncio.Protocol, open_connections: set["_Connection"]) -> None:
        self.handler = handler
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
        self.handler.connection_made(transport)

    def stay(self) -> None:
        """Let the connection last as long as it is read."""
        assert self._deadline is not None
        self._deadline.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._open.discard(self)
            self.handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            self.handler.data_received(data)

    def eof_received(self) -> bool | None:
        return self.handler.eof_received()

    def pause_writing(self) -> None:
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        self.handler.resume_writing()


class Admin:
    """One admin port; `trust` holds its rules."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.trust = Trust()
        self.viewers = Viewers()
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        app = web.Application(client_max_size=_MOST_BODY_BYTES)
        app.on_response_prepare.append(_close_after)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/status", self._show_status)
        app.router.add_get("/metrics", self._show_metrics)
        if answers.live is not None:
            app.router.add_get("/", self._show_page)
            app.router.add_get("/events", self._show_events)
        for path in answers.documents:
            app.router.add_get(path, self._show_document)
        for path in answers.changes:
            app.router.add_post(path, self._change)
        self._runner = web.AppRunner(app, access_log=None, logger=log)

    async def start(self, address: TcpAddress) -> None:
        """Listen. Raises ListenError."""
        self.trust.address = address
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
            raise ListenError(f"cannot listen on admin {address}: {why}{ADMIN_ADVICE}") from error

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.viewers.close()
        await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        is_ready, words = self._answers.readiness()
        return web.Response(text=f"{words}\n", status=200 if is_ready else 503)

    async def _show_status(self, request: web.Request) -> web.Response:
        return web.json_response(self._answers.status())

    async def _show_metrics(self, request: web.Request) -> web.Response:
        page, content_type = self._answers.metrics(request.headers.get("Accept", ""))
        return web.Response(body=page, headers={"Content-Type": content_type})

    async def _show_page(self, request: web.Request) -> web.Response:
        if (why := self.trust.refusal_of_page(request.headers)) is not None:
            return web.Response(text=f"{why}\n", status=403)
        instance = str(self._answers.status()["instance"])
        text = page(self.trust.secret, self.trust.controls(), instance)
        return web.Response(body=text, headers=headers_of_page())

    async def _show_events(self, request: web.Request) -> web.StreamResponse:
        """Send the page's events until its viewer goes."""
        live = self._answers.live
        assert live is not None and request.transport is not None
        if (why := self.trust.refusal_of_stream(request.headers)) is not None:
            return web.json_response({"error": why}, status=403)
        if self.viewers.is_full:
            words = f"{self.viewers.number} pages are open, and no more get events"
            return web.json_response({"error": words}, status=503)
        for connection in self._open:
            if connection.handler is request.protocol:
                connection.stay()
        why = self.trust.refusal_of_examples(request.headers, request.remote or "")
        examples = live.examples if why is None else partial(refused_examples, why)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        with self.viewers.seat(request.transport):
            await response.prepare(request)
            await self.viewers.serve(
                request.transport, response.write, lambda: (*live.newest(), examples())
            )
        return response

    async def _show_document(self, request: web.Request) -> web.StreamResponse:
        """Answer with a document, on this host only.

        It is written piece by piece as it is read, so that slow readers hold at most the documents
        of as many seconds as they may take.
        """
        why = self.trust.refusal_of_document(request.headers, request.remote or "")
        if why is not None:
            return web.json_response({"error": why}, status=403)
        document = self._answers.documents[request.path]
        if (text := document.text(asyncio.get_running_loop().time())) is None:
            return web.json_response({"error": document.absent}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(text)
        await response.prepare(request)
        for place in range(0, len(text), _PIECE_BYTES):
            await response.write(text[place : place + _PIECE_BYTES])
        await response.write_eof()
        return response

    async def _change(self, request: web.Request) -> web.Response:
        why = self.trust.refusal_of_change(request.headers, request.content_type)
        if why is not None:
            return web.json_response({"error": why}, status=403)
        try:
            change = json.loads(await request.read())
            if not isinstance(change, dict):
                raise ValueError("expected a JSON object")
            return web.json_response(self._answers.changes[request.path](change))
        except (ValueError, RecursionError) as error:
            return web.json_response({"error": str(error)}, status=400)


async def _close_after(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Connection"] = "close"
    response.force_close()


def _is_ours(record: logging.LogRecord) -> bool:
    """Say whether an error is one of ours: for what is no HTTP, aiohttp logs a traceback, too."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


log.addFilter(_is_ours)
