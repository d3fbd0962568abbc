"""The configuration file as frozen sections, one for each owner.

This module owns the names, types, bounds and defaults of all keys. Each leaf type describes the
values that it accepts, so that an error, the README's table and a reader see the same words.
Invariant: a configuration is complete and possible, or one ConfigError lists every problem with its
path in the file. No other module of the data plane reads the environment.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from mirror.addresses import Address, AgentAddress, TcpAddress, Text, Url
from mirror.config_file import (
    convert,
    problem,
    read_document,
    read_section,
    read_text,
    read_yaml,
)
from mirror.errors import ConfigError
from mirror.formats.routes import RouteTable, TemplateError
from mirror.formats.uri_counts import MOST_URIS
from mirror.spans import SpanUnit

Ratio = Annotated[float, Meta(ge=0, le=10, description="a number from 0 to 10")]
Share = Annotated[float, Meta(gt=0, le=1, description="a number above 0 and at most 1")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, description="a whole number from 1 to 1000000")]
UriNumber = Annotated[int, Meta(ge=0, le=MOST_URIS, description="a whole number from 0 to 100000")]
Workers = Annotated[int, Meta(ge=1, le=256, description="a whole number from 1 to 256")]
Bytes = Annotated[int, Meta(ge=1, le=1 << 40, description="a whole number of bytes, 1 or more")]
BodyBytes = Annotated[int, Meta(ge=0, le=1 << 40, description="a whole number of bytes")]
Seconds = Annotated[
    float,
    Meta(
        gt=0,
        le=86400,
        description="seconds, above 0 and at most 86400, or a text such as 250ms or 10m",
    ),
    SpanUnit(1.0),
]
Duration = Annotated[
    float,
    Meta(
        gt=0,
        le=30 * 86400,
        description="seconds, above 0 and at most 30 days, or a text such as 10m or 2d",
    ),
    SpanUnit(1.0),
]
Days = Annotated[
    float,
    Meta(gt=0, le=3660, description="days, above 0 and at most 3660, or a text such as 36h"),
    SpanUnit(86400.0),
]
Sticky = Annotated[
    str,
    Meta(
        pattern=r"^(header|cookie):[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        description="header:NAME or cookie:NAME",
    ),
]
Method = Annotated[
    str,
    Meta(
        pattern=r"^(?!CONNECT\Z)[A-Z0-9_-]+\Z",
        description="a method in upper case such as GET or PURGE, but not CONNECT",
    ),
]
Forwarded = Annotated[Literal["pass", "append"], Meta(description="pass or append")]
HeaderName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        max_length=100,
        description="a header name such as X-Request-Id",
    ),
]
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
    """PEM file of the authorities to trust; without it, those of the system."""
    server_name: Text | None = None
    """Name for SNI and the certificate; without it, the host of the URL."""
    verify: bool = True
    """Whether the certificate is verified."""


@dataclass(frozen=True, slots=True)
class BreakerSection:
    failures: Count = 10
    """Consecutive shadow legs without an answer that open the breaker."""
    failure_ratio: Share = 0.5
    """Share of legs without an answer within `window` that opens it."""
    window: Seconds = 10.0
    """Seconds over which that share is measured."""
    min_requests: Count = 50
    """Fewest legs in a window for which their share can open it."""


@dataclass(frozen=True, slots=True)
class RampSection:
    from_ratio: Ratio = 0.01
    """The ratio at the start of the ramp."""
    to_ratio: Ratio = 1.0
    """The ratio at the end of the ramp."""
    duration: Duration = 3600.0
    """Seconds from start to end, unless the shadow fails on the way."""
    steps: Count = 20
    """Number of equal steps of the ramp."""
    max_error_ratio: Share = 0.01
    """Share of shadow legs answered 5xx, not answered or shed, above which the ratio falls back."""
    max_timeout_ratio: Share = 0.01
    """Share of shadow legs that time out, above which the ratio falls back."""
    max_p99: Seconds = 1.0
    """99th percentile of the shadow's latency in seconds, above which the ratio falls back."""
    hold: Seconds = 300.0
    """Seconds that the ratio stays low after it fell back."""


@dataclass(frozen=True, slots=True)
class ShadowSection:
    REMOVED: ClassVar = {
        "pipelining": "was removed, because it cost the shadow's Envoy more than it saved here; "
        "delete the key"
    }
    """Keys of earlier versions, and what to say of them."""

    url: Url
    """Where mirrored requests go: the NodePort of the istio-proxy, not of the nginx that logs."""
    tls: TlsSection = field(default_factory=TlsSection)
    """TLS to an https:// shadow."""
    methods: tuple[Method, ...] = ("GET", "HEAD", "OPTIONS")
    """Methods that may be mirrored; writes only when listed."""
    ratio: Ratio = 1.0
    """Share of requests that get a shadow leg; above 1 sends extra copies."""
    sticky: Sticky | None = None
    """header:NAME or cookie:NAME: requests with the same value are all mirrored, or none is."""
    connections: Count = 512
    """Most connections of a worker to the shadow."""
    connection_age: Seconds = 60.0
    """Longest time in seconds that a connection to the shadow serves. A NodePort balances
    connections, so only new ones reach new gateway Pods. Each new one is probed first."""
    waiting: Count = 1024
    """Most shadow legs of a worker that may wait for a connection; further ones are shed."""
    max_body_bytes: BodyBytes = 1 << 20
    """Largest request body that is mirrored; with a larger body the shadow leg is shed."""
    buffer_bytes: Bytes = 64 << 20
    """Most request bytes that a worker holds for the shadow; beyond, shadow legs are shed."""
    timeout: Seconds = 5.0
    """Longest time of a shadow leg in seconds, including its wait for a connection."""
    breaker: BreakerSection = field(default_factory=BreakerSection)
    """When a failing shadow gets no more legs."""
    ramp: RampSection | None = None
    """Raises the ratio in steps and lets it fall back; replaces `ratio`."""
    accept_server: tuple[Text, ...] = ("istio-envoy", "envoy")
    """Values of the `server` header that the probe of each connection accepts."""


@dataclass(frozen=True, slots=True)
class TimeoutsSection:
    head: Seconds = 10.0
    """Longest time in seconds from the first to the last byte of a request head."""
    idle: Seconds = 75.0
    """Longest time in seconds without a request or more of its body. nginx: 75 s."""
    connect: Seconds = 1.0
    """Longest time in seconds to open a connection to an upstream."""
    resolve: Seconds = 30.0
    """Seconds between look-ups of the name of an upstream."""
    primary: Seconds = 60.0
    """Longest wait in seconds for the primary's response head, and between its reads. nginx: 60 s.
    """
    drain: Seconds = 10.0
    """Longest time in seconds that requests in flight get after SIGTERM."""


@dataclass(frozen=True, slots=True)
class DatadogSection:
    dogstatsd: AgentAddress | None = None
    """Address of the Agent, udp://IP:PORT or unix:///path; without it nothing is sent."""
    tags: tuple[Tag, ...] = ()
    """Tags of every metric. DD_ENV, DD_SERVICE and DD_VERSION add env, service and version."""
    timestamps: bool = True
    """Whether each second carries its timestamp; set false for an Agent before 7.40."""
    instance: Text | None = None
    """Distinguishes sidecars on one host; the default is the name of the host."""


@dataclass(frozen=True, slots=True)
class SeriesSection:
    enabled: bool = True
    """Whether the local series is written."""
    path: Text = "series.db"
    """Path of the per-second series, an SQLite file."""
    retention_days: Days = 35.0
    """Days after which seconds are deleted."""
    max_bytes: Bytes = 4 << 30
    """Largest size of the file; the oldest seconds are deleted first."""


@dataclass(frozen=True, slots=True)
class CaptureSection:
    path: Text | None = None
    """Folder of the segments; without it nothing can be captured."""
    enabled: bool = True
    """Whether it captures from the start; with false, only after `mirror capture on`."""
    ratio: Share = 1.0
    """Share of production requests that is captured."""
    max_body_bytes: BodyBytes = 0
    """Longest body that is captured, without redaction; 0 captures none."""
    headers: tuple[Text, ...] = ()
    """Headers to redact in addition to authorization, cookie and similar ones."""
    query_keys: tuple[Text, ...] = ()
    """Query keys to redact in addition to token, password and similar ones."""
    key_file: Text | None = None
    """File with a key: values are replaced by their keyed hash. Without it they are removed."""
    segment_bytes: Bytes = 64 << 20
    """Compressed size at which a segment ends."""
    segment_seconds: Seconds = 300.0
    """Seconds after which a segment ends."""
    keep_bytes: Bytes = 4 << 30
    """Size of all segments above which the oldest is deleted."""
    keep_days: Days = 7.0
    """Age at which a segment is deleted."""
    queue_bytes: Bytes = 16 << 20
    """Most bytes that a worker queues for the capture; beyond, requests are not captured."""


@dataclass(frozen=True, slots=True)
class UrisSection:
    most: UriNumber = 10_000
    """Most URIs that are counted for `/uris`, about 1 kB each in every process; 0 counts none."""


@dataclass(frozen=True, slots=True)
class Config:
    listen: tuple[Address, ...] = field(metadata={"one_or_many": True})
    """Where nginx reaches the sidecar: unix:PATH or HOST:PORT; one address or a list."""
    shadow: ShadowSection
    mode: Mode = "sink"
    """sink: nginx mirrors to the sidecar. inline: nginx proxies through it."""
    primary: Url | None = None
    """The application, in mode inline: http://, https:// or unix:PATH."""
    primary_tls: TlsSection = field(default_factory=TlsSection)
    """TLS to an https:// primary."""
    forwarded: Forwarded = "pass"
    """X-Forwarded-For in mode inline: pass it on, or append the address of the client."""
    request_id_header: HeaderName | None = "X-Mirror-Request-Id"
    """Header with nginx's $request_id in mode sink: a request mirrored twice counts once."""
    routes: tuple[Text, ...] = ()
    """Templates of route tags; a path that matches none is tagged `other`."""
    workers: Workers = 1
    """Number of processes that share the listening sockets; each can use one core."""
    max_connections: Count = 20_000
    """Most downstream connections of a worker; further ones are counted and closed unanswered."""
    max_head_bytes: Bytes = 40960
    """Largest request or response head in bytes. nginx takes 32k of a client and adds fields."""
    timeouts: TimeoutsSection = field(default_factory=TimeoutsSection)
    datadog: DatadogSection = field(default_factory=DatadogSection)
    series: SeriesSection = field(default_factory=SeriesSection)
    capture: CaptureSection = field(default_factory=CaptureSection)
    uris: UrisSection = field(default_factory=UrisSection)
    admin: TcpAddress = TcpAddress("127.0.0.1", 9911)
    """Address of /healthz, /readyz, /status, /metrics, /uris and POST /ratio."""
    admin_writes: bool = False
    """Whether POST is allowed where `admin` is not a loopback address, and /uris to other hosts."""

    @property
    def instance(self) -> str:
        return self.datadog.instance or socket.gethostname()


def load(path: str | os.PathLike[str]) -> Config:
    """Return the configuration in the file at `path`. Raises ConfigError."""
    return parse(read_text(path), str(path))


def parse(
    text: str, source: str = "configuration", environ: Mapping[str, str] = os.environ
) -> Config:
    """Return the configuration in a YAML text. Raises one ConfigError that lists every problem."""
    document = read_document(text, source)
    # As in Compose files, `x-` keys are the place of anchors that other keys merge.
    document = {key: document[key] for key in document if not str(key).startswith("x-")}
    problems: list[str] = []
    config: Config | None = read_section(Config, document, "", problems)
    if config is not None:
        problems += _contradictions(config)
        unified = _with_unified_tags(config.datadog, environ, problems)
        config = replace(config, datadog=unified)
    if config is None or problems:
        raise ConfigError(source, problems)
    return config


def read_ratio(value: object) -> float:
    """Return a `shadow.ratio` from another source; raises ValueError with what is expected."""
    try:
        ratio: float = convert(value, Ratio)
    except msgspec.ValidationError:
        raise ValueError(problem("ratio", "a number from 0 to 10", value)) from None
    return ratio


def read_ratio_text(text: str) -> float:
    """Return a ratio as the configuration file would read it; raises ValueError."""
    try:
        return read_ratio(read_yaml(text, ""))
    except (ConfigError, ValueError):
        raise ValueError("expected a number from 0 to 10") from None


def _contradictions(config: Config) -> list[str]:
    """Return the problems between keys that are valid by themselves."""
    problems = []
    if config.mode == "inline" and config.primary is None:
        problems.append("primary: expected the URL of the application, because mode is inline")
    if config.mode == "sink" and config.primary is not None:
        problems.append("primary: only used in mode inline; remove it or set mode: inline")
    if not config.shadow.url.is_tls and config.shadow.tls != TlsSection():
        problems.append("shadow.tls: only used where shadow.url is https://")
    if not (config.primary and config.primary.is_tls) and config.primary_tls != TlsSection():
        problems.append("primary_tls: only used where primary is https://")
    ramp = config.shadow.ramp
    if ramp is not None and ramp.from_ratio >= ramp.to_ratio:
        problems.append("shadow.ramp.to_ratio: expected more than from_ratio")
    if ramp is not None and config.shadow.ratio != 1.0:
        problems.append("shadow.ratio: the ramp sets it; remove one of them")
    if not config.listen:
        problems.append("listen: expected at least one address")
    for index, address in enumerate(config.listen):
        if str(address) in map(str, config.listen[:index]):
            problems.append(f"listen[{index}]: {address} appears twice")
    if config.admin in config.listen:
        problems.append(f"admin: {config.admin} is also in listen")
    capture = config.capture
    if capture.keep_bytes < 2 * config.workers * capture.segment_bytes:
        least = 2 * config.workers * capture.segment_bytes
        problems.append(
            f"capture.keep_bytes: expected at least {least}, two segments of each worker"
        )
    try:
        RouteTable(config.routes)
    except TemplateError as error:
        problems += [f"routes[{index}]: {expected}" for index, expected in error.problems]
    return problems


def _with_unified_tags(
    section: DatadogSection, environ: Mapping[str, str], problems: list[str]
) -> DatadogSection:
    """Return the section with the tags that Datadog's tools read from the environment."""
    if section.dogstatsd is None:
        return section
    tags = dict(tag.split(":", 1) for tag in section.tags)
    added = []
    for name in ("env", "service", "version"):
        variable = f"DD_{name.upper()}"
        if not (value := environ.get(variable)):
            continue
        tag = f"{name}:{value}"
        if name in tags:
            if tags[name] != value:
                problems.append(f"datadog.tags: {name}:{tags[name]}, but {variable} is {value}")
            continue
        try:
            added.append(msgspec.convert(tag, Tag))
        except msgspec.ValidationError:
            problems.append(problem(variable, "a value fit for a tag", value))
    if environ.get("DD_DOGSTATSD_DISABLE", "").lower() in ("true", "yes", "1"):
        problems.append("datadog.dogstatsd: DD_DOGSTATSD_DISABLE in the environment turns it off")
    return replace(section, tags=(*section.tags, *added))


def read_capture_span(value: object) -> float:
    """For how many seconds to record, 0 is not at all; raises ValueError."""
    try:
        return 0.0 if value == 0 else msgspec.convert(value, Seconds)
    except msgspec.ValidationError:
        raise ValueError(problem("for_s", "seconds, at most 86400, or 0", value)) from None
