"""Datadog's GET /api/v1/query over HTTP, and what each of its failures means.

This module owns the connection, the retries and the pace; it knows nothing of routes and series. It
does not use the `datadog` package, which ignores DD_SITE, returns several failures as ordinary
values, and hides the rate-limit headers of a 429.

Keys travel in headers only, over TLS, and appear in no message.
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.datadog_cache import Cache
from estimator.series.http_session import (
    Answer,
    AnswerTooLargeError,
    ApiSession,
    check_url,
    decoded,
)
from estimator.series.limits import ANSWER_TIMEOUT_S

SITES = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "datadoghq.eu",
    "ddog-gov.com",
    "us2.ddog-gov.com",
)
"""Source: the servers of Datadog's published OpenAPI."""
CLOCK_OFF_S = 60
_LESS = "Ask for less with --since, or for fewer groups with --query"


def api_url_of(site: str) -> str:
    """Return `https://api.<site>`. Raises InputError for a site that is not one of Datadog's."""
    if site not in SITES:
        rule = f"expected one of {', '.join(SITES)}, got {site!r}; another address: --api-url"
        raise InputError([Problem("--site or DD_SITE", rule)])
    return f"https://api.{site}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Both keys; the repr shows neither."""

    api_key: str = field(repr=False)
    app_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for Datadog, with which clock and random numbers; tests replace them."""

    timeout_s: float = ANSWER_TIMEOUT_S
    """Timeout of one request."""
    attempts: int = 5
    """Most attempts for one window, including the first."""
    rate_limit_wait_s: float = 600.0
    """Longest wait for a rate limit to reset; its period may be an hour."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    """A number from 0 to 1."""
    now: Callable[[], float] = time.time
    """Unix time."""


class QueryGroup(msgspec.Struct):
    """One group of an answer, as far as it is needed. `interval` is in seconds."""

    pointlist: list[tuple[float, float | None]]
    interval: int
    tag_set: list[str] = []
    scope: str = ""


class _QueryAnswer(msgspec.Struct):
    # `errors` belongs to the error bodies, which also come with status 200.
    status: str | None = None
    error: str | None = None
    errors: list[str] | str | None = None
    series: list[QueryGroup] | None = None


class DatadogApi:
    """A session with one site. Use as an async context manager."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        patience: Patience | None = None,
        cache: Cache | None = None,
    ) -> None:
        check_url(url, "--api-url", "DD_API_KEY and DD_APP_KEY", "the keys are all that is sent")
        for name, key in (
            ("DD_API_KEY", credentials.api_key),
            ("DD_APP_KEY", credentials.app_key),
        ):
            # Checked here, because the message of the HTTP library would print the key.
            if not re.fullmatch(r"[!-~]+", key):
                raise InputError([Problem(name, "holds a character that no key has")])
        self.url = url.rstrip("/")
        self._api_key = credentials.api_key
        self._patience = patience or Patience()
        self._cache = cache
        headers = {
            "DD-API-KEY": credentials.api_key,
            "DD-APPLICATION-KEY": credentials.app_key,
            "Accept": "application/json",
        }
        self._session = ApiSession(url, headers, self._patience.timeout_s)
        self.clock_off_s = 0.0
        """How far this machine's clock is ahead of Datadog's, from its last answer."""
        self._pause_s = 0.0
        """Pause before the next request, because the last answer used up the rate limit."""

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

    async def query(
        self, query: str, window: tuple[int, int], say: Callable[[str], None]
    ) -> list[QueryGroup]:
        """Return the groups for one window (from, to) in Unix seconds.

        `say` is called with the reason of every wait. Raises InputError for what the user can
        correct, Refused if Datadog gives no usable answer after all attempts.
        """
        identity = (self.url, self._api_key, query)
        if self._cache and (kept := self._cache.read(identity, window)) is not None:
            return self._decode(Answer(200, {}, kept))
        reply = await self._answer(query, window, say)
        groups = self._decode(reply)
        if self._cache:
            self._cache.write(identity, window, reply.body)
        return groups

    async def _answer(
        self, query: str, window: tuple[int, int], say: Callable[[str], None]
    ) -> Answer:
        """Return an answer with status 200, after at most `attempts` attempts."""
        trouble = ""
        for attempt in range(self._patience.attempts):
            if self._pause_s:
                await self._wait(self._pause_s, "rate limit used up", say)
                self._pause_s = 0.0
            try:
                reply = await self._get(query, window)
            except (
                TimeoutError,
                aiohttp.ServerConnectionError,
                aiohttp.ClientPayloadError,
            ) as error:
                lost = f"no answer within {self._patience.timeout_s:g} s"
                trouble = lost if isinstance(error, TimeoutError) else f"connection lost: {error}"
                wait_s = self._backoff_s(attempt)
            except AnswerTooLargeError as error:
                raise InputError([Problem(self._name, f"{error}. {_LESS}")]) from error
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise self._refused(
                    f"cannot be reached: {error}", "Check --site (or DD_SITE) and the network"
                ) from error
            else:
                if reply.status == 200:
                    self._pause_s = _pause_after(reply)
                    self.clock_off_s = self._clock_off_s(reply)
                    return reply
                if reply.status != 429 and reply.status < 500:
                    raise self._rejected(reply)
                trouble = f"answered {reply.status}{_shown(_errors(reply))}"
                wait_s = self._backoff_s(attempt)
                if reply.status == 429 and (reset_s := _reset_s(reply)) is not None:
                    wait_s = reset_s + self._patience.jitter()
            if attempt + 1 < self._patience.attempts:
                await self._wait(wait_s, trouble, say)
        raise self._refused(f"{trouble}, {self._patience.attempts} times", "Try again later")

    async def _get(self, query: str, window: tuple[int, int]) -> Answer:
        start, end = window
        # Datadog answers 400 to a fraction of a second.
        params = {"from": str(start), "to": str(end), "query": query}
        return await self._session.request("GET", "/api/v1/query", params=params)

    def _decode(self, reply: Answer) -> list[QueryGroup]:
        try:
            answer = decoded(reply.body, _QueryAnswer)
        except AnswerTooLargeError as error:
            raise InputError([Problem(self._name, f"{error}. {_LESS}")]) from error
        except msgspec.DecodeError as error:
            if _is_html(reply):
                raise self._refused(
                    "answered with a web page instead of JSON",
                    "Check --site (or DD_SITE), --api-url, and whether a proxy wants a login",
                ) from error
            raise self._refused(
                f"answered 200 with a body that is not as documented: {error}",
                "Check --site (or DD_SITE) and --api-url",
            ) from error
        if answer.errors or answer.error or answer.status != "ok" or answer.series is None:
            message = answer.error or answer.errors or f"status {answer.status!r} without series"
            rule = f"did not accept the query: {message}"
            raise InputError([Problem(self._name, rule)])
        return answer.series

    def _clock_off_s(self, reply: Answer) -> float:
        try:
            theirs = parsedate_to_datetime(reply.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return 0.0
        return self._patience.now() - theirs

    def _rejected(self, reply: Answer) -> InputError:
        advice = {
            400: "did not understand the query; check --metric, --service, --env and --tag, or"
            " --query",
            401: "did not accept the keys; check DD_API_KEY, DD_APP_KEY and that --site (or"
            " DD_SITE) is the site they belong to",
            403: "forbids it; check DD_API_KEY, that DD_APP_KEY has the scope timeseries_query,"
            " and that --site (or DD_SITE) is the site they belong to",
            404: "has no such address; check --site (or DD_SITE) and --api-url",
        }.get(reply.status, "did not answer the query; check --site (or DD_SITE) and --api-url")
        rule = f"{advice} (status {reply.status}{_shown(_errors(reply))})"
        return InputError([Problem(self._name, rule)])

    def _refused(self, reason: str, advice: str) -> Refused:
        return Refused([Refusal(self._name, reason, advice)])

    @property
    def _name(self) -> str:
        return f"Datadog at {self.url}"

    def _backoff_s(self, attempt: int) -> float:
        # Half to all of 1, 2, 4, 8 s, so that two runs that failed together retry apart.
        return float(2**attempt * (0.5 + self._patience.jitter() / 2))

    async def _wait(self, wait_s: float, why: str, say: Callable[[str], None]) -> None:
        if wait_s > self._patience.rate_limit_wait_s:
            raise self._refused(
                f"{why}; its rate limit resets in {wait_s:.0f} s", "Try again after that"
            )
        say(f"{why}; waiting {wait_s:.0f} s")
        await self._patience.sleep(wait_s)


def _reset_s(reply: Answer) -> float | None:
    text = reply.headers.get("X-RateLimit-Reset", "")
    return float(text) if re.fullmatch(r"\d{1,7}", text, re.ASCII) else None


def _pause_after(reply: Answer) -> float:
    is_used_up = reply.headers.get("X-RateLimit-Remaining") == "0"
    return (_reset_s(reply) or 0.0) + 1.0 if is_used_up else 0.0


def _is_html(reply: Answer) -> bool:
    return reply.body.lstrip()[:1] == b"<"


def _errors(reply: Answer) -> str:
    """Return a short text of an error body, which may be HTML, empty or anything else."""
    if _is_html(reply):
        return "a web page, not an answer of the API"
    try:
        answer = decoded(reply.body, _QueryAnswer)
    except (msgspec.DecodeError, AnswerTooLargeError):
        return ""
    errors = answer.errors or answer.error or ""
    return (errors if isinstance(errors, str) else "; ".join(errors))[:300]


def _shown(errors: str) -> str:
    return f": {errors}" if errors else ""
