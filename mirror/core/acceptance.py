"""Whether a server may get mirrored requests, judged by the head of its answer to a probe.

In the gateway Pod an nginx stands in front of the istio-proxy and writes the access log that
revenue and security rely on. Mirrored requests must enter behind that nginx, so a target that
identifies itself as nginx is refused.

Reference: Envoy's `server_header_transformation`. Envoy answers HTTP/1.0 with 426; its 404 without
`x-envoy-upstream-service-time` is a route miss and not the application's (istio/istio#11828).
"""

from collections.abc import Sequence
from dataclasses import dataclass

USER_AGENT = "kagami-mirror-check"
SHOWN_CHARACTERS = 80

Headers = Sequence[tuple[str, str]]
"""Names in lower case, and values."""

_UPSTREAM_TIME = "x-envoy-upstream-service-time"
"""Envoy sets this header on responses from behind it, and not on its own."""

_WHY_NOT_NGINX = (
    "an nginx there would write every mirrored request into its access log, a second time. Point "
    "shadow.url at the NodePort that reaches istio-proxy itself, past the nginx of the Pod"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a probe."""

    is_reachable: bool
    """Whether anything answered that could be judged."""
    is_accepted: bool
    """Whether mirrored requests may be sent there."""
    reason: str
    """The reason and, for a refusal, what to do; one line of printable text."""
    warnings: tuple[str, ...] = ()
    """Problems that remain although the target is accepted."""

    @property
    def label(self) -> str:
        """The verdict in one word, as metrics tag it."""
        if self.is_accepted:
            return "accepted"
        return "refused" if self.is_reachable else "unreachable"


def unreachable(reason: str) -> Verdict:
    """Return the verdict on a target that gave nothing to judge."""
    return Verdict(False, False, reason)


def refused(reason: str) -> Verdict:
    """Return the verdict on a target that must not get mirrored requests."""
    return Verdict(True, False, reason)


def probe_request(host: str, keep_alive: bool) -> bytes:
    """Return the probe: one HEAD request for `/`, marked by X-Mirror-Leg and User-Agent."""
    connection = "" if keep_alive else "Connection: close\r\n"
    return (
        f"HEAD / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n"
        f"X-Mirror-Leg: probe\r\n{connection}\r\n"
    ).encode("latin-1")


def judge(status: int, headers: Headers, accepted: Sequence[str], host: str) -> Verdict:
    """Judge a response head; `host` is the Host of the request.

    `accepted` lists values of the `server` header, or product names in it.
    """
    servers = _values(headers, "server")
    if not servers:
        return refused(
            f"status {status} without a `server` header, so it may be any server: expected "
            f"{_either(accepted)}. If an Envoy is configured to omit the header, make sure that "
            "nothing in between writes an access log, then set shadow.accept_server to what it "
            "sends"
        )
    for server in servers:
        if not _is_accepted(server, accepted):
            return refused(_why_refused(server, status, headers, accepted))
    is_from_behind = bool(_values(headers, _UPSTREAM_TIME))
    if status == 426 and not is_from_behind:
        return refused(
            "status 426: a proxy in front of the Envoy speaks HTTP/1.0 to it, as nginx before "
            "1.29.7 does, so every mirrored request would be answered 426. Point shadow.url at "
            "the istio-proxy itself, or set proxy_http_version 1.1 in that nginx"
        )
    return Verdict(
        True,
        True,
        f"server {printable(', '.join(servers))} answered {status}",
        () if is_from_behind else _warnings(status, host),
    )


def printable(text: str) -> str:
    """Return text from the network in ASCII and cut, for a terminal, a log and /status.

    That is stricter than `visible` of mirror.formats: a server's name needs no more, and letters
    that look alike could pass one off as another.
    """
    return "".join(
        character if character.isprintable() and character.isascii() else "?"
        for character in text[:SHOWN_CHARACTERS]
    )


def _values(headers: Headers, name: str) -> list[str]:
    return [value for key, value in headers if key == name]


def _warnings(status: int, host: str) -> tuple[str, ...]:
    """Return warnings about answers of the Envoy itself that mirrored requests would get, too."""
    if status == 404:
        return (
            f"404 from the Envoy itself (no {_UPSTREAM_TIME}): VirtualService and Gateway declare "
            f"no route for / of host {printable(host)}. Ask for a host of production with --host; "
            "where that is declared, this is harmless",
        )
    if status in (301, 302, 307, 308):
        return (
            f"{status} from the Envoy itself: a Gateway with httpsRedirect would redirect "
            "every mirrored request instead of serving it",
        )
    if status == 503:
        return ("503 from the Envoy itself: no healthy Pod is behind this route",)
    return ()


def _is_accepted(server: str, accepted: Sequence[str]) -> bool:
    """Say whether the whole value, its first word or its product is one of `accepted`."""
    lower = server.lower()
    names = {lower, lower.split(" ")[0], _product(server)}
    return any(name.lower() in names for name in accepted)


def _product(server: str) -> str:
    return server.lower().split(" ")[0].split("/")[0]


def _why_refused(server: str, status: int, headers: Headers, accepted: Sequence[str]) -> str:
    subject = f"server: {printable(server)} (status {status})"
    override = f"If this is meant, list {printable(_product(server))} in shadow.accept_server"
    if _product(server) in ("nginx", "openresty", "tengine", "angie", "freenginx"):
        subject += f": {_WHY_NOT_NGINX}. "
        if _values(headers, _UPSTREAM_TIME):
            subject += f"({_UPSTREAM_TIME} shows that this nginx stands in front of an Envoy.) "
        elif status == 426:
            subject += "(426 shows that it speaks HTTP/1.0 to an Envoy behind it.) "
        return subject + override
    return (
        f"{subject}: expected {_either(accepted)}. Something other than istio-proxy answers: the "
        "NodePort may lead to the application itself, or the Envoy may pass on the application's "
        f"header. {override}"
    )


def _either(accepted: Sequence[str]) -> str:
    return " or ".join(accepted) or "nothing (shadow.accept_server is empty)"
