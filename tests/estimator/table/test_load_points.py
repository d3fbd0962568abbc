from estimator.table.load_points import Component, Kind, LoadPoint, Resources

USAGE = {"app": Resources(100, 2**20)}


def point(row: int, error_ratio: float | None) -> LoadPoint:
    return LoadPoint(row, replicas=4, rps=1000, usage=USAGE, error_ratio=error_ratio)


def test_every_row_is_used_or_excluded() -> None:
    points = (point(1, 0), point(2, 0.5), point(3, None))
    component = Component("api", Kind.POD, ("*",), USAGE, points)
    assert [p.row for p in component.used_points] == [1, 3]
    assert [p.row for p in component.excluded_points] == [2]


def test_component_judges_its_rows() -> None:
    component = Component("api", Kind.POD, ("*",), USAGE, (point(1, 0.02), point(2, 0)))
    assert component.points[0].exclusion == "error_ratio 0.02 is above 0.01"
    assert component.points[1].exclusion is None


def test_row_outside_a_component_has_no_verdict() -> None:
    assert point(1, 0.5).exclusion is None
    assert point(1, 0.5).judgement is None


def test_judged_row_is_still_the_same_row() -> None:
    component = Component("api", Kind.POD, ("*",), USAGE, (point(1, 0.5),))
    assert component.points == (point(1, 0.5),)
