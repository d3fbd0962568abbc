"""Whether a server may get mirrored requests, judged by the head of its answer to a probe.

In the gateway Pod an nginx stands in front of the istio-proxy and writes the access log that
revenue and security rely on. Mirrored requests must enter behind that nginx, so a target that
identifies itself as nginx is refused.

Reference: Envoy's `server_header_transformation`. Envoy answers HTTP/1.0 with 426. Every verdict
has a code, under which docs/preflight.md explains it as `shadow.CODE`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

USER_AGENT = "kagami-mirror-check"
SHOWN_CHARACTERS = 80

Headers = Sequence[tuple[str, str]]
"""Names in lower case, and values."""

UPSTREAM_TIME = "x-envoy-upstream-service-time"
"""Envoy sets this header on responses from behind it, and not on its own."""

_NGINX = ("nginx", "openresty", "tengine", "angie", "freenginx")
_PAST_NGINX = (
    "point shadow.url at another port of the gateway, which reaches istio-proxy itself past the "
    "access log of this nginx: deploy/kubernetes/gateway has 30080 for the copies, and 30081 for "
    "production"
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a probe."""

    is_reachable: bool
    """Whether anything answered that could be judged."""
    is_accepted: bool
    """Whether mirrored requests may be sent there."""
    code: str
    """The kind of answer in one word, such as `log_nginx`."""
    what: str
    """What was seen; one line of printable text."""
    advice: str = ""
    """What to do about it; empty for a target that is accepted."""

    @property
    def reason(self) -> str:
        """What was seen and what to do, in one line."""
        return f"{self.what}: {self.advice}" if self.advice else self.what

    @property
    def label(self) -> str:
        """The verdict in one word, as metrics tag it."""
        if self.is_accepted:
            return "accepted"
        return "refused" if self.is_reachable else "unreachable"


def unreachable(code: str, what: str, advice: str) -> Verdict:
    """Return the verdict on a target that gave nothing to judge."""
    return Verdict(False, False, code, what, advice)


def refused(code: str, what: str, advice: str) -> Verdict:
    """Return the verdict on a target that must not get mirrored requests."""
    return Verdict(True, False, code, what, advice)


def probe_request(host: str, keep_alive: bool, target: str = "/") -> bytes:
    """Return the probe: one HEAD request for `target`, marked by X-Mirror-Leg and User-Agent."""
    connection = "" if keep_alive else "Connection: close\r\n"
    return (
        f"HEAD {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\n"
        f"X-Mirror-Leg: probe\r\n{connection}\r\n"
    ).encode("latin-1")


def judge(status: int, headers: Headers, accepted: Sequence[str]) -> Verdict:
    """Judge a response head. `accepted` lists values of the `server` header, or product names."""
    servers = _values(headers, "server")
    if not servers:
        return refused(
            "no_server_name",
            f"status {status} without a `server` header, so it may be any server",
            f"expected {_either(accepted)}. If an Envoy is configured to omit the header, make "
            "sure that nothing in between writes an access log, then set shadow.accept_server to "
            "what it sends",
        )
    for server in servers:
        if not _is_accepted(server, accepted):
            return _refusal(server, status, headers, accepted)
    if status == 426 and not is_from_behind(headers):
        return refused(
            "http10",
            "status 426",
            "a proxy in front of the Envoy speaks HTTP/1.0 to it, as nginx before 1.29.7 does, so "
            "every mirrored request would be answered 426. Point shadow.url at the istio-proxy "
            "itself, or set proxy_http_version 1.1 in that nginx",
        )
    return Verdict(
        True, True, "accepted", f"server {printable(', '.join(servers))} answered {status}"
    )


def is_from_behind(headers: Headers) -> bool:
    """Say whether the answer came from behind an Envoy, and not from the Envoy itself."""
    return bool(_values(headers, UPSTREAM_TIME))


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


def _is_accepted(server: str, accepted: Sequence[str]) -> bool:
    """Say whether the whole value, its first word or its product is one of `accepted`."""
    lower = server.lower()
    names = {lower, lower.split(" ")[0], _product(server)}
    return any(name.lower() in names for name in accepted)


def _product(server: str) -> str:
    return server.lower().split(" ")[0].split("/")[0]


def _refusal(server: str, status: int, headers: Headers, accepted: Sequence[str]) -> Verdict:
    what = f"server: {printable(server)} (status {status})"
    override = f"If this is meant, list {printable(_product(server))} in shadow.accept_server"
    if _product(server) not in _NGINX:
        return refused(
            "other_server",
            what,
            f"expected {_either(accepted)}. Something other than istio-proxy answers: the NodePort "
            "may lead to the application itself, or the Envoy may pass on the application's "
            f"header. {override}",
        )
    advice = f"{_PAST_NGINX}. "
    if is_from_behind(headers):
        advice += f"({UPSTREAM_TIME} shows that this nginx stands in front of an Envoy.) "
    elif status == 426:
        advice += "(426 shows that it speaks HTTP/1.0 to an Envoy behind it.) "
    return refused("log_nginx", what, advice + override)


def _either(accepted: Sequence[str]) -> str:
    return " or ".join(accepted) or "nothing (shadow.accept_server is empty)"
