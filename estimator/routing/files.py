"""Reads files and directories of Kubernetes objects into the route tables of their gateways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from estimator.routing.table import RouteTable


@dataclass(frozen=True, slots=True)
class Routes:
    """What the objects of some files say about routing."""

    tables: tuple[RouteTable, ...]
    """One for each port of each gateway that carries HTTP."""
    warnings: tuple[str, ...] = ()
    """What is read and may route otherwise than written, each with file and line."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Objects that do not route, counted by kind and apiVersion."""


def read_routes(
    paths: Sequence[Path], gateway: str | None = None, port: int | None = None
) -> Routes:
    """Return the tables of the gateways in these files, or in the files below directories.

    `gateway` is `name` or `namespace/name`; None takes all gateways. `port` likewise.

    Raises InputError with every problem of every file: YAML that does not parse, a template that
    is not rendered, an unknown key of a field that routes, a regex that RE2 refuses, and a gateway
    or a port that does not exist.
    """
    raise NotImplementedError
