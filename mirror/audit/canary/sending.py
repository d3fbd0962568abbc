"""Sends a canary: one GET with an id of its own in the query and in a header.

The query is in every access log, whatever its format; the header is for rules that look for one.
Nothing of the answer is kept but its status and `server` header.
"""

import http.client
import socket
import ssl
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from mirror.addresses import Url
from mirror.core.canaries.canary import HEADER, MARK
from mirror.tls import client_context

USER_AGENT = "kagami-mirror-canary"
TIMEOUT_S = 10.0
MOST_BODY_BYTES = 64 << 10
"""More of an answer is not read; the connection is closed."""

_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
"""OpenSSL's codes (X509_V_ERR_*) for a certificate that no known authority issued: it is
self-signed, or so is the last of its chain, or the issuer or the first signature is unknown."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where production's canary goes."""

    origin: Url
    path: str
    """Path and query, without the canary's own."""
    host: str
    """The Host header."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a canary was answered."""

    status: int
    """0 where there was no answer; then `error` says why."""
    server: str = ""
    error: str = ""
    body: bytes = b""
    """Of a page that was asked for; empty for a canary."""
    is_untrusted: bool = False
    """There is no answer, because no authority that is trusted here issued the certificate."""


def read_target(text: str) -> Target:
    """Return where `http://www.example.com/path?query` leads. Raises ValueError."""
    expected = "expected a URL such as https://www.example.com/"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    is_tls = parts.scheme == "https"
    is_plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(expected)
    if not is_plain or parts.fragment:
        raise ValueError(f"{expected}, in ASCII and without a fragment")
    origin = Url(parts.hostname, port or (443 if is_tls else 80), is_tls)
    query = f"?{parts.query}" if parts.query else ""
    return Target(origin, (parts.path or "/") + query, parts.netloc)


def path_of(target: Target, canary_id: str) -> str:
    """Return the path and query of a canary."""
    joint = "&" if "?" in target.path else "?"
    return f"{target.path}{joint}{MARK.decode()}{canary_id}"


def send(target: Target, canary_id: str) -> Answer:
    """Send a canary through production."""
    return _exchange(target.origin, target, canary_id, {})


def send_marked(shadow: Url, target: Target, canary_id: str) -> Answer:
    """Send a canary straight to the shadow, marked as a copy that is no production request."""
    return _exchange(shadow, target, canary_id, {"X-Mirror-Leg": "canary"})


def read_page(origin: Url, path: str, most_bytes: int) -> Answer:
    """Return an answer with its body, of which no more than `most_bytes` are read."""
    return _get(origin, path, {"User-Agent": USER_AGENT}, most_bytes)


def _exchange(origin: Url, target: Target, canary_id: str, more: dict[str, str]) -> Answer:
    fields = {"Host": target.host, "User-Agent": USER_AGENT, HEADER: canary_id, **more}
    answer = _get(origin, path_of(target, canary_id), fields, MOST_BODY_BYTES)
    return replace(answer, body=b"")


def _get(origin: Url, path: str, fields: dict[str, str], most_bytes: int) -> Answer:
    connection = _connection(origin)
    try:
        connection.request("GET", path, headers=fields)
        response = connection.getresponse()
        body = response.read(most_bytes)
        return Answer(response.status, response.headers.get("server", ""), body=body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        code = error.verify_code if isinstance(error, ssl.SSLCertVerificationError) else 0
        is_untrusted = code in _UNKNOWN_ISSUER
        return Answer(0, error=str(error) or type(error).__name__, is_untrusted=is_untrusted)
    finally:
        connection.close()


def _connection(origin: Url) -> http.client.HTTPConnection:
    if not origin.port:
        return _UnixConnection(origin.host)
    if not origin.is_tls:
        return http.client.HTTPConnection(origin.host, origin.port, timeout=TIMEOUT_S)
    context = client_context()
    return http.client.HTTPSConnection(origin.host, origin.port, timeout=TIMEOUT_S, context=context)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)
