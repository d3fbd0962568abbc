import pytest

from estimator.routing.rewrites import changed_target, location
from estimator.routing.rules import PathChange, Redirect, ReplacePath, ReplacePrefix, ReplaceRegex


@pytest.mark.parametrize(
    ("change", "target", "result"),
    [
        (None, "/a?b", "/a?b"),
        (ReplacePrefix("/a", "/x"), "/a/b?c=/a", "/x/b?c=/a"),
        (ReplacePath("/x"), "/a/b?c", "/x?c"),
        (ReplaceRegex("^/a/(.*)", r"/\1"), "/a/b?c", "/b?c"),
    ],
)
def test_query_is_no_part_of_a_rewrite(change: PathChange | None, target: str, result: str) -> None:
    assert changed_target(target, change) == result


def test_location_keeps_what_a_redirect_does_not_name() -> None:
    assert (
        location(Redirect(scheme="https"), "a.example", "/b?c", "http") == "https://a.example/b?c"
    )
