from estimator.routing.paths import Normalization, normalized


def test_none_changes_nothing() -> None:
    assert normalized("/a/../b//c", Normalization.NONE) == "/a/../b//c"
