from dataclasses import replace

import numpy as np
import pytest

from estimator.errors import InputError
from estimator.migration.verify import Conditions, Decision, verify
from estimator.observed.usage import Sample, usage_of
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table
from tests.estimator.migration.conftest import MIB, START, TABLE


def test_worked_number_of_the_docstring() -> None:
    points = tuple(
        LoadPoint(n, 1, x, {"app": Resources(y, 1)}) for n, x, y in ((1, 1, 80), (2, 2, 220))
    )
    table = Table("t", (Component("api", Kind.POD, ("*",), {"app": Resources(1, 1)}, points),))
    series = RpsSeries("s", START, 60, ("x",), np.array([[1.0, 2.0]]))
    samples = [
        Sample("api", "a", "app", START + at, cpu, None) for at, cpu in ((0, 100), (60, 200))
    ]
    (error,) = verify(series, table, usage_of("u", samples)).containers
    assert error.bias == pytest.approx(0)
    assert error.median_error == pytest.approx(0.15)
    assert (error.worst_short, error.worst_excess) == (pytest.approx(-0.2), pytest.approx(0.1))
    assert (error.coverage, error.observed_memory_bytes) == (None, None)


def test_true_table_is_a_go(series, observe) -> None:
    verification = verify(series, TABLE, observe())
    assert (verification.decision, verification.reasons, verification.cautions) == (
        Decision.GO,
        (),
        (),
    )
    assert [error.container for error in verification.containers] == ["app", "proxy"]
    for error in verification.containers:
        assert error.bias == pytest.approx(0, abs=1e-9)
        assert (error.coverage, len(error.buckets.replicas)) == (1.0, 60)
        assert set(error.buckets.replicas) == {2}
    app = verification.containers[0]
    assert (app.predicted_memory_bytes, app.observed_memory_bytes) == (100 * MIB, 90 * MIB)
    assert verification.containers[0].reached_ratio == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        (1.2, "api, app: predicted 17% less cpu than was used over all minutes (limit 10%)"),
        (0.7, "api, app: predicted 43% more cpu than was used over all minutes (limit 30%)"),
    ],
)
def test_bias_is_a_no_go(series, observe, factor: float, reason: str) -> None:
    verification = verify(series, TABLE, observe(factor))
    assert verification.decision is Decision.NO_GO
    assert verification.reasons[0].startswith(reason)
    assert verification.containers[0].bias == pytest.approx(1 / factor - 1)
    assert verification.containers[0].factor == pytest.approx(factor)
    assert verification.containers[1].bias == pytest.approx(0, abs=1e-9)


def test_too_much_is_judged_more_gently_than_too_little(series, observe) -> None:
    verification = verify(series, TABLE, observe(0.85))
    assert verification.decision is Decision.GO
    assert verification.cautions[0].startswith(
        "api, app: only 0% of the minutes lie within the curve's"
    )
    assert verify(series, TABLE, observe(1.15)).decision is Decision.NO_GO


def test_few_bad_minutes_are_a_no_go(series, observe) -> None:
    usage = observe()
    app = usage.of("api")["app"]
    # Four of 60 minutes use twice the CPU: this is hardly a bias, but still an outage.
    app.cpu_millicores[(app.seconds >= START + 600) & (app.seconds < START + 840)] *= 2
    verification = verify(series, TABLE, usage)
    assert verification.reasons == (
        "api, app: in one minute of twenty the prediction was at least 50% too low (limit 20%)",
    )
    assert verification.containers[0].bias > -0.1


def test_memory_above_the_buffer_is_a_no_go(series, observe) -> None:
    assert verify(series, TABLE, observe(memory=114 * MIB)).decision is Decision.GO
    verification = verify(series, TABLE, observe(memory=116 * MIB))
    assert verification.reasons == (
        "api, app: used 116Mi of memory, more than 15% above the 100Mi of the table",
    )


def test_short_observation_is_low_confidence(series, observe) -> None:
    verification = verify(series, TABLE, observe(minutes=29))
    assert verification.decision is Decision.LOW_CONFIDENCE
    assert verification.reasons[0] == (
        "api, app: only 29 minutes could be compared; at least 30 are needed"
    )
    assert verify(series, TABLE, observe(minutes=30)).decision is Decision.GO


def test_load_beyond_the_table_is_a_caution(series, observe) -> None:
    verification = verify(series, TABLE, observe(replicas=1))
    assert verification.decision is Decision.GO
    assert verification.containers[0].beyond_rows == 30
    assert "api, app: 30 minutes lie beyond the largest row" in verification.cautions[0]
    narrow = replace(TABLE.components[0], points=TABLE.components[0].points[:3])
    verification = verify(series, replace(TABLE, components=(narrow,)), observe(replicas=1))
    assert verification.decision is Decision.LOW_CONFIDENCE
    assert "were left out, because they had more rps per replica" in verification.reasons[0]


def test_weak_mirroring_confirms_little(series, observe) -> None:
    verification = verify(series, TABLE, observe(replicas=4))
    assert verification.cautions[0] == (
        "api, app: mirrored traffic reached 38% of the largest row; the table is not verified"
        " above that"
    )


def test_mirrored_share_scales_the_demand(series, observe) -> None:
    halved = replace(series, rps=series.rps * 2)
    assert verify(halved, TABLE, observe(), Conditions(ratio=0.5)).decision is Decision.GO
    assert verify(halved, TABLE, observe()).decision is not Decision.GO


def test_gaps_are_not_compared(series, observe) -> None:
    rps = series.rps.copy()
    rps[:, 60:120] = np.nan
    assert (
        len(verify(replace(series, rps=rps), TABLE, observe()).containers[0].buckets.replicas) == 59
    )


def test_times_that_never_met_are_low_confidence(series, observe) -> None:
    verification = verify(replace(series, start=START + 10**6), TABLE, observe())
    assert verification.decision is Decision.LOW_CONFIDENCE
    assert verification.reasons[0] == "api, app: rps and cpu were never observed in the same minute"


def test_samples_without_pods_need_their_number(series) -> None:
    samples = [
        Sample("", "", name, START + 15 * k, 0.5 * (20 * (name == "proxy") + 200), 1.0)
        for k in range(240)
        for name in ("app", "proxy")
    ]
    with pytest.raises(InputError, match="does not name the pods of app: state their number"):
        verify(series, TABLE, usage_of("u", samples))
    verification = verify(series, TABLE, usage_of("u", samples), Conditions(replicas=3))
    assert set(verification.containers[0].buckets.replicas) == {3}


def test_everything_that_does_not_fit_is_named(series) -> None:
    samples = [Sample(name, "a", "app", START, 1, 1) for name in ("api", "web")]
    with pytest.raises(InputError) as caught:
        verify(series, TABLE, usage_of("u", samples))
    assert [str(problem) for problem in caught.value.problems] == [
        "u: component web: unknown component; the table has api",
        "u: component api: has no samples of container proxy, which the table predicts",
    ]


def test_component_that_was_not_observed_is_a_caution(series, observe) -> None:
    other = replace(TABLE.components[0], name="web")
    verification = verify(series, replace(TABLE, components=(*TABLE.components, other)), observe())
    assert verification.decision is Decision.GO
    assert verification.cautions == ("not observed, hence not verified: web",)


def test_load_far_beyond_the_table_is_not_compared(series, observe) -> None:
    crowded = replace(series, rps=series.rps * 10)
    verification = verify(crowded, TABLE, observe())
    assert verification.decision is Decision.LOW_CONFIDENCE
    assert verification.containers == ()
    assert verification.reasons[0] == (
        "api, app: every minute had more than 600 rps per replica, which the table does not cover"
    )


def test_component_without_usable_rows_is_low_confidence(series, observe) -> None:
    points = tuple(replace(point, error_ratio=1.0) for point in TABLE.components[0].points)
    broken = replace(TABLE, components=(replace(TABLE.components[0], points=points),))
    verification = verify(series, broken, observe())
    assert (verification.decision, verification.reasons) == (
        Decision.LOW_CONFIDENCE,
        ("api: has no row that can be used",),
    )


def test_samples_without_component_need_a_table_of_one(series) -> None:
    other = replace(TABLE.components[0], name="web")
    two = replace(TABLE, components=(*TABLE.components, other))
    with pytest.raises(InputError) as caught:
        verify(series, two, usage_of("u", [Sample("", "a", "app", START, 1, 1)]))
    assert str(caught.value.problems[0]) == (
        "u: component: missing; the table has several components: api, web"
    )


def test_example_table_is_never_a_go(series, observe) -> None:
    verification = verify(series, replace(TABLE, is_example=True), observe())
    assert verification.decision is Decision.LOW_CONFIDENCE
    assert "bundled example" in verification.reasons[0]
