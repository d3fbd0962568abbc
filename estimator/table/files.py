"""Reading and writing a correspondence table file: YAML for people, CSV for tools.

The name decides the format: `.csv`, or YAML. One read names every problem of a file; what is
written appears whole under its name or not at all.
"""

from dataclasses import replace
from pathlib import Path

from estimator.errors import InputError
from estimator.table import csv_file, yaml_file
from estimator.table.document import of_components, to_components
from estimator.table.fields import Place
from estimator.table.load_points import Table
from estimator.text_files import read_text, write_whole

EXAMPLE = Path(__file__).parent.parent / "example_table.yaml"


def read_table(path: Path) -> Table:
    """Read a table. Raises InputError with every problem that it has.

    A component without rows is well-formed here; sizing refuses it.
    """
    place = Place([], "example table" if path == EXAMPLE else str(path))
    parse = csv_file.parse if path.suffix.lower() == ".csv" else yaml_file.parse
    parsed = parse(read_text(path), place)
    if parsed is not None:
        document, marks = parsed
        components = to_components(document, replace(place, marks=marks))
        if not place.problems:
            return Table(place.source, components, is_example=path == EXAMPLE)
    raise InputError(place.problems)


def table_text(table: Table, path: Path) -> str:
    """Return what `write_table` would write to a file of this name."""
    document = of_components(table.components)
    if path.suffix.lower() == ".csv":
        return csv_file.dump(document, str(path))
    return yaml_file.dump(document)


def write_table(table: Table, path: Path) -> None:
    """Write a table as the file's name says. Raises InputError where that is not possible."""
    write_whole(path, table_text(table, path))
