"""Raises the limit of descriptors, without which an upstream would seem to refuse connections."""

import resource

SPARE_DESCRIPTORS = 64
"""For files, the loop and the standard streams."""


def allow_descriptors(connections: int) -> None:
    """Let this process open that many connections. Raises ValueError if the hard limit forbids."""
    needed = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ValueError(
            f"this process may open {hard} descriptors (ulimit -Hn), {needed} are needed"
        )
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
