"""File descriptors: how many a worker may need, and how many it may open.

Each connection takes one. The limit is raised as far as possible without privileges. Where it does
not cover the configuration, a worker takes fewer connections, so that one too many is closed at
once and counted. Without that it would wait to be accepted until another one ends, and in mode
inline a client of production with it.
"""

import resource
from dataclasses import replace

from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.rules import DESCRIPTORS

_OWN = 64
"""Descriptors for listeners, channel, log, epoll, libraries, DNS and the file of a capture."""
_AMPLE = 1000
"""From so many connections on, fewer than `max_connections` are no warning: a worker process of
Debian's nginx opens at most 768 (`worker_connections`)."""


def raise_limit() -> int:
    """Raise the soft limit of open descriptors to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def needed(config: Config) -> int:
    """Return the descriptors that a worker needs when every connection is open."""
    return config.max_connections * _sides(config) + _beside_clients(config)


def within(config: Config, limit: int) -> Config:
    """Return the configuration with as many connections as `limit` descriptors cover."""
    if limit == resource.RLIM_INFINITY or limit >= needed(config):
        return config
    covered = (limit - _beside_clients(config)) // _sides(config)
    return replace(config, max_connections=max(1, covered))


def shortage(config: Config, limit: int) -> list[Finding]:
    """Return a finding where `limit` does not cover the configuration."""
    covered = within(config, limit).max_connections
    if covered == config.max_connections:
        return []
    what = (
        f"A worker may open {limit} descriptors and could need {needed(config)}, so it takes "
        f"{covered} connections instead of {config.max_connections}."
    )
    finding = DESCRIPTORS.at("max_connections", what)
    return [replace(finding, severity="note") if covered >= _AMPLE else finding]


def _beside_clients(config: Config) -> int:
    return config.shadow.connections + _OWN


def _sides(config: Config) -> int:
    """Return how many descriptors a connection takes."""
    # In mode inline each client has its connection and one to the primary.
    return 2 if config.mode == "inline" else 1
