"""The configuration file: its sections (config_sections.py) put together, read and judged.

Invariant: a configuration is complete and possible, or one ConfigError lists every problem with its
path in the file. No other module of the data plane reads the environment.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from mirror.addresses import Address, TcpAddress, Text, Url
from mirror.config_file import (
    convert,
    problem,
    read_document,
    read_section,
    read_text,
    read_yaml,
)
from mirror.config_sections import (
    Bytes,
    CaptureSection,
    ComparisonSection,
    Count,
    DatadogSection,
    Forwarded,
    HeaderName,
    Mode,
    Ratio,
    Seconds,
    SeriesSection,
    ShadowSection,
    Tag,
    TimeoutsSection,
    TlsSection,
    UrisSection,
    Workers,
)
from mirror.errors import ConfigError
from mirror.formats.routes import RouteTable, TemplateError


@dataclass(frozen=True, slots=True)
class Config:
    listen: tuple[Address, ...] = field(metadata={"one_or_many": True})
    """Where nginx reaches the sidecar: unix:PATH or HOST:PORT; one address or a list."""
    shadow: ShadowSection
    """The new cluster, which gets the copies."""
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
    """Maximum connections from nginx per worker. Further ones are closed and counted."""
    max_head_bytes: Bytes = 40960
    """Maximum bytes of a request or response head. nginx takes 32k of a client and adds fields."""
    timeouts: TimeoutsSection = field(default_factory=TimeoutsSection)
    """How long the sidecar waits for whom."""
    datadog: DatadogSection = field(default_factory=DatadogSection)
    """The Agent that gets the metrics, each second."""
    series: SeriesSection = field(default_factory=SeriesSection)
    """Requests per second and route on this host, for `estimate`."""
    capture: CaptureSection = field(default_factory=CaptureSection)
    """Requests in files, without secrets, for `mirror replay`."""
    uris: UrisSection = field(default_factory=UrisSection)
    """What production is asked for, for `estimate coverage`."""
    comparison: ComparisonSection = field(default_factory=ComparisonSection)
    """Production's answers and the shadow's, for `mirror compare`."""
    admin: TcpAddress = TcpAddress("127.0.0.1", 9911)
    """Address of the live page, /healthz, /readyz, /status, /metrics, /uris, /comparison and POST
    /ratio."""
    admin_writes: bool = False
    """Whether POST is allowed where `admin` is not a loopback address, and /uris to other hosts."""
    admin_token_file: Text | None = None
    """File with a token that allows both to whoever sends it as `Authorization: Bearer`."""

    @property
    def joins_log(self) -> bool:
        """Whether copies are joined with the lines of nginx's access log."""
        return self.comparison.enabled and self.comparison.access_log is not None

    @property
    def compares(self) -> bool:
        """Whether production's answers and the shadow's are compared."""
        return self.joins_log or (self.mode == "inline" and self.comparison.enabled)

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
    problems += _contradictions_of_log(config)
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


def _contradictions_of_log(config: Config) -> list[str]:
    source = config.comparison.access_log
    if source is None:
        return []
    key = "comparison.access_log"
    if config.mode == "inline":
        return [f"{key}: only used in mode sink; in mode inline the sidecar sees both answers"]
    problems = []
    if config.request_id_header is None:
        problems.append(f"{key}: expected request_id_header as well, which names the id of a copy")
    if str(source) in map(str, config.listen):
        problems.append(f"{key}: {source} is also in listen")
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
