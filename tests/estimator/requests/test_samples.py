"""Checks that a sample has the tag or shape for which it stands."""

import pytest

from estimator.requests.samples import path_of_shape, path_of_tag
from mirror.formats.path_shapes import shape_of
from mirror.formats.routes import RouteTable


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/", "/"),
        ("/watch/{id}", "/watch/1"),
        ("/u/{user_id}/photos/{n}", "/u/1/photos/1"),
        ("/api/*", "/api/1"),
        ("/_next/static/*", "/_next/static/1"),
        ("/a_b/c", "/a_b/c"),
    ],
)
def test_a_sample_has_its_tag(template: str, path: str) -> None:
    routes = RouteTable([template])
    assert path_of_tag(routes.tags[0]) == path
    assert routes.match(path.encode()) == routes.tags[0]


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        ("/item/{number}/x", "/item/1/x"),
        ("/user/{uuid}", "/user/3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        ("/blob/{hex}", "/blob/64a1f0c2"),
        ("/", "/"),
    ],
)
def test_a_sample_has_its_shape(shape: str, path: str) -> None:
    assert path_of_shape(shape) == path
    assert shape_of(path) == shape


def test_a_sample_stands_for_any_rest() -> None:
    assert [path_of_shape(shape) for shape in ("/s/*", "/*")] == ["/s/1", "/1"]
