import pytest

from estimator.migration.coverage.targets import is_same_target


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("//a/./b/../c?q", "/a/c?q"),
        ("/a%28b%20c", "/a(b%20c"),
        ("/%c3%a9", "/é"),
        ("/a%2fb", "/a%2Fb"),
        ("/a/..", "/"),
    ],
)
def test_another_spelling_is_the_same(one: str, other: str) -> None:
    assert is_same_target(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("/a%2Fb", "/a/b"), ("/a", "/a/"), ("/a", "/A"), ("/a?b", "/a?c")]
)
def test_another_path_or_query_is_not(one: str, other: str) -> None:
    assert not is_same_target(one, other)
