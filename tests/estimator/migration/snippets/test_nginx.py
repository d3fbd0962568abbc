import pytest

from estimator.migration.snippets.nginx import nginx
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Backend, Step

OLD, NEW = Backend("127.0.0.1", 3000), Backend("127.0.0.1", 30081)


def test_a_step_changes_nothing_but_the_weights() -> None:
    path = MovedPath.of("/api/*")
    first, last = (nginx(Step(path, OLD, NEW, *each)) for each in ((5, 0), (100, 5)))
    assert last.rollback == first.text
    assert (first.file, first.preparation) == (last.file, last.preparation)
    assert (
        "    server 127.0.0.1:3000 weight=95;\n    server 127.0.0.1:30081 weight=5;" in first.text
    )
    assert "    server 127.0.0.1:30081 down;" in first.rollback
    assert "    server 127.0.0.1:3000 down;\n    server 127.0.0.1:30081 weight=100;" in last.text


@pytest.mark.parametrize(
    ("template", "condition"),
    [
        ("/api/*", '^~ "/api/"'),
        ("/cart", '= "/cart"'),
        ("/watch/{id}", '~ "^/watch/[^/]+$"'),
        ("/it's;here", '= "/it\'s;here"'),
    ],
)
def test_location_takes_these_paths_alone(template: str, condition: str) -> None:
    preparation = nginx(Step(MovedPath.of(template), OLD, NEW, 5)).preparation
    assert f"\nlocation {condition} {{\n" in preparation
