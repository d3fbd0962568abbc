"""Checks which paths become one shape."""

import pytest

from estimator.migration.coverage.path_groups import (
    MOST_FIRST,
    MOST_SEGMENTS,
    MOST_SIBLINGS,
    shapes_of,
)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/", "/"),
        ("/item/17/", "/item/{number}/"),
        ("/u/9b2f0c1e-52a1-4f0e-8a0c-0f3b8d2a7c11/orders", "/u/{uuid}/orders"),
        ("/how-to-move-a-path-of-a-site", "/how-to-move-a-path-of-a-site"),
        ("//double", "//double"),
        ("*", "*"),
    ],
)
def test_an_identifier_becomes_a_placeholder(path: str, shape: str) -> None:
    assert shapes_of([path]) == {path: shape}


def test_many_names_in_one_place_become_one_shape() -> None:
    names = [f"/shop/{chr(97 + number)}-thing/price" for number in range(MOST_SIBLINGS + 1)]
    assert set(shapes_of(names).values()) == {"/shop/{name}/price"}
    assert len(set(shapes_of(names[1:]).values())) == MOST_SIBLINGS


def test_identifiers_beside_names_stay_apart() -> None:
    names = [f"/shop/{chr(97 + number)}" for number in range(MOST_SIBLINGS + 1)]
    shapes = shapes_of([*names, "/shop/17", "/shop/"])
    assert shapes["/shop/17"] == "/shop/{number}" and shapes["/shop/"] == "/shop/"


def test_a_path_of_thousands_of_segments_is_cut() -> None:
    path = "/a" * 5000
    assert shapes_of([path]) == {path: "/a" * MOST_SEGMENTS + "/..."}


def test_the_parts_of_a_site_are_shown_one_by_one() -> None:
    parts = [f"/part-{chr(97 + number % 26)}{chr(97 + number // 26)}" for number in range(99)]
    assert len(set(shapes_of(parts[:MOST_FIRST]).values())) == MOST_FIRST
    assert set(shapes_of(parts).values()) == {"/{name}"}


def test_a_name_that_stands_alone_is_shown() -> None:
    names = [f"/shop/{chr(97 + number)}-thing" for number in range(MOST_SIBLINGS + 1)]
    shapes = shapes_of([*names, "/shop/basket/7/edit"])
    assert shapes["/shop/basket/7/edit"] == "/shop/basket/{number}/edit"
