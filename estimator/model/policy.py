"""What the user decides, in contrast to what was measured; every field is an option.

Each field carries, as dataclass metadata, its `unit`, a `help` sentence for an option, and the
`reason` for its default; the report lists the reason of every default that was used. Invariant: no
other module of the model has a default of its own for something that a user could want to set.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

TARGET_UTILISATION_REASON = (
    "an HPA acts only above 1.1 times its target, and CPU within a measuring interval reached 1.35"
    " times its mean (Istio 1.2 load tests): 0.6 x 1.1 x 1.35 = 0.89 stays below the request"
)


def _option(default: Any, unit: str, help_text: str, reason: str) -> Any:
    return field(default=default, metadata={"unit": unit, "help": help_text, "reason": reason})


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user decides. `None` means that it was not asked for or is not known."""

    # --- evidence ---
    target_utilisation: float = _option(
        0.6,
        "ratio",
        "Highest CPU utilisation of any container at the peak (CPU used over CPU requested).",
        TARGET_UTILISATION_REASON,
    )
    min_replicas: int = _option(
        2,
        "replicas",
        "Fewest replicas to recommend.",
        "while one replica restarts or is lost, the other serves",
    )
    confidence: float = _option(
        0.9,
        "ratio",
        "Share of new measurements that must stay below an upper bound.",
        "the one-sided bound held on 18 of 20 Istio load series",
    )
    extrapolation_limit: float = _option(
        1.5,
        "ratio",
        "How far beyond the largest row a figure may be extrapolated, as a multiple of it.",
        "at 1.5 times the largest row, the worst error was 19 % on 20 Istio load series",
    )
    assumed_margin: float = _option(
        0.2,
        "ratio",
        "Margin added to CPU where a component has too few rows to estimate its error.",
        "within 1.5 times the rows, the worst error was 19 % on 20 Istio load series",
    )
    slo_p99_ms: float | None = _option(
        None,
        "ms",
        "Highest p99 latency that a replica may have.",
        "no latency objective was given, so latency decides nothing",
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
        "not given: recommended from the CPU that the proxy needs",
    )
    peak_connections: float | None = _option(
        None,
        "connections",
        "Open downstream connections at the peak, over all gateway replicas.",
        "not given, so connections decide nothing",
    )
    # --- demand ---
    growth_per_month: float = _option(
        0.0, "ratio", "Growth of the peak per month.", "the observed peak does not grow"
    )
    horizon_months: float = _option(
        12.0, "months", "How far ahead growth is projected.", "budgets are planned for a year"
    )
    event_factor: float = _option(
        1.0, "ratio", "Factor by which an event multiplies the peak.", "no event was named"
    )
    return_days: int | None = _option(
        None,
        "days",
        "Size for the peak that is exceeded once in this many days instead of the observed peak.",
        "the observed peak is used; its return level is shown beside it",
    )
    peak_window_s: float = _option(
        1.0,
        "seconds",
        "Averaging window in which demand must be met; the peak is corrected to it.",
        "a request that waits for a second breaks a latency objective",
    )
    averaging_s: int | None = _option(
        None,
        "seconds",
        "Averaging window of the values in the series (means, or maxima of means).",
        "taken from the source of the series, otherwise the length of its buckets",
    )
    dispersion: float | None = _option(
        None,
        "ratio",
        "Variance over mean of the requests in a second.",
        "estimated from a series that is fine enough, otherwise 2 (1.35 to 1.85 was measured)",
    )
    # --- failure ---
    reserve: str = _option(
        "usual",
        "word",
        "How much is kept free: lean, usual or careful. It sets --target-utilisation, --imbalance,"
        " --lose-pods and --confidence, each of which wins where it is given.",
        "the defaults of the options that it sets",
    )
    imbalance: float = _option(
        1.1,
        "ratio",
        "Load of the busiest replica over the mean.",
        "pods differ by at least 1.1; two gateways with few connections differed by 1.4",
    )
    lose_pods: int = _option(
        1,
        "replicas",
        "Replicas that may be lost at the peak.",
        "losing one pod or node is an ordinary event",
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
        "an update at the peak must not remove a serving replica",
    )
    # --- autoscaling ---
    pod_start_s: float = _option(
        60.0,
        "seconds",
        "From a pod's creation to ready.",
        "time to pull, start and become ready; measure yours",
    )
    scrape_interval_s: float = _option(
        15.0, "seconds", "Scrape interval of metrics-server.", "the default of its manifests"
    )
    hpa_min: int | None = _option(
        None, "replicas", "Lowest minReplicas to recommend.", "from the series"
    )
    hpa_max: int | None = _option(
        None, "replicas", "Most replicas that may run (quota).", "no quota was given"
    )
    hpa_metric: str = _option(
        "pod",
        "word",
        "Whose cpu an HPA reads: pod, all containers together, or container, the component's own"
        " (ContainerResource, from Kubernetes 1.30 on).",
        "it follows the load of every container",
    )
    # --- downstreams and phases ---
    downstream_rps: tuple[tuple[str, float], ...] = _option(
        (),
        "rps",
        "Component and the rps that the services it calls can take (repeatable NAME=RPS).",
        "the capacity of the called services was not given",
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

    def reason(self, name: str) -> str:
        """Return why this field has its value, where nobody set it."""
        _, reason = RESERVES[self.reserve].get(name, (None, REASONS[name]))
        return reason

    def is_default(self, name: str) -> bool:
        """Say whether nobody set this field."""
        if self.defaulted is not None:
            return name in self.defaulted
        default = next(option.default for option in fields(self) if option.name == name)
        return bool(getattr(self, name) == default)


OPTIONS = frozenset(option.name for option in fields(Policy)) - {"defaulted"}
"""Names of the fields that are options."""
REASONS = {option.name: option.metadata["reason"] for option in fields(Policy) if option.metadata}
"""Why each default is what it is."""

RESERVES: Mapping[str, Mapping[str, tuple[float, str]]] = {
    "lean": {
        "target_utilisation": (
            0.75,
            "lean: 0.75 x 1.1 for the tolerance of an HPA is 0.83 of the request; bursts within a"
            " measuring interval take what the node has free",
        ),
        "lose_pods": (0, "lean: the others carry more until a lost pod is replaced"),
        "confidence": (0.8, "lean: one of five new measurements may lie above the bound"),
    },
    "usual": {},
    "careful": {
        "target_utilisation": (
            0.5,
            "careful: bursts within a measuring interval may reach 1.8 times the mean with an HPA's"
            " tolerance of 1.1",
        ),
        "imbalance": (1.4, "careful: two gateways with few connections differed by 1.4"),
        "lose_pods": (2, "careful: a node is drained while a pod is lost"),
        "confidence": (0.95, "careful: one of twenty new measurements may lie above the bound"),
    },
}
"""What each word of `reserve` sets, with the reason. `usual` sets nothing: the defaults stand."""
