import pytest

from estimator.table.rows import Judgement, LoadPoint, Resources, Verdict

USAGE = {"app": Resources(100, 2**20)}


def test_rps_per_replica_divides_the_total() -> None:
    assert LoadPoint(1, replicas=4, rps=1000, usage=USAGE).rps_per_replica == 250


@pytest.mark.parametrize(
    ("limit", "workers", "ceiling"),
    [
        ({}, {}, None),
        ({"app": 500.0}, {}, 500),
        ({}, {"app": 2}, 2000),
        ({"app": 9e3}, {"app": 2}, 2000),
    ],
)
def test_ceiling_is_the_smaller_of_limit_and_workers(limit, workers, ceiling) -> None:
    point = LoadPoint(1, 1, 1, USAGE, cpu_limit_millicores=limit, workers=workers)
    assert point.ceiling_millicores("app") == ceiling


@pytest.mark.parametrize("verdict", Verdict)
def test_only_two_verdicts_carry_a_curve(verdict: Verdict) -> None:
    is_usable = Judgement(verdict, "a rule").is_usable
    assert is_usable == (verdict in ("ok", "non-monotone"))
    point = LoadPoint(1, 1, 1, USAGE, judgement=Judgement(verdict, "a rule"))
    assert point.exclusion == (None if is_usable else "a rule")
