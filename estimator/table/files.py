"""Reads and writes a correspondence table: CSV where the name ends in `.csv`, else YAML.

YAML is for people, CSV for tools. A read names every problem of a file at once.
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
    """Return the table in a file. Raises InputError with every problem of the file.

    A component without rows is well-formed; sizing refuses it.
    """
    place = Place([], "example table" if path == EXAMPLE else str(path))
    parse = csv_file.parse if path.suffix.lower() == ".csv" else yaml_file.parse
    components = to_components(parse(read_text(path), place), place)
    if place.problems:
        raise InputError(place.problems)
    return Table(place.source, components, is_example=path == EXAMPLE)


def write_table(table: Table, path: Path) -> None:
    """Write a table in the format that the file's name asks for, whole or not at all.

    Raises InputError where the file cannot be written, or CSV cannot hold a route.
    """
    document = of_components(table.components)
    is_csv = path.suffix.lower() == ".csv"
    write_whole(path, csv_file.dump(document, str(path)) if is_csv else yaml_file.dump(document))
