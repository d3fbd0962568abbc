"""A table as CSV: one line for each container of each row, for spreadsheets and programs.

Every line repeats what belongs to its component and to its row, and all lines of one component or
row must agree. An empty cell means that the key is not stated. The lines become the same document
that YAML gives, so the same code (document.py) checks both formats.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

from estimator.errors import InputError, Problem
from estimator.table.fields import Place
from mirror.formats.bounded_files import Limit

LIMIT = Limit(16 << 20)
"""Most bytes of a file. A table of 10,000 rows and three containers has about 3 MB."""
MOST_LINES = 100_000

COMPONENT_COLUMNS = ("component", "kind", "routes", "assumed")
REQUEST_COLUMNS = ("container", "cpu_request", "memory_request")
ROW_COLUMNS = (
    "row",
    *("replicas", "rps", "rps_target", "connections", "duration_s", "tool", "loop"),
    *("p50_ms", "p99_ms", "error_ratio"),
)
USAGE_COLUMNS = ("cpu", "memory", "cpu_max", "cpu_limit", "workers")
COLUMNS = (*COMPONENT_COLUMNS, *REQUEST_COLUMNS, *ROW_COLUMNS, *USAGE_COLUMNS)

_NEEDED = {*COMPONENT_COLUMNS, *REQUEST_COLUMNS, "row", "replicas", "rps", "cpu", "memory"}
_NEEDED.remove("assumed")
_TEXT_COLUMNS = ("tool", "loop")
_PER_CONTAINER = ("cpu_max", "cpu_limit", "workers")

_Cells = dict[str, str]


def parse(text: str, place: Place) -> object:
    """Return the document of a CSV text; put the line of each of its parts into `place.marks`.

    Reports lines that contradict each other to `place`. Raises InputError if the text is not CSV
    or its columns are not those of a table.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    builder = _DocumentBuilder(place)
    try:
        header = next(reader, [])
        _check_columns(header, place)
        last = reader.line_num
        for cells in reader:
            # A quoted cell may hold line ends, so a line of the table may be several of the file.
            number, last = last + 1, reader.line_num
            if number > MOST_LINES:
                place.report("", f"has more than {MOST_LINES:,} lines, which is the limit", number)
                break
            if cells and len(cells) != len(header):
                rule = f"expected {len(header)} cells as in the first line, got {len(cells)}"
                place.report("", rule, number)
            elif cells:
                builder.add(dict(zip(header, cells, strict=True)), number)
    except csv.Error as error:
        place.report("", f"is not CSV: {error}", reader.line_num)
        raise InputError(place.problems) from error
    return {"components": list(builder.components.values())}


def _check_columns(header: list[str], place: Place) -> None:
    for column in sorted(_NEEDED - set(header)):
        place.report(column, "missing; expected this column in the first line", 1)
    for column in sorted(set(header) - set(COLUMNS)):
        place.report(column, f"unknown column; expected one of {', '.join(COLUMNS)}", 1)
    for column in sorted({column for column in header if header.count(column) > 1}):
        place.report(column, "expected this column once, got it twice", 1)
    if place.problems:
        raise InputError(place.problems)


class _DocumentBuilder:
    """Builds the components of a table line by line; parts that come again must agree."""

    def __init__(self, place: Place) -> None:
        self.components: dict[str, dict[str, Any]] = {}
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self._place = place
        self._first: dict[tuple[str, ...], tuple[_Cells, int]] = {}
        """The cells that describe a component, container or row in its first line, and the line."""

    def add(self, cells: _Cells, line: int) -> None:
        name, container, row = cells["component"], cells["container"], cells["row"]
        component = self.components.setdefault(name, {"requests": {}, "points": []})
        if self._is_new(("component", name), _part(cells, COMPONENT_COLUMNS), line):
            routes = cells["routes"].split()
            component |= {"name": name, "kind": cells["kind"], "routes": routes}
            if cells.get("assumed"):
                component["assumed"] = cells["assumed"].split()
            self._place.marks.note(component, line)
        if self._is_new(("container", name, container), _part(cells, REQUEST_COLUMNS), line):
            amounts = _stated({"cpu": cells["cpu_request"], "memory": cells["memory_request"]})
            self._put(component["requests"], container, amounts, line)
        if not row:
            for column in (*ROW_COLUMNS, *USAGE_COLUMNS):
                if cells.get(column):
                    rule = "expected an empty cell, because `row` is empty: number the row there"
                    self._place.report(column, rule, line)
            return
        if self._is_new(("row", name, row), _part(cells, ROW_COLUMNS), line):
            self._rows[name, row] = point = {**_row(cells), "usage": {}}
            component["points"].append(point)
            self._place.marks.note(point, line)
        self._add_usage(self._rows[name, row], container, cells, line)

    def _is_new(self, key: tuple[str, ...], part: _Cells, line: int) -> bool:
        """Remember the first line of a part; report a later line that contradicts it."""
        first, first_line = self._first.setdefault(key, (part, line))
        for column, value in part.items():
            if value != first[column]:
                where = f"as in line {first_line} of the same {' '.join(key)}"
                rule = f"expected {first[column]!r} {where}, got {value!r}"
                self._place.report(column, rule, line)
        return first is part

    def _add_usage(self, point: dict[str, Any], container: str, cells: _Cells, line: int) -> None:
        if container in point["usage"]:
            rule = f"expected each container once in row {cells['row']}, got {container!r} again"
            self._place.report("container", rule, line)
            return
        amounts = _stated({"cpu": cells["cpu"], "memory": cells["memory"]})
        self._put(point["usage"], container, amounts, line)
        for column, text in _stated(_part(cells, _PER_CONTAINER)).items():
            value = _number(text) if column == "workers" else text
            self._put(point.setdefault(column, {}), container, value, line)

    def _put(self, mapping: dict[str, Any], key: str, value: Any, line: int) -> None:
        mapping[key] = value
        self._place.marks.note(mapping, line, {key: line})
        if isinstance(value, dict):
            self._place.marks.note(value, line)


def _part(cells: _Cells, columns: tuple[str, ...]) -> _Cells:
    return {column: cells[column] for column in columns if column in cells}


def _stated(cells: _Cells) -> _Cells:
    return {column: text for column, text in cells.items() if text}


def _row(cells: _Cells) -> dict[str, Any]:
    stated = _stated(_part(cells, ROW_COLUMNS[1:]))
    return {key: text if key in _TEXT_COLUMNS else _number(text) for key, text in stated.items()}


def _number(text: str) -> object:
    """Return the number in a cell; the text itself where there is none, for the message."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def dump(document: dict[str, Any], source: str) -> str:
    """Return a table's document as CSV.

    Raises InputError, naming `source`, for a route with white space: CSV separates routes by it.
    """
    problems = [
        Problem(
            source,
            f"{route!r} has white space, which separates routes in CSV: write YAML",
            component["name"],
        )
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
    shared["assumed"] = " ".join(component.get("assumed", ()))
    requests = {
        container: {"container": container} | {f"{key}_request": amounts[key] for key in amounts}
        for container, amounts in component["requests"].items()
    }
    if not component["points"]:
        yield from ({**shared, **request} for request in requests.values())
    for number, point in enumerate(component["points"], start=1):
        row = {"row": number} | _part(point, ROW_COLUMNS)
        for container, amounts in point["usage"].items():
            stated = (key for key in _PER_CONTAINER if container in point.get(key, {}))
            extra = {key: point[key][container] for key in stated}
            yield {**shared, **requests[container], **row, **amounts, **extra}
