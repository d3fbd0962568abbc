"""The configuration file as frozen sections, one for each owner.

Owns: names, types, bounds and defaults of every key. Each leaf type carries a description of what
it expects, so that an error, the README's table and a reader see the same words.
Keeps: a configuration is either complete and possible, or one ConfigError that lists every
problem with its path in the file. Nothing else in the package reads YAML or the environment.
"""

import difflib
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import yaml
from msgspec import Meta

from mirror.addresses import (
    Address,
    AgentAddress,
    TcpAddress,
    Text,
    UnixAddress,
    Url,
    read_agent_address,
    read_listen_address,
    read_tcp_address,
    read_url,
)
from mirror.core.routes import RouteTable, TemplateError
from mirror.errors import ConfigError

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE")

Ratio = Annotated[float, Meta(ge=0, le=10, description="a number from 0 to 10")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number above 0 and at most 1")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
Pipelining = Annotated[int, Meta(ge=1, le=64, description="a whole number from 1 to 64")]
Workers = Annotated[int, Meta(ge=1, le=256, description="a whole number from 1 to 256")]
Bytes = Annotated[int, Meta(ge=1, le=1 << 40, description="a whole number of bytes, 1 or more")]
BodyBytes = Annotated[int, Meta(ge=0, le=1 << 40, description="a whole number of bytes")]
Seconds = Annotated[float, Meta(gt=0, le=86400, description="seconds, above 0 and at most 86400")]
Days = Annotated[float, Meta(gt=0, le=3660, description="days, above 0 and at most 3660")]
Method = Annotated[
    Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"],
    Meta(description="one of " + ", ".join(METHODS)),
]
Forwarded = Annotated[Literal["pass", "append"], Meta(description="pass or append")]
Mode = Annotated[Literal["sink", "inline"], Meta(description="sink or inline")]
Tag = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9_\-./]*:[A-Za-z0-9_\-:./]*[A-Za-z0-9_\-./]$",
        max_length=200,
        description="a tag such as env:prod (letters, digits and _ - : . /)",
    ),
]


@dataclass(frozen=True, slots=True)
class TlsSection:
    ca_file: Text | None = None
    """PEM file of the authorities to trust; absent: the system's."""
    server_name: Text | None = None
    """Name for SNI and the certificate; absent: the host of the URL."""
    verify: bool = True
    """Whether the certificate is verified."""


@dataclass(frozen=True, slots=True)
class BreakerSection:
    failures: Count = 10
    """Shadow legs without an answer, one after the other, that open the breaker."""
    failure_ratio: Share = 0.5
    """Share of the legs of the last `window` without an answer that opens it."""
    window: Seconds = 10.0
    """Seconds over which that share is taken."""
    min_requests: Count = 50
    """Fewer legs than these in a window open nothing by their share."""


@dataclass(frozen=True, slots=True)
class ShadowSection:
    url: Url
    """Where mirrored requests go: the istio-proxy NodePort, past the nginx that logs."""
    tls: TlsSection = field(default_factory=TlsSection)
    """TLS to an https:// shadow."""
    methods: tuple[Method, ...] = ("GET", "HEAD", "OPTIONS")
    """Methods that may be mirrored; writes only when listed."""
    ratio: Ratio = 1.0
    """Share of requests that get a shadow leg; above 1 sends extra copies."""
    connections: Count = 512
    """Most connections a worker holds to the shadow."""
    pipelining: Pipelining = 1
    """Most requests sent ahead on a connection; above 1 is cheaper here, dearer for an Envoy."""
    waiting: Count = 1024
    """Most shadow legs of a worker that wait for a connection; more are shed."""
    max_body_bytes: BodyBytes = 1 << 20
    """Largest request body that is mirrored; a larger one sheds the shadow leg."""
    buffer_bytes: Bytes = 64 << 20
    """Request bytes that a worker holds for the shadow; beyond it shadow legs are shed."""
    timeout: Seconds = 5.0
    """Seconds that a shadow leg may last, waiting included."""
    breaker: BreakerSection = field(default_factory=BreakerSection)
    """When nothing is sent to a shadow that fails."""
    accept_server: tuple[Text, ...] = ("istio-envoy", "envoy")
    """Values of the `server` header that the preflight probe accepts."""


@dataclass(frozen=True, slots=True)
class TimeoutsSection:
    head: Seconds = 10.0
    """Seconds from the first byte of a request head to its end."""
    idle: Seconds = 75.0
    """Seconds without a request, or without more of its body. nginx: keepalive_timeout 75 s."""
    connect: Seconds = 1.0
    """Seconds to open a connection to an upstream."""
    primary: Seconds = 60.0
    """Seconds to the primary's response head, and between its reads. nginx: 60 s."""
    drain: Seconds = 10.0
    """Seconds that requests in flight get after SIGTERM."""


@dataclass(frozen=True, slots=True)
class DatadogSection:
    dogstatsd: AgentAddress | None = None
    """The Agent: udp://IP:PORT or unix:///path; absent: off."""
    tags: tuple[Tag, ...] = ()
    """Tags of every metric, such as env:prod."""
    instance: Text | None = None
    """Tells apart sidecars that share a host; the default is the host's name."""


@dataclass(frozen=True, slots=True)
class SeriesSection:
    enabled: bool = True
    """Whether the local series is written."""
    path: Text = "series.db"
    """Per-second series, SQLite."""
    retention_days: Days = 35.0
    """Older seconds are deleted."""


@dataclass(frozen=True, slots=True)
class Config:
    listen: tuple[Address, ...] = field(metadata={"one_or_many": True})
    """Where nginx reaches the sidecar: unix:PATH or HOST:PORT, one or several."""
    shadow: ShadowSection
    mode: Mode = "sink"
    """sink: nginx mirrors to us. inline: nginx proxies through us."""
    primary: Url | None = None
    """The application, in mode inline: http://, https:// or unix:PATH."""
    primary_tls: TlsSection = field(default_factory=TlsSection)
    """TLS to an https:// primary."""
    forwarded: Forwarded = "pass"
    """X-Forwarded-For in mode inline: pass it on, or append the client's address."""
    routes: tuple[Text, ...] = ()
    """Templates of the route tag; a path that fits none is `other`."""
    workers: Workers = 1
    """Processes that share the listening sockets; one fills one core."""
    max_head_bytes: Bytes = 32768
    """Largest request or response head. nginx 32k, Apache 8k a line, Envoy 60k."""
    timeouts: TimeoutsSection = field(default_factory=TimeoutsSection)
    datadog: DatadogSection = field(default_factory=DatadogSection)
    series: SeriesSection = field(default_factory=SeriesSection)
    admin: TcpAddress = TcpAddress("127.0.0.1", 9911)
    """/healthz, /readyz and /status."""

    @property
    def instance(self) -> str:
        return self.datadog.instance or socket.gethostname()


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice, where YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} stands twice")
        return super().construct_mapping(node, deep)


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check the configuration file at `path`; raises ConfigError."""
    return parse(read_text(path), str(path))


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of the configuration file at `path`; raises ConfigError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"]) from error


def parse(text: str, source: str = "configuration") -> Config:
    """Check the YAML `text`; raises one ConfigError that lists every problem."""
    try:
        document = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # A date such as 2020-99-99 is a ValueError, a thousand brackets a RecursionError.
        raise ConfigError(source, ["not valid YAML: " + " ".join(str(error).split())]) from error
    if not isinstance(document, Mapping):
        raise ConfigError(source, ["expected a mapping of keys such as `listen:` and `shadow:`"])
    problems: list[str] = []
    config: Config | None = _read_section(Config, document, "", problems)
    if config is not None:
        problems += _contradictions(config)
    if config is None or problems:
        raise ConfigError(source, problems)
    return config


def _contradictions(config: Config) -> list[str]:
    """Problems that no single key shows."""
    problems = []
    if config.mode == "inline" and config.primary is None:
        problems.append("primary: expected the URL of the application, because mode is inline")
    if config.mode == "sink" and config.primary is not None:
        problems.append("primary: only used in mode inline; remove it or set mode: inline")
    if not config.shadow.url.is_tls and config.shadow.tls != TlsSection():
        problems.append("shadow.tls: only used where shadow.url is https://")
    if not (config.primary and config.primary.is_tls) and config.primary_tls != TlsSection():
        problems.append("primary_tls: only used where primary is https://")
    if not config.listen:
        problems.append("listen: expected at least one address")
    for index, address in enumerate(config.listen):
        if str(address) in map(str, config.listen[:index]):
            problems.append(f"listen[{index}]: {address} stands twice")
    if config.admin in config.listen:
        problems.append(f"admin: {config.admin} is also in listen")
    try:
        RouteTable(config.routes)
    except TemplateError as error:
        problems.append(f"routes[{error.index}]: {error}")
    return problems


def _read_section(section: type[Any], got: object, path: str, problems: list[str]) -> Any:
    """One dataclass from one mapping; None, and the problems noted, where anything is wrong."""
    if not isinstance(got, Mapping):
        problems.append(_problem(path, "a mapping of keys", got))
        return None
    prefix = f"{path}." if path else ""
    known = {item.name: item for item in fields(section)}
    before = len(problems)
    for key in got:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{prefix}{key}: unknown key{hint}")
    values = {}
    for name, item in known.items():
        if name in got:
            values[name] = _read_field(item, got[name], prefix + name, problems)
        elif item.default is MISSING and item.default_factory is MISSING:
            problems.append(f"{prefix}{name}: is required and missing")
    return section(**values) if len(problems) == before else None


def _read_field(item: "Field[Any]", got: object, path: str, problems: list[str]) -> Any:
    kind: Any = item.type
    if get_origin(kind) is tuple:
        if "one_or_many" in item.metadata and not isinstance(got, list):
            return (_read_value(get_args(kind)[0], got, path, problems),)
        if not isinstance(got, list):
            problems.append(_problem(path, "a list", got))
            return None
        return tuple(
            _read_value(get_args(kind)[0], entry, f"{path}[{index}]", problems)
            for index, entry in enumerate(got)
        )
    if kind in _SECTIONS:
        return _read_section(kind, got, path, problems)
    return _read_value(kind, got, path, problems)


def _read_value(kind: Any, got: object, path: str, problems: list[str]) -> Any:
    if kind == Address and isinstance(got, Mapping):
        return _read_section(UnixAddress, got, path, problems)
    parser = _PARSERS.get(kind)
    try:
        return parser(got) if parser else msgspec.convert(got, kind)
    except msgspec.ValidationError:
        problems.append(_problem(path, _expected(kind), got))
    except ValueError as error:
        problems.append(_problem(path, str(error), got))
    return None


def _problem(path: str, expected: str, got: object) -> str:
    try:
        shown = json.dumps(got, default=str, ensure_ascii=False)
    except (TypeError, ValueError):  # a date as a key, a list that holds itself
        shown = repr(got)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    return f"{path}: expected {expected}, got {shown}"


def _expected(kind: Any) -> str:
    """The description of a leaf type, also inside `X | None`."""
    for candidate in (kind, *get_args(kind)):
        for meta in getattr(candidate, "__metadata__", ()):
            return str(meta.description)
    return "true or false"


_SECTIONS = (ShadowSection, BreakerSection, TlsSection, TimeoutsSection, DatadogSection, SeriesSection)
_PARSERS: dict[Any, Callable[[object], Any]] = {
    Address: read_listen_address,
    AgentAddress | None: read_agent_address,
    TcpAddress: read_tcp_address,
    Url: read_url,
    Url | None: read_url,
}
