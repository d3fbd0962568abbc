"""What the requests of each path are like: methods, upgrades, state, and what the new routes do.

Methods, statuses and verdicts come from observations of any source. State needs the fields of a
request, which only a capture has. `Set-Cookie` is a field of a response, which no source records,
so a session is recognised by the cookie that its client sends back.

Redaction without a key removes cookies and credentials, so their absence in such a capture says
nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from estimator.migration.coverage.verdicts import Verdict, judge, served
from estimator.requests.observations import Observation
from estimator.routing.decision import Decision, Outcome
from estimator.routing.table import RouteTable as NewRoutes
from mirror.formats.capture.record import Record
from mirror.formats.routes import RouteTable

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""The safe methods (RFC 9110 section 9.2.1)."""
SWITCHING_PROTOCOLS = 101

_SESSION = re.compile(r"sess|(?:^|[._-])sid$", re.IGNORECASE)
"""Names such as JSESSIONID, PHPSESSID, ASP.NET_SessionId, connect.sid and laravel_session."""
_MOST_COOKIE_NAMES = 100
"""Most names of session cookies that are counted for a path."""


@dataclass(slots=True)
class State:
    """What the fields of a path's captured requests say; numbers of requests."""

    requests: int = 0
    session: int = 0
    """With a cookie that is named like a session's."""
    cookies: Counter[str] = field(default_factory=Counter)
    """Names of those cookies."""
    authorization: int = 0
    upgrades: int = 0
    """WebSocket handshakes. A capture has no `Upgrade`, but `Sec-WebSocket-Version`."""


@dataclass(slots=True)
class Seen:
    """The observed requests of a path; numbers of requests."""

    requests: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    """By method; an empty name where the source does not record it."""
    upgrades: int = 0
    """Answered 101 by production."""
    served: int = 0
    """Those that the new routes must serve too: production did not refuse them."""
    lost: int = 0
    """Of `served`: rejected by the new routes, or sent elsewhere."""
    undecided: int = 0
    """Of `served`: the verdict depends on something that the source does not record."""
    why: str = ""
    """The reason for the most frequent loss, or else for the most frequent undecided request."""
    services: set[tuple[str, int | None]] = field(default_factory=set)
    """Host and port of where the new routes forward what they take."""

    @property
    def known_methods(self) -> int:
        return self.requests - self.methods[""]

    @property
    def writes(self) -> int:
        """Requests with a method that is not safe."""
        return sum(n for method, n in self.methods.items() if method and method not in READS)


def seen_by_tag(
    observations: Iterable[Observation], templates: RouteTable, new_routes: NewRoutes | None
) -> dict[str, Seen]:
    """Return what was observed of every route tag; verdicts only with `new_routes`.

    The most frequent observation comes first, so the reason that is kept is that of the most
    frequent one.
    """
    by_tag: dict[str, Seen] = {}
    for observation in observations:
        request, count = observation.request, observation.count
        tag = templates.match(request.target.encode("latin-1", "replace"))
        seen = by_tag.setdefault(tag, Seen())
        seen.requests += count
        seen.methods[request.method.upper()] += count
        seen.upgrades += observation.statuses.get(SWITCHING_PROTOCOLS, 0)
        if new_routes is not None:
            _judge(observation, new_routes, seen)
    return by_tag


def _judge(observation: Observation, new_routes: NewRoutes, seen: Seen) -> None:
    decision = new_routes.decide(observation.request)
    by_production = served(observation.count, observation.statuses)
    split = judge(decision, by_production)
    seen.served += by_production.counted
    if decision.outcome is Outcome.FORWARDED:
        seen.services.update(_services(decision))
    if not split.lost:
        return
    request = observation.request
    example = f"{request.method} {request.target}".strip()
    why = f"{example}: {decision.why or f'the gateway itself {decision.outcome} it'}"
    if split.verdict is Verdict.UNDECIDED:
        seen.undecided += split.lost
        seen.why = seen.why or why
    else:
        seen.why = why if not seen.lost else seen.why
        seen.lost += split.lost


def _services(decision: Decision) -> Iterator[tuple[str, int | None]]:
    for each in decision.destinations:
        # An HTTPRoute names a Service, which Istio would not find by `name.namespace`.
        is_service = decision.rule is not None and decision.rule.place.kind == "HTTPRoute"
        yield f"{each.host}.svc.cluster.local" if is_service else each.host, each.port


def state_by_tag(records: Iterable[Record], templates: RouteTable) -> dict[str, State]:
    """Return what the fields of captured requests say about every route tag."""
    by_tag: dict[str, State] = {}
    for record in records:
        tag = templates.match(record.target.encode("latin-1", "replace"))
        state = by_tag.setdefault(tag, State())
        state.requests += 1
        fields: dict[str, str] = {}
        for name, value in record.headers:
            name = name.lower()
            # HTTP/2 clients may send several Cookie fields (RFC 9113 section 8.2.3).
            fields[name] = f"{fields[name]}; {value}" if name in fields else value
        sessions = _sessions(fields.get("cookie", ""))
        state.session += bool(sessions)
        for name in sessions:
            if name in state.cookies or len(state.cookies) < _MOST_COOKIE_NAMES:
                state.cookies[name] += 1
        state.authorization += "authorization" in fields
        state.upgrades += "sec-websocket-version" in fields
    return by_tag


def _sessions(cookie: str) -> set[str]:
    names = (pair.partition("=")[0].strip() for pair in cookie.split(";") if "=" in pair)
    return {name for name in names if _SESSION.search(name)}
