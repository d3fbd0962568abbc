"""Range queries over HTTP, as Prometheus and VictoriaMetrics answer them.

This module owns the connection, and splits a long time into several queries: Prometheus refuses
more than 11,000 points of one series. It knows nothing of routes and containers.

`authorization` is the value of the header of that name, from the environment. No message shows it.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
import numpy as np
from numpy.typing import NDArray

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.http_session import AnswerTooLargeError, ApiSession, check_url, decoded
from estimator.series.limits import ANSWER_TIMEOUT_S, MAX_POINTS

PIECE_POINTS = 10_000
"""Most points of one series in one answer."""
_INSTEAD = "the environment's PROMETHEUS_AUTHORIZATION becomes the Authorization header"


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSeries:
    """A series with its labels, and its points as arrays of equal length."""

    metric: dict[str, str]
    seconds: NDArray[np.float64]
    """Unix time."""
    values: NDArray[np.float64]


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _RangeData(msgspec.Struct):
    result: list[_Series]
    kind: str = msgspec.field(name="resultType", default="matrix")


class _RangeAnswer(msgspec.Struct):
    status: str
    data: _RangeData | None = None
    error: str | None = None
    warnings: list[str] = []


class PrometheusApi:
    """A session with one server. Use as an async context manager."""

    def __init__(self, url: str, option: str, authorization: str | None = None) -> None:
        """`option` names the option of the URL, for error messages. Raises InputError for a URL
        with a login, or one over which `authorization` would go in the clear."""
        check_url(url, option, authorization and "PROMETHEUS_AUTHORIZATION", _INSTEAD)
        headers = {} if authorization is None else {"Authorization": authorization}
        self._session = ApiSession(url, headers)
        self._name = f"Prometheus at {url}"
        self._option = option
        self.warnings: list[str] = []
        """Warnings that the server sent with its answers."""

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.__aexit__(kind, error, trace)

    async def range(self, text: str, start: float, end: float, step_s: int) -> list[LabelledSeries]:
        """Return every series of the query `text` at start, start + step_s, ... before `end`.

        `start` and `end` are Unix time. Raises InputError for what the server rejects, Refused if
        it gives no usable answer.
        """
        pieces: dict[frozenset[tuple[str, str]], list[NDArray[np.float64]]] = {}
        points, piece_s = 0, step_s * PIECE_POINTS
        while start < end:
            # Prometheus includes the end, and this method does not.
            last = min(start + piece_s, end) - 0.001
            for series in await self._ask(text, start, last, step_s):
                points += len(series.values)
                if points > MAX_POINTS:
                    rule = f"has more than {MAX_POINTS:,} points, which is the limit. Ask for less"
                    raise InputError([Problem(self._name, rule)])
                key = frozenset(series.metric.items())
                pieces.setdefault(key, []).append(self._numbers(series))
            start += piece_s
        return [
            LabelledSeries(dict(labels), *np.concatenate(found, axis=1))
            for labels, found in pieces.items()
        ]

    def _numbers(self, series: _Series) -> NDArray[np.float64]:
        """Return the points of a series, shape (2, points): seconds and values."""
        try:
            seconds = [second for second, _ in series.values]
            return np.array([seconds, [float(text) for _, text in series.values]])
        except ValueError as error:
            raise self._refused(f"answered with a value that is no number: {error}") from error

    async def _ask(self, text: str, start: float, end: float, step_s: int) -> list[_Series]:
        data = {"query": text, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": str(step_s)}
        try:
            reply = await self._session.request("POST", "/api/v1/query_range", data=data)
            if reply.status in (401, 403):
                rule = f"forbids it (status {reply.status}); check the environment's"
                raise InputError([Problem(self._name, f"{rule} PROMETHEUS_AUTHORIZATION")])
            answer = decoded(reply.body, _RangeAnswer)
        except AnswerTooLargeError as error:
            rule = f"{error}. Ask for fewer series, a shorter time or a larger step"
            raise InputError([Problem(self._name, rule)]) from error
        except msgspec.DecodeError as error:
            problem = f"answered {reply.status}, but not as its API does: {error}"
            raise self._refused(problem) from error
        except TimeoutError as error:
            raise self._refused(f"gave no answer within {ANSWER_TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = f"cannot be reached: {error or type(error).__name__}"
            raise self._refused(problem) from error
        if answer.status != "success" or answer.data is None:
            rule = f"rejects the query {text!r}: {answer.error or reply.status}"
            raise InputError([Problem(self._name, rule)])
        self.warnings += answer.warnings
        return answer.data.result

    def _refused(self, problem: str) -> Refused:
        return Refused([Refusal(self._name, problem, f"Check {self._option}")])
