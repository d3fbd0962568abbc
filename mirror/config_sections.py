"""The sections of the configuration file and the types of their keys.

Each leaf type describes the values that it accepts, so that an error, docs/configuration.md and
a reader see the same words. mirror/config.py puts the sections together and judges them as a whole.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from mirror.addresses import AgentAddress, LogAddress, Text, Url
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
    """After so many copies in a row without an answer, the shadow gets no more for a while."""
    failure_ratio: Share = 0.5
    """The same happens where this share of the copies in `window` was not answered."""
    window: Seconds = 10.0
    """Seconds over which that share is measured."""
    min_requests: Count = 50
    """The failure ratio is ignored until the window holds this many copies."""


@dataclass(frozen=True, slots=True)
class RampSection:
    from_ratio: Ratio = 0.01
    """The ratio at the start of the ramp."""
    to_ratio: Ratio = 1.0
    """The ratio at the end of the ramp."""
    duration: Duration = 3600.0
    """Seconds from the first to the last ratio, unless the shadow fails on the way."""
    steps: Count = 20
    """Number of equal steps of the ramp."""
    max_error_ratio: Share = 0.01
    """The ratio falls back where a larger share of the copies fails: 5xx, no answer, not sent."""
    max_timeout_ratio: Share = 0.01
    """The ratio falls back where a larger share of the copies times out."""
    max_p99: Seconds = 1.0
    """The ratio falls back where the shadow's 99th percentile is longer, in seconds."""
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
    """Share of requests that are copied: 0.1 is every tenth; 2 sends each one twice."""
    sticky: Sticky | None = None
    """header:NAME or cookie:NAME: requests with the same value are all mirrored, or none is."""
    connections: Count = 512
    """Maximum connections from a worker to the shadow."""
    connection_age: Seconds = 60.0
    """Seconds after which a connection to the shadow is replaced. A NodePort balances
    connections, so only new ones reach new gateway Pods. Each new one is probed first."""
    waiting: Count = 1024
    """Maximum copies of a worker that wait for a connection. Further ones are not sent (shed)."""
    max_body_bytes: BodyBytes = 1 << 20
    """Requests with a larger body are not mirrored (shed)."""
    buffer_bytes: Bytes = 64 << 20
    """Maximum bytes of copies that a worker holds. Beyond, requests are not mirrored (shed)."""
    timeout: Seconds = 5.0
    """Maximum seconds from a copy to its answer, including the wait for a connection."""
    breaker: BreakerSection = field(default_factory=BreakerSection)
    """When a failing shadow gets no copies for a while."""
    ramp: RampSection | None = None
    """Raises the ratio in steps and lets it fall back; replaces `ratio`."""
    accept_server: tuple[Text, ...] = ("istio-envoy", "envoy")
    """Values of the `server` header that the probe of each connection accepts."""


@dataclass(frozen=True, slots=True)
class TimeoutsSection:
    head: Seconds = 10.0
    """Maximum seconds from the first to the last byte of a request head."""
    idle: Seconds = 75.0
    """Seconds after which a connection is closed that sends nothing of a request. nginx: 75 s."""
    connect: Seconds = 1.0
    """Maximum seconds to open a connection to the shadow or the application."""
    resolve: Seconds = 30.0
    """Seconds between look-ups of the names of the shadow and the application."""
    primary: Seconds = 60.0
    """Maximum seconds without a byte of the application's answer. nginx: 60 s."""
    drain: Seconds = 10.0
    """Maximum seconds that open requests get after SIGTERM."""


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
    """Maximum size of the file. The oldest seconds are deleted first."""


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
    """Maximum bytes that a worker queues. Beyond, requests are not captured."""


@dataclass(frozen=True, slots=True)
class UrisSection:
    most: UriNumber = 10_000
    """Maximum URIs that are counted for `/uris`, about 1 kB each in every process; 0: none."""


@dataclass(frozen=True, slots=True)
class ComparisonSection:
    enabled: bool = True
    """Whether the shadow's answers are compared with production's, without their bodies."""
    access_log: LogAddress | None = None
    """In mode sink, where nginx's JSON access log comes from: udp://IP:PORT or unix:PATH (syslog),
    or file:PATH; without it nothing is compared."""
