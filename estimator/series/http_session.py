"""The HTTP session with which every API of a monitoring system is asked.

Secrets (keys, an Authorization header) leave only over TLS or to this machine. The session takes
nothing but proxies from the environment: no login of ~/.netrc, and no proxy for this machine.
Redirects are not followed, so a secret never reaches a second host.

An answer is read up to a number of bytes, and unpacked here: the library would unpack all of a gzip
bomb before anybody could count it.

Python leaves the minimum version of TLS to OpenSSL's configuration, and distributions differ:
Debian's interpreter reports `MINIMUM_SUPPORTED`, which promises nothing. The minimum is therefore
set here: TLS 1.2, as RFC 9325 section 3.1.1 demands, or the later version that the system requires.
"""

import ipaddress
import re
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import msgspec

from estimator.errors import InputError, Problem
from estimator.series.limits import ANSWER_TIMEOUT_S, MAX_ANSWER_BYTES, MAX_ANSWER_VALUES

_URL = re.compile(r"https?://[^/\s@?#]+(/[^\s?#@]*)?", re.ASCII)
_LOGIN = re.compile(r"//[^/]*@")
_Model = TypeVar("_Model")


class AnswerTooLargeError(Exception):
    """An answer exceeds its limit, which the message names."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def check_url(url: str, option: str, secret: str | None, instead: str) -> None:
    """Raise InputError for a URL that must not be asked; no message shows a login in it.

    `secret` names what is sent with every request, if anything is; `instead` says where a login
    belongs.
    """
    if _LOGIN.search(url):
        rule = f"holds a login, which reports would show: leave it out of the URL; {instead}"
        raise InputError([Problem(option, rule)])
    if not _URL.fullmatch(url) or not _has_port(url):
        rule = f"expected a URL such as https://host:port/path, got {url!r}"
        raise InputError([Problem(option, rule)])
    if secret and url.startswith("http:") and not _is_loopback(url):
        rule = f"would send {secret} in the clear to another machine: use https"
        raise InputError([Problem(option, rule)])


def _has_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0 and bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for this URL; never one for this machine."""
    parts = urlsplit(url)
    proxies = getproxies_environment()
    if _is_loopback(url) or proxy_bypass(parts.netloc):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


class ApiSession:
    """A session with one API below `url`. Use as an async context manager."""

    def __init__(
        self, url: str, headers: Mapping[str, str], timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        """`headers` go with every request; `timeout_s` bounds one, its answer included."""
        self._url = url.rstrip("/")
        # A longer list of encodings would invite answers that nothing here unpacks.
        self._headers = {"Accept-Encoding": "gzip", **headers}
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context()
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            trust_env=False,
            auto_decompress=False,
            connector=aiohttp.TCPConnector(ssl=context),
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def request(self, method: str, path: str, **content: Any) -> Answer:
        """Return the answer to a request; `content` is aiohttp's `params` or `data`.

        Raises AnswerTooLargeError, and what aiohttp raises.
        """
        url = f"{self._url}{path}"
        async with self._session.request(
            method,
            url,
            # Headers of the whole session would also be sent to the proxy of an https URL.
            headers=self._headers,
            allow_redirects=False,
            proxy=proxy_of(url),
            **content,
        ) as response:
            return Answer(response.status, response.headers, await _body(response))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    packing = response.headers.get("Content-Encoding", "identity").lower()
    if packing not in ("identity", "gzip", ""):
        raise aiohttp.ClientPayloadError(f"Content-Encoding {packing[:20]!r} was not asked for")
    unpacking = zlib.decompressobj(wbits=31) if packing == "gzip" else None
    body = bytearray()
    try:
        async for piece in response.content.iter_any():
            if unpacking is not None:
                piece = unpacking.decompress(piece, MAX_ANSWER_BYTES - len(body) + 1)
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise AnswerTooLargeError(
                    f"its answer has more than {MAX_ANSWER_BYTES:,} bytes, which is the limit"
                )
    except zlib.error as error:
        raise aiohttp.ClientPayloadError(f"an answer that is no gzip: {error}") from error
    if unpacking is not None and body and not unpacking.eof:
        raise aiohttp.ClientPayloadError("an answer whose gzip data has no end")
    return bytes(body)


def decoded(body: bytes, model: type[_Model]) -> _Model:
    """Return an answer in JSON as `model`.

    Raises msgspec.DecodeError for anything else, and AnswerTooLargeError before a body is decoded
    that would take too much memory.
    """
    if body.count(b'"') // 2 + body.count(b"[") > MAX_ANSWER_VALUES:
        raise AnswerTooLargeError(
            f"its answer has more than {MAX_ANSWER_VALUES:,} texts and lists, which is the limit"
        )
    try:
        return msgspec.json.decode(body, type=model)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error
