"""Reading and writing a correspondence table file: YAML for people, CSV for tools.

The name decides the format: `.csv`, or YAML. One read names every problem of a file; what is
written appears whole under its name or not at all.
"""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from estimator.errors import InputError, Problem
from estimator.table import csv_file, yaml_file
from estimator.table.document import of_components, to_components
from estimator.table.fields import Place
from estimator.table.load_points import Table

EXAMPLE = Path(__file__).parent.parent / "example_table.yaml"


def read_table(path: Path) -> Table:
    """Read a table. Raises InputError with every problem that it has.

    A component without rows is well-formed here; sizing refuses it.
    """
    place = Place([], "example table" if path == EXAMPLE else str(path))
    text = _text(path, place)
    parsed = None
    if text is not None:
        parse = csv_file.parse if path.suffix.lower() == ".csv" else yaml_file.parse
        parsed = parse(text, place)
    if parsed is not None:
        document, marks = parsed
        components = to_components(document, replace(place, marks=marks))
        if not place.problems:
            return Table(place.source, components, is_example=path == EXAMPLE)
    raise InputError(place.problems)


def _text(path: Path, place: Place) -> str | None:
    try:
        # A spreadsheet puts a byte order mark in front; line ends within cells are kept.
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        place.report("", "no such file")
    except (OSError, UnicodeDecodeError) as error:
        place.report("", f"cannot be read: {error}")
    return None


def table_text(table: Table, path: Path) -> str:
    """Return what `write_table` would write to a file of this name."""
    document = of_components(table.components)
    if path.suffix.lower() == ".csv":
        return csv_file.dump(document, str(path))
    return yaml_file.dump(document)


def write_table(table: Table, path: Path) -> None:
    """Write a table as the file's name says. Raises InputError where that is not possible."""
    write_whole(table_text(table, path), path)


def write_whole(text: str, path: Path) -> None:
    """Write a file beside its place and move it there. Raises InputError; leaves nothing half."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=path.parent, prefix=".kagami-", delete=False
        ) as file:
            try:
                file.write(text)
                file.flush()
                # mkstemp's 0600 would surprise whoever shares the folder.
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(file.name, 0o666 & ~mask)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be written: {error}")]) from error
