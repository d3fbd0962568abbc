"""A table as CSV: one line for each container of each row, for spreadsheets and programs.

What belongs to the component or to the row is repeated in each of its lines and must be the same in
all of them. An empty cell is a key that is not stated. Turned into the same document as YAML, so
both formats are checked by the same code.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

from estimator.errors import InputError, Problem
from estimator.table.fields import Marks, Place

COMPONENT_COLUMNS = ("component", "kind", "routes")
REQUEST_COLUMNS = ("container", "cpu_request", "memory_request")
ROW_COLUMNS = (
    "row",
    *("replicas", "rps", "rps_target", "connections", "duration_s", "tool", "loop"),
    *("p50_ms", "p99_ms", "error_ratio"),
)
USAGE_COLUMNS = ("cpu", "memory", "cpu_max", "cpu_limit", "workers")
COLUMNS = (*COMPONENT_COLUMNS, *REQUEST_COLUMNS, *ROW_COLUMNS, *USAGE_COLUMNS)

_NEEDED = {*COMPONENT_COLUMNS, *REQUEST_COLUMNS, "row", "replicas", "rps", "cpu", "memory"}
_WORDS = ("tool", "loop")
_PER_CONTAINER = ("cpu_max", "cpu_limit", "workers")

_Line = tuple[int, dict[str, str]]


def parse(text: str, place: Place) -> tuple[object, Marks] | None:
    """Return the document and the line of each part; None, with reports, for what is no table."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if not _columns_are_known(header, place):
            return None
        lines: list[_Line] = []
        last = reader.line_num
        for cells in reader:
            number, last = last + 1, reader.line_num
            if len(cells) not in (0, len(header)):
                rule = f"expected {len(header)} cells as in the first line, got {len(cells)}"
                place.report("", rule, number)
            elif cells:
                lines.append((number, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        place.report("", f"is not CSV: {error}", reader.line_num)
        return None
    return _Document(place).of(lines)


def _columns_are_known(header: list[str], place: Place) -> bool:
    before = len(place.problems)
    for column in sorted(_NEEDED - set(header)):
        place.report(column, "this column is missing", 1)
    for column in sorted(set(header) - set(COLUMNS)):
        known = ", ".join(COLUMNS)
        place.report(column, f"unknown column; the columns here are {known}", 1)
    for column in sorted({column for column in header if header.count(column) > 1}):
        place.report(column, "this column is given twice", 1)
    return len(place.problems) == before


class _Document:
    """Builds the document of a table, line by line; parts that come again must agree."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._marks = Marks()
        self._first: dict[tuple[str, ...], tuple[int, dict[str, str]]] = {}
        """Component, or component and container, or component and row: its first line."""

    def of(self, lines: list[_Line]) -> tuple[object, Marks]:
        components: dict[str, dict[str, Any]] = {}
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for number, cells in lines:
            name, container, row = cells["component"], cells["container"], cells["row"]
            component = components.setdefault(name, {"requests": {}, "points": []})
            if self._is_new(("component", name), number, _part(cells, COMPONENT_COLUMNS)):
                component |= {
                    "name": name,
                    "kind": cells["kind"],
                    "routes": cells["routes"].split(),
                }
                self._marks.note(component, number, {})
            if self._is_new(("container", name, container), number, _part(cells, REQUEST_COLUMNS)):
                amounts = _stated({"cpu": cells["cpu_request"], "memory": cells["memory_request"]})
                self._put(component["requests"], container, amounts, number)
            if not row:
                self._expect_no_measurement(number, cells)
                continue
            if self._is_new(("row", name, row), number, _part(cells, ROW_COLUMNS)):
                point = rows[name, row] = _row(cells)
                component["points"].append(point)
                self._marks.note(point, number, {})
            self._add_usage(rows[name, row], container, cells, number)
        return {"components": list(components.values())}, self._marks

    def _is_new(self, key: tuple[str, ...], number: int, part: dict[str, str]) -> bool:
        """Note the first line of a part; report a later one that says something else."""
        if key not in self._first:
            self._first[key] = (number, part)
            return True
        first, before = self._first[key]
        for column, value in part.items():
            if value != before[column]:
                what = f"is {value!r} here and {before[column]!r} in line {first}"
                self._place.report(column, f"{what}, of the same {' '.join(key)}", number)
        return False

    def _add_usage(
        self, point: dict[str, Any], container: str, cells: dict[str, str], number: int
    ) -> None:
        if container in point["usage"]:
            rule = f"{container!r} comes twice in row {cells['row']}"
            self._place.report("container", rule, number)
            return
        amounts = _stated({"cpu": cells["cpu"], "memory": cells["memory"]})
        self._put(point["usage"], container, amounts, number)
        for column in _PER_CONTAINER:
            if value := cells.get(column, ""):
                found = _number(value) if column == "workers" else value
                self._put(point.setdefault(column, {}), container, found, number)

    def _put(self, mapping: dict[str, Any], key: str, value: Any, number: int) -> None:
        mapping[key] = value
        lines = {each: self._marks.line(mapping, each) or number for each in mapping}
        self._marks.note(mapping, number, lines | {key: number})
        if isinstance(value, dict):
            self._marks.note(value, number, {})

    def _expect_no_measurement(self, number: int, cells: dict[str, str]) -> None:
        for column in (*ROW_COLUMNS, *USAGE_COLUMNS):
            if cells.get(column):
                rule = "is given without a row; number the rows of a component in column `row`"
                self._place.report(column, rule, number)


def _part(cells: dict[str, str], columns: tuple[str, ...]) -> dict[str, str]:
    return {column: cells[column] for column in columns if column in cells}


def _stated(cells: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in cells.items() if value}


def _row(cells: dict[str, str]) -> dict[str, Any]:
    stated = _stated(_part(cells, ROW_COLUMNS[1:]))
    values = {key: value if key in _WORDS else _number(value) for key, value in stated.items()}
    return {**values, "usage": {}}


def _number(text: str) -> object:
    """Return the number that a cell holds; its text where it is none, for the message."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def dump(document: dict[str, Any], source: str) -> str:
    """Return CSV of a table's document.

    Raises InputError for a route with white space, which this format cannot hold.
    """
    problems = [
        Problem(source, f"{route!r} holds white space, which CSV cannot hold", component["name"])
        for component in document["components"]
        for route in component["routes"]
        if route.split() != [route]
    ]
    if problems:
        raise InputError(problems)
    output = io.StringIO(newline="")
    writer = csv.DictWriter(output, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for component in document["components"]:
        writer.writerows(_lines_of(component))
    return output.getvalue()


def _lines_of(component: dict[str, Any]) -> Iterator[dict[str, Any]]:
    shared = {"component": component["name"], "kind": component["kind"]}
    shared["routes"] = " ".join(component["routes"])
    requests = {
        container: {"container": container} | {f"{key}_request": of[key] for key in of}
        for container, of in component["requests"].items()
    }
    if not component["points"]:
        yield from ({**shared, **request} for request in requests.values())
    for number, point in enumerate(component["points"], start=1):
        of_row = {key: point[key] for key in ROW_COLUMNS if key in point}
        for container, used in point["usage"].items():
            extra = {
                key: point[key][container]
                for key in _PER_CONTAINER
                if container in point.get(key, {})
            }
            yield {**shared, **requests[container], **of_row, "row": number, **used, **extra}
