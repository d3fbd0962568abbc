"""Requests and limits of every container of a Pod, for a replica count that was decided.

    cpu request     c_upper(peak * phi / R_0) / target, up to whole 10 m
    cpu limit       none; istio-proxy: 1000 m for each worker, a whole number of cores
    memory request  1.15 times the highest measured (KRR), at least 128 MiB for the Pod, shared
    memory limit    1.5 times the memory request; istio-proxy: at least 1 GiB; where memory rises
                    with rps, at least 1.15 times what it is at the limit of extrapolation

A container that passes its memory limit is killed with all its requests, and a table does not show
what fills memory besides rps: connections, TLS sessions, slow clients, and for the proxy the
configuration of the whole mesh, which istiod pushes. Istio gives its proxy 1 GiB.

A container without a cpu request makes an HPA read `<unknown>`, so every one gets one. A cpu limit
throttles in slices of 100 ms and is left out; Envoy starts a thread for each core it may use, so
there a limit that is no whole number of cores is throttled by its own threads. Istio starts as many
workers as the ceiling of the limit says, and Envoy from 1.37, where no concurrency is set, as its
floor: such a row does not say how many workers it had.

Worked: c_upper 241.9m at a target of 0.6 is 403.2m, 410m. 100 MiB measured is 115 MiB, limited to
173 MiB.

Source of 1 GiB: istio/istio, manifests/charts/istio-control/istio-discovery/values.yaml,
global.proxy.resources.limits.memory, and the same of the chart of the gateway.
"""

import math
from collections.abc import Iterator

from estimator import units
from estimator.model.evidence.evidence import PROXY, Evidence
from estimator.model.figure import Figure, Flag, digits
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import Sizing

MEMORY_MARGIN = 1.15
MEMORY_MARGIN_REASON = "15 % above the highest measured, as KRR adds"
MEBIBYTE = 2**20
LOWEST_POD_MEMORY_BYTES = 128 * MEBIBYTE
MEMORY_LIMIT_RATIO = 1.5
LOWEST_PROXY_LIMIT_BYTES = 1024 * MEBIBYTE
CPU_STEP_MILLICORES = 10


def cpu_request(container: str, evidence: Evidence, sizing: Sizing, policy: Policy) -> Figure:
    """Return the cpu request to recommend, in millicores; at most what the container can use."""
    curve = evidence.cpu[container]
    design = min(sizing.design_rps, curve.limit_rps)
    used = curve.at(design)
    millicores = used.high / policy.target_utilisation
    steps = max(1, math.ceil(millicores / CPU_STEP_MILLICORES - 1e-9))
    value = float(steps * CPU_STEP_MILLICORES)
    reason = (
        f"upper bound of cpu at {units.format_rps(design)} rps of the busiest replica,"
        f" {units.format_cpu(used.high)}, over the target {policy.target_utilisation:g}, up to"
        f" whole {CPU_STEP_MILLICORES}m"
    )
    step, target = CPU_STEP_MILLICORES, digits(policy.target_utilisation)
    numbers = f"ceil({digits(used.high)} / {target} / {step}) * {step}"
    ceiling = evidence.ceilings.get(container, math.inf)
    if ceiling < math.inf:
        numbers = f"min({numbers}, {digits(ceiling)})"
    if value > ceiling:
        value = ceiling
        reason += f"; but no more than the {units.format_cpu(ceiling)} that it can use"
    return Figure(
        value,
        "millicores",
        reason,
        low=min(value, used.low / policy.target_utilisation) if curve.has_interval else None,
        high=value if curve.has_interval else None,
        rows=evidence.nearest_rows(design),
        assumptions=("target utilisation", "imbalance"),
        flags=sizing.flags,
        formula=f"cpu of {container} = c_upper / target, up to {step}m",
        numbers=numbers,
    )


def memory_request(container: str, evidence: Evidence) -> Figure:
    """Return the memory to request, and to limit to, in bytes."""
    highest = max(evidence.points, key=lambda point: point.usage[container].memory_bytes)
    measured = highest.usage[container].memory_bytes
    floor = LOWEST_POD_MEMORY_BYTES / len(evidence.cpu)
    memory_bytes = max(measured * MEMORY_MARGIN, floor)
    reason = (
        f"highest measured, {units.format_memory(measured)} in row {highest.row},"
        f" {MEMORY_MARGIN_REASON}"
    )
    if memory_bytes == floor:
        reason += f"; at least {units.format_memory(LOWEST_POD_MEMORY_BYTES)} for the Pod"
    mib = math.ceil(memory_bytes / MEBIBYTE)
    largest = f"max({digits(measured / MEBIBYTE)} * {MEMORY_MARGIN}, {digits(floor / MEBIBYTE)})"
    return Figure(
        float(mib * MEBIBYTE),
        "bytes",
        reason,
        rows=(highest.row,),
        formula=f"memory of {container} = highest measured (MiB) * {MEMORY_MARGIN}",
        numbers=f"ceil({largest}) * {MEBIBYTE}",
    )


def memory_limit(container: str, request: Figure, evidence: Evidence) -> Figure:
    """Return the memory to limit a container to, in bytes, with room beyond its request."""
    mib = math.ceil(request.value * MEMORY_LIMIT_RATIO / MEBIBYTE)
    reason = (
        f"{MEMORY_LIMIT_RATIO:g} times the request, because the table does not show what"
        " connections, TLS, large bodies and a slow rise take; passing it is a kill"
    )
    floor = LOWEST_PROXY_LIMIT_BYTES // MEBIBYTE
    if container == PROXY and mib < floor:
        mib = floor
        reason = (
            "Istio's own default, because the table shows neither the configuration that istiod"
            " pushes nor connections and TLS; passing it is a kill"
        )
    least = f", {floor}" if container == PROXY else ""
    flags = request.flags
    curve, rps = evidence.memory[container], evidence.cpu[container].limit_rps
    fitted = curve.bytes_at(rps)
    if curve.rises and fitted > request.value:
        # A replica gets more rps than any row where others fail.
        needed = math.ceil(fitted * MEMORY_MARGIN / MEBIBYTE)
        mib, least = max(mib, needed), f"{least}, {needed}"
        flags = (*flags, Flag.EXTRAPOLATED)
        reason += (
            f"; memory rises by {units.format_memory(round(curve.slope * 100))} for each 100 rps,"
            f" to {units.format_memory(round(fitted))} at {units.format_rps(rps)} rps, beyond the"
            f" {units.format_rps(curve.highest_rps)} measured"
        )
    return Figure(
        float(mib * MEBIBYTE),
        "bytes",
        reason,
        rows=request.rows,
        flags=flags,
        formula=f"memory limit of {container} = request (MiB) * {MEMORY_LIMIT_RATIO:g}",
        numbers=f"max(ceil({digits(request.value / MEBIBYTE)} * {MEMORY_LIMIT_RATIO:g}){least})",
    )


def proxy_workers(evidence: Evidence, sizing: Sizing, policy: Policy) -> Figure | None:
    """Return the Envoy worker threads to set; None if no container is the proxy."""
    if PROXY not in evidence.cpu:
        return None
    request = cpu_request(PROXY, evidence, sizing, policy).value
    measured = evidence.workers(PROXY)
    flags: tuple[Flag, ...] = ()
    if policy.workers is not None:
        count, reason = policy.workers, "given"
    elif measured is not None:
        count, reason = measured, "as the rows were measured with"
    else:
        count, flags = math.ceil(request / 1000), (Flag.ASSUMED,)
        reason = (
            f"a core for each; {units.format_cpu(request)} are requested. Without a cpu limit Envoy"
            " would start one for every core of the node"
        )
    return Figure(
        count, "workers", reason, flags=flags, formula="m = Envoy workers", numbers=f"{count}"
    )


def concurrency_warnings(
    evidence: Evidence, policy: Policy, workers: Figure | None
) -> Iterator[str]:
    """Yield where the Envoy workers to set are not known to be those that were measured."""
    if workers is None:
        return
    stated = sorted({point.workers[PROXY] for point in evidence.points if PROXY in point.workers})
    measured = " and ".join(map(str, stated))
    what = f"concurrency {workers.value:g} of {PROXY}"
    if not stated:
        origin = "given" if policy.workers is not None else "assumed, a core for each"
        yield (
            f"{what} is {origin}: no row states the `workers` that it was measured with; state them"
            " in the table"
        )
    elif workers.value not in stated:
        yield (
            f"{what}, as given, is not what the rows were measured with, {measured}: cpu and"
            " latency with another count of workers are not known"
        )
    elif len(stated) > 1:
        yield (
            f"{what} is not what all rows were measured with, {measured}: measure all of them with"
            " one count of workers"
        )
    limits = {
        point.cpu_limit_millicores[PROXY]
        for point in evidence.points
        if PROXY in point.cpu_limit_millicores
    }
    for limit in sorted(limit for limit in limits if limit % 1000):
        yield (
            f"{PROXY} was measured with a cpu limit of {units.format_cpu(limit)}, no whole number"
            f" of cores: Istio starts {math.ceil(limit / 1000)} worker(s), which it throttles,"
            f" and Envoy from 1.37 {max(1, math.floor(limit / 1000))} where concurrency is not set;"
            " measure with whole cores, as recommended here"
        )


def cpu_limit(container: str, workers: Figure | None) -> Figure | None:
    """Return the cpu limit to set in millicores; None if none is recommended."""
    if container != PROXY or workers is None:
        return None
    reason = f"a whole core for each of {workers.value:g} worker(s)"
    return Figure(workers.value * 1000, "millicores", reason, flags=workers.flags)
