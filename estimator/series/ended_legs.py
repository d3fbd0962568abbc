"""How the copies of production's requests ended, and the requests themselves where that is known.

A sidecar counts the outcome of every leg in series.db: those of the shadow always, those of the
primary in mode inline; and the result of each pair where it compared both answers, with the classes
of their statuses.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from estimator.errors import InputError, Problem
from mirror.formats.series_db import ENDED_LEGS, MAX_SECOND, connect_to_read, reason_of


@dataclass(slots=True)
class EndedLegs:
    """Numbers of legs by outcome (docs/metrics.md): a status class such as 5xx, or a failure."""

    shadow: Counter[str] = field(default_factory=Counter)
    primary: Counter[str] = field(default_factory=Counter)
    """Empty in mode sink, where the sidecar does not see production's answers."""
    compared: Counter[str] = field(default_factory=Counter)
    """Pairs by their result, such as `same` or `route_miss`; empty where nothing was compared."""
    classes: Counter[str] = field(default_factory=Counter)
    """The same pairs by the classes of both statuses, production's first, such as `2xx>4xx`."""


def read_ended_legs(paths: Iterable[Path]) -> dict[str, EndedLegs]:
    """Return how the legs ended by route tag, added up over the series.db of several hosts.

    Raises InputError.
    """
    by_tag: dict[str, EndedLegs] = {}
    for path in paths:
        try:
            with closing(connect_to_read(path)) as database:
                bounds = {"first": 0, "last": MAX_SECOND}
                for tag, metric, outcome, number in database.execute(ENDED_LEGS, bounds):
                    _check(path, tag, outcome, number)
                    legs = by_tag.setdefault(tag, EndedLegs())
                    by_metric = {
                        "shadow.requests": legs.shadow,
                        "primary.requests": legs.primary,
                        "compared": legs.compared,
                        "compared.classes": legs.classes,
                    }
                    by_metric[metric][outcome] += number
        except sqlite3.Error as error:
            rule = f"cannot be read as a series.db: {reason_of(error)}"
            raise InputError([Problem(str(path), rule)]) from error
    return by_tag


def _check(path: Path, tag: object, outcome: object, number: object) -> None:
    """Raise InputError for what no sidecar writes."""
    if not (isinstance(tag, str) and isinstance(outcome, str)):
        rule = f"expected a route and an outcome as texts, got {tag!r} and {outcome!r}"
    elif not (isinstance(number, int) and number >= 0):
        rule = f"expected a number of legs of {tag}, {outcome}, got {number!r}"
    else:
        return
    raise InputError([Problem(str(path), rule, key="counts")])
