"""Reading and writing a correspondence table file: YAML for people, CSV for tools.

The name decides the format: `.csv`, or YAML. One read names every problem of a file; what is
written appears whole under its name or not at all.
"""

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
    components = to_components(parse(read_text(path), place), place)
    if place.problems:
        raise InputError(place.problems)
    return Table(place.source, components, is_example=path == EXAMPLE)


def write_table(table: Table, path: Path) -> None:
    """Write a table as the file's name says. Raises InputError where that is not possible."""
    document = of_components(table.components)
    is_csv = path.suffix.lower() == ".csv"
    write_whole(path, csv_file.dump(document, str(path)) if is_csv else yaml_file.dump(document))
