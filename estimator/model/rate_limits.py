"""Local and global rate limits of one component."""

from dataclasses import dataclass

from estimator.model.figure import Figure


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Between the rps that adds a replica and the rps that one can take."""

    local: Figure
    """Rps per replica to allow; between `low` (HPA trigger) and `high` (performance limit)."""
    envoy_max_tokens: Figure
    """Envoy local_ratelimit token_bucket.max_tokens."""
    envoy_tokens_per_fill: Figure
    envoy_fill_interval: Figure
    """Seconds."""
    nginx_rate: Figure
    """limit_req_zone rate=, in r/s."""
    nginx_burst: Figure
    """limit_req burst=, requests, with nodelay."""
    global_limit: Figure | None
    """Rps over all replicas: the smaller of what the pods and what their downstreams can take.
    `constraint` is `pods` or the downstream's name; None where neither is known."""
    notes: tuple[str, ...]
    """Such as: the HPA would not be reached before the limit."""
