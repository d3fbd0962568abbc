"""Which access logs, routes and forms of lines the options of a command mean."""

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from estimator.errors import InputError, Problem
from estimator.series.rps import ALL_ROUTES
from estimator.text_files import read_text
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.access_log.remote import is_url, matching
from mirror.formats.bounded_files import BoundedFileError
from mirror.formats.routes import OTHER, RouteTable, TemplateError
from mirror.formats.yaml_documents import LIMIT, YamlError, read_document


def problem_of(reading: Reading) -> Iterable[Problem]:
    """Yield what is wrong with the options."""
    try:
        LineReader(reading)
    except ValueError as error:
        yield Problem("--fields or --time-zone", str(error))


def files_of(patterns: tuple[str, ...]) -> list[str]:
    """Return the files that names and patterns stand for. Raises InputError."""
    files: list[str] = []
    for pattern in patterns:
        # The name of an existing file is no pattern, whatever characters it has.
        is_name = pattern == "-" or os.path.exists(pattern)
        if is_name:
            names = [pattern]
        elif is_url(pattern):
            try:
                names = matching(pattern)
            except BoundedFileError as error:
                raise InputError([Problem(error.name, error.reason)]) from error
        else:
            names = sorted(glob.glob(pattern))
        if not names:
            raise InputError([Problem(pattern, "no such file")])
        files += names
    return files


def route_table(route: Sequence[str], routes: Path | None, templates: Iterable[str]) -> RouteTable:
    """Return the routes that the options name, or `templates`. Raises InputError."""
    if routes is not None:
        chosen, origin = [*route, *_routes_of(routes)], str(routes)
    elif route:
        chosen, origin = [*route], "--route"
    else:
        chosen = [*dict.fromkeys(route for route in templates if route not in (ALL_ROUTES, OTHER))]
        origin = "routes of the table"
    try:
        return RouteTable(chosen)
    except TemplateError as error:
        raise InputError([Problem(origin, expected) for _, expected in error.problems]) from error


def _routes_of(path: Path) -> list[str]:
    try:
        document = read_document(read_text(path, LIMIT))
    except YamlError as error:
        raise InputError([Problem(str(path), f"is not YAML: {error}")]) from error
    routes = document.get("routes") if isinstance(document, dict) else None
    if not isinstance(routes, list) or not all(isinstance(route, str) for route in routes):
        rule = "expected a list of templates, as in mirror.yaml"
        raise InputError([Problem(str(path), rule, key="routes")])
    return routes
