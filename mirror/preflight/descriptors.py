"""How many descriptors a worker may need, and the limit that it has.

Every connection is one. The limit is raised as far as it goes without privileges; what it does
not cover is said in numbers and refused at the time: a connection that cannot be had costs a
request its place, never the process.
"""

import resource

from mirror.config import Config

_OWN = 64
"""Listeners, channel, log, epoll, libraries, DNS, the file of a capture."""


def raise_limit() -> int:
    """Raise the limit of open descriptors to the hard one; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def needed(config: Config) -> int:
    """Descriptors of a worker whose every connection is open."""
    sides = 2 if config.mode == "inline" else 1  # each client's connection and one to the primary
    return config.max_connections * sides + config.shadow.connections + _OWN


def shortage(config: Config, limit: int) -> str | None:
    """What to say where `limit` does not cover what the configuration allows; else None."""
    most = needed(config)
    if limit == resource.RLIM_INFINITY or limit >= most:
        return None
    return (
        f"a worker may open {limit} descriptors and could need {most} (max_connections "
        f"{config.max_connections}, shadow.connections {config.shadow.connections}): raise the "
        "hard limit (systemd: LimitNOFILE), or lower max_connections"
    )
