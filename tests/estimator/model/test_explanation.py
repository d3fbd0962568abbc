import math
import re

import numpy as np
import pytest

from estimator.model.component import project_component
from estimator.model.demand.scenario import Observed
from estimator.model.evidence.evidence import gather
from estimator.model.figure import ExplanationLine
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

MIB = 2**20
TOPICS = ["demand", "load curve", "replicas", "requests", "hpa", "rate limits"]
FUNCTIONS = {"ceil": math.ceil, "floor": math.floor, "max": max, "min": min}
ARITHMETIC = re.compile(r"(?:ceil|floor|max|min|[\d.+\-*/^(), ])+")


def component(rows: int) -> Component:
    points = tuple(
        LoadPoint(
            n,
            2,
            213.7 * n,
            {
                "istio-proxy": Resources(31.0 + 77.3 * n**0.93, 90 * MIB),
                "nginx": Resources(9.1 * n, 9 * MIB),
            },
            workers={"istio-proxy": 2},
        )
        for n in range(1, rows + 1)
    )
    requests = {"istio-proxy": Resources(800, 256 * MIB), "nginx": Resources(100, 64 * MIB)}
    return Component("gateway", Kind.GATEWAY, ("*",), requests, points)


def explanation(
    observed: Observed, component: Component, policy: Policy
) -> tuple[ExplanationLine, ...]:
    return project_component(observed, gather(component, policy), policy).explanation


def lines(rows: int = 6, **policy: object) -> tuple[ExplanationLine, ...]:
    demand = 1000 + 777.7 * np.sin(np.linspace(0, 2 * np.pi, 5760))
    observed = Observed("all routes", demand, 0, 15, 15, float(demand.max()), 0)
    return explanation(observed, component(rows), Policy(**policy))


POLICIES = pytest.mark.parametrize(
    "policy",
    [
        {},
        {"growth_per_month": 0.03, "event_factor": 2.5},
        {"zones": 3, "max_unavailable_ratio": 0.25, "lose_pods": 2},
        {"hpa_max": 4, "rows": 4},
        {"hpa_max": 8, "rows": 2},
        {"rows": 2},
        {"rows": 1},
        {"min_replicas": 40},
    ],
)


@POLICIES
def test_arithmetic_can_be_redone_by_hand(policy: dict) -> None:
    redone = 0
    for line in lines(**policy):
        if not ARITHMETIC.fullmatch(line.substituted):
            continue
        by_hand = eval(line.substituted.replace("^", "**"), {"__builtins__": {}}, FUNCTIONS)
        assert by_hand == pytest.approx(line.result.value, rel=2e-4), line
        redone += 1
    # Most lines are arithmetic that can be repeated here; a bisection or a simulation cannot.
    assert redone >= 18


@POLICIES
def test_topics_follow_each_other(policy: dict) -> None:
    topics = [line.topic for line in lines(**policy)]
    # One row over a wide range, and a minimum above every need: neither leaves an HPA to explain.
    has_hpa = policy not in ({"rows": 1}, {"min_replicas": 40})
    assert list(dict.fromkeys(topics)) == [t for t in TOPICS if t != "hpa" or has_hpa]
    assert topics == sorted(topics, key=TOPICS.index)


def test_every_line_has_its_formula_and_a_reason() -> None:
    for line in lines(zones=3):
        assert line.formula and line.substituted and line.result.unit and line.result.reason, line


def test_rows_are_inputs_of_their_curve() -> None:
    curve = next(line for line in lines() if line.topic == "load curve")
    assert [name for name, _ in curve.inputs] == [f"row {n}" for n in range(1, 7)]
    assert curve.inputs[1][1].reason == "at 213.7 rps per replica"


def test_return_level_is_explained_where_it_decides() -> None:
    days = np.ones((20, 1440))
    days[:, 700] = 500 + 13.0 * np.arange(20)
    demand = days.ravel()
    observed = Observed("all", demand, 0, 60, 1, float(demand.max()), 0)
    found = explanation(observed, component(6), Policy(return_days=1000))
    assert any(line.formula.startswith("level = mu - sigma") for line in found)
    assert any(line.formula == "peak = level * growth * event" for line in found)


def test_scaling_law_is_explained_as_a_search() -> None:
    def total(n: int) -> float:
        return 100 * n / (1 + 0.02 * (n - 1) + 0.0001 * n * (n - 1))

    counts = (1, 2, 4, 8, 16, 32, 60)
    points = tuple(
        LoadPoint(2 * k + h, n, total(n) * (0.5, 1)[h], {"app": Resources((150.0, 300.0)[h], 1)})
        for k, n in enumerate(counts)
        for h in (0, 1)
    )
    crowd = Component("app", Kind.POD, ("*",), {"app": Resources(900, 1)}, points)
    demand = np.full(100, 1000.0)
    found = explanation(Observed("all", demand, 0, 15, 1, 1000, 0), crowd, Policy())
    line = next(candidate for candidate in found if candidate.formula.startswith("cpu of app: R"))
    assert line.formula.endswith("by the scaling law")
    assert line.substituted.startswith("smallest R with R * e(R)")
