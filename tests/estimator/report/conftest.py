"""Provides handmade projections: one without optional parts and one with all of them.

Only reports use them. Their numbers need not be consistent, but they include every kind of block,
flag and gap, and hostile names. The golden files (tests/golden) show projections of the model.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from estimator.model.autoscaling.recommendation import HpaRecommendation
from estimator.model.autoscaling.simulation import Saturation
from estimator.model.autoscaling.summary import Simulation
from estimator.model.component import ComponentProjection
from estimator.model.demand.scenario import Demand
from estimator.model.figure import Assumption, ExplanationLine, Figure, Flag
from estimator.model.nodes.packing import NodePlan, PoolPlan
from estimator.model.phases import PathProjection, PhaseProjection
from estimator.model.plots import CurvePlot, DemandPlot, MarkedPeak, PlottedRow, ReplicasPlot
from estimator.model.projection import Projection, SeriesSummary
from estimator.model.rollout import Rollout
from estimator.model.sizing.amounts import Amounts
from estimator.model.sizing.rate_limits import RateLimits
from estimator.model.sizing.replicas import Constraint
from estimator.model.weights import Weight
from estimator.table.load_points import Kind

MIB = 2**20
START = 1_700_000_000


def figure(value: float, unit: str, reason: str = "because", **more: Any) -> Figure:
    return Figure(value, unit, reason, **more)


def amounts(cpu: float, memory: int) -> Amounts:
    return Amounts(
        figure(cpu, "millicores", "requests of the table"),
        figure(memory * MIB, "bytes", "requests of the table"),
        figure(cpu / 2, "millicores", "load curve at 500 rps per replica"),
        figure(memory * MIB / 2, "bytes", "maximum over the rows used"),
    )


@pytest.fixture
def projection() -> Projection:
    """Return ten minutes of one route and one component, without any optional part.

    One row of the component is excluded.
    """
    component = ComponentProjection(
        name="api",
        kind=Kind.POD,
        routes=("/api/_",),
        peak=figure(1000, "rps", "maximum over every second"),
        peak_second=START + 7,
        replicas=figure(2, "replicas", "0.6 of the 500m request of app is not reached"),
        decided_by="cpu of app",
        constraints=(
            Constraint("range", 1, "no row above"),
            Constraint("cpu of app", 2, "0.6 of the 500m request of app is not reached"),
        ),
        capacity=figure(600, "rps per replica"),
        rps_per_replica=figure(500, "rps per replica"),
        cpu_utilisation=figure(0.52, "ratio"),
        containers={"app": amounts(500, 256), "[red]": amounts(100, 64)},
        total=amounts(1200, 640),
        rows_used=(1, 2, 3),
        rows_nearest=(2, 3),
        rows_excluded={4: "error_ratio 0.2 is above 0.01"},
        not_covered=("latency", "memory leaks"),
        warnings=(),
    )
    return Projection(
        series=SeriesSummary(
            "a test",
            START,
            *(figure(1, "seconds"), figure(600, "seconds"), figure(600, "seconds")),
            figure(1.0, "ratio"),
            ("/api/_", "other"),
            figure(1100, "rps"),
            START + 7,
        ),
        table="t.yaml",
        is_example_table=False,
        components=(component,),
        total=amounts(1200, 640),
        assumptions=(
            Assumption("target utilisation", "0.6", "an HPA acts only above it", True),
            Assumption("zones", "3", "given", False),
        ),
        warnings=("route other (peak 100 rps) is not covered by any pod",),
        low_confidence=("only 10m were observed, less than 1d",),
    )


def demand_plot() -> DemandPlot:
    """Return three days of a daily wave with a gap, in bins of five minutes."""
    wave = 900 + 700 * np.sin(np.arange(864) / 864 * 6 * np.pi)
    wave[400:420] = np.nan
    wave[250] = 2345.6
    peaks = (
        MarkedPeak(START + 250 * 300, 2345.6, "highest"),
        MarkedPeak(START + 648 * 300, 1600.0, "highest of 2023-11-16"),
    )
    return DemandPlot(START, 300.0, wave, wave * 0.8, peaks)


def replicas_plot() -> ReplicasPlot:
    demand = np.nan_to_num(demand_plot().highest_rps * 1.4)
    needed = np.ceil(demand / 300).clip(2, 9)
    saturated = np.zeros(864, dtype=bool)
    saturated[250:252] = True
    return ReplicasPlot(START, 300.0, needed, needed + 1, demand / needed / 500, saturated)


def curve_plot(container: str) -> CurvePlot:
    rps = np.linspace(0, 900, 60)
    cpu = 10 + 0.4 * rps**0.95
    rows = (
        PlottedRow(1, 100.0, 42.0, "ok", True),
        PlottedRow(2, 300.0, 105.0, "ok", True),
        PlottedRow(3, 600.0, 184.5, "ok", True),
        PlottedRow(4, 750.0, 195.0, "saturated: achieved 750 of 900 rps", False),
    )
    return CurvePlot(
        *(f"cpu of {container}", "millicores", rps, cpu, cpu * 0.9, cpu * 1.12),
        *(100.0, 600.0, rows, 180.0, 420.0),
    )


def complete_component(component: ComponentProjection) -> ComponentProjection:
    container = Amounts(
        figure(350, "millicores", "the upper bound over the target", low=310, high=360),
        figure(256 * MIB, "bytes", "largest row x 1.15"),
        figure(201.5, "millicores", "load curve", low=180, high=230, rows=(2, 3)),
        figure(180 * MIB, "bytes", "maximum over the rows"),
        figure(2000, "millicores", "two workers"),
        figure(256 * MIB, "bytes", "as the request"),
    )
    simulated = Simulation(
        *(figure(9, "replicas"), figure(2, "replicas"), figure(480, "seconds")),
        figure(0.004, "ratio"),
        *(figure(310.5, "pod-hours"), figure(432, "pod-hours"), figure(0.28, "ratio")),
        figure(41, "changes"),
        (Saturation(START + 75_000, 480, 5, 8),),
        replicas_plot(),
    )
    limits = RateLimits(
        figure(520, "rps per replica", "half way", low=462, high=600),
        *(figure(104, "tokens"), figure(52, "tokens"), figure(0.1, "seconds")),
        *(figure(520, "r/s"), figure(52, "requests")),
        figure(2600, "rps", "the smaller", constraint="pods"),
        ("the HPA begins at 462 rps per replica, the limit is above it",),
    )
    line = ExplanationLine(
        "replicas",
        "R = ceil(peak x imbalance / x_cpu)",
        "R = ceil(3,283.8 x 1.1 / 420)",
        figure(9, "replicas", "", rows=(2, 3), flags=(Flag.SCALED_LINEARLY,)),
        (("peak", figure(3283.8, "rps", "observed x growth")), ("x_cpu", figure(420, "rps"))),
    )
    return replace(
        component,
        replicas=replace(component.replicas, low=8, high=10, flags=(Flag.SCALED_LINEARLY,)),
        containers={"app": container, "<b>istio-proxy</b>": container},
        demand=Demand(
            *(figure(2345.6, "rps"), figure(1.02, "ratio"), figure(1.43, "ratio")),
            figure(1.0, "ratio"),
            figure(2600, "rps", "Gumbel", low=2400, high=2900),
            ((START, 2345.6),),
            figure(3283.8, "rps", "observed x growth"),
        ),
        performance_limit=figure(600, "rps per replica", "p99 of row 3", constraint="p99"),
        workers=figure(2, "workers"),
        rollout=Rollout(
            *(figure(8, "replicas"), figure(9, "replicas"), figure(12, "replicas")),
            *(figure(15, "replicas"), figure(9, "replicas"), figure(1, "replicas"), 0.25, 0.0),
        ),
        hpa=HpaRecommendation(
            *(figure(3, "replicas"), figure(12, "replicas"), figure(55, "percent")),
            *(figure(462, "rps per replica"), figure(420, "rps per replica")),
            *(figure(1.31, "ratio"), figure(90, "seconds"), 100, 4, 15, 300),
            False,
            ("in the simulation 480 s remain at saturation",),
        ),
        simulation=simulated,
        rate_limits=limits,
        curves=(curve_plot("app"), curve_plot("<b>istio-proxy</b>")),
        demand_plot=demand_plot(),
        explanation=(line, replace(line, topic="hpa")),
        warnings=("p99 is not stated in row 2",),
    )


@pytest.fixture
def complete(projection: Projection) -> Projection:
    """Return a projection with every optional part, two components and hostile names."""
    first = complete_component(projection.components[0])
    second = replace(first, name="gateway", kind=Kind.GATEWAY, warnings=())
    money = "USD per month"
    pool = PoolPlan(
        *("general", ("api", "gateway"), figure(6, "nodes"), (2, 2, 2)),
        *(figure(7, "replicas"), figure(0.21, "ratio"), figure(0.4, "ratio")),
        figure(840.96, money),
    )
    phases = tuple(
        PhaseProjection(
            *(phase, ("/api/_",), figure(3283.8, "rps"), {"api": figure(9, "replicas")}),
            *(figure(3150, "millicores"), figure(2304 * MIB, "bytes")),
            ("gateway: no row",) if phase == 2 else (),
        )
        for phase in (2, 3)
    )
    return replace(
        projection,
        components=(first, second),
        demand_plot=demand_plot(),
        nodes=NodePlan(
            *("nodes.yaml", False, (pool,), figure(6, "nodes", low=6, high=7)),
            *(figure(840.96, money, low=840.96, high=981.12), figure(655.0, money)),
            *({"api": figure(400.0, money)}, ("prices of 2026-01-01",)),
        ),
        phases=phases,
        paths=(PathProjection("/api/_", figure(3283.8, "rps"), phases),),
        warnings=("route </td><script>alert(1)</script> is not covered by any pod",),
        low_confidence=(),
        heaviest=(
            Weight(Assumption("linear scaling", "api", "assumed", True), None),
            Weight(projection.assumptions[0], figure(1 / 0.6, "ratio")),
        ),
    )


@pytest.fixture
def applicable(complete: Projection) -> Projection:
    """Return the complete projection with names that Kubernetes accepts.

    It has a pod with a sidecar, and a gateway.
    """
    pod, gateway = complete.components
    app, proxy = pod.containers.values()
    unlimited = replace(app, cpu_limit=None)
    return replace(
        complete,
        components=(
            replace(pod, containers={"app": unlimited, "istio-proxy": proxy}),
            replace(gateway, containers={"istio-proxy": proxy, "nginx": unlimited}),
        ),
    )
