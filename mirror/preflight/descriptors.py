"""File descriptors: how many a worker may need, and how many it may open.

Each connection takes one. The limit is raised as far as possible without privileges. Where it does
not cover the configuration, a warning gives the numbers. A connection that cannot be opened then
costs one request its shadow leg, and never the process.
"""

import resource

from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.rules import DESCRIPTORS

_OWN = 64
"""Descriptors for listeners, channel, log, epoll, libraries, DNS and the file of a capture."""


def raise_limit() -> int:
    """Raise the soft limit of open descriptors to the hard limit, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def needed(config: Config) -> int:
    """Return the descriptors that a worker needs when every connection is open."""
    # In mode inline each client has its connection and one to the primary.
    sides = 2 if config.mode == "inline" else 1
    return config.max_connections * sides + config.shadow.connections + _OWN


def shortage(config: Config, limit: int) -> list[Finding]:
    """Return a finding where `limit` does not cover the configuration."""
    most = needed(config)
    if limit == resource.RLIM_INFINITY or limit >= most:
        return []
    what = (
        f"A worker may open {limit} descriptors and could need {most} (max_connections "
        f"{config.max_connections}, shadow.connections {config.shadow.connections})."
    )
    return [DESCRIPTORS.at("max_connections", what)]
