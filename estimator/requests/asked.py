"""What rules ask of a request beside its authority, method and path.

A capture holds every header, and hardly two requests have the same ones. So a source keeps only
what decides: requests that differ in nothing else are equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from estimator.routing.conditions import Conditions


@dataclass(frozen=True, slots=True)
class Asked:
    """Names of headers and query parameters."""

    headers: frozenset[str] = frozenset()
    """In lower case."""
    parameters: frozenset[str] = frozenset()
    """Where targets are added up by their shape, these keep their values."""


def asked_by(conditions: Iterable[Conditions]) -> Asked:
    """Return what any of these conditions asks for."""
    headers: set[str] = set()
    parameters: set[str] = set()
    for of_a_rule in conditions:
        headers |= {header.name for header in of_a_rule.headers}
        parameters |= {parameter.name for parameter in of_a_rule.query}
    return Asked(frozenset(headers), frozenset(parameters))
