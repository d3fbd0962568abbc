"""The last hour in slots of ten seconds, for the live page: rates by route, counts, latencies.

This is all that the page costs while nobody looks at it: each settled second is taken in once. The
memory is that of arrays for a bounded number of keys, whatever is requested. This module does not
know what is good or bad, and knows no clock: the newest settled second is the present.

Invariants: a count is in the slot of its own second, however late it arrives within the hour. A
rate covers complete seconds only, because part of a second would look like less traffic.
"""

from array import array
from collections import deque
from collections.abc import Container, Iterable

from mirror.core.latency import Buckets, add_buckets
from mirror.core.ledger import REQUESTS, Latencies, Settled

SLOT_S = 10
SLOTS = 360
MINUTE_S = 60
LATENCIES_S = 300
"""Width of a slot of the hour's latencies: a histogram of all routes takes some 30 kB."""
MOST_COUNTERS = 2_000
"""Most counters of the hour, 1.5 kB each; the counts of further routes go to `other`."""
MOST_ROUTES = 200
"""Most routes with rates of their own, 3 kB each; further ones go to `other`."""
_OTHER = "other"

Counter = tuple[str, str, str]
"""metric, route, label; the route is empty where all routes are counted together."""


def _slots() -> "array[int]":
    """Return empty slots; one holds less than 2^32, in ten seconds."""
    return array("I", bytes(array("I").itemsize * SLOTS))


class _Counts:
    """What one counter counted in each slot, and in all of them."""

    __slots__ = ("slots", "total")

    def __init__(self) -> None:
        self.slots = _slots()
        self.total = 0

    def add(self, place: int, number: int) -> None:
        self.slots[place] += number
        self.total += number

    def clear(self, place: int) -> None:
        self.total -= self.slots[place]
        self.slots[place] = 0

    def newest(self, place: int, slots: int) -> int:
        """Return the sum of the newest slots, of which the last is at `place`."""
        if slots == SLOTS:
            return self.total
        first = place + 1 - slots
        if first >= 0:
            return sum(self.slots[first : place + 1])
        return sum(self.slots[: place + 1]) + sum(self.slots[first:])


class Rates:
    """The requests of the complete seconds of each slot."""

    __slots__ = ("most", "sums")

    def __init__(self) -> None:
        self.sums = _slots()
        self.most = _slots()
        """The highest second of each slot."""

    def add(self, place: int, number: int, rate: int) -> None:
        """Add requests to a second that then has `rate` of them."""
        self.sums[place] += number
        self.most[place] = max(self.most[place], rate)

    def clear(self, place: int) -> None:
        self.sums[place] = self.most[place] = 0


class _Histograms:
    """The histograms of all routes by metric, in slots of their own width, and their sums."""

    __slots__ = ("_kept", "_slots", "_totals", "_width_s")

    def __init__(self, width_s: int, slots: int) -> None:
        self._width_s = width_s
        self._slots = slots
        self._kept: deque[tuple[int, dict[str, Buckets]]] = deque()
        self._totals: dict[str, Buckets] = {}

    def advance(self, newest_s: int) -> None:
        """Forget the slots that are too old at this second."""
        oldest = newest_s // self._width_s - self._slots + 1
        while self._kept and self._kept[0][0] < oldest:
            for metric, buckets in self._kept.popleft()[1].items():
                total = self._totals[metric]
                for bucket, number in buckets.items():
                    total[bucket] -= number
                    if not total[bucket]:
                        del total[bucket]

    def add(self, second: int, latencies: Latencies, metrics: Container[str] | None = None) -> None:
        """Add the histograms of these metrics, or of all, to the slot of the second."""
        slot = second // self._width_s
        if not self._kept or slot > self._kept[-1][0]:
            self._kept.append((slot, {}))
        for kept, by_metric in self._kept:
            if kept == slot:
                for (metric, _), buckets in latencies.items():
                    if metrics is None or metric in metrics:
                        add_buckets(by_metric.setdefault(metric, {}), buckets)
                        add_buckets(self._totals.setdefault(metric, {}), buckets)

    def total(self, metric: str) -> Buckets:
        """Return the sum of all slots, which only this object may change."""
        return self._totals.get(metric, {})

    def clear(self) -> None:
        self._kept.clear()
        self._totals.clear()


class Hour:
    """Give it each settled second with `add`; it may be read at any time."""

    def __init__(
        self, by_route: Iterable[str], by_label: Iterable[str], latencies: Iterable[str]
    ) -> None:
        """Count these metrics by route and label, those by label only, and keep the latencies of
        the last ones for the whole hour."""
        self._by_route = frozenset(by_route)
        self._by_label = frozenset(by_label)
        self._latencies_of_hour = frozenset(latencies)
        self.newest_s = 0
        """The newest settled second (Unix time); 0 before the first."""
        self._seconds = _slots()
        """Complete seconds of each slot."""
        self._incomplete: set[int] = set()
        """Seconds that were incomplete when they were settled."""
        self._counts: dict[Counter, _Counts] = {}
        self.total = Rates()
        self.shadow = Rates()
        self._rates: dict[str, Rates] = {}
        self._of_minute = _Histograms(SLOT_S, MINUTE_S // SLOT_S)
        self._of_hour = _Histograms(LATENCIES_S, SLOTS * SLOT_S // LATENCIES_S)

    # --- taking in ---

    def add(self, settled: Settled) -> None:
        """Take in a settled second, or the late counts of one."""
        if not settled.is_late:
            self._advance(settled.second)
        if not self._is_kept(settled.second):
            return
        place = settled.second // SLOT_S % SLOTS
        for (metric, route, label), number in settled.counts.items():
            if metric in self._by_label:
                self._counter((metric, "", label)).add(place, number)
            elif metric in self._by_route:
                self._counter((metric, route, label)).add(place, number)
        self._add_rates(settled, place)
        self._of_minute.add(settled.second, settled.latencies)
        self._of_hour.add(settled.second, settled.latencies, self._latencies_of_hour)

    def count(self, metric: str, label: str, number: int) -> None:
        """Add what was counted elsewhere to the newest second."""
        self._counter((metric, "", label)).add(self._newest_place, number)

    @property
    def _newest_place(self) -> int:
        return self.newest_s // SLOT_S % SLOTS

    def _is_kept(self, second: int) -> bool:
        age = self.newest_s // SLOT_S - second // SLOT_S
        return 0 <= age < SLOTS

    def _advance(self, second: int) -> None:
        """Make `second` the newest, and clear the slots that are not of the hour before it.

        Where the wall clock was set back, those are the slots after it.
        """
        before, now = self.newest_s // SLOT_S, second // SLOT_S
        self.newest_s = second
        if now == before:
            return
        first, last = sorted((before, now))
        for slot in range(max(first + 1, last + 1 - SLOTS), last + 1):
            self._clear(slot % SLOTS)
        if now <= before - SLOTS:
            self._clear(now % SLOTS)
        for histograms in (self._of_minute, self._of_hour):
            if now < before:
                histograms.clear()
            histograms.advance(second)
        self._counts = {key: counts for key, counts in self._counts.items() if counts.total}
        self._rates = {route: rates for route, rates in self._rates.items() if any(rates.sums)}
        self._incomplete = {each for each in self._incomplete if self._is_kept(each)}

    def _clear(self, place: int) -> None:
        self._seconds[place] = 0
        for counts in self._counts.values():
            counts.clear(place)
        for rates in (self.total, self.shadow, *self._rates.values()):
            rates.clear(place)

    def _counter(self, key: Counter) -> _Counts:
        counts = self._counts.get(key)
        if counts is None:
            if len(self._counts) >= MOST_COUNTERS:
                key = (key[0], _OTHER, key[2])
            counts = self._counts.setdefault(key, _Counts())
        return counts

    def _add_rates(self, settled: Settled, place: int) -> None:
        if not settled.is_complete:
            if not settled.is_late:
                self._incomplete.add(settled.second)
            return
        if settled.is_late and settled.second not in self._incomplete:
            added = {
                route: number
                for (metric, route, _), number in settled.counts.items()
                if metric == REQUESTS
            }
        else:
            self._incomplete.discard(settled.second)
            self._seconds[place] += 1
            added = settled.rps
            shadow_rps = sum(settled.shadow_rps.values())
            self.shadow.add(place, shadow_rps, shadow_rps)
        for route, number in added.items():
            self._rates_of(route).add(place, number, settled.rps.get(route, 0))
        self.total.add(place, sum(added.values()), sum(settled.rps.values()))

    def _rates_of(self, route: str) -> Rates:
        rates = self._rates.get(route)
        if rates is None:
            name = route if len(self._rates) < MOST_ROUTES else _OTHER
            rates = self._rates.setdefault(name, Rates())
        return rates

    # --- reading ---

    def mean(self, rates: Iterable[Rates]) -> float | None:
        """Return the mean rps over all complete seconds; None without one."""
        seconds = sum(self._seconds)
        requests = sum(sum(each.sums) for each in rates)
        return round(requests / seconds, 1) if seconds else None

    def series(self, rates: Rates) -> tuple[list[float | None], list[int | None]]:
        """Return the mean and the highest rps of each slot, oldest first; None without a complete
        second."""
        means: list[float | None] = []
        highest: list[int | None] = []
        newest = self.newest_s // SLOT_S
        for slot in range(newest - SLOTS + 1, newest + 1):
            place = slot % SLOTS
            seconds = self._seconds[place]
            means.append(round(rates.sums[place] / seconds, 1) if seconds else None)
            highest.append(rates.most[place] if seconds else None)
        return means, highest

    def routes(self) -> list[tuple[str, Rates]]:
        """Return all routes, those with the most requests first."""
        return sorted(self._rates.items(), key=lambda item: -sum(item[1].sums))

    def by_label(self, metric: str, slots: int = SLOTS) -> dict[str, int]:
        """Return the sums over the newest slots and all routes by label, without zeros."""
        sums: dict[str, int] = {}
        for labels in self.by_route(metric, slots).values():
            for label, number in labels.items():
                sums[label] = sums.get(label, 0) + number
        return sums

    def by_route(self, metric: str, slots: int = SLOTS) -> dict[str, dict[str, int]]:
        """Return the sums over the newest slots by route and label, without zeros."""
        place = self._newest_place
        sums: dict[str, dict[str, int]] = {}
        for (name, route, label), counts in self._counts.items():
            if name == metric and (number := counts.newest(place, slots)):
                sums.setdefault(route, {})[label] = number
        return sums

    def slots_with(self, metric: str) -> int:
        """Return in how many slots something was counted."""
        kept = [counts.slots for (name, _, _), counts in self._counts.items() if name == metric]
        return sum(any(slots[place] for slots in kept) for place in range(SLOTS))

    @property
    def requests(self) -> int:
        """Production requests of all complete seconds."""
        return sum(self.total.sums)

    def latency(self, metric: str) -> Buckets:
        """Return the histogram of about the last minute, over all routes."""
        return self._of_minute.total(metric)

    def latency_of_hour(self, metric: str) -> Buckets:
        """Return the histogram of about the last hour, over all routes."""
        return self._of_hour.total(metric)
