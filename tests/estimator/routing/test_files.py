import pytest

from estimator.routing.files import read_routes


def test_reader_is_not_yet_there() -> None:
    with pytest.raises(NotImplementedError):
        read_routes([])
