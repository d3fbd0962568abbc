"""File descriptors: how many a worker may need, and how many it may open.

Each connection takes one. The limit is raised as far as possible without privileges. Where it does
not cover the configuration, a warning gives the numbers. A connection that cannot be opened then
costs one request its shadow leg, and never the process.
"""

import resource

from mirror.config import Config

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


def shortage(config: Config, limit: int) -> str | None:
    """Return a warning where `limit` does not cover the configuration; None if it does."""
    most = needed(config)
    if limit == resource.RLIM_INFINITY or limit >= most:
        return None
    return (
        f"a worker may open {limit} descriptors and could need {most} (max_connections "
        f"{config.max_connections}, shadow.connections {config.shadow.connections}): raise the "
        "hard limit (systemd: LimitNOFILE), or lower max_connections"
    )
