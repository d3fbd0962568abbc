"""Asks a new connection who answers on it, before it serves a leg.

A NodePort balances connections, a name resolves anew, and what listens on an address changes. A
verdict from the start therefore says little about the connections that are opened later. So every
connection to the shadow is probed: its first request is a HEAD that carries no production data, and
it gets a leg only if the answer is that of an istio-proxy (core/acceptance.py). An established
connection stays with the process that accepted it, and none gets older than
`shadow.connection_age`, so no verdict is older than that (docs/adr/0034).
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from random import random
from typing import cast

import httptools

from mirror.core.acceptance import (
    SHOWN_CHARACTERS,
    Headers,
    Verdict,
    judge,
    printable,
    probe_request,
    refused,
    unreachable,
)
from mirror.core.http1 import connection_options
from mirror.errors import UpstreamRefusedError
from mirror.proxy.upstream.connection import NO_PARSER, Origin

MAX_HEAD_BYTES = 65536
"""Envoy's own limit for a head is 60 KiB."""


class Probe(asyncio.Protocol):
    """The first exchange on one connection: a HEAD request, and the head of its answer."""

    def __init__(
        self, host: str, accepted: Sequence[str], keep_alive: bool, target: str = "/"
    ) -> None:
        """`host` is the Host of the request for `target`; `accepted` as in `judge`. `keep_alive`
        asks for a connection that can be used further."""
        self._host = host
        self._accepted = accepted
        self._keep_alive = keep_alive
        self._target = target
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[str, str]] = []
        self._received = b""
        self._is_answered = False
        self._verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.is_reusable = False
        """Whether the connection can serve a leg after the probe."""
        self.status = 0
        """The status of the answer; 0 while there is none."""
        self.headers: Headers = ()
        """The header fields of the answer."""

    async def verdict(self, timeout_s: float) -> Verdict:
        """Return the verdict on whoever answers; nothing that the other side does raises."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._verdict
        except TimeoutError:
            return unreachable(
                "no_answer",
                f"no answer within {timeout_s:g} s, although the connection was accepted",
                "check whether the Pod behind the NodePort is ready and whether this port speaks "
                "HTTP",
            )

    def abort(self) -> None:
        """Close the connection at once, if there is one."""
        if self._transport is not None:
            self._transport.abort()

    def hand_over(self, protocol: asyncio.Protocol) -> None:
        """Give the connection to `protocol`."""
        assert self._transport is not None
        self._parser = NO_PARSER
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._transport.write(probe_request(self._host, self._keep_alive, self._target))

    def data_received(self, data: bytes) -> None:
        if self._is_answered:
            self.is_reusable = False  # surplus bytes, or a body that HEAD must not have
            return
        # Bounded: the head is complete or refused before it exceeds MAX_HEAD_BYTES by one read.
        self._received += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._is_answered:
                self.is_reusable = False
            else:
                self._judged(_not_http(self._received))
            return
        if not self._is_answered and len(self._received) > MAX_HEAD_BYTES:
            what = f"the response head is longer than {MAX_HEAD_BYTES} bytes"
            self._judged(refused("not_http", what, "ask whether this port is the istio-proxy's"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_reusable = False
        self._judged(_not_http(self._received) if self._received else self._cut(exc))
        self._parser = NO_PARSER

    # --- httptools callbacks ---

    def on_header(self, name: bytes, value: bytes) -> None:
        pair = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        self._headers.append(pair)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        version = self._parser.get_http_version()
        # llhttp also accepts the versions HTTP/0.9 and HTTP/2.0.
        if version not in ("1.0", "1.1"):
            raise ValueError("version")
        headers, self._headers = self._headers, []
        if status < 200 and status != 101:
            return
        self._is_answered = True
        options = [value.encode("latin-1") for name, value in headers if name == "connection"]
        may_stay = b"close" not in connection_options({b"connection": options})
        self.is_reusable = may_stay and version == "1.1" and status != 101
        self.status, self.headers = status, headers
        self._judged(judge(status, headers, self._accepted))

    def on_body(self, data: bytes) -> None:
        self.is_reusable = False

    def _cut(self, error: Exception | None) -> Verdict:
        """Return the verdict on a connection that ended before the first byte of an answer.

        RFC 8446 4.4.2.4: a server that requires a certificate refuses a client without one by an
        alert after the client's side of the handshake, so the connection is lost when it is already
        open. An Envoy was seen to end it without the alert.
        """
        if isinstance(error, ssl.SSLError) and "certificate required" in str(error):
            return _WITHOUT_CERTIFICATE
        is_tls = self._transport is not None and self._transport.get_extra_info("ssl_object")
        return _CUT_IN_TLS if is_tls else _CUT

    def _judged(self, verdict: Verdict) -> None:
        if not self._verdict.done():
            self._verdict.set_result(verdict)


class Admission:
    """What every connection to an upstream must show."""

    def __init__(
        self,
        accepted: Sequence[str],
        timeout_s: float,
        connection_age_s: float,
        probed: Callable[[Verdict], None],
    ) -> None:
        """`accepted` as in `judge`; `timeout_s` bounds the wait for the answer. A connection serves
        for at most `connection_age_s`. `probed` is called with every verdict."""
        self._accepted = accepted
        self._timeout_s = timeout_s
        self._connection_age_s = connection_age_s
        self._probed = probed

    async def connect(self, origin: Origin, address: str) -> Probe:
        """Open a connection to `address` of `origin`, and return its accepted probe.

        Raises UpstreamRefusedError for a server that must not get legs, and OSError or ValueError
        for one that cannot be asked; ssl.SSLError, an OSError, if TLS is certain to be the cause.
        """
        probe = Probe(origin.authority, self._accepted, keep_alive=True)
        try:
            await origin.connect(lambda: probe, address)
            verdict = await probe.verdict(self._timeout_s)
            self._probed(verdict)
            if not verdict.is_accepted:
                raise _error_of(verdict)
        except BaseException:  # also if this task is cancelled
            probe.abort()
            raise
        return probe

    def age_s(self) -> float:
        """Return how long a new connection serves, in seconds.

        It is drawn from the upper half of the range, so that connections opened in one burst are
        not renewed in another.
        """
        return self._connection_age_s * (0.5 + 0.5 * random())


_CUT = unreachable(
    "mtls",
    "the connection was cut before the first byte of an answer, as an Envoy in mutual TLS mode "
    "STRICT does with plain HTTP",
    "use a port outside the mesh's mTLS (the gateway's own), or set PeerAuthentication to "
    "PERMISSIVE for it",
)
_NO_CERTIFICATE = (
    "use a port that requires none, because the sidecar has none: a Gateway server with `tls.mode: "
    "SIMPLE`, or plain HTTP on the gateway's own port"
)
_WITHOUT_CERTIFICATE = unreachable(
    "client_certificate", "it requires a client certificate (mutual TLS)", _NO_CERTIFICATE
)
_CUT_IN_TLS = unreachable(
    "client_certificate",
    "the connection was cut after the TLS handshake and before the first byte of an answer, as an "
    "Envoy does that requires a client certificate",
    _NO_CERTIFICATE,
)


def _error_of(verdict: Verdict) -> Exception:
    """Return what a verdict that does not accept the server is raised as."""
    if verdict.is_reachable:
        return UpstreamRefusedError(verdict.reason)
    if verdict is _WITHOUT_CERTIFICATE:
        return ssl.SSLError(ssl.SSL_ERROR_SSL, verdict.reason)
    return ConnectionError(verdict.reason)


def _not_http(received: bytes) -> Verdict:
    # A TLS alert record: content type 21, major version 3.
    if received[:2] == b"\x15\x03":
        advice = "use https:// in shadow.url, or a port that speaks HTTP"
        return refused("tls_port", "it answers in TLS", advice)
    shown = printable(received[:SHOWN_CHARACTERS].decode("latin-1"))
    what = f"the answer is not HTTP/1.1: {shown}"
    return refused("not_http", what, "use a port that speaks HTTP/1.1")
