"""Judges every observed request by the new routes, and puts together what a reader must know.

Each request goes to the tables whose gateway has a host for it. Where several of them would treat
it differently, it is undecided, because nothing tells which of their ports it reaches. Nothing here
knows which kind of object a rule comes from, except the suggestions.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from estimator.migration.coverage.nearest import nearest_rule
from estimator.migration.coverage.path_groups import shapes_of
from estimator.migration.coverage.result import Coverage, Group, Undecided, Unjudged
from estimator.migration.coverage.suggestion import Lost, ServedPath, suggest, suggest_host
from estimator.migration.coverage.verdicts import (
    Verdict,
    is_elsewhere,
    is_rewritten,
    judge,
    missing_change,
)
from estimator.migration.coverage.verdicts import served as served_by_production
from estimator.requests.observations import Observation, Observations
from estimator.routing.conditions import NO, Subject
from estimator.routing.decision import Decision, Outcome
from estimator.routing.files import Routes
from estimator.routing.request import Request, without_port
from estimator.routing.rules import Forward, Place, Rule
from estimator.routing.table import RouteTable, VirtualHost

Progress = Callable[[int, int], None]
"""Called with how many different requests are judged, and how many there are."""

_BETWEEN_PROGRESS = 1_000
MOST_EXPLAINED = 200
"""Most groups, the largest first, for which the nearest rule and an entry to add are looked for."""


@dataclass(frozen=True, slots=True)
class Before:
    """The routes that serve production today."""

    decide: Callable[[Request], Decision]
    explain: Callable[[Request, Decision, Decision], str]
    """Says why two decisions about a request, before and after, differ."""
    warnings: tuple[str, ...] = ()
    """About the objects."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Objects that do not route, by kind."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """An observation with its verdict."""

    observation: Observation
    table: RouteTable
    decision: Decision
    before: Decision | None
    count: int
    """The requests that this is about."""

    @property
    def host(self) -> str:
        return without_port(self.observation.request.authority).lower()

    @property
    def path(self) -> str:
        return path_of(self.observation.request, self.table)

    @property
    def treatment(self) -> tuple[object, ...]:
        """What requests of one group have in common besides their host and shape."""
        rule, before = self.decision.rule, self.before
        earlier = None if before is None or before.rule is None else before.rule.place
        place = None if rule is None else rule.place
        return (self.decision.outcome, self.decision.status, place, earlier)


@dataclass(slots=True)
class _Tally:
    """What is added up over all observations."""

    served: int = 0
    unrecorded: int = 0
    refused: int = 0
    lost: dict[Verdict, list[_Judged]] = field(default_factory=dict)
    refused_anyway: list[_Judged] = field(default_factory=list)
    undecided: dict[tuple[str, ...], list[_Judged]] = field(default_factory=dict)
    used: set[Place] = field(default_factory=set)
    unjudged: Counter[str] = field(default_factory=Counter)
    unknown_today: int = 0
    """Requests that the new routes forward, and whose service of today is not known."""
    routed: dict[str, dict[tuple[str, str, int], ServedPath]] = field(default_factory=dict)
    """What rules serve, by the first domain of their host."""
    sorted_routed: dict[str, list[ServedPath]] = field(default_factory=dict)

    def served_by(self, host: VirtualHost) -> Sequence[ServedPath]:
        """Return what the rules of a host serve, sorted by path, once everything is added up."""
        domain = host.domains[0]
        if domain not in self.sorted_routed:
            served = self.routed.get(domain, {}).values()
            self.sorted_routed[domain] = sorted(served, key=lambda each: each.path)
        return self.sorted_routed[domain]


def path_of(request: Request, table: RouteTable) -> str:
    """Return the path of a request as a table's rules see it."""
    return _subject(request, table).path


def _subject(request: Request, table: RouteTable) -> Subject:
    return table.subject(request) or Subject(request)


def decide(tables: Sequence[RouteTable], request: Request) -> tuple[Decision, RouteTable]:
    """Return what becomes of a request, and a table that says so.

    Undecided where several gateways or ports have its host and do not agree.
    """
    fitting = [
        table
        for table in tables
        if any(host is not None for host in table.hosts_of(request.authority))
        and (request.scheme is None or table.scheme in (None, request.scheme))
    ]
    if not fitting:
        return tables[0].decide(request), tables[0]
    decisions = [table.decide(request) for table in fitting]
    candidates = [each for decision in decisions for each in decision.candidates or (decision,)]
    effects = {
        (each.outcome, each.destinations, each.status, each.target, each.location)
        for each in candidates
    }
    if len(fitting) == 1 or len(effects) == 1:
        return decisions[0], fitting[0]
    unknown = _unknown_of(fitting)
    depends_on = dict.fromkeys((unknown, *(what for each in decisions for what in each.depends_on)))
    undecided = Decision(
        Outcome.UNDECIDED,
        why=f"it depends on the {unknown}",
        depends_on=tuple(depends_on),
        candidates=tuple(candidates),
        not_understood=tuple(
            dict.fromkeys(feature for each in decisions for feature in each.not_understood)
        ),
    )
    return undecided, fitting[0]


def _unknown_of(tables: Sequence[RouteTable]) -> str:
    """Return what tells these tables apart: `port 80 or 443`, `gateway shop/a or shop/b`."""
    gateways = dict.fromkeys(f"{table.namespace}/{table.gateway}" for table in tables)
    if len(gateways) > 1:
        return f"gateway {' or '.join(gateways)}"
    return f"port {' or '.join(dict.fromkeys(str(table.port) for table in tables))}"


def analyse(
    routes: Routes,
    observations: Observations,
    before: Before | None = None,
    progress: Progress = lambda done, total: None,
) -> Coverage:
    """Return the whole answer for observed requests. `routes` must have a table."""
    tally = _Tally()
    for number, observation in enumerate(observations.items):
        if number % _BETWEEN_PROGRESS == 0:
            progress(number, len(observations.items))
        _add(tally, routes.tables, observation, before)
    lost = [group for verdict, judged in tally.lost.items() for group in _groups(judged, verdict)]
    lost.sort(key=lambda pair: -pair[0].count)
    places = dict.fromkeys(rule.place for table in routes.tables for rule in table.rules())
    anyway = [group for group, _ in _groups(tally.refused_anyway, Verdict.REJECTED)]
    return Coverage(
        source=observations.source,
        seconds=observations.seconds,
        served=tally.served,
        unrecorded=tally.unrecorded,
        refused=tally.refused,
        lost=tuple(
            _explained(group, members, tally, before) if index < MOST_EXPLAINED else group
            for index, (group, members) in enumerate(lost)
        ),
        undecided=_undecided(tally),
        refused_anyway=tuple(sorted(anyway, key=lambda group: -group.count)),
        unused=tuple(place for place in places if place not in tally.used),
        rules=len(places),
        unjudged=tuple(Unjudged(feature, n) for feature, n in tally.unjudged.most_common()),
        warnings=(*routes.warnings, *(() if before is None else before.warnings)),
        left_out=observations.left_out,
        objects_left_out=Counter(routes.left_out) + Counter(before.left_out if before else {}),
        notes=observations.notes,
        doubts=(*observations.doubts, *_doubts(tally)),
    )


def _add(
    tally: _Tally,
    tables: Sequence[RouteTable],
    observation: Observation,
    before: Before | None,
) -> None:
    request = observation.request
    decision, table = decide(tables, request)
    earlier = None if before is None else before.decide(request)
    production = served_by_production(observation.count, observation.statuses)
    split = judge(decision, production, earlier)
    tally.served += production.counted
    tally.unrecorded += production.unrecorded
    tally.refused += production.refused
    features = dict.fromkeys(decision.not_understood)
    if earlier is not None and decision.outcome is Outcome.FORWARDED:
        features |= dict.fromkeys(earlier.not_understood)
        if earlier.outcome in (Outcome.REJECTED, Outcome.UNDECIDED):
            tally.unknown_today += production.counted
    for feature in features:
        tally.unjudged[feature] += observation.count
    for candidate in (decision, *decision.candidates):
        if candidate.rule is not None:
            tally.used.add(candidate.rule.place)
    judged = _Judged(observation, table, decision, earlier, split.lost)
    if split.lost and split.verdict is Verdict.UNDECIDED:
        tally.undecided.setdefault(decision.depends_on, []).append(judged)
    elif split.lost:
        tally.lost.setdefault(split.verdict, []).append(_certain(judged, tables))
    elif decision.outcome is Outcome.FORWARDED and decision.rule is not None:
        _add_routed(tally, judged, decision.rule)
    if production.refused and decision.outcome is Outcome.REJECTED:
        tally.refused_anyway.append(replace(judged, count=production.refused))


def _certain(judged: _Judged, tables: Sequence[RouteTable]) -> _Judged:
    """Return lost requests with one decision, and its table, where several would lose them.

    That is a rejection, where there is one, or else the decision of a rule: both can be mended in
    the routes.
    """
    if judged.decision.outcome is not Outcome.UNDECIDED:
        return judged
    chosen = max(
        judged.decision.candidates,
        key=lambda each: (each.outcome is Outcome.REJECTED, each.rule is not None),
    )
    for table in tables:
        decision = table.decide(judged.observation.request)
        if chosen in (decision, *decision.candidates):
            judged = replace(judged, table=table)
            break
    return replace(judged, decision=replace(chosen, depends_on=judged.decision.depends_on))


def _add_routed(tally: _Tally, judged: _Judged, rule: Rule) -> None:
    request = judged.observation.request
    (host, *_) = judged.table.hosts_of(request.authority)
    if host is not None:
        served = ServedPath(judged.path, request.method, rule)
        key = (served.path, served.method, id(rule))
        tally.routed.setdefault(host.domains[0], {})[key] = served


# --- groups ---


def _groups(judged: Iterable[_Judged], verdict: Verdict) -> list[tuple[Group, list[_Judged]]]:
    """Return groups with their members, the most frequent member first."""
    alike: dict[tuple[object, ...], list[_Judged]] = {}
    for each in judged:
        alike.setdefault((each.host, each.treatment), []).append(each)
    groups = []
    for members in alike.values():
        shapes = shapes_of(each.path for each in members)
        by_shape: dict[str, list[_Judged]] = {}
        for each in members:
            by_shape.setdefault(shapes[each.path], []).append(each)
        groups += [(_group(shape, own, verdict), own) for shape, own in by_shape.items()]
    return groups


def _group(shape: str, members: Sequence[_Judged], verdict: Verdict) -> Group:
    first = max(members, key=lambda each: each.count)
    statuses: Counter[int] = Counter()
    for each in members:
        statuses.update(each.observation.statuses)
    seen = [each.observation.last_s for each in members if each.observation.last_s is not None]
    return Group(
        host=first.host,
        shape=shape,
        verdict=verdict,
        count=sum(each.count for each in members),
        last_s=max(seen, default=None),
        methods=tuple(sorted({each.observation.request.method for each in members} - {""})),
        statuses=dict(statuses.most_common()),
        example=first.observation.request.target,
        decision=first.decision,
        before=first.before,
    )


def _explained(
    group: Group, members: Sequence[_Judged], tally: _Tally, before: Before | None
) -> Group:
    """Return a group with what a reader needs in order to mend the routes."""
    first = max(members, key=lambda each: each.count)
    request, table = first.observation.request, first.table
    difference = ""
    if before is not None and group.before is not None:
        difference = before.explain(request, group.before, group.decision)
    is_rejected = group.decision.outcome is Outcome.REJECTED
    nearest = nearest_rule(request, table) if is_rejected else None
    shadowed = _shadowed(first)
    group = replace(group, nearest=nearest, shadowed=shadowed, difference=difference)
    if group.decision.status == 400:
        return replace(group, no_suggestion=group.decision.why)
    if group.before is not None and (missing := missing_change(group.before, group.decision)):
        return replace(group, no_suggestion=missing)
    host = table.hosts_of(request.authority)[0]
    if host is None:
        subjects = [_subject(each.observation.request, table) for each in members]
        answer = suggest_host(group.host, nearest, table.hosts, subjects)
    elif group.decision.rule is None and group.verdict is Verdict.ELSEWHERE:
        answer = group.decision.why
    else:
        answer = suggest(_lost(group, members), host, tally.served_by(host))
    if isinstance(answer, str):
        return replace(group, no_suggestion=answer)
    if group.before is not None and is_rewritten(group.before, request.target):
        note = f"Today the service gets {group.before.target}: add the rewrite."
        answer = replace(answer, notes=(*answer.notes, note))
    if group.decision.depends_on:
        unknown = " and ".join(group.decision.depends_on)
        note = f"Nobody recorded {unknown}, which may still send them elsewhere."
        answer = replace(answer, notes=(*answer.notes, note))
    return replace(group, suggestion=answer)


def _shadowed(judged: _Judged) -> Rule | None:
    """Return the rule behind the one that took a request that would serve it."""
    taken_by = judged.decision.rule
    if taken_by is None:
        return None
    behind = False
    for rule, truth in judged.table.matches(judged.observation.request):
        if behind and truth is not NO and isinstance(rule.action, Forward):
            would = Decision(Outcome.FORWARDED, destinations=rule.action.destinations)
            if judged.before is None or not is_elsewhere(judged.before, would):
                return rule
        behind = behind or rule is taken_by
    return None


def _lost(group: Group, members: Sequence[_Judged]) -> Lost:
    methods = {each.observation.request.method for each in members}
    before = group.before
    is_known = before is not None and before.outcome is Outcome.FORWARDED
    return Lost(
        paths=frozenset(each.path for each in members),
        is_complete=not any(each.observation.is_sample for each in members),
        shape=group.shape,
        methods=frozenset() if "" in methods else frozenset(methods),
        taken_by=group.decision.rule,
        shadowed=group.shadowed,
        nearest=group.nearest,
        before=before.destinations if before is not None and is_known else (),
    )


# --- what is not sure ---


def _undecided(tally: _Tally) -> tuple[Undecided, ...]:
    answers = []
    for depends_on, members in tally.undecided.items():
        first = max(members, key=lambda each: each.count)
        request = first.observation.request
        answers.append(
            Undecided(
                depends_on,
                sum(each.count for each in members),
                f"{request.authority}{request.target}",
                first.decision.candidates,
            )
        )
    return tuple(sorted(answers, key=lambda each: -each.count))


def _doubts(tally: _Tally) -> Iterable[str]:
    for feature, count in tally.unjudged.most_common():
        requests = "1 request passes" if count == 1 else f"{count:,} requests pass"
        yield f"{feature}: {requests} it, and it is not judged"
    if tally.unknown_today:
        yield (
            f"the Ingresses name no certain service for {tally.unknown_today:,} requests that"
            " production served: nobody compared it with the new one"
        )
