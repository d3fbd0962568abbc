"""Uneven traffic, open loop: the day of a small video site in less than a minute.

This module owns the shape of the traffic (requests per second over time and over routes, with
one-second spikes) and sends it on schedule, whatever the answers do. The loop is open: an arrival
is due at its instant and does not wait for the previous one. The only limit is a ceiling of
requests in flight, so that a stalled site cannot grow this process; an arrival beyond it is not
sent, but counted.

The shape is pure and seeded: the same seconds give the same requests.
"""

import asyncio
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import aiohttp

SEED = 20
IN_FLIGHT_CEILING = 512
REQUEST_TIMEOUT_S = 10.0

BASE_RPS = 120
SWING_RPS = 160
SPIKE_FACTOR = 3.0
SPIKES_AT = (0.35, 0.8)
"""The positions of the one-second spikes, as fractions of the run."""

HEAD_RATIO = 0.04
COMMENT = b'{"text": "a comment of a few bytes"}'


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request and when it is due."""

    due_s: float
    """Due time in seconds after the start."""
    method: str
    target: str


@dataclass(slots=True)
class Tally:
    """What was sent and what came back; others read it while it grows."""

    sent: int = 0
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Requests without an answer, or with a 5xx, by the kind of failure."""
    not_sent: int = 0
    """Arrivals beyond the ceiling of requests in flight."""
    by_method: Counter[str] = field(default_factory=Counter)
    by_second: Counter[int] = field(default_factory=Counter)
    """Requests sent in each second of Unix time."""

    @property
    def in_flight(self) -> int:
        return self.sent - self.answered - self.failed.total()

    @property
    def peak_rps(self) -> int:
        return max(self.by_second.values(), default=0)


def shape(seconds: int) -> list[int]:
    """Return the requests of each second: a rise to an evening peak, a ripple, and two spikes."""
    spikes = {int(seconds * at) for at in SPIKES_AT}
    counts = []
    for second in range(seconds):
        day = math.sin(math.pi * (second + 0.5) / seconds)
        ripple = 0.9 + 0.1 * math.sin(second * 2.1)
        rps = (BASE_RPS + SWING_RPS * day) * ripple
        counts.append(round(rps * (SPIKE_FACTOR if second in spikes else 1)))
    return counts


def arrivals(seconds: int, seed: int = SEED) -> Iterator[Arrival]:
    """Return every request of the run, in the order in which they are due."""
    rng = random.Random(seed)
    for second, count in enumerate(shape(seconds)):
        # The share of the API grows through the run: routes peak at different times.
        api_weight = 25 + 20 * second / seconds
        offsets = sorted(rng.random() for _ in range(count))
        for offset in offsets:
            method, target = _request(rng, api_weight)
            yield Arrival(second + offset, method, target)


def _request(rng: random.Random, api_weight: float) -> tuple[str, str]:
    kinds = ("watch", "api", "static", "comment", "page")
    (kind,) = rng.choices(kinds, weights=(50, api_weight, 15, 6, 3))
    if kind == "comment":
        return "POST", "/api/comments"
    targets = {
        "watch": f"/watch/{rng.randrange(1_000_000)}",
        "api": f"/api/{rng.choice(('feed', 'search?q=cats', 'related', 'me'))}",
        "static": f"/static/{rng.choice(('app.js', 'app.css', 'logo.svg'))}",
        "page": "/",
    }
    return ("HEAD" if rng.random() < HEAD_RATIO else "GET"), targets[kind]


async def drive(base_url: str, plan: Iterator[Arrival], tally: Tally) -> None:
    """Send the plan to `base_url` and fill the tally; return after the last answer."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT_CEILING)
    # Start on a full second of the clock, so that a spike of one second is not split in two.
    start = time.monotonic() + 1 - time.time() % 1
    async with (
        aiohttp.ClientSession(base_url, timeout=timeout, connector=connector) as session,
        asyncio.TaskGroup() as requests,
    ):
        for arrival in plan:
            delay = start + arrival.due_s - time.monotonic()
            # Late arrivals are sent at once, but the loop still gets time to read answers.
            await asyncio.sleep(max(delay, 0))
            if tally.in_flight >= IN_FLIGHT_CEILING:
                tally.not_sent += 1
                continue
            tally.sent += 1
            tally.by_method[arrival.method] += 1
            tally.by_second[int(time.time())] += 1
            requests.create_task(_send(session, arrival, tally))


async def _send(session: aiohttp.ClientSession, arrival: Arrival, tally: Tally) -> None:
    body = COMMENT if arrival.method == "POST" else None
    try:
        async with session.request(arrival.method, arrival.target, data=body) as response:
            await response.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        tally.failed[type(error).__name__] += 1
        return
    if response.status >= 500:
        tally.failed[f"status {response.status}"] += 1
    else:
        tally.answered += 1
