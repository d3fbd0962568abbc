"""Range queries over HTTP, as Prometheus and VictoriaMetrics answer them.

This module owns the connection, and splits a long time into several queries: Prometheus refuses
more than 11,000 points of one series. It knows nothing of routes and containers.

`authorization` is the value of the header of that name, from the environment. No message shows it,
and redirects are not followed. Certificates are verified, with SSL_CERT_FILE if that is set.
"""

import re
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.http_session import open_session

MAX_POINTS = 10_000
"""Most points of one series in one answer."""
TIMEOUT_S = 60.0


class LabelledSeries(msgspec.Struct):
    """A series with its labels; `values` are Unix seconds and numbers as text."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class _RangeData(msgspec.Struct):
    result: list[LabelledSeries]
    kind: str = msgspec.field(name="resultType", default="matrix")


class _RangeAnswer(msgspec.Struct):
    status: str
    data: _RangeData | None = None
    error: str | None = None
    warnings: list[str] = []


class PrometheusApi:
    """A session with one server. Use as an async context manager."""

    def __init__(self, url: str, option: str, authorization: str | None = None) -> None:
        """`option` names the option of the URL, for error messages."""
        self._url = url
        self._option = option
        self._authorization = authorization
        self.warnings: list[str] = []
        """Warnings that the server sent with its answers."""

    async def __aenter__(self) -> Self:
        headers = {} if self._authorization is None else {"Authorization": self._authorization}
        self._session = open_session(headers, TIMEOUT_S)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def range(self, text: str, start: float, end: float, step_s: int) -> list[LabelledSeries]:
        """Return every series of the query `text` at start, start + step_s, ... before `end`.

        `start` and `end` are Unix time. Raises InputError for what the server rejects, Refused if
        it gives no usable answer.
        """
        by_labels: dict[frozenset[tuple[str, str]], LabelledSeries] = {}
        piece_s = step_s * MAX_POINTS
        while start < end:
            # Prometheus includes the end, and this method does not.
            last = min(start + piece_s, end) - 0.001
            for series in await self._ask(text, start, last, step_s):
                key = frozenset(series.metric.items())
                by_labels.setdefault(key, LabelledSeries(series.metric, [])).values.extend(
                    series.values
                )
            start += piece_s
        return list(by_labels.values())

    async def _ask(self, text: str, start: float, end: float, step_s: int) -> list[LabelledSeries]:
        url = f"{self._url.rstrip('/')}/api/v1/query_range"
        data = {"query": text, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": str(step_s)}
        try:
            async with self._session.post(url, data=data, allow_redirects=False) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            problem = f"cannot be reached: {error or type(error).__name__}"
            raise self._refused(problem) from error
        if status in (401, 403):
            rule = f"forbids it (status {status}); check the environment's PROMETHEUS_AUTHORIZATION"
            raise InputError([Problem(self._name, rule)])
        try:
            answer = msgspec.json.decode(body, type=_RangeAnswer)
        except msgspec.DecodeError as error:
            problem = f"answered {status}, but not as its API does: {error}"
            raise self._refused(problem) from error
        if answer.status != "success" or answer.data is None:
            rule = f"rejects the query {text!r}: {answer.error or status}"
            raise InputError([Problem(self._name, rule)])
        self.warnings += answer.warnings
        return answer.data.result

    def _refused(self, problem: str) -> Refused:
        return Refused([Refusal(self._name, problem, f"Check {self._option}")])

    @property
    def _name(self) -> str:
        return f"Prometheus at {re.sub('//[^/@]*@', '//...@', self._url)}"  # without a password
