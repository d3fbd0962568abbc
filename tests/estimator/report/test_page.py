from dataclasses import replace

import pytest

from estimator.model.projection import Projection
from estimator.report.page import MOST_BYTES, page_of

LEFT_OUT = ("it has coarser charts", "it has no charts of single components")


def many(projection: Projection, count: int) -> Projection:
    first = projection.components[0]
    return replace(
        projection, components=tuple(replace(first, name=f"component-{n}") for n in range(count))
    )


@pytest.mark.parametrize(("count", "left_out"), [(1, None), (30, 0), (60, 1)])
def test_a_page_stays_below_a_megabyte(
    complete: Projection, count: int, left_out: int | None
) -> None:
    page = page_of(many(complete, count), "1", {})
    assert len(page.encode()) < MOST_BYTES
    said = [number for number, words in enumerate(LEFT_OUT) if words in page]
    assert said == ([] if left_out is None else [left_out])


def test_numbers_and_warnings_stay_whatever_is_left_out(complete: Projection) -> None:
    page = page_of(many(complete, 60), "1", {})
    # In the section of each component, once beside the confidence and once in the list of all.
    assert page.count("p99 is not stated in row 2") == 62
    assert page.count("2 replicas (8 to 10; scaled linearly)") == 60
    assert "R = ceil" not in page
