"""The arithmetic of one component, line by line, so that a sceptic can redo it by hand.

Every line has its formula in symbols, the same with its numbers, and the result; what is
substituted is plain arithmetic (`^` is a power, `ceil`, `floor`, `max` and `min` as usual) of six
digits, and a test evaluates all of it. What cannot be done by hand (a bisection, a simulation) says
how it was done.

Symbols are those of the modules that the lines name; computes nothing that they did not.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from estimator import units
from estimator.model.autoscaling.recommendation import Scaled
from estimator.model.autoscaling.simulation import TOLERANCE, Simulation
from estimator.model.demand.scenario import Demand
from estimator.model.evidence.evidence import Evidence
from estimator.model.evidence.load_curve import LoadCurve
from estimator.model.evidence.prediction import Prediction
from estimator.model.evidence.queueing import Queue
from estimator.model.figure import ExplanationLine, Figure
from estimator.model.policy import Policy
from estimator.model.sizing.amounts import Amounts
from estimator.model.sizing.rate_limits import FILL_INTERVAL_S, RateLimits
from estimator.model.sizing.replicas import Sizing
from estimator.model.sizing.requests import CPU_STEP_MILLICORES, MEMORY_MARGIN

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Worked:
    """All parts of one component's answer."""

    demand: Demand
    evidence: Evidence
    sizing: Sizing
    containers: Mapping[str, Amounts]
    workers: Figure | None
    queue: Queue | None
    """Before the Envoy workers, where there are any."""
    scaled: Scaled
    simulation: Simulation
    rate_limits: RateLimits
    policy: Policy


def explain(worked: Worked) -> tuple[ExplanationLine, ...]:
    """Return every line, by topic, in the order of the calculation."""
    return (
        *_demand(worked),
        *_curves(worked),
        *_replicas(worked),
        *_requests(worked),
        *_queue(worked),
        *_hpa(worked),
        *_rate_limits(worked),
    )


def _n(value: float, significant: int = 6) -> str:
    """Return so many significant digits, never with an exponent."""
    if value == 0:
        return "0"
    digits = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _ceiling(load: float, share: float, count: int) -> str:
    """Return `ceil(load / share)` with as many digits as it takes to come out right."""
    for significant in (6, 9, 12, 15):
        words = _n(load, significant), _n(share, significant)
        if math.ceil(float(words[0]) / float(words[1])) == count:
            return f"ceil({words[0]} / {words[1]})"
    return f"ceil({_n(load)} / {_n(share)}), less a billionth for rounding"


def _demand(worked: Worked) -> Iterator[ExplanationLine]:
    demand, policy = worked.demand, worked.policy
    topic = "demand"
    yield ExplanationLine(
        topic, "observed = max over t of sum of the routes", "read from the series", demand.observed
    )
    if demand.window_correction.value != 1:
        yield ExplanationLine(
            topic,
            "correction = u / observed, with u: sum_w (T / tau) P(rps over tau > u | m_w) = 1",
            "by bisection over all windows w of the series",
            demand.window_correction,
        )
    if demand.growth.value != 1:
        months = policy.horizon_months
        yield ExplanationLine(
            topic,
            "growth = (1 + g)^months",
            f"(1 + {_n(policy.growth_per_month)})^{_n(months)}",
            demand.growth,
        )
    factors = [demand.observed, demand.window_correction, demand.growth, demand.event]
    names = ("observed", "correction", "growth", "event")
    formula, numbers = " * ".join(names), " * ".join(_n(one.value) for one in factors)
    base = demand.observed.value * demand.window_correction.value
    level = demand.return_level
    if policy.return_days is not None and level is not None and level.value > base:
        yield ExplanationLine(
            topic,
            "level = mu - sigma ln(-ln(1 - 1/N)), by the daily maxima",
            f"{len(demand.daily_maxima)} daily maxima, N = {policy.return_days}",
            level,
        )
        formula = "level * growth * event"
        numbers = " * ".join(_n(one.value) for one in (level, demand.growth, demand.event))
    inputs = tuple(zip(names, factors, strict=True))
    yield ExplanationLine(topic, f"peak = {formula}", numbers, demand.peak, inputs)


def _curves(worked: Worked) -> Iterator[ExplanationLine]:
    evidence, sizing = worked.evidence, worked.sizing
    for container, curve in evidence.cpu.items():
        design = min(sizing.design_rps, curve.limit_rps)
        band = curve.at(design)
        used = Figure(band.value, "millicores", "load curve", rows=evidence.nearest_rows(design))
        rows = tuple(
            (
                f"row {point.row}",
                Figure(
                    point.usage[container].cpu_millicores,
                    "millicores",
                    f"at {_n(point.rps_per_replica)} rps per replica",
                ),
            )
            for point in evidence.points
        )
        if band.is_extrapolated:
            formula, numbers = "c(x) = max(line(x), y_n + d (x - x_n))", _beyond(curve, design)
        else:
            formula, numbers = _hermite(curve.curve, design)
        at = f"c of {container} at the busiest replica's {units.format_rps(design)} rps"
        yield ExplanationLine("load curve", f"{at}: {formula}", numbers, used, rows)
        yield ExplanationLine(
            "load curve",
            "c_upper = c (1 + margin)",
            f"{_n(band.value)} * (1 + {_n(band.high / band.value - 1 if band.value else 0.0)})",
            Figure(band.high, "millicores", curve.evidence),
        )


def _hermite(curve: LoadCurve, rps: float) -> tuple[str, str]:
    """Return the cubic between two rows, and its numbers."""
    if rps <= curve.lowest_rps or len(curve.x) == 1:
        return "c(x) = y of the smallest row", _n(float(curve.y[0]))
    k = min(int((curve.x < rps).sum()) - 1, len(curve.x) - 2)
    h = float(curve.x[k + 1] - curve.x[k])
    t = _n((rps - float(curve.x[k])) / h)
    y0, y1, m0, m1 = (
        _n(float(value))
        for value in (curve.y[k], curve.y[k + 1], curve.slopes[k], curve.slopes[k + 1])
    )
    formula = (
        "y_k (1 + 2t) (1 - t)^2 + h m_k t (1 - t)^2 + y_(k+1) t^2 (3 - 2t) - h m_(k+1) t^2 (1 - t),"
        " t = (x - x_k) / h"
    )
    numbers = (
        f"{y0} * (1 + 2 * {t}) * (1 - {t})^2 + {_n(h)} * {m0} * {t} * (1 - {t})^2"
        f" + {y1} * {t}^2 * (3 - 2 * {t}) - {_n(h)} * {m1} * {t}^2 * (1 - {t})"
    )
    return formula, numbers


def _beyond(curve: Prediction, rps: float) -> str:
    last = f"{_n(float(curve.curve.y[-1]))} + {_n(curve.last_slope)}"
    last += f" * ({_n(rps)} - {_n(curve.curve.highest_rps)})"
    if curve.line is None:
        return last
    return f"max({_n(curve.line.intercept)} + {_n(curve.line.slope)} * {_n(rps)}, {last})"


def _replicas(worked: Worked) -> Iterator[ExplanationLine]:
    sizing, policy, evidence = worked.sizing, worked.policy, worked.evidence
    topic = "replicas"
    busiest = sizing.peak_rps * policy.imbalance
    yield ExplanationLine(
        topic,
        "busiest = peak * phi",
        f"{_n(sizing.peak_rps)} * {_n(policy.imbalance)}",
        Figure(busiest, "rps", "all of it as if every replica were the busiest"),
    )
    for one in sizing.constraints:
        if one.rps_per_replica is None:
            continue
        law = " by the scaling law" if evidence.law is not None else ""
        numbers = _ceiling(busiest, one.rps_per_replica, one.replicas)
        if law:
            numbers = f"smallest R with R * e(R) * {_n(one.rps_per_replica)} >= {_n(busiest)}"
        yield ExplanationLine(
            topic,
            f"{one.name}: R = ceil(busiest / x){law}",
            numbers,
            Figure(one.replicas, "replicas", one.reason, constraint=one.name),
        )
    count = _serving(worked)
    serving = Figure(count, "replicas", "the most that a constraint asks for")
    yield ExplanationLine(topic, "R_0 = max of these", _n(count), serving)
    yield from _reserves(worked)
    yield ExplanationLine(
        topic,
        "R = max(R_0 + k, R_zone, R_update, R_min), at most the quota",
        _n(sizing.replicas),
        Figure(
            sizing.replicas,
            "replicas",
            f"decided by {sizing.decided_by.name}, with {sizing.reserve.name}",
            low=sizing.low,
            high=sizing.high,
            flags=sizing.flags,
        ),
    )


def _serving(worked: Worked) -> int:
    """Return R_0, also where a quota leaves fewer."""
    return max(
        one.replicas
        for one in worked.sizing.constraints
        if one.rps_per_replica is not None or one.name == "connections"
    )


def _reserves(worked: Worked) -> Iterator[ExplanationLine]:
    policy = worked.policy
    formulas = {
        "loss of a pod": ("R_0 + k", "{0} + " + _n(policy.lose_pods)),
        "loss of a zone": (
            f"smallest R with R - ceil(R / {policy.zones}) >= R_0",
            f"check: {{1}} - ceil({{1}} / {policy.zones}) >= {{0}}",
        ),
        "rolling update": (
            f"smallest R with R - floor({_n(policy.max_unavailable_ratio)} R) >= R_0",
            f"check: {{1}} - floor({_n(policy.max_unavailable_ratio)} * {{1}}) >= {{0}}",
        ),
        "connections": ("ceil(connections * phi / connections of a replica)", "see the reason"),
        "min replicas": ("R_min", "{1}"),
        "quota": ("no more than may run", "{1}"),
    }
    for one in worked.sizing.constraints:
        if one.name in formulas:
            formula, numbers = formulas[one.name]
            numbers = numbers.format(_serving(worked), one.replicas)
            result = Figure(one.replicas, "replicas", one.reason, constraint=one.name)
            yield ExplanationLine("replicas", f"{one.name}: {formula}", numbers, result)


def _requests(worked: Worked) -> Iterator[ExplanationLine]:
    policy, sizing = worked.policy, worked.sizing
    for container, amounts in worked.containers.items():
        curve = worked.evidence.cpu[container]
        upper = curve.at(min(sizing.design_rps, curve.limit_rps)).high
        steps = f"ceil({_n(upper)} / {_n(policy.target_utilisation)} / {CPU_STEP_MILLICORES})"
        numbers = f"{steps} * {CPU_STEP_MILLICORES}"
        ceiling = worked.evidence.ceilings.get(container)
        if ceiling is not None:
            numbers = f"min({numbers}, {_n(ceiling)})"
        formula = f"cpu of {container} = c_upper / target, up to {CPU_STEP_MILLICORES}m"
        yield ExplanationLine("requests", formula, numbers, amounts.cpu_request)
        highest = max(point.usage[container].memory_bytes for point in worked.evidence.points)
        floor = 128 / len(worked.containers)
        numbers = f"ceil(max({_n(highest / MEBIBYTE)} * {MEMORY_MARGIN}, {_n(floor)})) * {MEBIBYTE}"
        formula = f"memory of {container} = highest measured (MiB) * 1.15, as limit too"
        yield ExplanationLine("requests", formula, numbers, amounts.memory_request)


def _queue(worked: Worked) -> Iterator[ExplanationLine]:
    queue = worked.queue
    if worked.workers is None or queue is None:
        return
    topic = "requests"
    yield ExplanationLine(topic, "m = Envoy workers", _n(queue.servers), worked.workers)
    yield ExplanationLine(
        topic,
        "check: a = x c_upper / x / 1000, erlang; must stay below m",
        f"{_n(queue.rate_rps)} * {_n(queue.service_s)}",
        Figure(queue.load, "erlang", f"{queue.utilisation:.0%} of {queue.servers} worker(s) busy"),
    )
    wait = queue.wait_quantile_s(0.99)
    if math.isfinite(wait):
        yield ExplanationLine(
            topic,
            "check: p99 wait = S / (m - a) ln(C / 0.01), 0 where C <= 0.01; C by Erlang",
            f"C = {_n(queue.waiting_probability)}, S = {_n(queue.service_s)} s",
            Figure(wait, "seconds", "as if arrivals were Poisson; the rows' own p99 decides"),
        )


def _hpa(worked: Worked) -> Iterator[ExplanationLine]:
    hpa, pod, policy = worked.scaled.hpa, worked.scaled.pod, worked.policy
    safe, ramp = pod.limit_rps / pod.imbalance, hpa.steepest_ramp.value
    mean = worked.sizing.rps_per_replica
    topic = "hpa"
    yield ExplanationLine(
        topic,
        "L = scrape + sync + pod start",
        f"{_n(policy.scrape_interval_s)} + 15 + {_n(policy.pod_start_s)}",
        hpa.reaction_lag,
    )
    yield ExplanationLine(
        topic,
        "r = max over t of d(t + L) / max(d(t), m x_s)",
        "over all buckets of the series",
        hpa.steepest_ramp,
    )
    yield ExplanationLine(
        topic,
        "x_s = min(performance limit, rps at the whole request) / phi",
        f"{_n(pod.limit_rps)} / {_n(pod.imbalance)}",
        Figure(safe, "rps per replica", "what the mean replica may get"),
    )
    wanted = min(safe / max(ramp, 1.0), mean) / (1 + TOLERANCE)
    yield ExplanationLine(
        topic,
        "x* = min(x_s / r, peak / R) / 1.1",
        f"min({_n(safe)} / {_n(ramp)}, {_n(mean)}) / 1.1",
        Figure(wanted, "rps per replica", "before the simulation"),
    )
    requested = sum(one.cpu_request.value for one in worked.containers.values())
    share = pod.utilisation_at(pod.rps_at(hpa.target_percent.value / 100))
    yield ExplanationLine(
        topic,
        "target = floor(100 * sum c / sum request), at x* or at what the simulation asked for",
        f"floor(100 * {_n(share * requested)} / {_n(requested)} + 0.001)",
        hpa.target_percent,
    )
    yield ExplanationLine(
        topic,
        "min = max(R_min, zones, k + 1, R at the 5 % quantile)",
        "see the reason",
        hpa.min_replicas,
    )
    yield ExplanationLine(topic, "max = R", _n(hpa.max_replicas.value), hpa.max_replicas)
    yield ExplanationLine(
        topic,
        "seconds at saturation of this HPA over its own series",
        "simulated in 15 s steps",
        worked.simulation.saturated,
    )


def _rate_limits(worked: Worked) -> Iterator[ExplanationLine]:
    limits, topic = worked.rate_limits, "rate limits"
    trigger, most = worked.scaled.hpa.trigger_rps.value, worked.scaled.pod.limit_rps
    busiest = worked.sizing.design_rps
    numbers = f"min({_n(most)}, max(({_n(trigger)} + {_n(most)}) / 2, {_n(busiest)}))"
    formula = "local = min(limit, max((trigger + limit) / 2, peak * phi / R_0))"
    yield ExplanationLine(topic, formula, numbers, limits.local)
    rate = limits.local.value
    yield ExplanationLine(
        topic,
        "Envoy tokens_per_fill = floor(local * interval), at least 1",
        f"max(1, floor({_n(rate)} * {FILL_INTERVAL_S}))",
        limits.envoy_tokens_per_fill,
    )
    whole = max(1, math.floor(rate + 1e-9))
    yield ExplanationLine(
        topic,
        "Envoy max_tokens = floor(local) + ceil(3 sqrt(floor(local)))",
        f"{whole} + ceil(3 * {whole}^0.5)",
        limits.envoy_max_tokens,
    )
    yield ExplanationLine(
        topic, "nginx burst = ceil(3 sqrt(rate))", f"ceil(3 * {whole}^0.5)", limits.nginx_burst
    )
    if limits.global_limit is not None:
        yield ExplanationLine(
            topic,
            "global = min(R * local, what each downstream can take)",
            "see the reason",
            limits.global_limit,
        )
