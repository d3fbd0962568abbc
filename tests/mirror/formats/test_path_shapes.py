"""Checks that targets that differ in identifiers have one shape, and that no others do."""

import pytest

from mirror.formats.path_shapes import shape_of

ID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        ("/", "/"),
        ("/item/17", "/item/{number}"),
        ("/item/17/", "/item/{number}/"),
        ("/17/18;v=1", "/{number}/{number};v=1"),
        (f"/user/{ID}/photo", "/user/{uuid}/photo"),
        (f"/user/{ID.upper()}", "/user/{uuid}"),
        ("/blob/64a1f0c2", "/blob/{hex}"),
        ("/blob/" + "0a" * 20 + ".png", "/blob/" + "0a" * 20 + ".png"),
        ("/v1/deadbeef/a1b2", "/v1/deadbeef/a1b2"),
        ("/item-17/17.html", "/item-17/17.html"),
        ("/search?q=a&page=2", "/search?page&q"),
        ("/search?page=9&q=b&q=c", "/search?page&q"),
        ("/a?1697040000", "/a?{number}"),
        ("/a?", "/a?"),
        ("/a?x=/1/2", "/a?x"),
    ],
)
def test_targets_have_shapes(target: str, shape: str) -> None:
    assert shape_of(target) == shape


def test_kept_parameters_stay_with_their_values() -> None:
    assert shape_of("/a/1?v=2&x=1&v=3", {"v"}) == "/a/{number}?v=2&v=3&x"


def test_the_shape_of_a_long_target_takes_linear_time() -> None:
    # A pattern that tried every split of this segment would never end.
    long = "/" + "a" * 200_000
    assert shape_of(long) == long
