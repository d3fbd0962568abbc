from typing import Any

import pytest

from estimator.errors import InputError
from estimator.table.fields import Place
from estimator.table.yaml_file import dump, parse


def test_lines_are_known_by_key() -> None:
    place = Place([], "x")
    document: Any = parse("a: 1\nb:\n  c: 2\n  d: {e: 3}\n", place)
    marks = place.marks
    assert document == {"a": 1, "b": {"c": 2, "d": {"e": 3}}}
    assert [marks.line(document, key) for key in ("a", "b", "absent")] == [1, 2, 1]
    assert marks.line(document["b"], "d") == 4
    assert marks.line(document["b"]["d"], "e") == 4


def test_repeated_key_is_reported_with_its_line() -> None:
    place = Place([], "x")
    parse("a: 1\nb: 2\na: 3\n", place)
    assert [str(problem) for problem in place.problems] == [
        "x:3: a: expected once in a mapping, first given in line 1"
    ]


@pytest.mark.parametrize("text", ["{", "!!python/name:os.system x", "[" * 10_000, "{[1]: 2}"])
def test_anything_but_plain_yaml_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="^x: is not YAML: "):
        parse(text, Place([], "x"))


def test_written_words_stay_words() -> None:
    words = ["yes", "1", "null", "a: b", "# no", "", "é", " x ", "1e3", "*", "!x", "2026-01-01"]
    component = {"name": "yes", "routes": words, "points": [{"tool": word} for word in words]}
    document = {"components": [component]}
    assert parse(dump(document, {}), Place([], "x")) == document


def test_no_rows_are_an_empty_list() -> None:
    assert dump({"components": [{"name": "a", "points": []}]}, {}) == (
        "components:\n  - name: a\n    points: []\n"
    )


def test_comments_stand_above_a_key_and_behind_a_row() -> None:
    rows = [{"rps": 1}, {"rps": 2}]
    document = {"components": [{"name": "a", "requests": 1, "points": rows}]}
    text = dump(document, {(0, "requests"): "a guess", (0, 1): "ok"})
    assert text.splitlines()[2:] == [
        "    # a guess",
        "    requests: 1",
        "    points:",
        "      - {rps: 1}",
        "      - {rps: 2}  # ok",
    ]
