"""The rules that give each row of a component its verdict. Pure: rows in, judgements out.

Each row is first judged by itself. The first of these rules that applies decides:

    failing          error_ratio > 0.01
    too short        duration_s < 120
    saturated        cpu_c >= 0.9 K_c for a container c; or the target was missed and a different
                     target (or 1.5 times the connections of a closed loop) brought no more rps
    generator-bound  rps < 0.97 rps_target, by more than 1 rps, and nothing shows saturation
    noisy            cpu_max_c > 2 cpu_c

The remaining rows are then judged against each other:

    noisy            cpu is more than 25 % away from that of the majority of three or more rows at
                     the same load and count of replicas
    non-monotone     the row is not in the longest series of rows of its count of replicas in which
                     cpu never falls with rps

| symbol | meaning | unit |
|---|---|---|
| cpu_c, cpu_max_c | mean and highest cpu of container c of one replica | millicores |
| K_c | the most that c can use: min(cpu_limit, 1000 workers) | millicores |

A rule that needs a key which the row does not state is not applied. Non-monotone rows stay in use,
because nobody can know which of two contradicting rows is wrong: the curve pools them
(load_curve.py), and the verdict asks for a new measurement. Rows with any other verdict than ok are
left out. Rows of different counts do not contradict each other, because replicas may disturb each
other (model/evidence/efficiency.py).

Worked example (nginx with one worker, hence at most 1000m, in
tests/load_tool_samples/nginx_ladder.csv): at a target of 1300 rps it reached 475.6 rps with 949.1m,
95 % of 1000m: saturated. At a target of 400 rps over a single connection it reached 382.7 rps with
785.6m: generator-bound.

Sources: 97 %, and leaving out the first 62 s, come from Istio's benchmark runner; 120 s hold four
samples of a 30 s scrape; Istio 1.2 measured cpu_max / cpu = 1.35 in a steady run.
"""

from collections.abc import Sequence
from statistics import median_low

import numpy as np
from numpy.typing import NDArray

from estimator.table.rows import Judgement, LoadPoint, Loop, Verdict
from estimator.table.same_load import same_loads

ERROR_RATIO_LIMIT = 0.01
"""A row above it shows a failing component; a failed request costs less than a served one."""
FULL_RATIO = 0.9
"""Share of a ceiling that counts as saturated: queues grow, and samples average over throttling."""
ACHIEVED_RATIO = 0.97
"""Share of `rps_target` that counts as reached."""
MIN_DURATION_S = 120.0
BURST_RATIO = 2.0
"""Highest sample over the mean above which the load was not steady."""
BURST_FLOOR_MILLICORES = 50.0
"""Samples below it show no burst: one scheduler tick reaches it."""
REPEAT_RATIO = 0.25
"""Distance from the majority at the same load above which a row is noisy."""
FALL_RATIO = 0.1
"""Share by which cpu may fall as rps rises before the row counts as non-monotone."""
FLOOR_MILLICORES = 5.0
"""Smaller differences are ignored: samples are whole millicores and include background work."""
PLATEAU_RATIO = 0.05
"""Two rates that differ by at most this ratio count as equal."""
MORE_CONNECTIONS = 1.5
"""Ratio of connections from which a closed loop counts as having asked for more."""
CLOSED_LOOP_RATIO = 0.7
"""Share of a ceiling below which a closed loop rarely waits, so its p99 can be believed."""

_Decision = tuple[Verdict, str]
"""A verdict and its rule in words."""


def judge(points: Sequence[LoadPoint]) -> tuple[Judgement, ...]:
    """Return one judgement for each row, in their order, which affects no verdict."""
    plateaus = _Plateaus(points)
    decisions = [_alone(point, plateaus) for point in points]
    for compare, verdict in ((_repeats, Verdict.NOISY), (_falls, Verdict.NON_MONOTONE)):
        open_rows: dict[int, list[int]] = {}
        for k, decision in enumerate(decisions):
            if decision is None:
                open_rows.setdefault(points[k].replicas, []).append(k)
        for rows in open_rows.values():
            for k, rule in compare([points[k] for k in rows]).items():
                decisions[rows[k]] = (verdict, rule)
    return tuple(
        Judgement(*(decision or (Verdict.OK, _checked(point))), latency_doubt=_latency_doubt(point))
        for point, decision in zip(points, decisions, strict=True)
    )


def _alone(point: LoadPoint, plateaus: "_Plateaus") -> _Decision | None:
    """Apply the rules that judge a row by itself."""
    if point.error_ratio is not None and point.error_ratio > ERROR_RATIO_LIMIT:
        rule = f"error_ratio {point.error_ratio:g} is above {ERROR_RATIO_LIMIT:g}"
        if not any(used.cpu_millicores for used in point.usage.values()):
            rule += "; it used no cpu, so no request reached it"
        return Verdict.FAILING, rule
    if point.duration_s is not None and point.duration_s < MIN_DURATION_S:
        rule = (
            f"duration_s {point.duration_s:g} is below {MIN_DURATION_S:g}: too few samples of cpu"
        )
        return Verdict.TOO_SHORT, rule
    # cpu_c >= 0.9 K_c
    if (full := _full(point)) is not None:
        return Verdict.SATURATED, full
    if (plateau := plateaus.rule(point)) is not None:
        return Verdict.SATURATED, plateau
    if _missed_target(point):
        return Verdict.GENERATOR_BOUND, _missed(point)
    # cpu_max_c > 2 cpu_c
    for container, highest in sorted(point.cpu_max_millicores.items()):
        mean = point.usage[container].cpu_millicores
        if highest > BURST_RATIO * mean and highest > BURST_FLOOR_MILLICORES:
            rule = (
                f"cpu_max of {container}, {highest:.4g}m, is above {BURST_RATIO:g} times its mean,"
                f" {mean:.4g}m: the load was not steady"
            )
            return Verdict.NOISY, rule
    return None


def _full(point: LoadPoint) -> str | None:
    """Return the rule for the first container that used 90 % of its ceiling."""
    for container in sorted(point.usage):
        ceiling = point.ceiling_millicores(container)
        used = point.usage[container].cpu_millicores
        if ceiling is not None and used >= FULL_RATIO * ceiling:
            reason = (
                "limit of"
                if point.cpu_limit_millicores.get(container) == ceiling
                else f"{point.workers[container]} worker(s), which can use"
            )
            reached = f"; {_reached(point)}" if _missed_target(point) else ""
            return (
                f"{container} used {used:.4g}m, {used / ceiling:.0%} of its {reason} {ceiling:.4g}m"
                f" (saturated from {FULL_RATIO:.0%}){reached}"
            )
    return None


def _missed_target(point: LoadPoint) -> bool:
    """Whether rps < 0.97 rps_target, by more than 1 rps."""
    if point.rps_target is None:
        return False
    # At a low rate the ends of a short run alone are several per cent.
    slack_rps = max((1 - ACHIEVED_RATIO) * point.rps_target, 1.0)
    return point.rps < point.rps_target - slack_rps


def _reached(point: LoadPoint) -> str:
    return f"reached {point.rps:g} of {point.rps_target or 0:g} rps"


def _has_known_ceilings(point: LoadPoint) -> bool:
    """Whether every container states its limit or workers, so that `_full` can judge all."""
    return all(point.ceiling_millicores(container) is not None for container in point.usage)


class _Plateaus:
    """Finds the rows beside which more effort brought no more rps.

    The columns are arrays, because each of thousands of rows is compared with all others.
    """

    def __init__(self, points: Sequence[LoadPoint]) -> None:
        self._points = points
        self._replicas = np.array([point.replicas for point in points])
        self._rps = np.array([point.rps for point in points])
        self._missed = np.array([_missed_target(point) for point in points], dtype=bool)
        self._target = np.array([point.rps_target or 0.0 for point in points])
        self._connections = np.array(
            [(point.connections or 0) if point.loop is Loop.CLOSED else 0 for point in points]
        )

    def rule(self, point: LoadPoint) -> str | None:
        """Return the rule where another row shows that more effort brings no more rps.

        Applied only where ceilings are unknown: known ones tell whether component or generator is
        full.
        """
        if _has_known_ceilings(point):
            return None
        if _missed_target(point):
            # The other row counts only if it missed a clearly different target as well: a row that
            # reached its target is the knee, not the plateau.
            # Products, because a quotient of two rates may overflow.
            target, rps = point.rps_target or 1.0, point.rps
            other = self._first(
                self._missed
                & (self._replicas == point.replicas)
                & (np.abs(self._target - target) > PLATEAU_RATIO * target)
                & (np.abs(self._rps - rps) <= PLATEAU_RATIO * rps)
                & (rps > 0)
            )
            if other is not None:
                return (
                    f"{_reached(point)}, and row {other.row} reached {other.rps:g} of"
                    f" {other.rps_target:g}: rps no longer rises"
                )
        if point.loop is Loop.CLOSED and point.connections is not None:
            other = self._first(
                (self._connections > 0)
                & (self._replicas == point.replicas)
                & (self._connections * MORE_CONNECTIONS <= point.connections)
                & (self._rps * (1 + PLATEAU_RATIO) >= point.rps)
            )
            if other is not None:
                return (
                    f"{point.connections} connections reached {point.rps:g} rps, and"
                    f" {other.connections} connections {other.rps:g} rps in row {other.row}: rps no"
                    " longer rises"
                )
        return None

    def _first(self, chosen: NDArray[np.bool_]) -> LoadPoint | None:
        return self._points[int(chosen.argmax())] if chosen.any() else None


def _missed(point: LoadPoint) -> str:
    stated = (
        "while no container was saturated"
        if _has_known_ceilings(point)
        else "and cpu_limit or workers is not stated for every container, so that none is known to"
        " have been saturated"
    )
    return f"{_reached(point)}, less than {ACHIEVED_RATIO:.0%}, {stated}"


def _repeats(points: Sequence[LoadPoint]) -> dict[int, str]:
    """Return the rule for each row, by index, that the majority at its load contradicts."""
    rules: dict[int, str] = {}
    for group in same_loads([point.rps_per_replica for point in points]):
        if len(group) < 3:  # Between two rows there is no majority.
            continue
        for container in sorted(set().union(*(points[k].usage for k in group))):
            cpus = {k: points[k].usage[container].cpu_millicores for k in group}
            middle = median_low(cpus.values())
            allowed = max(REPEAT_RATIO * middle, FLOOR_MILLICORES)
            odd = [k for k, cpu in cpus.items() if abs(cpu - middle) > allowed]
            if 2 * len(odd) < len(group):  # Otherwise no majority agrees on the median.
                agreeing = sorted(set(group) - set(odd))
                others = ", ".join(str(points[j].row) for j in agreeing)
                for k in odd:
                    rules.setdefault(
                        k,
                        f"{container} used {cpus[k]:.4g}m, more than {REPEAT_RATIO:.0%} away from"
                        f" the {middle:.4g}m at the same load in row(s) {others}",
                    )
    return rules


def _falls(points: Sequence[LoadPoint]) -> dict[int, str]:
    """Return the rule, by index, for the fewest rows without which cpu never falls with rps."""
    loads = same_loads([point.rps_per_replica for point in points])
    rules: dict[int, str] = {}
    for container in sorted(set().union(*(point.usage for point in points))):
        cpu = [point.usage[container].cpu_millicores for point in points]
        # Rows at one load are repetitions, so a difference between them is no fall: cheapest first.
        order = [k for load in loads for k in sorted(load, key=lambda k: cpu[k])]
        ordered = np.array([cpu[k] for k in order])
        chain = _longest_chain(ordered.tolist())
        kept = np.array(sorted(chain), dtype=int)
        for place in sorted(set(range(len(order))) - chain):
            k = order[place]
            # The chain is the longest, so at least one row in it contradicts this one.
            before, after = ordered[np.minimum(kept, place)], ordered[np.maximum(kept, place)]
            contradicts = after < before - np.maximum(FALL_RATIO * before, FLOOR_MILLICORES)
            against = order[int(kept[contradicts.argmax()])]
            rules.setdefault(
                k,
                f"{container} used {cpu[k]:.4g}m at {points[k].rps_per_replica:.4g} rps per"
                f" replica, and {cpu[against]:.4g}m at {points[against].rps_per_replica:.4g} in row"
                f" {points[against].row}: cpu should not fall as rps rises",
            )
    return rules


def _longest_chain(cpu: Sequence[float]) -> set[int]:
    """Return the indices of the most values of which none falls below an earlier one.

    Of two chains of equal length the one with the larger sum wins. A value is compared with the
    highest before it in its chain, not with its neighbour, because ten steps of 9 % down are a
    fall. So the best chain is kept for each value that can be the highest in it, and the result is
    exact. A value that becomes the highest extends the best chain among those below it; all chains
    with a higher value that it may still follow are extended as they are.
    """
    values = np.asarray(cpu, float)
    tops, own = np.unique(values, return_inverse=True)
    # What may follow rises with the tops, so each value may follow those below `reach`.
    lowest = tops - np.maximum(FALL_RATIO * tops, FLOOR_MILLICORES)
    reach = np.searchsorted(lowest, values, side="right")
    length, total = np.zeros(len(tops), int), np.zeros(len(tops))
    before = np.full(len(values), -1)
    for place, (value, top, end) in enumerate(zip(values, own, reach, strict=True)):
        best = _best(length[: top + 1], total[: top + 1])
        before[place] = best if length[best] else -1
        is_chain = length[top + 1 : end] > 0
        length[top + 1 : end] += is_chain
        total[top + 1 : end] += value * is_chain
        length[top], total[top] = length[best] + 1, total[best] + value
    places = set()
    highest = _best(length, total) if len(tops) else -1
    for place in range(len(values) - 1, -1, -1):
        if own[place] == highest:
            places.add(place)
            highest = before[place]
        elif own[place] < highest < reach[place]:
            places.add(place)
    return places


def _best(length: NDArray[np.int_], total: NDArray[np.float64]) -> int:
    """Return the place of the longest chain, and of equals the one with the largest sum."""
    longest = length == length.max()
    return int(np.argmax(np.where(longest, total, -1.0)))


def _checked(point: LoadPoint) -> str:
    """Return which rules an ok row could not be checked against."""
    stated = {
        "rps_target": point.rps_target is not None,
        "duration_s": point.duration_s is not None,
        "error_ratio": point.error_ratio is not None,
        "cpu_limit or workers": _has_known_ceilings(point),
    }
    missing = [key for key, is_stated in stated.items() if not is_stated]
    return f"not checked, because not stated: {', '.join(missing)}" if missing else "all rules held"


def _latency_doubt(point: LoadPoint) -> str | None:
    """Return why the p99 of a closed loop is too low to rest a latency limit on, or None."""
    if point.p99_ms is None or point.loop is not Loop.CLOSED:
        return None
    if not _has_known_ceilings(point):
        return "p99 of a closed loop at an unknown utilisation: state cpu_limit or workers"
    fullest = max(
        point.usage[container].cpu_millicores / (point.ceiling_millicores(container) or 1.0)
        for container in point.usage
    )
    if fullest < CLOSED_LOOP_RATIO:
        return None
    return (
        f"p99 of a closed loop at {fullest:.0%} of the cpu: from {CLOSED_LOOP_RATIO:.0%} on such a"
        " loop slows down with the component, so its p99 is too low"
    )
