from dataclasses import replace

import pytest

from estimator.migration.correct import Correction, correct, observed_rows
from estimator.migration.verify import Decision, verify
from estimator.table.load_points import Table
from tests.estimator.migration.conftest import MIB, TABLE


@pytest.mark.parametrize("how", Correction)
def test_corrected_table_is_a_go(series, observe, how: Correction) -> None:
    usage = observe(1.3, memory=150 * MIB)
    verification = verify(series, TABLE, usage)
    assert verification.decision is Decision.NO_GO
    corrected = correct(TABLE, verification, how)
    again = verify(series, corrected.table, usage)
    assert again.decision is Decision.GO
    assert again.containers[0].bias == pytest.approx(0, abs=0.02)


def test_scaling_keeps_the_shape(series, observe) -> None:
    verification = verify(series, TABLE, observe(1.3, memory=150 * MIB))
    corrected = correct(TABLE, verification, Correction.SCALE)
    (component,) = corrected.table.components
    before = TABLE.components[0].points
    for old, new in zip(before, component.points, strict=True):
        ratio = new.usage["app"].cpu_millicores / old.usage["app"].cpu_millicores
        assert ratio == pytest.approx(1.3)
        assert new.cpu_max_millicores["app"] / old.cpu_max_millicores["app"] == pytest.approx(1.3)
        assert new.usage["app"].memory_bytes == 150 * MIB
        assert new.usage["proxy"].memory_bytes == 50 * MIB
    assert corrected.changes == (
        "api, app: cpu of the used rows multiplied by 1.3; memory raised to 150Mi",
        "api, proxy: cpu of the used rows multiplied by 1",
    )


def test_refit_replaces_rows_that_were_observed(series, observe) -> None:
    verification = verify(series, TABLE, observe(1.3))
    corrected = correct(TABLE, verification, Correction.REFIT)
    (component,) = corrected.table.components
    # 100 to 300 rps per replica were observed, so rows 1 to 3 are replaced and row 4 is scaled.
    assert corrected.changes[-1].startswith("api: 3 row(s) from 100 to 300 rps per replica")
    assert [point.tool for point in component.points] == [None, *["observed"] * 6]
    assert [point.row for point in component.points] == [1, 2, 3, 4, 5, 6, 7]
    assert component.points[0].usage["app"].cpu_millicores == pytest.approx(520)
    observed = component.points[1]
    assert observed.usage["app"].cpu_millicores == pytest.approx(1.3 * observed.rps, rel=0.01)
    assert observed.duration_s == 600


def test_rows_that_are_not_used_stay(series, observe) -> None:
    component = TABLE.components[0]
    failing = replace(component.points[3], row=5, rps=900.0, error_ratio=0.5)
    table = Table("t", (replace(component, points=(*component.points, failing)),))
    for how in Correction:
        corrected = correct(table, verify(series, table, observe(1.3)), how)
        assert failing.usage in [point.usage for point in corrected.table.components[0].points]


def test_too_few_minutes_give_no_rows(series, observe) -> None:
    verification = verify(series, TABLE, observe(1.3, minutes=9))
    assert observed_rows({error.container: error for error in verification.containers}) == []
    corrected = correct(TABLE, verification, Correction.REFIT)
    assert corrected.changes[-1] == "api: too few minutes for observed rows; only scaled"


def test_component_that_was_not_observed_is_unchanged(series, observe) -> None:
    other = replace(TABLE.components[0], name="web")
    table = replace(TABLE, components=(*TABLE.components, other))
    corrected = correct(table, verify(series, table, observe(1.3)), Correction.SCALE)
    assert corrected.table.components[1] == other
    assert corrected.changes[-1] == "web: unchanged, because not every container was observed"
