"""Reads and writes a correspondence table: CSV if the name ends in `.csv`, otherwise YAML.

YAML is for people, CSV for tools. A read names every problem of a file at once.
"""

from pathlib import Path

from estimator.errors import InputError
from estimator.table import csv_file, yaml_file
from estimator.table.document import of_components, to_components
from estimator.table.fields import Place
from estimator.table.load_points import Table
from estimator.text_files import read_text, write_whole

COMMENT_ON_ASSUMED = {
    "requests": "the highest measured amounts: put the Pod's own requests here",
    "routes": "nobody stated them: put the routes here that reach the component",
}
"""What stands in YAML above a key that is assumed."""
EXAMPLE = Path(__file__).parent.parent / "example_table.yaml"


def read_table(path: Path) -> Table:
    """Return the table in a file. Raises InputError with every problem of the file.

    A component without rows is well-formed; sizing refuses it.
    """
    place = Place([], "example table" if path == EXAMPLE else str(path))
    form = csv_file if path.suffix.lower() == ".csv" else yaml_file
    components = to_components(form.parse(read_text(path, form.LIMIT), place), place)
    if place.problems:
        raise InputError(place.problems)
    return Table(place.source, components, is_example=path == EXAMPLE)


def table_text(table: Table, path: Path) -> str:
    """Return what `write_table` would write to a file of this name."""
    document = of_components(table.components)
    if path.suffix.lower() == ".csv":
        return csv_file.dump(document, str(path))
    return yaml_file.dump(document, _comments(table))


def _comments(table: Table) -> yaml_file.Comments:
    comments: yaml_file.Comments = {}
    for place, component in enumerate(table.components):
        for key in component.assumed:
            comments[place, key] = COMMENT_ON_ASSUMED[key]
        if component.assumed:
            comments[place, "assumed"] = "delete what you have stated"
        for row, point in enumerate(component.points):
            if point.judgement is not None:
                comments[place, row] = point.judgement.verdict.value
    return comments


def write_table(table: Table, path: Path) -> None:
    """Write a table atomically, in the format that the name of the file selects.

    In YAML, a comment after each row is its verdict, and a comment marks what is assumed. Raises
    InputError if `read_table` would refuse the table, if the file cannot be written, or if CSV
    cannot represent a route.
    """
    place = Place([], str(path))
    to_components(of_components(table.components), place)
    if place.problems:
        raise InputError(place.problems)
    write_whole(path, table_text(table, path))
