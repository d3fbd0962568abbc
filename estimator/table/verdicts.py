"""What each row of a component is worth, and the rule that says so. Pure: rows in, judgements out.

First every row by itself, in this order, the first rule that fits deciding:

    failing          error_ratio > 0.01
    too short        duration_s < 120
    saturated        cpu_c >= 0.9 K_c for a container c, or the target was missed and another
                     target (or 1.5 times the connections of a closed loop) brought no more rps
    generator-bound  rps < 0.97 rps_target, by over 1 rps, and nothing shows that it was full
    noisy            cpu_max_c > 2 cpu_c

then the rows that are left against each other:

    noisy            over 25 % from what the majority of three or more rows at its load used
    non-monotone     does not fit in the longest series in which cpu never falls with rps

| symbol | meaning | unit |
|---|---|---|
| cpu_c, cpu_max_c | mean and highest cpu of container c of one replica | millicores |
| K_c | what it can use at most: min(cpu_limit, 1000 workers) | millicores |

A rule that needs a key which the row does not state is not applied. A non-monotone row stays in
use: which of two rows is wrong cannot be known, so the curve pools them (load_curve.py), and the
verdict says that somebody should measure there again. All others are left out.

Worked (nginx with one worker, so 1000m at most; tests/load_tool_samples/nginx_ladder.csv): asked
for 1300 rps it reached 475.6 with 949.1m, 95 % of that: saturated. Asked for 400 over a single
connection it reached 382.7 with 785.6m: generator-bound.

Sources: 97 % and the first 62 s are those of Istio's benchmark runner; two minutes hold four
samples of a 30 s scrape; Istio 1.2 measured cpu_max / cpu = 1.35 on a steady run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

from estimator.table.rows import Judgement, LoadPoint, Loop, Verdict
from estimator.table.same_load import same_loads

ERROR_RATIO_LIMIT = 0.01
"""Above it a row shows a component that fails; a failed request costs less than a served one."""
FULL_RATIO = 0.9
"""Of a container's ceiling: queues grow and samples average over throttled moments."""
ACHIEVED_RATIO = 0.97
MIN_DURATION_S = 120.0
BURST_RATIO = 2.0
BURST_FLOOR_MILLICORES = 50.0
"""Below it one scheduler tick is a burst."""
REPEAT_RATIO = 0.25
FALL_RATIO = 0.1
FLOOR_MILLICORES = 5.0
"""Differences below are not seen: samples come in whole millicores and background work is there."""
PLATEAU_RATIO = 0.05
MORE_CONNECTIONS = 1.5
CLOSED_LOOP_RATIO = 0.7
"""Of a ceiling: below it a closed loop rarely has to wait, and its p99 may be believed."""


def judge(points: Sequence[LoadPoint]) -> tuple[Judgement, ...]:
    """Return one judgement for each row, in their order; the order of rows changes none."""
    found = [_alone(point, points) for point in points]
    for compare in (_repeats, _falls):
        left = [k for k, judgement in enumerate(found) if judgement is None]
        for k, rule in compare([points[k] for k in left]).items():
            verdict = Verdict.NOISY if compare is _repeats else Verdict.NON_MONOTONE
            found[left[k]] = (verdict, rule)
    return tuple(
        Judgement(*(decided or (Verdict.OK, _checked(point))), latency_doubt=_latency_doubt(point))
        for point, decided in zip(points, found, strict=True)
    )


_Decided = tuple[Verdict, str] | None


def _alone(point: LoadPoint, points: Sequence[LoadPoint]) -> _Decided:
    if point.error_ratio is not None and point.error_ratio > ERROR_RATIO_LIMIT:
        rule = f"error_ratio {point.error_ratio:g} is above {ERROR_RATIO_LIMIT:g}"
        return Verdict.FAILING, rule
    if point.duration_s is not None and point.duration_s < MIN_DURATION_S:
        rule = (
            f"duration_s {point.duration_s:g} is below {MIN_DURATION_S:g}: too few samples of cpu"
        )
        return Verdict.TOO_SHORT, rule
    if (full := _full(point)) is not None:
        return Verdict.SATURATED, full
    if (plateau := _plateau(point, points)) is not None:
        return Verdict.SATURATED, plateau
    if _missed_target(point):
        return Verdict.GENERATOR_BOUND, _missed(point)
    for container, highest in sorted(point.cpu_max_millicores.items()):
        mean = point.usage[container].cpu_millicores
        if highest > BURST_RATIO * mean and highest > BURST_FLOOR_MILLICORES:
            rule = (
                f"cpu_max {highest:.4g}m of {container} is over {BURST_RATIO:g} times its mean of"
                f" {mean:.4g}m: the load was not steady"
            )
            return Verdict.NOISY, rule
    return None


def _full(point: LoadPoint) -> str | None:
    for container in sorted(point.usage):
        ceiling = point.ceiling_millicores(container)
        used = point.usage[container].cpu_millicores
        if ceiling is not None and used >= FULL_RATIO * ceiling:
            what = (
                f"limit of {ceiling:.4g}m"
                if point.cpu_limit_millicores.get(container) == ceiling
                else f"{point.workers[container]} worker(s), a core each"
            )
            reached = f"; {_reached(point)}" if _missed_target(point) else ""
            return (
                f"{container} used {used:.4g}m, {used / ceiling:.0%} of its {what}"
                f" ({FULL_RATIO:.0%} is full){reached}"
            )
    return None


def _missed_target(point: LoadPoint) -> bool:
    if point.rps_target is None:
        return False
    # In a short run at a low rate the ends alone are some per cent.
    slack_rps = max((1 - ACHIEVED_RATIO) * point.rps_target, 1.0)
    return point.rps < point.rps_target - slack_rps


def _reached(point: LoadPoint) -> str:
    return f"{point.rps:g} of {point.rps_target or 0:g} rps were reached"


def _has_room(point: LoadPoint) -> bool:
    """Whether it is known of every container that it was not full."""
    return all(point.ceiling_millicores(container) is not None for container in point.usage)


def _plateau(point: LoadPoint, points: Sequence[LoadPoint]) -> str | None:
    """Say that more was asked and no more came; only where the ceilings cannot tell whose limit."""
    if _has_room(point):
        return None
    if _missed_target(point):
        for other in points:
            # Another effort, hence another row; the smaller of both must have missed as well,
            # or it reached its target and is the knee.
            if (
                _missed_target(other)
                and other.replicas == point.replicas
                and abs((other.rps_target or 0) / (point.rps_target or 1) - 1) > PLATEAU_RATIO
                and abs(other.rps / point.rps - 1 if point.rps else 1.0) <= PLATEAU_RATIO
            ):
                return (
                    f"{_reached(point)}, and row {other.row} reached {other.rps:g} of"
                    f" {other.rps_target:g}: rps no longer rises"
                )
    if point.loop is Loop.CLOSED and point.connections is not None:
        for other in points:
            if (
                other.loop is Loop.CLOSED
                and other.connections is not None
                and other.replicas == point.replicas
                and other.connections * MORE_CONNECTIONS <= point.connections
                and other.rps * (1 + PLATEAU_RATIO) >= point.rps
            ):
                return (
                    f"{point.connections} connections brought {point.rps:g} rps, and"
                    f" {other.connections} in row {other.row} {other.rps:g}: rps no longer rises"
                )
    return None


def _missed(point: LoadPoint) -> str:
    known = (
        "while no container was full"
        if _has_room(point)
        else "and no cpu_limit or workers says of every container whether it was full"
    )
    return f"{_reached(point)} (from {ACHIEVED_RATIO:.0%} on it counts) {known}"


def _repeats(points: Sequence[LoadPoint]) -> dict[int, str]:
    """Return the rows that others at the same load contradict, with the words."""
    found: dict[int, str] = {}
    for group in same_loads([point.rps_per_replica for point in points]):
        if len(group) < 3:  # Two that disagree have nobody to decide between them.
            continue
        for container in sorted(set().union(*(points[k].usage for k in group))):
            cpus = {k: points[k].usage[container].cpu_millicores for k in group}
            middle = median_low(cpus.values())
            allowed = max(REPEAT_RATIO * middle, FLOOR_MILLICORES)
            odd = [k for k, cpu in cpus.items() if abs(cpu - middle) > allowed]
            if 2 * len(odd) < len(group):  # Otherwise there is no majority that could be right.
                for k in odd:
                    others = ", ".join(str(points[j].row) for j in sorted(group) if j not in odd)
                    found.setdefault(
                        k,
                        f"{container} used {cpus[k]:.4g}m, over {REPEAT_RATIO:.0%} from the"
                        f" {middle:.4g}m of the same load in row(s) {others}",
                    )
    return found


def _falls(points: Sequence[LoadPoint]) -> dict[int, str]:
    """Return the fewest rows without which cpu never falls with rps, with the words."""
    loads = same_loads([point.rps_per_replica for point in points])
    found: dict[int, str] = {}
    for container in sorted(set().union(*(point.usage for point in points))):
        cpu = [point.usage[container].cpu_millicores for point in points]
        # At one load the cheaper row first: what differs there are repetitions, not a fall.
        order = [k for load in loads for k in sorted(load, key=lambda k: cpu[k])]
        kept = _longest_chain([cpu[k] for k in order])
        for place in sorted(set(range(len(order))) - kept):
            k = order[place]
            # The chain is the longest, so something in it speaks against every other row.
            against = next(
                order[other]
                for other in sorted(kept)
                if not _may_follow(*(cpu[order[end]] for end in sorted((place, other))))
            )
            found.setdefault(
                k,
                f"{container} used {cpu[k]:.4g}m at {points[k].rps_per_replica:.4g} rps per"
                f" replica, and {cpu[against]:.4g}m at {points[against].rps_per_replica:.4g} in row"
                f" {points[against].row}: cpu does not fall with rps",
            )
    return found


def _may_follow(before: float, after: float) -> bool:
    return after >= before - max(FALL_RATIO * before, FLOOR_MILLICORES)


def _longest_chain(cpu: Sequence[float]) -> set[int]:
    """Return the places of the most values of which none falls beyond noise; of equals the dearest.

    Against the highest before it, not its neighbour: ten steps of 9 % down are a fall. For each
    highest so far the best chain is known, so the answer is exact, in n^2 steps.
    """
    chains: dict[float, _Chain] = {}  # by the highest value in it
    for place, value in enumerate(cpu):
        longer = {value: _Chain(1, value, place, None)}
        for highest, chain in chains.items():
            if _may_follow(highest, value):
                found = _Chain(chain.length + 1, chain.total + value, place, chain)
                top = max(highest, value)
                longer[top] = max(longer.get(top, found), found, key=_Chain.worth)
        for top, found in longer.items():
            chains[top] = max(chains.get(top, found), found, key=_Chain.worth)
    best = max(chains.values(), key=_Chain.worth, default=None)
    places = set()
    while best is not None:
        places.add(best.place)
        best = best.before
    return places


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """Values none of which falls; linked, so that a longer one costs nothing to make."""

    length: int
    total: float
    place: int
    before: "_Chain | None"

    def worth(self) -> tuple[int, float]:
        return self.length, self.total


def _checked(point: LoadPoint) -> str:
    stated = {
        "rps_target": point.rps_target is not None,
        "duration_s": point.duration_s is not None,
        "error_ratio": point.error_ratio is not None,
        "cpu_limit or workers": _has_room(point),
    }
    missing = [key for key, is_stated in stated.items() if not is_stated]
    return f"not checked, because not stated: {', '.join(missing)}" if missing else "all rules held"


def _latency_doubt(point: LoadPoint) -> str | None:
    if point.p99_ms is None or point.loop is not Loop.CLOSED:
        return None
    if not _has_room(point):
        return "p99 of a closed loop, and no cpu_limit or workers says how full the component was"
    fullest = max(
        point.usage[container].cpu_millicores / (point.ceiling_millicores(container) or 1.0)
        for container in point.usage
    )
    if fullest < CLOSED_LOOP_RATIO:
        return None
    return (
        f"p99 of a closed loop at {fullest:.0%} of the cpu: it asks less when answers are late, so"
        f" from {CLOSED_LOOP_RATIO:.0%} on its p99 is too good"
    )
