"""Checks that the examples of a comparison become observations, in their order."""

from pathlib import Path

import msgspec
import pytest

from estimator.errors import InputError
from estimator.requests.asked import Asked
from estimator.requests.compared import observations_of_examples, read_compared
from mirror.formats.comparison import to_json
from tests.mirror.formats.test_comparison import MISS, document


def test_each_example_is_an_observation() -> None:
    plain = msgspec.structs.replace(MISS, path="/items/17")
    cut = msgspec.structs.replace(MISS, path="/long/*", names=[], method="POST", count=1)
    examples = msgspec.structs.replace(document(), examples=[plain, cut, MISS])
    found = observations_of_examples(examples, "live", Asked())
    miss, sample, shape = found.items
    assert (miss.request.authority, miss.request.method) == ("shop.example", "GET")
    assert miss.request.target == "/items/17?page="
    assert (miss.count, miss.first_s, miss.last_s, miss.is_sample) == (2, 1000, 1009, False)
    assert (sample.is_sample, sample.request.method) == (True, "POST")
    # `/items/{number}` stands for several.
    assert (shape.is_sample, shape.request.target) == (True, "/items/1?page=")
    assert (found.source, found.count) == ("live", 5)


def test_a_file_is_read_and_what_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "comparison.json"
    path.write_bytes(to_json(document()))
    assert read_compared(str(path)) == document()
    path.write_text("{}")
    with pytest.raises(InputError, match=r"comparison\.json: format: expected kagami-comparison"):
        read_compared(str(path))
