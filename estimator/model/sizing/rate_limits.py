"""Local and global rate limits of one component.

    local   what one replica can take, the limit that the simulated HPA is judged by
    Envoy   token bucket: tokens_per_fill = rate * interval, max_tokens = what a second may bring
    nginx   leaky bucket: rate, and a burst of the same surplus, `nodelay`
    global  min(R * local limit of the pods, what the downstreams can take)

| symbol | meaning | unit |
|---|---|---|
| trigger | rps per replica at which the HPA adds replicas | requests/s |
| limit | rps per replica that must not be exceeded | requests/s |
| R | replicas of the sizing | count |

A lower limit would reject what a replica can serve, just when an HPA is late: what the simulation
calls survived must not be cut. So the rate is the limit in whole requests, upwards. Where the
trigger is not below the limit there is no room, and the notes say so.

A bucket of `max_tokens` lets a burst through at once. It holds a second of the local limit, at
least one token, so that arrivals that scatter within a second (a Poisson second of mean m brings
m + 3 sqrt(m)) are not rejected at the mean. The leaky bucket of nginx without a burst rejects
every request that comes sooner than 1/rate after the last: its burst holds the same second.

Worked: limit 350: local 350 rps; Envoy 350 tokens each second, at most 350 + 3 sqrt(350) = 407
(rounded up); nginx 350 r/s, burst 57.

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
    """What a replica, and all of them, let through."""

    local: Figure
    """Rps per replica to allow: what one can take."""
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
    """What the limits follow from."""

    trigger_rps: float | None
    """Per replica; None without an HPA."""
    limit_rps: float
    """Per replica."""
    limit_name: str
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
    # Upwards: rounded down, the limit would cut what the simulation calls served.
    per_second = math.ceil(local.value - 1e-9)
    surplus = math.ceil(3 * math.sqrt(per_second))
    burst = f"ceil(3 * {per_second}^0.5)"
    return RateLimits(
        local=local,
        envoy_max_tokens=Figure(
            per_second + surplus,
            "tokens",
            f"a second of it and 3 sqrt({per_second}) for arrivals that scatter",
            formula="Envoy max_tokens = ceil(local) + ceil(3 sqrt(ceil(local)))",
            numbers=f"{per_second} + {burst}",
        ),
        envoy_tokens_per_fill=Figure(
            per_second,
            "tokens",
            "a second of it, rounded up",
            formula="Envoy tokens_per_fill = ceil(local * interval)",
            numbers=f"ceil({digits(local.value)} * {FILL_INTERVAL_S})",
        ),
        envoy_fill_interval=Figure(
            FILL_INTERVAL_S, "seconds", "a shorter one would round more of the limit away"
        ),
        nginx_rate=Figure(per_second, "rps per replica", "the local limit, rounded up"),
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
    """Return the local limit; add a note where the HPA is not triggered below it."""
    reason = f"what one replica can take ({bounds.limit_name})"
    if bounds.trigger_rps is not None:
        trigger, limit = units.format_rps(bounds.trigger_rps), units.format_rps(bounds.limit_rps)
        reason += f", by which the simulation judges; the HPA adds replicas at {trigger}"
        if bounds.trigger_rps >= bounds.limit_rps:
            notes.append(
                f"no room: the HPA adds replicas at {trigger} rps, not below the {limit} rps that"
                " one can take; the limit would reject requests before a replica is added"
            )
    return Figure(
        bounds.limit_rps,
        "rps per replica",
        reason,
        constraint=bounds.limit_name,
        flags=bounds.flags,
        formula="local = limit",
        numbers=digits(bounds.limit_rps),
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
