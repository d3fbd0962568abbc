"""How copies ended, where the source of the series says so: each series.db does."""

from collections.abc import Mapping

from estimator.commands.sources import Source
from estimator.series.ended_legs import EndedLegs, read_ended_legs
from estimator.series.files import is_database


def legs_of(source: Source) -> Mapping[str, EndedLegs] | None:
    """Return how legs ended by route tag; None without a series.db. Raises InputError."""
    databases = [path for path in source.from_series if is_database(path)]
    return read_ended_legs(databases) if databases else None
