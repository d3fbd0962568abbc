from dataclasses import replace

from estimator.table.load_points import Component, Kind, LoadPoint, Resources
from estimator.table.soundness import shortcomings

REQUESTS = {"app": Resources(1000, 1)}


def component(*rps: float, **last: object) -> Component:
    points = [LoadPoint(n, 1, x, {"app": Resources(x, 1)}) for n, x in enumerate(rps, start=1)]
    points[-1] = replace(points[-1], **last)
    return Component("api", Kind.POD, ("*",), REQUESTS, tuple(points))


def test_three_loads_are_sound() -> None:
    assert list(shortcomings(component(1, 2, 3))) == []


def test_repeats_of_one_load_are_not_three() -> None:
    assert list(shortcomings(component(1, 1, 2))) == [
        "has 2 usable loads; an estimate of the error needs at least 3"
    ]


def test_spoilt_rows_are_named() -> None:
    assert list(shortcomings(component(1, 2, 3, 4, duration_s=5.0))) == [
        "row 4 should be measured again"
    ]


def test_end_of_the_component_is_no_fault() -> None:
    assert list(shortcomings(component(1, 2, 3, 400, workers={"app": 1}, rps_target=800))) == [
        "row 4 should be measured again"
    ]
    full = component(1, 2, 3, 950, workers={"app": 1})
    assert list(shortcomings(full)) == []
    assert list(shortcomings(component(1, 2, 3, 4, error_ratio=0.5))) == []
