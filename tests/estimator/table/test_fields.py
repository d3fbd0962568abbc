from typing import Annotated

import msgspec
import pytest

from estimator.errors import InputError
from estimator.table.fields import Marks, Place, read_fields, shown


class Shape(msgspec.Struct):
    size: Annotated[float, msgspec.Meta(ge=0, description="a number of at least 0")]
    parts: Annotated[dict, msgspec.Meta(description="a mapping")] = {}


def reports(raw: object, marks: Marks | None = None) -> list[str]:
    place = Place([], "f", marks or Marks())
    read_fields(raw, Shape, place)
    return [str(problem) for problem in place.problems]


def test_good_keys_are_converted() -> None:
    assert read_fields({"size": 3}, Shape, Place([], "f")) == {"size": 3.0}


def test_containers_keep_their_identity() -> None:
    # Marks find the lines of a mapping by its identity.
    parts: dict = {}
    values = read_fields({"size": 1, "parts": parts}, Shape, Place([], "f"))
    assert values["parts"] is parts


@pytest.mark.parametrize("value", [-1, "3", None, float("nan"), float("inf"), True, []])
def test_impossible_values_are_reported(value: object) -> None:
    assert reports({"size": value}) == [f"f: size: expected a number of at least 0, got {value!r}"]


def test_unknown_and_missing_are_reported_together() -> None:
    assert reports({"sise": 1}) == [
        "f: sise: unknown key; expected one of size, parts",
        "f: size: missing; expected a number of at least 0",
    ]


def test_line_of_the_key_is_reported() -> None:
    raw = {"size": -1, "x": 1}
    marks = Marks()
    marks.note(raw, 7, {"size": 8})
    assert [problem.partition(" ")[0] for problem in reports(raw, marks)] == ["f:7:", "f:8:"]


def test_place_of_a_report_is_complete() -> None:
    place = Place([], "f", component="api", row=3, prefix="usage", line=9)
    place.report("cpu", "is wrong")
    place.report("", "is wrong too", line=10)
    assert [str(problem) for problem in place.problems] == [
        "f:9: component api, row 3, usage.cpu: is wrong",
        "f:10: component api, row 3, usage: is wrong too",
    ]


def test_long_values_are_cut() -> None:
    assert shown("x" * 100) == "'" + "x" * 56 + "..."


def test_a_file_of_another_kind_ends_the_walk() -> None:
    place = Place([], "x")
    with pytest.raises(InputError, match="x: more problems follow$"):
        for number in range(2000):
            place.report(f"key{number}", "unknown key")
    assert len(place.problems) == 1000
