"""A generated set of objects, what istiod makes of it, and the small vocabulary of both kinds.

The vocabulary is small on purpose: few segments, names and values, so that the rules of a set
overlap and a request that is near the edge of one is near the edge of another.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

Object = dict[str, Any]

SEGMENTS = ("a", "b", "api", "apis", "v1", "static", "Foo", "foo", "a.b", "x~y", "a%20b", "js")
HOSTS = ("www.example.com", "api.example.com", "example.com", "a.b.example.com", "www.example.org")
WILDCARDS = ("*.example.com", "*.b.example.com", "*.org", "*.com")
HEADERS = ("x-user", "x-stage", "cookie", "user-agent")
PARAMETERS = ("v", "q", "debug")
VALUES = ("1", "beta", "Beta", "a b", "", "12", "a,b", "café")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PURGE")
SERVICES = ("web", "api", "static", "legacy")

PATH_PATTERNS: Mapping[str, tuple[str, ...]] = {
    # Pattern → texts that it matches, and some that it nearly matches.
    ".*": ("/", "/a", "/foo/bar"),
    "/.*": ("/", "/a/b", "//a"),
    "/a/[^/]+": ("/a/b", "/a/b/", "/a/", "/a/b/c", "/A/b"),
    "/(api|apis)/v[0-9]+/.*": ("/api/v1/", "/apis/v12/x", "/api/v/x", "/api/v1"),
    "/foo.*": ("/foo", "/foo/bar", "/foobar", "/Foo", "/a/foo"),
    "(?i)/foo": ("/foo", "/FOO", "/foo/"),
    "^/foo$": ("/foo", "/foo/", "/foox"),
    r"/foo/\d+": ("/foo/1", "/foo/12", "/foo/x", "/foo/1/"),
    r".*\.js": ("/a.js", "/static/a.js", "/a.js/", "/ajs", "/a.jsx"),
    "/a/?": ("/a", "/a/", "/a//", "/ab"),
    "/a|/b": ("/a", "/b", "/ab", "/a/b"),
    "foo": ("/foo", "/a/foo"),
    "/[a-z]{1,3}(/.*)?": ("/a", "/abc/d", "/abcd", "/A"),
}
TEXT_PATTERNS: Mapping[str, tuple[str, ...]] = {
    ".*": ("", "beta"),
    ".+": ("1", ""),
    "[0-9]+": ("1", "12", "1a", ""),
    "(?i)beta": ("beta", "BETA", "betas"),
    "be.a|1": ("beta", "1", "be1a", "11"),
    "*": ("1", ""),
    "^1": ("1", "12"),
    "a.*b": ("a b", "a,b", "ab", "b"),
    "caf.": ("café", "cafe", "caf", "CAFÉ", "caf\udce9"),
    "(?i)CAFÉ": ("café", "CAFÉ", "cafe"),
}


@dataclass(frozen=True, slots=True)
class WireRequest:
    """One request as it goes over the wire. A field may be there several times."""

    method: str
    target: str
    authority: str
    headers: tuple[tuple[str, str], ...] = ()
    hidden: frozenset[str] = frozenset()
    """What a poor log of this request would not record: `headers`, `method`, `authority`, a header
    as `header x-user` or a query parameter as `parameter v`."""

    def encoded(self, scope: str, scheme: str) -> bytes:
        """Return the bytes of the request to the route configuration of this name."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = f"{self.method} {self.target} HTTP/1.1\r\nHost: {self.authority}\r\n"
        text = f"{head}x-set: {scope}\r\nx-forwarded-proto: {scheme}\r\n{fields}\r\n"
        return text.encode("utf-8", "surrogateescape")

    def joined_headers(self) -> dict[str, str]:
        """Return the fields as Envoy matches them: those of one name joined with commas."""
        joined: dict[str, list[str]] = {}
        for name, value in self.headers:
            joined.setdefault(name.lower(), []).append(value.strip(" \t"))
        return {name: ",".join(values) for name, values in joined.items()}


@dataclass(frozen=True, slots=True)
class Destination:
    """A service, for Kubernetes' own as `name.namespace`."""

    host: str
    port: int | None
    subset: str = ""

    def __str__(self) -> str:
        return f"{self.host}|{self.port or ''}|{self.subset}"


@dataclass
class Translation:
    """What istiod makes of a rule set."""

    configurations: list[list[Object]] = field(default_factory=list)
    """Envoy's route configurations for one port of one gateway, each as its virtual hosts. Servers
    for HTTP share one; each server for HTTPS has its own."""
    server_names: dict[str, int] = field(default_factory=dict)
    """The route configuration by the host, or wildcard, that a client of TLS asks for (SNI)."""
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
    """The share of each destination, by rule."""
    faults: dict[int, str] = field(default_factory=dict)
    """The rule of each status of a fault, because a fault's answer does not name its rule."""
    is_order_undefined: bool = False
    """Several objects put rules into one virtual host, in an order that they do not tell."""

    def virtual_hosts(self) -> list[Object]:
        return [host for hosts in self.configurations for host in hosts]

    def routes(self) -> list[Object]:
        return [route for host in self.virtual_hosts() for route in host["routes"]]

    def configuration(self, request: "WireRequest") -> int | None:
        """Return the number of the route configuration that serves a request; None without one."""
        absolute = re.match("(?i)https?://([^/?#]*)", request.target)
        name = (absolute[1] if absolute else request.authority).lower()
        name = re.sub(r":[^\]:]*$", "", name)
        suffixes = ("*" + name[start:] for start in range(1, len(name)))
        for known in (name, *suffixes, "*"):
            if known in self.server_names:
                return self.server_names[known]
        return None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Objects of one gateway, and the port of it that the requests go to."""

    documents: Sequence[Object]
    port: int = 80
    scheme: str = "http"
    normalization: str = "BASE"


def chance(random: Random, probability: float) -> bool:
    return random.random() < probability


def some(random: Random, values: Sequence[str], most: int) -> list[str]:
    return random.sample(list(values), random.randint(1, min(most, len(values))))


def any_path(random: Random, longest: int = 3) -> str:
    """Return a path of a rule."""
    count = random.choice((0, 1, 1, 1, 2, 2, longest))
    path = "/" + "/".join(random.choice(SEGMENTS) for _ in range(count))
    return path + "/" if count and chance(random, 0.2) else path
