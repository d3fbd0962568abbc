"""What a sidecar's counts of URIs say that production received, from its admin port or a file.

The counts know host, method, path and the names of query parameters, no value and no header. Where
there are more URIs than the sidecar keeps, a path is a shape, and one sample path stands for it. So
does a path of which a segment was redacted.
"""

import asyncio
from pathlib import Path

import aiohttp

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.requests.asked import Asked
from estimator.requests.observations import Observation, Observations
from estimator.requests.samples import path_of_shape
from estimator.requests.summary import said_of_time, text_of
from estimator.routing.request import Request
from estimator.series.http_session import AnswerTooLargeError, ApiSession, check_url
from estimator.series.limits import ANSWER_TIMEOUT_S
from mirror.formats import bounded_files
from mirror.formats.access_log.remote import is_url
from mirror.formats.access_log.tally import LOW_CONFIDENCE_RATIO
from mirror.formats.bounded_files import BoundedFileError
from mirror.formats.capture.redacted import has_redacted_segment
from mirror.formats.json_documents import error_of
from mirror.formats.uri_counts import LIMIT, OTHER, UriCount, UriCounts, decode

OPTION = "--from-uris"
_PATH = "/uris"


def observe_uris(name: str, asked: Asked) -> Observations:
    """Return the requests of a document in a file, or of the sidecar at a URL.

    A URL without a path is that of an admin port. Raises InputError for what is no such document,
    Refused for a sidecar that gives none or has counted nothing.
    """
    if is_url(name):
        body = asyncio.run(_fetched(name))
        source = f"URIs of the sidecar at {name}"
    else:
        try:
            body = bounded_files.read_bytes(Path(name), LIMIT)
        except BoundedFileError as error:
            raise InputError([Problem(name, error.reason)]) from error
        source = f"URI counts {name}"
    try:
        document = decode(body)
    except ValueError as error:
        raise InputError([Problem(name, str(error))]) from error
    return observations_of(document, source, asked)


async def _fetched(url: str) -> bytes:
    """Return the answer of an admin port. Raises InputError and Refused."""
    check_url(url, OPTION, None, "the admin port asks for none")
    base = url.rstrip("/").removesuffix(_PATH)
    try:
        async with ApiSession(base, {}) as session:
            answer = await session.request("GET", _PATH)
    except AnswerTooLargeError as error:
        raise InputError([Problem(url, f"{error}. Keep fewer URIs (uris.most)")]) from error
    except TimeoutError as error:
        raise _refused(url, f"gave no answer within {ANSWER_TIMEOUT_S:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _refused(url, f"cannot be reached: {error or type(error).__name__}") from error
    if answer.status != 200:
        raise _refused(url, f"answered {answer.status} at {_PATH}{error_of(answer.body)}")
    return answer.body


def _refused(url: str, problem: str) -> Refused:
    advice = "Expected the admin port of a sidecar that counts URIs (`uris` in mirror.yaml)"
    return Refused([Refusal(url, problem, advice)])


def observations_of(document: UriCounts, source: str, asked: Asked) -> Observations:
    """Return an observation for each entry of a document. Raises Refused."""
    if not document.uris:
        problem = f"holds no URI; {document.seen:,} requests were seen"
        raise Refused([Refusal(source, problem, "Let it count production requests first")])
    items = tuple(_observation(entry, asked) for entry in document.uris)
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


def _observation(entry: UriCount, asked: Asked) -> Observation:
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
