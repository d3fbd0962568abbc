"""Local and global rate limits of one component.

    local   between the HPA trigger and the performance limit of one replica: in the middle, but no
            less than what the busiest replica gets while only the fewest that serve are up
    Envoy   token bucket: tokens_per_fill = rate * interval, max_tokens = what a second may bring
    nginx   leaky bucket: rate, and a burst of the same surplus, `nodelay`
    global  min(R * local limit of the pods, what the downstreams can take)

| symbol | meaning | unit |
|---|---|---|
| trigger | rps per replica at which the HPA adds replicas | requests/s |
| limit | rps per replica that must not be exceeded | requests/s |
| R | replicas of the sizing | count |

Below the trigger a limit would reject requests that another replica is about to serve, and hide
the load from the HPA; above the performance limit it protects nothing. Where the trigger is not
below the limit there is no room, and the notes say so.

A bucket of `max_tokens` lets a burst through at once. It holds a second of the local limit, at
least one token, so that arrivals that scatter within a second (a Poisson second of mean m brings
m + 3 sqrt(m)) are not rejected at the mean. The leaky bucket of nginx without a burst rejects
every request that comes sooner than 1/rate after the last: its burst holds the same second.

Worked: trigger 300, limit 400, busiest 320: local 350 rps; Envoy 350 tokens each second, at
most 350 + 3 sqrt(350) = 407 (rounded up); nginx 350 r/s, burst 57.

Sources: envoy.extensions.filters.http.local_ratelimit.v3; ngx_http_limit_req_module.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from estimator import units
from estimator.model.figure import ExplanationLine, Figure, Flag, digits, explained

FILL_INTERVAL_S = 1.0
"""With an interval of a tenth, whole tokens would lose up to 10 rps."""


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
    `constraint` is `pods` or the downstream's name; None if neither is known."""
    notes: tuple[str, ...]
    """Remarks, for example that the limit rejects requests before the HPA adds a replica."""


@dataclass(frozen=True, slots=True)
class LimitBounds:
    """The bounds that the limits must lie between."""

    trigger_rps: float
    """Per replica."""
    limit_rps: float
    """Per replica."""
    limit_name: str
    design_rps: float
    """Rps of the busiest replica at the peak while only the fewest that serve it are up."""
    replicas: int
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Downstream:
    """A service that these replicas call."""

    name: str
    rps: float
    """The rps that it can take from them."""


def rate_limits(bounds: LimitBounds, downstreams: tuple[Downstream, ...]) -> RateLimits:
    """Return the limits of one component."""
    notes: list[str] = []
    local = _local(bounds, notes)
    # Whole requests, downwards: a limit may be too low by one, never too high.
    per_second = max(1, math.floor(local.value + 1e-9))
    surplus = math.ceil(3 * math.sqrt(per_second))
    burst = f"ceil(3 * {per_second}^0.5)"
    return RateLimits(
        local=local,
        envoy_max_tokens=Figure(
            per_second + surplus,
            "tokens",
            f"a second of it and 3 sqrt({per_second}) for arrivals that scatter",
            formula="Envoy max_tokens = floor(local) + ceil(3 sqrt(floor(local)))",
            numbers=f"{per_second} + {burst}",
        ),
        envoy_tokens_per_fill=Figure(
            per_second,
            "tokens",
            "a second of it, rounded down",
            formula="Envoy tokens_per_fill = floor(local * interval), at least 1",
            numbers=f"max(1, floor({digits(local.value)} * {FILL_INTERVAL_S}))",
        ),
        envoy_fill_interval=Figure(
            FILL_INTERVAL_S, "seconds", "a shorter one would round more of the limit away"
        ),
        nginx_rate=Figure(per_second, "rps per replica", "the local limit, rounded down"),
        nginx_burst=Figure(
            surplus,
            "requests",
            f"3 sqrt({per_second}), with nodelay",
            formula="nginx burst = ceil(3 sqrt(rate))",
            numbers=burst,
        ),
        global_limit=_global(local.value, bounds, downstreams, notes),
        notes=tuple(notes),
    )


def _local(bounds: LimitBounds, notes: list[str]) -> Figure:
    """Return the local limit; add a note where it lies below the HPA trigger."""
    trigger, limit = units.format_rps(bounds.trigger_rps), units.format_rps(bounds.limit_rps)
    middle = (bounds.trigger_rps + bounds.limit_rps) / 2
    rate = min(bounds.limit_rps, max(middle, bounds.design_rps))
    reason = (
        f"middle of the HPA trigger, {trigger}, and of what one replica can take, {limit}"
        f" ({bounds.limit_name})"
    )
    if rate > middle:
        reason = (
            "what the busiest replica gets at the peak with the fewest that serve it, more than the"
            f" middle of the HPA trigger, {trigger}, and of what one can take, {limit}"
            f" ({bounds.limit_name})"
        )
    if bounds.trigger_rps >= bounds.limit_rps:
        rate = bounds.limit_rps
        notes.append(
            f"no room: the HPA adds replicas at {trigger} rps, not below the {limit} rps that one"
            " can take; the limit would reject requests before a replica is added"
        )
    low, high = sorted((bounds.trigger_rps, bounds.limit_rps))
    most, least = digits(bounds.limit_rps), digits(bounds.trigger_rps)
    return Figure(
        rate,
        "rps per replica",
        reason,
        low,
        high,
        bounds.limit_name,
        flags=bounds.flags,
        formula="local = min(limit, max((trigger + limit) / 2, peak * phi / R_0))",
        numbers=f"min({most}, max(({least} + {most}) / 2, {digits(bounds.design_rps)}))",
    )


def explain_rate_limits(limits: RateLimits) -> Iterator[ExplanationLine]:
    """Yield the arithmetic of the rate limits."""
    tokens = (limits.envoy_tokens_per_fill, limits.envoy_max_tokens)
    figures = (limits.local, *tokens, limits.nginx_burst, limits.global_limit)
    return explained("rate limits", *figures)


def _global(
    rate: float, bounds: LimitBounds, downstreams: tuple[Downstream, ...], notes: list[str]
) -> Figure:
    pods = bounds.replicas * rate
    sum_of = f"{bounds.replicas} replicas at {units.format_rps(rate)} rps"
    limits = [("pods", pods, sum_of)]
    limits += [
        (called.name, called.rps, f"{called.name} can take {units.format_rps(called.rps)} rps")
        for called in downstreams
    ]
    name, value, reason = min(limits, key=lambda limit: limit[1])
    if not downstreams:
        notes.append("what the called services can take is not known: the pods alone decide")
    elif name != "pods":
        notes.append(
            f"the bottleneck is {name}: {sum_of} would let {units.format_rps(pods)} rps through,"
            f" and {units.format_rps(value)} can be taken"
        )
    return Figure(
        value,
        "rps",
        reason,
        constraint=name,
        flags=bounds.flags,
        formula="global = min(R * local, what each downstream can take)",
        numbers=f"min({', '.join(digits(bound) for _, bound, _ in limits)})"
        if len(limits) > 1
        else f"{bounds.replicas} * {digits(rate)}",
    )
