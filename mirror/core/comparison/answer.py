"""What is kept of the answer of one leg, so that two answers can be compared without their bodies.

This module is not compiled, because mypyc would erase the annotations, which msgspec reads.
"""

import msgspec

NOT_ANSWERED = -1
"""The latency of a leg without a complete answer."""
UNKNOWN_BYTES = -1
"""The body size of an answer of which nobody counted the bytes."""

# What Envoy's own short answers say of their cause (core/comparison/envoy_reply.py).
TLS = "tls"
CONNECT_FAILED = "connect_failed"
RESET = "reset"
OVERFLOW = "overflow"
NO_HEALTHY_UPSTREAM = "no_healthy_upstream"
TIMEOUT = "timeout"
RBAC = "rbac"
JWT = "jwt"
RATE_LIMITED = "rate_limited"
FAULT = "fault"
DETAILS = (
    *("", TLS, CONNECT_FAILED, RESET, OVERFLOW, NO_HEALTHY_UPSTREAM, TIMEOUT),
    *(RBAC, JWT, RATE_LIMITED, FAULT),
)


class Answer(msgspec.Struct, array_like=True, gc=False):
    """The answer of one leg."""

    status: int
    """0 where no complete answer came."""
    outcome: str
    """An outcome of core/ledger.py."""
    latency_us: int = NOT_ANSWERED
    body_bytes: int = UNKNOWN_BYTES
    """Bytes of the body on the wire, with the framing of its chunks."""
    is_from_proxy: bool = False
    """Of a shadow: Envoy answered by itself, and no application did."""
    detail: str = ""
    """Of a shadow: one of DETAILS, where Envoy said more than the status."""
    location: str = ""
    """Where a 3xx other than 304 leads to, without its query; empty where that is unknown."""
    base: str = ""
    """Of a shadow with a location: what a relative one begins at (redirects.py)."""
