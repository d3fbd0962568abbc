from estimator.table.load_points import Component, Kind, LoadPoint, Resources

USAGE = {"app": Resources(100, 2**20)}


def point(row: int, error_ratio: float | None) -> LoadPoint:
    return LoadPoint(row, replicas=4, rps=1000, usage=USAGE, error_ratio=error_ratio)


def test_rps_per_replica_divides_the_total() -> None:
    assert point(1, 0).rps_per_replica == 250


def test_row_with_errors_names_its_rule() -> None:
    assert point(1, 0.02).exclusion == "error_ratio 0.02 is above 0.01"


def test_row_at_the_limit_is_used() -> None:
    assert point(1, 0.01).exclusion is None


def test_row_without_error_ratio_is_used() -> None:
    assert point(1, None).exclusion is None


def test_every_row_is_used_or_excluded() -> None:
    points = (point(1, 0), point(2, 0.5), point(3, None))
    component = Component("api", Kind.POD, ("*",), USAGE, points)
    assert [p.row for p in component.used_points] == [1, 3]
    assert [p.row for p in component.excluded_points] == [2]
