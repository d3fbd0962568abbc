"""A request as its source recorded it: the question that a route table answers.

An access log records no headers, and many record no host. What a source does not record stays
unknown here, because a route that depends on it must not be judged as if the value were empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as its client sent it."""

    authority: str
    """The Host field, perhaps with a port; empty where the source does not record it."""
    method: str
    """Empty where the source does not record it."""
    target: str
    """Path and query as sent, such as `/a/b?c=d`."""
    headers: Mapping[str, str] | None = None
    """By lower-case name; None where the source does not record headers."""
    scheme: str | None = None
    """`http` or `https`; None where it is unknown."""
    unknown_headers: frozenset[str] = frozenset()
    """Headers whose values are not known, such as redacted ones. One that stands in `headers` came
    with some value; of another, nobody knows whether it came."""
    unknown_parameters: frozenset[str] = frozenset()
    """Query parameters whose values are not known, as above; the query of `target` has the names
    of those that came."""


def split_authority(authority: str) -> tuple[str, str]:
    """Return the host and the port of an authority; the port is empty where there is none."""
    # Envoy does not ask what stands behind the colon (HeaderUtility::getPortStart).
    name, colon, port = authority.rpartition(":")
    return (name, port) if colon and "]" not in port else (authority, "")


def without_port(authority: str) -> str:
    """Return the host of an authority without its port."""
    return split_authority(authority)[0]
