"""A fake Datadog that answers GET /api/v1/query over real HTTP, on loopback, in its own thread.

It computes rollups from points, in the form recorded from the real API: `interval` in seconds,
`unit` null, missing buckets, the partial bucket at the end of the window, and a wider interval than
requested beyond 1500 points. Replies can be scripted. If it has an OpenAPI description of Datadog,
it checks every request and every unscripted reply against it.
"""

import asyncio
import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

MAX_POINTS = 1500
_QUERY = re.compile(
    r"sum:(?P<metric>[\w.]+)\{(?P<scope>[^}]*)\}(?: by \{(?P<by>\w+)\})?"
    r"(?:\.as_count\(\)|\.fill\(null\))?\.rollup\((?P<how>max|sum), (?P<seconds>\d+)\)"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A scripted reply; with `hang` the server waits until the client gives up."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    is_hanging: bool = False
    is_cut: bool = False
    """Whether the connection closes in the middle of the body."""


def errors(status: int, *messages: str, **headers: str) -> Reply:
    """Return an error in Datadog's format; header names have _ in place of -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps({"errors": list(messages)}), headers=named)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: dict[str, str]

    @property
    def start(self) -> int:
        return int(self.parameters["from"])

    @property
    def end(self) -> int:
        return int(self.parameters["to"])

    @property
    def query(self) -> str:
        return self.parameters["query"]


class FakeDatadog:
    """The server, as a context manager; `url` is set inside the block."""

    def __init__(self, spec: dict[str, Any] | None = None) -> None:
        self.points: dict[str, dict[str | None | tuple[str, int], dict[float, float]]] = {}
        """metric → route tag → Unix second → value. The route tag is None for a series without it,
        and a pair with the instance for a series of one instance."""
        self.replies: deque[Reply] = deque()
        """Scripted replies, used up one per request before points are computed."""
        self.headers: dict[str, str] = {}
        """Headers of every reply that is not scripted."""
        self.requests: list[Request] = []
        self.violations: list[str] = []
        """Violations of the OpenAPI description, in requests or replies."""
        self._spec = spec
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    async def _start(self) -> None:
        self._released = asyncio.Event()
        application = web.Application()
        application.router.add_get("/api/v1/query", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        self._contract = Contract(self._spec, self.url) if self._spec else None

    async def _stop(self) -> None:
        self._released.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._contract:
            self.violations += self._contract.of_request(request)
        self.requests.append(
            Request(request.method, request.path, dict(request.query), dict(request.headers))
        )
        if self.replies:
            return await self._scripted(request, self.replies.popleft())
        if not (request.headers.get("DD-API-KEY") and request.headers.get("DD-APPLICATION-KEY")):
            return web.json_response({"errors": ["Forbidden"]}, status=403)
        data = self._computed(self.requests[-1])
        response = web.json_response(data, headers=self.headers)
        if self._contract:
            self.violations += self._contract.of_response(request, response)
        return response

    async def _scripted(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.is_hanging:
            await self._released.wait()
        if reply.is_cut:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"status":')
            assert request.transport is not None
            request.transport.abort()
            return response
        return web.Response(
            status=reply.status,
            text=reply.body,
            content_type=reply.content_type,
            headers=reply.headers,
        )

    def _computed(self, request: Request) -> dict[str, Any]:
        match = _QUERY.fullmatch(request.query)
        if not match:
            return {"status": "error", "error": f"Rule 'scope_expr' didn't match: {request.query}"}
        interval = int(match["seconds"])
        while (request.end - request.start) / interval > MAX_POINTS:
            interval *= 5
        groups: dict[str | None, list[dict[float, float]]] = {}
        for key, points in self.points.get(match["metric"], {}).items():
            tag = key[0] if isinstance(key, tuple) else key
            groups.setdefault(tag if match["by"] else None, []).append(points)
        series = [
            one
            for tag, instances in groups.items()
            if (one := self._series(match, tag, instances, request, interval)) is not None
        ]
        return {
            "status": "ok",
            "res_type": "time_series",
            "resp_version": 1,
            "query": request.query,
            "from_date": request.start * 1000,
            "to_date": request.end * 1000,
            "series": series,
            "values": [],
            "times": [],
            "message": "",
            "group_by": ["route"],
        }

    def _series(
        self,
        match: re.Match[str],
        route: str | None,
        instances: list[dict[float, float]],
        request: Request,
        interval: int,
    ) -> dict[str, Any] | None:
        buckets: dict[int, float] = {}
        for points in instances:
            # Aggregate each instance over time first, then sum over the instances.
            own: dict[int, float] = {}
            for second, value in points.items():
                # The end is inclusive: its bucket is returned too, although it is incomplete.
                if request.start <= second <= request.end:
                    start = int(second) // interval * interval
                    before = own.get(start, 0)
                    own[start] = before + value if match["how"] == "sum" else max(before, value)
            for start, value in own.items():
                buckets[start] = buckets.get(start, 0) + value
        if not buckets:
            return None
        tags = [f"{match['by']}:{route}"] if route is not None else []
        return {
            "metric": match["metric"],
            "display_name": match["metric"],
            "expression": match.string,
            "scope": ",".join([*tags, match["scope"]]),
            "tag_set": tags,
            "aggr": "sum",
            "unit": None,
            "interval": interval,
            "length": len(buckets),
            "query_index": 0,
            "start": min(buckets) * 1000,
            "end": max(buckets) * 1000 + interval * 1000 - 1000,
            "pointlist": [[start * 1000.0, value] for start, value in sorted(buckets.items())],
            "attributes": {},
        }


class Contract:
    """Checks requests and replies against an OpenAPI description of Datadog."""

    def __init__(self, spec: dict[str, Any], url: str) -> None:
        from openapi_core import OpenAPI

        self._api = OpenAPI.from_dict({**spec, "servers": [{"url": url}]})
        self._url = url

    def of_request(self, request: web.Request) -> list[str]:
        """Return the violations in a request."""
        return _found(self._api.iter_request_errors(_SpecRequest(request, self._url)))

    def of_response(self, request: web.Request, response: web.Response) -> list[str]:
        """Return the violations in a reply."""
        answer = _SpecResponse(response)
        return _found(self._api.iter_response_errors(_SpecRequest(request, self._url), answer))


def _found(problems: Any) -> list[str]:
    return [f"{problem!r} caused by {problem.__cause__!r}" for problem in problems]


class _SpecRequest:
    """A request in the form that openapi-core reads."""

    def __init__(self, request: web.Request, url: str) -> None:
        from openapi_core.datatypes import RequestParameters
        from werkzeug.datastructures import Headers, ImmutableMultiDict

        self.host_url = url
        self.path = request.path
        self.method = request.method.lower()
        self.body = None
        self.content_type = ""
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(list(request.query.items())),
            header=Headers(list(request.headers.items())),
        )


class _SpecResponse:
    """A reply in the form that openapi-core reads."""

    def __init__(self, response: web.Response) -> None:
        from werkzeug.datastructures import Headers

        assert isinstance(response.body, bytes)
        self.data = response.body
        self.status_code = response.status
        self.content_type = response.content_type
        self.headers = Headers(list(response.headers.items()))
