"""What a sidecar's counts of URIs say that production received, from its admin port or a file.

The counts know host, method, path and the names of query parameters, no value and no header. Where
there are more URIs than the sidecar keeps, a path is a shape, and one sample path stands for it. So
does a path of which a segment was redacted.
"""

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.requests.admin_port import Page, read_page
from estimator.requests.asked import Asked
from estimator.requests.observations import Observation, Observations
from estimator.requests.samples import path_of_shape
from estimator.requests.summary import said_of_time
from estimator.routing.request import Request
from mirror.formats.access_log.remote import is_url
from mirror.formats.access_log.tally import LOW_CONFIDENCE_RATIO
from mirror.formats.capture.redacted import has_redacted_segment
from mirror.formats.foreign_text import text_of
from mirror.formats.uri_counts import LIMIT, OTHER, UriCount, UriCounts, decode

OPTION = "--from-uris"
_PAGE = Page(
    "/uris",
    OPTION,
    LIMIT,
    "Expected the admin port of a sidecar that counts URIs (`uris` in mirror.yaml)",
    "Keep fewer URIs (uris.most)",
)


def observe_uris(name: str, asked: Asked) -> Observations:
    """Return the requests of a document in a file, or of the sidecar at a URL.

    Raises InputError for what is no such document, Refused for a sidecar that gives none or has
    counted nothing.
    """
    try:
        document = decode(read_page(name, _PAGE))
    except ValueError as error:
        raise InputError([Problem(name, str(error))]) from error
    source = f"URIs of the sidecar at {name}" if is_url(name) else f"URI counts {name}"
    return observations_of(document, source, asked)


def observations_of(document: UriCounts, source: str, asked: Asked) -> Observations:
    """Return an observation for each entry of a document. Raises Refused."""
    if not document.uris:
        problem = f"holds no URI; {document.seen:,} requests were seen"
        raise Refused([Refusal(source, problem, "Let it count production requests first")])
    items = tuple(observation_of(entry, asked) for entry in document.uris)
    missing = {
        "requests of further URIs than the sidecar keeps": document.not_kept,
        "requests that workers had not reported yet": document.waiting,
        "requests that a worker held when it died": document.lost,
    }
    notes, doubts = _said_of_losses(document)
    shapes = [entry for entry in document.uris if entry.is_shape]
    if shapes:
        notes.append(
            f"{sum(entry.count for entry in shapes):,} requests are added up under"
            f" {len(shapes):,} shapes of paths, and one sample path stands for each shape"
        )
    if document.mode == "inline":
        notes.append("the sidecar knows the class of an answer only: 200 stands for 2xx")
    seconds = (
        min(entry.first_s for entry in document.uris),
        max(entry.last_s for entry in document.uris),
    )
    return Observations(
        items=items,
        source=source,
        count=sum(item.count for item in items),
        seconds=seconds,
        left_out={reason: number for reason, number in missing.items() if number},
        notes=(*notes, *said_of_time(seconds)),
        doubts=tuple(doubts),
    )


def _said_of_losses(document: UriCounts) -> tuple[list[str], list[str]]:
    """Return notes and doubts about requests without an entry."""
    missing = document.not_kept + document.lost
    if not missing:
        return [], []
    sentence = (
        f"{missing:,} of {document.seen:,} requests ({missing / document.seen:.1%}) are in no entry"
        f" of the sidecar's counts; no URI has more than {document.missing_most:,} of those that"
        f" were not kept. Keep more URIs (uris.most, now {document.most:,})"
    )
    is_doubt = missing > LOW_CONFIDENCE_RATIO * document.seen
    return ([], [sentence]) if is_doubt else ([sentence], [])


def observation_of(entry: UriCount, asked: Asked) -> Observation:
    """Return the requests of an entry as one observation."""
    path = path_of_shape(entry.path) if entry.is_shape else entry.path
    # The values of parameters are not counted, only that these parameters came.
    names = [text_of(name) for name in entry.query if name != OTHER]
    query = "&".join(f"{name}=" for name in names)
    # Behind a name that was not kept may be any other.
    others = asked.parameters if len(names) < len(entry.query) else frozenset()
    statuses = {
        int(outcome[0]) * 100: count
        for outcome, count in entry.outcomes.items()
        if outcome[1:] == "xx" and outcome[0] in "12345"
    }
    request = Request(
        "" if entry.host == OTHER else text_of(entry.host),
        "" if entry.method == OTHER else text_of(entry.method),
        f"{text_of(path)}?{query}" if query else text_of(path),
        unknown_parameters=others.union(names),
    )
    is_sample = entry.is_shape or has_redacted_segment(entry.path)
    return Observation(request, entry.count, entry.first_s, entry.last_s, statuses, is_sample)
