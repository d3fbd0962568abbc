"""What the user decides, in contrast to what was measured: every field is an option.

Each field carries, as dataclass metadata, its `unit`, a `help` sentence for an option, and the
`reason` for its default; the report lists the reason of every default that was used. Invariant: no
other module of the model has a default of its own for something that a user could want to set.
"""

from dataclasses import dataclass, field, fields
from typing import Any

TARGET_UTILISATION_REASON = (
    "an HPA acts only above 1.1 times its target, and cpu within a measuring interval was seen at"
    " 1.35 times its mean (Istio 1.2 load tests): 0.6 x 1.1 x 1.35 = 0.89 stays below the request"
)


def _option(default: Any, unit: str, help_text: str, reason: str) -> Any:
    return field(default=default, metadata={"unit": unit, "help": help_text, "reason": reason})


@dataclass(frozen=True, slots=True)
class Policy:
    """The decisions of the user. None means not wanted, or not known."""

    # --- evidence ---
    target_utilisation: float = _option(
        0.6,
        "ratio",
        "Cpu used over cpu requested that no container may exceed at the peak.",
        TARGET_UTILISATION_REASON,
    )
    min_replicas: int = _option(
        2,
        "replicas",
        "Never fewer replicas than this.",
        "one replica may be restarting or lost while the other serves",
    )
    confidence: float = _option(
        0.9,
        "ratio",
        "Share of new measurements that must stay below an upper bound.",
        "on 20 Istio load series a one-sided bound held in 18",
    )
    extrapolation_limit: float = _option(
        1.5,
        "ratio",
        "How far beyond the largest row a figure may be extrapolated, as a multiple of it.",
        "at 1.5 times the largest row the prediction was wrong by up to 19 % on 20 Istio series",
    )
    assumed_margin: float = _option(
        0.2,
        "ratio",
        "Added to cpu where a component has too few rows to know its error.",
        "the worst error of a prediction within 1.5 times the rows was 19 % on 20 Istio series",
    )
    slo_p99_ms: float | None = _option(
        None,
        "ms",
        "A replica's p99 latency must not exceed this.",
        "no latency objective was given: latency decides nothing",
    )
    error_ratio_limit: float = _option(
        0.01,
        "ratio",
        "Errors over requests that a replica may have, at most 0.01.",
        "a row with more errors shows a component that fails, not one that serves",
    )
    workers: int | None = _option(
        None,
        "workers",
        "Envoy worker threads (concurrency) of each istio-proxy.",
        "not given: recommended from the cpu that the proxy needs",
    )
    peak_connections: float | None = _option(
        None,
        "connections",
        "Open downstream connections at the peak, over all gateway replicas.",
        "not given: connections decide nothing",
    )
    # --- demand ---
    growth_per_month: float = _option(
        0.0, "ratio", "Growth of the peak per month.", "the observed peak stands"
    )
    horizon_months: float = _option(
        12.0, "months", "How far ahead growth is projected.", "budgets are made for a year"
    )
    event_factor: float = _option(
        1.0, "ratio", "The peak is multiplied by this for an event.", "no event was named"
    )
    return_days: int | None = _option(
        None,
        "days",
        "Size for the peak that is exceeded once in this many days, not for the observed one.",
        "the observed peak stands; its return level is shown beside it",
    )
    peak_window_s: float = _option(
        1.0,
        "seconds",
        "Averaging time over which demand must be met; the peak is corrected to it.",
        "requests that wait for a second break a latency objective",
    )
    averaging_s: int | None = _option(
        None,
        "seconds",
        "Time over which each value of the series is a mean, or a maximum of means.",
        "what the source of the series states, else the length of its buckets",
    )
    dispersion: float | None = _option(
        None,
        "ratio",
        "Variance over mean of the requests in a second.",
        "estimated from the series where it is fine enough, else 2 (1.35 to 1.85 was measured)",
    )
    # --- failure ---
    imbalance: float = _option(
        1.1,
        "ratio",
        "Load of the busiest replica over the mean.",
        "at least 1.1 between pods; 1.4 was measured between two gateways with few connections",
    )
    lose_pods: int = _option(
        1, "replicas", "Replicas that may be lost at the peak.", "losing one pod or node is routine"
    )
    zones: int = _option(
        1, "zones", "Zones of which one may be lost at the peak.", "no zones were named"
    )
    max_surge_ratio: float = _option(
        0.25,
        "ratio",
        "maxSurge of a rolling update.",
        "the default of a Kubernetes Deployment",
    )
    max_unavailable_ratio: float = _option(
        0.0,
        "ratio",
        "maxUnavailable of a rolling update.",
        "an update at the peak must not take a serving replica away",
    )
    # --- autoscaling ---
    pod_start_s: float = _option(
        60.0, "seconds", "From a pod's creation to ready.", "pull, start and readiness; measure it"
    )
    scrape_interval_s: float = _option(
        15.0, "seconds", "metrics-server's resolution.", "the value in its manifests"
    )
    hpa_min: int | None = _option(
        None, "replicas", "Lowest minReplicas to recommend.", "from the series"
    )
    hpa_max: int | None = _option(
        None, "replicas", "Most replicas that may ever run (quota).", "no quota was given"
    )
    # --- downstreams and phases ---
    downstream_rps: tuple[tuple[str, float], ...] = _option(
        (),
        "rps",
        "Component and the rps that the services it calls can take (repeatable NAME=RPS).",
        "the limits of the called services are not known",
    )
    phase: int = _option(
        3,
        "phase",
        "2: the gateway carries the path, the app stays on Swarm. 3: both on Kubernetes.",
        "the end of the migration",
    )
    paths: tuple[str, ...] = _option(
        (), "routes", "Only these routes move, together (repeatable).", "all routes of the series"
    )
    defaulted: frozenset[str] | None = None
    """Names of the fields above that nobody set; the report lists them as assumed. The command
    gives `OPTIONS - {what was set}`; None: every field that has its default value."""

    def is_default(self, name: str) -> bool:
        """Say whether nobody set this field."""
        if self.defaulted is not None:
            return name in self.defaulted
        default = next(option.default for option in fields(self) if option.name == name)
        return bool(getattr(self, name) == default)


OPTIONS = frozenset(option.name for option in fields(Policy)) - {"defaulted"}
"""Names of the fields that are options."""
REASONS = {option.name: option.metadata["reason"] for option in fields(Policy) if option.metadata}
"""The reason of each default."""
