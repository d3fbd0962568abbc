"""What a sidecar's comparison says of single requests, from its admin port or a file.

Each example of the document becomes an observation: the requests with one URI that the shadow did
not serve as production did. The document knows as much of a URI as the counts of URIs do.
"""

from estimator.errors import InputError, Problem
from estimator.requests.admin_port import Page, read_page
from estimator.requests.asked import Asked
from estimator.requests.observations import Observation, Observations
from estimator.requests.uris import observation_of
from mirror.formats.comparison import LIMIT, Comparison, Example, decode
from mirror.formats.path_shapes import HEX, NUMBER, UUID
from mirror.formats.uri_counts import OTHER, UriCount

OPTION = "--compared"
_PAGE = Page(
    "/comparison",
    OPTION,
    LIMIT,
    "Expected the admin port of a sidecar that compares (`comparison` in mirror.yaml)",
)


def read_compared(name: str) -> Comparison:
    """Return the document in a file, or of the sidecar at a URL. Raises InputError and Refused."""
    try:
        return decode(read_page(name, _PAGE))
    except ValueError as error:
        raise InputError([Problem(name, str(error))]) from error


def observations_of_examples(document: Comparison, source: str, asked: Asked) -> Observations:
    """Return an observation for each example, in their order."""
    items = tuple(_observation(example, asked) for example in document.examples)
    return Observations(items, source, sum(item.count for item in items), None)


def _observation(example: Example, asked: Asked) -> Observation:
    entry = UriCount(
        *(example.host, example.method, example.path, example.names),
        *(example.count, example.first_s, example.last_s),
        is_shape=_is_shape(example.path),
    )
    return observation_of(entry, asked)


def _is_shape(path: str) -> bool:
    """Return whether a path stands for several, because it was too long or they were too many."""
    return path.endswith(OTHER) or not {NUMBER, UUID, HEX}.isdisjoint(path.split("/"))
