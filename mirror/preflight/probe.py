"""One probe before the first mirrored request: does the shadow answer as an istio-proxy?

This module owns the socket of the probe and the judgement of its answer. In the gateway Pod an
nginx stands in front of the istio-proxy and writes the access log that revenue and security rely
on. Mirrored requests must enter behind that nginx, so a target that identifies itself as nginx is
refused.

The probe is one HEAD request for `/`, marked by X-Mirror-Leg and User-Agent. It reads a head and
never a body. It uses raw streams instead of an HTTP client, because the operator needs to tell
"reset before the first byte" from "closed in the middle" and from "not HTTP at all".

Reference: Envoy's `server_header_transformation`. Envoy answers HTTP/1.0 with 426; its 404 without
`x-envoy-upstream-service-time` is a route miss and not the application's (istio/istio#11828).
"""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools

from mirror.addresses import TcpAddress
from mirror.proxy.upstream.connection import Origin

USER_AGENT = "kagami-mirror-check"
MAX_HEAD_BYTES = 65536
"""Envoy's own limit for a head is 60 KiB."""

SHOWN_CHARACTERS = 80

_UPSTREAM_TIME = "x-envoy-upstream-service-time"
"""Envoy sets this header on responses from behind it, and not on its own."""

_WHY_NOT_NGINX = (
    "an nginx there would write every mirrored request into its access log, a second time. Point "
    "shadow.url at the NodePort that reaches istio-proxy itself, past the nginx of the Pod"
)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of the probe."""

    is_reachable: bool
    """Whether anything answered that could be judged."""
    is_accepted: bool
    """Whether mirrored requests may be sent there."""
    reason: str
    """The reason and, for a refusal, what to do; one line of printable text."""
    warnings: tuple[str, ...] = ()
    """Problems that remain although the target is accepted."""


@dataclass(slots=True)
class _Answer:
    """The final response head, filled in by the parser."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    is_complete: bool = False

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


class _ProbeReader:
    """Feeds the parser until the head of a final response is complete."""

    def __init__(self) -> None:
        self.answer = _Answer()
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Parse `data`. Raises HttpParserError if it is no HTTP response."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if not self.answer.is_complete:
                raise

    def on_message_begin(self) -> None:
        if not self.answer.is_complete:
            self.answer.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.answer.is_complete:
            pair = name.decode("latin-1").lower(), value.decode("latin-1").strip()
            self.answer.headers.append(pair)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        # llhttp also accepts the versions HTTP/0.9 and HTTP/2.0.
        if self._parser.get_http_version() not in ("1.0", "1.1"):
            raise ValueError("version")
        if not self.answer.is_complete and (status >= 200 or status == 101):
            self.answer.status = status
            self.answer.is_complete = True


async def probe(
    origin: Origin, accepted: Sequence[str], timeout_s: float, host: str | None = None
) -> ProbeResult:
    """Probe `origin` and judge its answer; nothing that the other side does raises.

    `accepted` lists values of the `server` header, or product names in it. `timeout_s` applies to
    the connect and to the answer separately. `host` is the Host header, by default the address.
    """
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        async with asyncio.timeout(timeout_s):
            transport = cast(asyncio.Transport, await origin.connect(lambda: protocol))
    except (OSError, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
        return _unreachable(_connect_failure(origin, error, timeout_s))
    host = host or (str(TcpAddress(origin.host, origin.port)) if origin.port else "localhost")
    request = (
        f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n"
        "X-Mirror-Leg: probe\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(timeout_s):
            transport.write(request.encode("latin-1"))
            answer = await _read_answer(reader)
    except TimeoutError:
        return _unreachable(
            f"no answer within {timeout_s:g} s, although the connection was accepted: check "
            "whether the Pod behind the NodePort is ready and whether this port speaks HTTP"
        )
    finally:
        transport.abort()
    return answer if isinstance(answer, ProbeResult) else judge(answer, accepted, host)


async def _read_answer(reader: asyncio.StreamReader) -> "_Answer | ProbeResult":
    head = _ProbeReader()
    received = b""
    while not head.answer.is_complete:
        try:
            data = await reader.read(16384)
        except OSError:
            data = b""
        if not data:
            return _cut(received)
        received += data
        try:
            head.feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return _not_http(received)
        if len(received) > MAX_HEAD_BYTES and not head.answer.is_complete:
            return _refused(f"the response head is longer than {MAX_HEAD_BYTES} bytes")
    return head.answer


def judge(answer: "_Answer", accepted: Sequence[str], host: str) -> ProbeResult:
    """Judge a response head; `host` is the Host of the request."""
    servers = answer.values("server")
    if not servers:
        return _refused(
            f"status {answer.status} without a `server` header, so it may be any server: expected "
            f"{_either(accepted)}. If an Envoy is configured to omit the header, make sure that "
            "nothing in between writes an access log, then set accept_server to what it sends"
        )
    for server in servers:
        if not _is_accepted(server, accepted):
            return _refused(_why_refused(server, answer, accepted))
    is_from_behind = bool(answer.values(_UPSTREAM_TIME))
    if answer.status == 426 and not is_from_behind:
        return _refused(
            "status 426: a proxy in front of the Envoy speaks HTTP/1.0 to it, as nginx before "
            "1.29.7 does, so every mirrored request would be answered 426. Point shadow.url at "
            "the istio-proxy itself, or set proxy_http_version 1.1 in that nginx"
        )
    return ProbeResult(
        True,
        True,
        f"server {_shown(', '.join(servers))} answered {answer.status}",
        tuple(_warnings(answer, is_from_behind, host)),
    )


def _warnings(answer: "_Answer", is_from_behind: bool, host: str) -> list[str]:
    """Return warnings about answers of the Envoy itself that mirrored requests would get, too."""
    if is_from_behind:
        return []
    if answer.status == 404:
        return [
            f"404 from the Envoy itself (no {_UPSTREAM_TIME}): VirtualService and Gateway declare "
            f"no route for / of host {_shown(host)}. Ask for a host of production with --host; "
            "where that is declared, this is harmless"
        ]
    if answer.status in (301, 302, 307, 308):
        return [
            f"{answer.status} from the Envoy itself: a Gateway with httpsRedirect would redirect "
            "every mirrored request instead of serving it"
        ]
    if answer.status == 503:
        return ["503 from the Envoy itself: no healthy Pod is behind this route"]
    return []


def _is_accepted(server: str, accepted: Sequence[str]) -> bool:
    """Say whether the whole value, its first word or its product is one of `accepted`."""
    lower = server.lower()
    names = {lower, lower.split(" ")[0], _product(server)}
    return any(name.lower() in names for name in accepted)


def _product(server: str) -> str:
    return server.lower().split(" ")[0].split("/")[0]


def _why_refused(server: str, answer: "_Answer", accepted: Sequence[str]) -> str:
    subject = f"server: {_shown(server)} (status {answer.status})"
    override = f"If this is meant, accept it by name: --accept-server {_shown(_product(server))}"
    if _product(server) in ("nginx", "openresty", "tengine", "angie", "freenginx"):
        subject += f": {_WHY_NOT_NGINX}. "
        if answer.values(_UPSTREAM_TIME):
            subject += f"({_UPSTREAM_TIME} shows that this nginx stands in front of an Envoy.) "
        elif answer.status == 426:
            subject += "(426 shows that it speaks HTTP/1.0 to an Envoy behind it.) "
        return subject + override
    return (
        f"{subject}: expected {_either(accepted)}. Something other than istio-proxy answers: the "
        "NodePort may lead to the application itself, or the Envoy may pass on the application's "
        f"header. {override}"
    )


def _connect_failure(origin: Origin, error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return (
            f"no connection within {timeout_s:g} s: packets are dropped on the way; check "
            "firewalls and network policies, and whether the address is that of a node"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"connection refused: nothing listens on {origin}; check the NodePort of the "
            "Service and, with externalTrafficPolicy Local, whether the node runs a gateway Pod"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {error.verify_message}; set shadow.tls.ca_file to "
            "the authority, or shadow.tls.server_name to the name in the certificate"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason}; does this port speak TLS?"
    if isinstance(error, socket.gaierror | ValueError):
        return f"the name {_shown(origin.host)} cannot be resolved: {error}"
    return f"cannot be connected to: {error}"


def _cut(received: bytes) -> ProbeResult:
    if received:
        return _not_http(received)
    return _unreachable(
        "the connection was cut before the first byte of an answer, as an Envoy in mutual TLS mode "
        "STRICT does with plain HTTP; use a port outside the mesh's mTLS (the gateway's own), or "
        "set PeerAuthentication to PERMISSIVE for it"
    )


def _not_http(received: bytes) -> ProbeResult:
    # A TLS alert record: content type 21, major version 3.
    if received[:2] == b"\x15\x03":
        return _refused("it answers in TLS: use https:// in shadow.url, or a port that speaks HTTP")
    shown = _shown(received[:SHOWN_CHARACTERS].decode("latin-1"))
    return _refused(f"the answer is not HTTP/1.1: {shown}")


def _unreachable(reason: str) -> ProbeResult:
    return ProbeResult(False, False, reason)


def _refused(reason: str) -> ProbeResult:
    return ProbeResult(True, False, reason)


def _either(accepted: Sequence[str]) -> str:
    return " or ".join(accepted) or "nothing (accept_server is empty)"


def _shown(text: str) -> str:
    """Return text from the network with every unprintable character replaced, for a terminal."""
    return "".join(
        character if character.isprintable() and character.isascii() else "?"
        for character in text[:SHOWN_CHARACTERS]
    )
