"""From sums to observations: what every source has in common at its end.

Sums have a character for each byte. Observations have text: the bytes read as UTF-8, with a
surrogate for every byte that is none, as `estimator.routing` takes them.
"""

from collections.abc import Iterable, Mapping

from estimator import units
from estimator.requests.observations import Observation, Observations
from estimator.requests.sums import MOST_SHAPES, MOST_TARGETS, Extra, Key, Sum, Sums
from estimator.routing.request import Request
from mirror.formats.access_log.tally import LOW_CONFIDENCE_RATIO
from mirror.formats.foreign_text import text_of

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S - 3_600
"""An hour is missing at the end of what a rotation has kept."""
BEYOND = f"beyond {MOST_TARGETS:,} different requests and {MOST_SHAPES:,} shapes of further ones"
"""Why a request is in no observation, as a reason of `left_out`: "requests beyond ..."."""


def summarised(
    sums: Sums,
    source: str,
    left_out: Mapping[str, int],
    notes: Iterable[str] = (),
    doubts: Iterable[str] = (),
) -> Observations:
    """Return all sums of a source, with what is to be said about requests that were added up."""
    notes, doubts = [*notes], [*doubts]
    added_up = sum(found.count for found in sums.of_shapes.values())
    if added_up:
        notes.append(
            f"{added_up:,} requests to about {sums.targets_of_shapes:,} different targets are added"
            f" up by the shape of their path ({len(sums.of_shapes):,} shapes), and one of the"
            f" targets stands for each shape: {MOST_TARGETS:,} different requests are kept by"
            " themselves"
        )
    beyond = sums.beyond.count
    if beyond:
        share = beyond / sums.count
        sentence = (
            f"{beyond:,} of {sums.count:,} requests ({share:.1%}) are {BEYOND}, so nobody knows"
            " what would become of them. Read less at once, such as the logs of one day"
        )
        (doubts if share > LOW_CONFIDENCE_RATIO else notes).append(sentence)
    items = sorted(
        (_observation(key, found) for key, found in sums.all()),
        key=lambda item: (-item.count, item.request.target, item.request.method),
    )
    times = [sums.beyond, *sums.of_targets.values(), *sums.of_shapes.values()]
    first_s, last_s = min(t.first_s for t in times), max(t.last_s for t in times)
    seconds = (first_s, last_s) if first_s <= last_s else None
    return Observations(
        items=tuple(items),
        source=source,
        count=sum(item.count for item in items),
        seconds=seconds,
        left_out={**left_out, **({f"requests {BEYOND}": beyond} if beyond else {})},
        notes=(*notes, *said_of_time(seconds)),
        doubts=tuple(doubts),
    )


def said_of_time(seconds: tuple[float, float] | None) -> tuple[str, ...]:
    """Return a note where less than a week was observed.

    A path that new routes lack is seldom one that everybody asks for.
    """
    if seconds is None or seconds[1] - seconds[0] >= _WEEK_S:
        return ()
    observed_s = max(1, int(seconds[1] - seconds[0]))
    seldom = "once a day" if observed_s < _DAY_S else "once a week"
    return (
        f"the requests are those of {units.format_duration(observed_s)}: a path that is asked for"
        f" {seldom} may not be among them",
    )


def _observation(key: Key, found: Sum) -> Observation:
    authority, method, target, extra = key
    is_timed = found.first_s <= found.last_s
    known = extra or Extra()
    request = Request(
        text_of(authority),
        text_of(method),
        text_of(target),
        None if extra is None else {name: text_of(value) for name, value in known.headers},
        unknown_headers=known.unknown_headers,
        unknown_parameters=known.unknown_parameters,
    )
    return Observation(
        request,
        found.count,
        found.first_s if is_timed else None,
        found.last_s if is_timed else None,
        found.statuses,
        found.is_sample,
    )
