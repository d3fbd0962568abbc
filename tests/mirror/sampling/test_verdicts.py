"""The verdicts of docs/formats.md, and that the estimator gives the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from estimator.table.rows import LoadPoint, Resources
from estimator.table.verdicts import judge
from mirror.sampling.verdicts import Facts, verdict

FULL = {"cpu": {"app": 900.0}, "ceilings": {"app": 1000.0}}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Facts(100, 100), "ok"),
        (Facts(97, 100), "ok"),
        (Facts(96.9, 100), "generator-bound"),
        (Facts(9, 10), "ok"),  # one less in a second is an end of the run
        (Facts(100, 100, error_ratio=0.011), "failing"),
        (Facts(100, 100, error_ratio=0.01, duration_s=119), "too short"),
        (Facts(100, 100, **FULL), "saturated"),  # type: ignore[arg-type]
        (Facts(50), "ok"),
    ],
)
def test_verdict_of_a_row_alone(row: Facts, expected: str) -> None:
    assert verdict(row, [row]) == expected


def test_two_missed_targets_at_one_height_are_a_plateau() -> None:
    rows = [Facts(500, 600, cpu={"app": 100}), Facts(510, 800, cpu={"app": 100})]
    assert [verdict(row, rows) for row in rows] == ["saturated"] * 2
    known = [Facts(each.rps, each.rps_target, cpu=each.cpu, ceilings={"app": 1e3}) for each in rows]
    assert [verdict(row, known) for row in known] == ["generator-bound"] * 2


_ROWS = some.lists(
    some.builds(
        Facts,
        rps=some.sampled_from([0, 90, 96, 100, 103, 200]),
        rps_target=some.sampled_from([None, 90, 100, 104, 120, 200]),
        replicas=some.sampled_from([1, 2]),
        error_ratio=some.sampled_from([None, 0.0, 0.01, 0.02]),
        duration_s=some.sampled_from([None, 119.9, 120.0]),
        cpu=some.fixed_dictionaries({"app": some.sampled_from([100.0, 899.0, 900.0])}),
        ceilings=some.sampled_from([{}, {"app": 1000.0}]),
    ),
    min_size=1,
    max_size=4,
)


@given(_ROWS)
def test_estimator_agrees_on_every_row_by_itself(rows: list[Facts]) -> None:
    points = [
        LoadPoint(
            row=number,
            replicas=row.replicas,
            rps=row.rps,
            usage={"app": Resources(row.cpu["app"], 1)},
            error_ratio=row.error_ratio,
            rps_target=row.rps_target,
            duration_s=row.duration_s,
            cpu_limit_millicores=row.ceilings,
        )
        for number, row in enumerate(rows, start=1)
    ]
    for row, judgement in zip(rows, judge(points), strict=True):
        theirs = judgement.verdict.value
        # Rows against each other are the estimator's alone.
        assert verdict(row, rows) == ("ok" if theirs in ("noisy", "non-monotone") else theirs)
